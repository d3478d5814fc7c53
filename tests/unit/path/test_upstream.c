/*
 * test_upstream.c - idle sockets to a replica: who is told when the replica closes one.
 *
 * Owns     a worker's loop and lists, without its thread; the replica is the test's own listening socket.
 * Used by  ctest: unit.path.upstream.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "path/upstream.h"
#include "path/worker.h"
#include "world/replica.h"

#define MOST        8
#define HOUR_MS     3600000u
#define DEADLINE_MS 30000u

static struct worker worker;
static struct mailbox control;
static struct config config;
static struct replica *replica;
static struct seat *seat;
static int listener;

/* The replica's end of each connection; -1: closed. In the order in which they were opened. */
static int theirs[MOST];
static size_t n_theirs;

static struct replica *make_replica(const struct sockaddr_in *address)
{
    struct replica_identity who = { .name = "Server 1", .ring_name = "Server 1", .id = 1, .weight = 1 };
    memcpy(&who.address, address, sizeof *address);
    who.address_len = sizeof *address;
    struct replica *made = replica_new(&who, 1);
    replica_set_ready(made, true);
    return made;
}

static void open_worker(void)
{
    memset(&worker, 0, sizeof worker);
    memset(&config, 0, sizeof config);
    config.upstream.idle = MOST;
    config.upstream.idle_ms = HOUR_MS;
    worker.config = &config;
    worker.control = &control;
    worker.ticking = true; /* nothing here is to expire by itself */
    deadline_open(&worker.deadlines);
    slab_init(&worker.upstream_slab, sizeof(struct upstream), 8);
    struct event_config *how = event_config_new();
    event_config_require_features(how, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    worker.base = event_base_new_with_config(how);
    event_config_free(how);
    worker_wake(&worker);
}

static int set_up(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, MOST), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    n_theirs = 0;
    assert_int_equal(mailbox_open(&control), 0);
    open_worker();
    replica = make_replica(&address);
    seat = upstream_seat(&worker, replica);
    return 0;
}

/* How many letters of that kind came; there are no others. */
static unsigned letters(int kind)
{
    unsigned n = 0;
    for (struct letter *l = mailbox_take(&control), *next; l; l = next) {
        next = l->next;
        assert_int_equal(l->kind, kind);
        assert_ptr_equal(((struct letter_replica *)l)->replica, replica);
        free(l);
        n++;
    }
    return n;
}

static int tear_down(void **state)
{
    (void)state;
    upstream_close_all(&worker);
    assert_int_equal(letters(0), 0); /* what we close ourselves is no news */
    assert_int_equal(worker.upstream_slab.used, 0);
    for (size_t i = 0; i < n_theirs; i++)
        if (theirs[i] >= 0)
            close(theirs[i]);
    close(listener);
    replica_release(replica);
    slab_close(&worker.upstream_slab);
    event_base_free(worker.base);
    mailbox_close(&control);
    free(worker.seats);
    return 0;
}

/* One more connection, in use by somebody. */
static struct upstream *borrow_new(void)
{
    struct exchange *nobody = (struct exchange *)&worker; /* only compared with NULL */
    struct upstream *u = upstream_borrow(&worker, seat, nobody, 0, NULL);
    assert_non_null(u);
    theirs[n_theirs] = accept(listener, NULL, NULL);
    assert_true(theirs[n_theirs] >= 0);
    n_theirs++;
    u->connecting = false;
    return u;
}

static void open_idle(size_t n)
{
    struct upstream *all[MOST];
    for (size_t i = 0; i < n; i++)
        all[i] = borrow_new();
    for (size_t i = 0; i < n; i++)
        upstream_return(all[i], true);
    assert_int_equal(seat->n_idle, n);
}

static void close_theirs(size_t i, bool by_reset)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    if (by_reset)
        setsockopt(theirs[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(theirs[i]);
    theirs[i] = -1;
}

/* The worker's loop runs until so many idle ones are left. */
static void run_until_idle(uint32_t n)
{
    uint64_t end = clock_now_ns() + DEADLINE_MS * CLOCK_NS_PER_MS;
    while (seat->n_idle > n && clock_now_ns() < end)
        event_base_loop(worker.base, EVLOOP_NONBLOCK);
    assert_int_equal(seat->n_idle, n);
}

/* ------------------------------------------------------------------ told */

static void test_an_end_is_told(void **state)
{
    (void)state;
    open_idle(1);
    close_theirs(0, false);
    run_until_idle(0);
    assert_int_equal(letters(MESSAGE_CLOSED), 1);
    assert_true(atomic_load(&replica->closed_told));
}

static void test_a_reset_is_told(void **state)
{
    (void)state;
    open_idle(1);
    close_theirs(0, true);
    run_until_idle(0);
    assert_int_equal(letters(MESSAGE_CLOSED), 1);
}

static void test_many_are_told_once_until_it_was_asked(void **state)
{
    (void)state;
    open_idle(6);
    close_theirs(0, false);
    close_theirs(1, true);
    close_theirs(2, false);
    run_until_idle(3);
    close_theirs(3, false);
    run_until_idle(2);
    assert_int_equal(letters(MESSAGE_CLOSED), 1);
    atomic_store(&replica->closed_told, false); /* control has had an answer of it */
    close_theirs(4, false);
    close_theirs(5, false);
    run_until_idle(0);
    assert_int_equal(letters(MESSAGE_CLOSED), 1);
}

/* The end is found when somebody wants the socket, before its event was dealt with. */
static void found_on_borrowing(bool by_reset)
{
    open_idle(1);
    close_theirs(n_theirs - 1, by_reset);
    struct upstream *idle = LIST_OWNER(seat->idle.next, struct upstream, link);
    struct pollfd end = { .fd = idle->conn.fd, .events = POLLIN };
    assert_int_equal(poll(&end, 1, DEADLINE_MS), 1);
    struct exchange *nobody = (struct exchange *)&worker;
    struct upstream *u = upstream_borrow(&worker, seat, nobody, HOUR_MS, NULL);
    assert_non_null(u);
    assert_false(u->reused);
    assert_int_equal(letters(MESSAGE_CLOSED), 1);
    upstream_return(u, false);
}

static void test_an_end_found_on_borrowing_is_told(void **state)
{
    (void)state;
    found_on_borrowing(false);
}

static void test_a_reset_found_on_borrowing_is_told(void **state)
{
    (void)state;
    found_on_borrowing(true);
}

/* ------------------------------------------------------------------ not told */

static void test_one_out_of_rotation_says_nothing(void **state)
{
    (void)state;
    open_idle(2);
    replica_set_ready(replica, false);
    close_theirs(0, false);
    run_until_idle(1);
    assert_int_equal(letters(MESSAGE_CLOSED), 0);
    assert_false(atomic_load(&replica->closed_told)); /* else nothing would be told when it is back */
    replica_set_ready(replica, true);
    close_theirs(1, false);
    run_until_idle(0);
    assert_int_equal(letters(MESSAGE_CLOSED), 1);
}

static void test_one_that_speaks_is_dropped_and_not_told(void **state)
{
    (void)state;
    open_idle(1);
    assert_int_equal(send(theirs[0], "?", 1, 0), 1);
    run_until_idle(0);
    assert_int_equal(letters(MESSAGE_CLOSED), 0);
}

static void test_those_we_close_are_not_told(void **state)
{
    (void)state;
    open_idle(5);
    upstream_expired(LIST_OWNER(seat->idle.next, struct upstream, link));
    assert_true(upstream_drop_idle(&worker));
    struct upstream *u = upstream_borrow(&worker, seat, (struct exchange *)&worker, HOUR_MS, NULL);
    assert_true(u->reused);
    upstream_return(u, false);
    run_until_idle(2);
    assert_int_equal(letters(MESSAGE_CLOSED), 0);
    upstream_forget(&worker, replica);
    assert_int_equal(letters(MESSAGE_FORGOTTEN), 1);
    seat = upstream_seat(&worker, replica);
}

/* What becomes of a request whose connection ends is the exchange's. */
static void test_one_in_use_is_not_told(void **state)
{
    (void)state;
    struct upstream *u = borrow_new();
    close_theirs(0, false);
    upstream_return(u, false);
    assert_int_equal(letters(MESSAGE_CLOSED), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_end_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reset_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_are_told_once_until_it_was_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_end_found_on_borrowing_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reset_found_on_borrowing_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_out_of_rotation_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_speaks_is_dropped_and_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_those_we_close_are_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_in_use_is_not_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
