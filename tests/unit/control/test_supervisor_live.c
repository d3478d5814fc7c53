/*
 * test_supervisor_live.c - the supervisor with real processes and real heartbeats; only the publisher is
 * played.
 *
 * Owns     the replicas it starts (the demo replica, bin/backend).
 * Used by  ctest: unit.control.supervisor_live.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control/supervisor.h"
#include "lb_plugin.h"
#include "unit/control/loop_kit.h"
#include "world/config.h"
#include "world/replica.h"

static char nothing[] = "";

struct house {
    struct event_base *base;
    struct config config;
    struct supervisor *s;
    char *command[4];
    char names[256]; /* of the last answer */
    unsigned n_answers;
    bool timed_out, is_stopped;
};

/* -------------------------------------------------------------- the publisher: everything happens at once */

static void on_changed(void *ctx)
{
    struct house *h = ctx;
    struct rotation r;
    supervisor_rotation(h->s, &r);
    uint64_t stamp = r.stamp;
    rotation_free(&r);
    supervisor_published(h->s, stamp);
}

static void on_forget(void *ctx, struct replica *replica)
{
    supervisor_forgotten(((struct house *)ctx)->s, replica);
}

static void on_cut(void *ctx, struct replica *replica)
{
    (void)ctx;
    (void)replica;
}

static void on_move(void *ctx, struct replica *replica, bool is_dead)
{
    (void)ctx;
    (void)replica;
    (void)is_dead;
}

static void on_stopped(void *ctx)
{
    ((struct house *)ctx)->is_stopped = true;
}

static void on_done(void *arg, const struct supervisor_result *result)
{
    struct house *h = arg;
    h->n_answers++;
    h->timed_out = result->timed_out;
    h->names[0] = 0;
    for (char **name = result->names; *name; name++) {
        size_t len = strlen(h->names);
        snprintf(h->names + len, sizeof h->names - len, "%s%s", len ? "," : "", *name);
    }
}

/* ------------------------------------------------------------------ the house */

static bool can_listen(uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = bind(fd, (struct sockaddr *)&in, sizeof in) == 0;
    close(fd);
    return is_free;
}

/* Below the ports that the kernel gives to clients, and not where another test begins. */
static uint16_t base_port(void)
{
    uint64_t random = clock_now_ns();
    uint16_t port;
    do {
        port = (uint16_t)(12000 + lb_scale(lb_random(&random), 18000));
    } while (!can_listen(port));
    return port;
}

static void set_command(struct house *h, const char *program, const char *argument)
{
    h->command[0] = (char *)(uintptr_t)program;
    h->command[1] = (char *)(uintptr_t)argument;
    h->config.replicas.process.command.items = h->command;
    h->config.replicas.process.command.count = argument ? 2 : 1;
}

static void open_house(struct house *h, uint32_t count)
{
    char why[200] = "";
    struct supervisor_hooks hooks = { .ctx = h,
                                      .rotation_changed = on_changed,
                                      .forget = on_forget,
                                      .cut = on_cut,
                                      .move = on_move,
                                      .stopped = on_stopped };
    memset(h, 0, sizeof *h);
    h->base = event_base_new();
    h->config.refs = 1;
    h->config.replicas.count = count;
    h->config.replicas.max = 64;
    h->config.replicas.name = mem_text("Server {n}");
    h->config.replicas.add_timeout_ms = 30000;
    h->config.replicas.stop_timeout_ms = 2000;
    h->config.replicas.drain_timeout_ms = 10000;
    h->config.replicas.backoff_min_ms = 20;
    h->config.replicas.backoff_max_ms = 200;
    h->config.replicas.backoff_reset_ms = 60000;
    h->config.replicas.process.base_port = base_port();
    h->config.replicas.process.address = mem_text("127.0.0.1");
    h->config.replicas.process.directory = h->config.replicas.process.user =
        h->config.replicas.process.group = nothing;
    set_command(h, RM_BIN_DIR "/backend", "--quiet");
    h->config.health.path = mem_text("/heartbeat");
    h->config.health.interval_ms = 50;
    h->config.health.start_interval_ms = 5;
    h->config.health.timeout_ms = 1000;
    h->config.health.start_timeout_ms = 30000;
    h->config.health.unready_after = 2;
    h->config.health.dead_after = 3;
    h->config.outlier.window_ms = 1000;
    h->s = supervisor_open(h->base, &h->config, 2, &hooks, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(h->s);
}

static void close_house(struct house *h)
{
    supervisor_stop(h->s);
    WAIT_FOR(h, h->is_stopped);
    supervisor_close(h->s);
    siginfo_t info;
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT),
                     -1); /* neither children nor zombies */
    assert_int_equal(errno, ECHILD);
    assert_int_equal(h->config.refs, 1);
    free(h->config.replicas.name);
    free(h->config.replicas.process.address);
    free(h->config.health.path);
    event_base_free(h->base);
}

/* The row at that position. Its name is valid until the next turn of the loop. */
static struct supervisor_info info_of(const struct house *h, size_t position)
{
    struct supervisor_info *list, info = { 0 };
    size_t n = supervisor_list(h->s, &list);
    if (position < n) {
        info = list[position];
    }
    free(list);
    return info;
}

static size_t count_ready(const struct house *h)
{
    struct supervisor_info *list;
    size_t n = supervisor_list(h->s, &list), ready = 0;
    for (size_t i = 0; i < n; i++) {
        ready += list[i].state == SUPERVISOR_READY;
    }
    free(list);
    return ready;
}

static bool is_stand_in(const struct house *h, size_t position)
{
    struct supervisor_info info = info_of(h, position);
    return info.state == SUPERVISOR_READY && strncmp(info.name, "emergency_", 10) == 0;
}

/* ------------------------------------------------------------------ */

static void test_killed_ones_come_back(void **state)
{
    struct house h;
    (void)state;
    open_house(&h, 3);
    WAIT_FOR(&h, count_ready(&h) == 3);
    for (int i = 0; i < 10; i++) {
        size_t position = (size_t)i % 3;
        struct supervisor_info before = info_of(&h, position);
        pid_t pid = before.pid;
        assert_int_equal(kill(pid, SIGKILL), 0);
        WAIT_FOR(&h, is_stand_in(&h, position) && info_of(&h, position).pid != pid);
        struct supervisor_info after = info_of(&h, position);
        char ring_name[16];
        snprintf(ring_name, sizeof ring_name, "Server %zu", position + 1);
        assert_string_equal(after.ring_name, ring_name);
        assert_string_equal(after.replica->name, after.name);
        assert_true(replica_is_ready(after.replica));
    }
    assert_int_equal(count_ready(&h), 3);
    close_house(&h);
}

static void test_one_that_hangs_is_replaced(void **state)
{
    struct house h;
    (void)state;
    open_house(&h, 2);
    h.config.health.timeout_ms = 100;
    supervisor_apply(h.s, &h.config);
    WAIT_FOR(&h, count_ready(&h) == 2);
    struct supervisor_info info = info_of(&h, 1);
    struct replica *hanging = (struct replica *)(uintptr_t)info.replica;
    replica_retain(hanging);
    assert_int_equal(kill(info.pid, SIGSTOP), 0);
    WAIT_FOR(&h, !replica_is_ready(hanging));
    assert_string_equal(info_of(&h, 1).ring_name, "Server 2");
    WAIT_FOR(&h, info_of(&h, 1).replica != hanging && is_stand_in(&h, 1));
    replica_release(hanging);
    close_house(&h);
}

static void test_add_and_remove(void **state)
{
    struct house h;
    char why[200];
    (void)state;
    open_house(&h, 1);
    WAIT_FOR(&h, count_ready(&h) == 1);
    const char *names[] = { "S5" };
    assert_int_equal(supervisor_add(h.s, names, 1, 3, NULL, 0, on_done, &h, why, sizeof why), 0);
    WAIT_FOR(&h, h.n_answers == 1);
    assert_false(h.timed_out);
    assert_memory_equal(h.names, "S5,S", 4);
    assert_int_equal(count_ready(&h), 4);

    assert_int_equal(supervisor_remove(h.s, names, 1, 2, on_done, &h, why, sizeof why), 0);
    WAIT_FOR(&h, h.n_answers == 2);
    assert_memory_equal(h.names, "S5,", 3);
    assert_int_equal(supervisor_wanted(h.s), 2);
    WAIT_FOR(&h, info_of(&h, 2).name == NULL); /* drained, stopped, gone */
    assert_int_equal(count_ready(&h), 2);
    close_house(&h);
}

static void test_what_can_not_be_started_is_cancelled(void **state)
{
    struct house h;
    char why[200];
    (void)state;
    open_house(&h, 1);
    WAIT_FOR(&h, count_ready(&h) == 1);
    set_command(&h, "/nonexistent/backend", NULL);
    h.config.replicas.add_timeout_ms = 300;
    assert_int_equal(supervisor_add(h.s, NULL, 0, 2, NULL, 0, on_done, &h, why, sizeof why), 0);
    WAIT_FOR(&h, h.n_answers == 1);
    assert_true(h.timed_out);
    assert_string_equal(h.names, "");
    assert_int_equal(supervisor_wanted(h.s), 1);
    close_house(&h);
}

static void test_stop_while_all_are_starting(void **state)
{
    struct house h;
    (void)state;
    open_house(&h, 10);
    close_house(&h);
}

static void test_static_ones_come_and_go(void **state)
{
    struct house there, h;
    char *address;
    (void)state;
    open_house(&there, 1);
    there.config.health.timeout_ms = 100;
    there.config.health.dead_after = 100000;
    supervisor_apply(there.s, &there.config);
    WAIT_FOR(&there, count_ready(&there) == 1);
    address = mem_text(info_of(&there, 0).replica->address_text);

    struct config_member member = { .address = address, .weight = 3 };
    struct supervisor_hooks hooks = { .ctx = &h,
                                      .rotation_changed = on_changed,
                                      .forget = on_forget,
                                      .cut = on_cut,
                                      .move = on_move,
                                      .stopped = on_stopped };
    char why[200] = "";
    h = there;
    h.config.refs = 1;
    h.config.replicas.driver = DRIVER_STATIC;
    h.config.replicas.members = &member;
    h.config.replicas.n_members = 1;
    h.s = supervisor_open(h.base, &h.config, 2, &hooks, why, sizeof why);
    assert_non_null(h.s);
    WAIT_FOR(&h, count_ready(&h) == 1);
    assert_int_equal(info_of(&h, 0).replica->weight, 3);
    assert_int_equal(kill(info_of(&there, 0).pid, SIGSTOP), 0);
    WAIT_FOR(&h, info_of(&h, 0).state == SUPERVISOR_SUSPECT && info_of(&h, 0).misses > 5);
    assert_int_equal(kill(info_of(&there, 0).pid, SIGCONT), 0);
    WAIT_FOR(&h, info_of(&h, 0).state == SUPERVISOR_READY);
    assert_int_equal(info_of(&h, 0).restarts, 0);
    supervisor_stop(h.s);
    WAIT_FOR(&h, h.is_stopped);
    supervisor_close(h.s);
    free(address);
    close_house(&there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_ones_come_back),
        cmocka_unit_test(test_one_that_hangs_is_replaced),
        cmocka_unit_test(test_add_and_remove),
        cmocka_unit_test(test_what_can_not_be_started_is_cancelled),
        cmocka_unit_test(test_stop_while_all_are_starting),
        cmocka_unit_test(test_static_ones_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
