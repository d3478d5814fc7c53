/*
 * test_supervisor.c - lives of replicas: rotation, stand-ins, budgets, back-off, reload, leaving.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.supervisor.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "unit/control/supervisor_fake.h"
#include "world/strategy.h"

static bool is_emergency(const char *name, size_t digits)
{
    size_t len = strlen("emergency_");
    return strncmp(name, "emergency_", len) == 0 && strlen(name) == len + digits &&
           strspn(name + len, "0123456789") == digits;
}

/* ------------------------------------------------------------------ the rotation */

static void test_first_replicas(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    assert_string_equal(bench_names(&b), "Server 1,Server 2,Server 3");
    assert_int_equal(b.n_starts, 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct row *row = bench_row(&b, i);
        char id[8];
        snprintf(id, sizeof id, "%u", i + 1);
        assert_string_equal(row->spawned->server_id, id);
        assert_string_equal(row->place.ring_name, row->name);
        assert_int_equal(row->place.id, i + 1);
        assert_int_equal(row->place.ordinal, i + 1);
    }
    assert_string_equal(bench_rotation(&b), "");
    assert_int_equal(supervisor_wanted(b.s), 3);
    bench_close(&b);
}

static void test_ready_ones_join_and_changes_coalesce(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_started(&b, bench_row(&b, 2));
    assert_int_equal(bench_row(&b, 2)->heartbeat->pace, HEALTH_STARTING);
    assert_string_equal(bench_row(&b, 2)->heartbeat->address, "127.0.0.1:5001");
    assert_string_equal(bench_rotation(&b), "");
    bench_beat(&b, bench_row(&b, 2), HEALTH_GOOD);
    bench_up(&b, bench_row(&b, 0));
    assert_int_equal(bench_row(&b, 2)->heartbeat->pace, HEALTH_STEADY);
    assert_true(replica_is_ready(bench_row(&b, 0)->replica));
    assert_int_equal(b.n_changed, 0); /* never from inside */
    bench_turn(&b);
    assert_int_equal(b.n_changed, 1);
    assert_string_equal(bench_rotation(&b), "Server 1,Server 3");
    bench_close(&b);
}

static void test_rotation_is_sorted_by_ring_name(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 11);
    bench_all_up(&b);
    assert_string_equal(bench_rotation(&b),
                        "Server 1,Server 10,Server 11,Server 2,Server 3,Server 4,Server 5,"
                        "Server 6,Server 7,Server 8,Server 9");
    bench_close(&b);
}

static void test_many_starts_take_turns_with_the_loop(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 40);
    assert_in_range(b.n_starts, 1, 39); /* the others follow */
    while (b.n_starts < 40) {
        event_base_loop(b.base, EVLOOP_ONCE);
    }
    bench_all_up(&b);
    bench_close(&b);
    bench_open(&b, DRIVER_STATIC, 40); /* nothing is started there */
    assert_int_equal(b.n_starts, 40);
    bench_close(&b);
}

/* ------------------------------------------------------------------ death and stand-ins */

static void test_stand_in_takes_the_place(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 1);
    struct replica *dead = row->replica;

    bench_exited(&b, row);
    assert_int_equal(row->state, SUPERVISOR_BACKOFF);
    assert_false(replica_is_ready(dead));
    bench_timer(&b, row);
    assert_true(is_emergency(row->name, 2));
    assert_string_equal(row->spawned->server_id, row->name);
    bench_started(&b, row);
    bench_turn(&b);
    assert_string_equal(bench_rotation(&b), "Server 1,Server 2,Server 3"); /* the dead one keeps its place */
    assert_ptr_equal(row->place.shown, dead);
    assert_int_equal(b.n_changed, 1);

    bench_beat(&b, row, HEALTH_GOOD);
    bench_turn(&b);
    assert_int_equal(b.n_changed, 2);
    assert_string_equal(bench_rotation(&b), "Server 1,Server 2,Server 3");
    assert_ptr_not_equal(row->place.shown, dead);
    assert_string_equal(row->place.shown->name, row->name);
    assert_string_equal(row->place.shown->ring_name, "Server 2");
    assert_int_equal(row->place.shown->id, 2);
    assert_ptr_equal(bench_row(&b, 1), row);
    assert_ptr_equal(supervisor_find(b.s, "2"), row->replica);
    assert_null(supervisor_find(b.s, "Server 2"));

    assert_int_equal(b.n_to_forget, 0); /* a view still names the dead one */
    bench_publish(&b);
    assert_int_equal(b.n_to_forget, 1);
    assert_ptr_equal(b.to_forget[0], dead);
    bench_forget(&b);
    assert_int_equal(row->state, SUPERVISOR_READY);
    bench_close(&b);
}

static void test_stand_in_of_a_stand_in(void **state)
{
    struct bench b;
    char first[64];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    bench_replace(&b, row);
    snprintf(first, sizeof first, "%s", row->name);
    bench_replace(&b, row);
    assert_true(is_emergency(row->name, 2));
    assert_string_not_equal(row->name, first);
    assert_string_equal(bench_rotation(&b), "Server 1");
    assert_int_equal(row->place.shown->id, 1);
    bench_publish(&b);
    assert_int_equal(b.n_to_forget, 2);
    bench_forget(&b);

    struct supervisor_info *list;
    assert_int_equal(supervisor_list(b.s, &list), 1);
    assert_int_equal(list[0].restarts, 2);
    assert_int_equal(list[0].ordinal, 1);
    assert_int_equal(list[0].pid, 4242);
    free(list);
    bench_close(&b);
}

static void test_one_that_never_was_ready_keeps_its_name(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    struct row *row = bench_row(&b, 0);
    for (int i = 0; i < 3; i++) {
        bench_exited(&b, row);
        bench_timer(&b, row);
        assert_string_equal(row->name, "Server 1");
        assert_string_equal(row->spawned->server_id, "1");
    }
    bench_up(&b, row);
    bench_exited(&b, row);
    bench_timer(&b, row);
    char stand_in[64];
    snprintf(stand_in, sizeof stand_in, "%s", row->name);
    assert_true(is_emergency(stand_in, 2));
    bench_exited(&b, row); /* the stand-in fails too: it tries again under its own name */
    bench_timer(&b, row);
    assert_string_equal(row->name, stand_in);
    bench_close(&b);
}

static void test_replacement_same(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    b.config.replicas.replacement = REPLACEMENT_SAME;
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    struct replica *dead = row->replica;
    bench_replace(&b, row);
    assert_string_equal(bench_names(&b), "Server 1,Server 2");
    assert_string_equal(row->place.shown->ring_name, "Server 1");
    assert_ptr_not_equal(row->place.shown, dead);
    bench_close(&b);
}

static void test_index_is_free_only_when_forgotten(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    uint32_t dead = row->replica->index;
    bench_replace(&b, row);
    bench_publish(&b);
    assert_int_not_equal(row->replica->index, dead);
    assert_int_equal(b.s->index_uses[dead], 1); /* only the departed one */
    bench_replace(&b, row);
    assert_int_not_equal(row->replica->index, dead);
    bench_publish(&b);
    bench_forget(&b);
    assert_int_equal(b.s->index_uses[dead], 0);
    bench_replace(&b, row);
    assert_int_equal(row->replica->index, dead);
    bench_close(&b);
}

/* ------------------------------------------------------------------ budgets */

static void test_two_budgets(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    bench_beat(&b, row, HEALTH_MISS);
    bench_beat(&b, row, HEALTH_GOOD);
    bench_beat(&b, row, HEALTH_MISS);
    assert_int_equal(row->state, SUPERVISOR_READY); /* not in a row */
    for (int i = 0; i < 20; i++) {
        bench_beat(&b, row, HEALTH_UNASKED); /* says nothing either way */
    }
    assert_int_equal(row->state, SUPERVISOR_READY);
    bench_beat(&b, row, HEALTH_MISS);
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    assert_false(replica_is_ready(row->replica));
    assert_string_equal(bench_rotation(&b), "Server 1"); /* membership does not change */
    bench_beat(&b, row, HEALTH_GOOD);
    assert_int_equal(row->state, SUPERVISOR_READY);
    assert_true(replica_is_ready(row->replica));
    for (int i = 0; i < 4; i++) {
        bench_beat(&b, row, HEALTH_MISS);
    }
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    assert_int_equal(row->spawned->asked, 0);
    bench_beat(&b, row, HEALTH_MISS);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    assert_int_equal(row->spawned->asked, 1);
    bench_timer(&b, row);
    assert_int_equal(row->spawned->killed, 1);
    bench_replace(&b, row);
    bench_turn(&b);
    assert_int_equal(b.n_changed, 2); /* the stand-in */
    bench_close(&b);
}

/* Who waits for it is told when it is dead, and when it is unready if that is wanted; each time once. */
static void test_requests_move_on(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_STATIC, 1); /* nobody is replaced: misses go on */
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    for (uint32_t i = 0; i < b.config.health.dead_after; i++) {
        assert_int_equal(b.n_moved_dead, 0);
        bench_beat(&b, row, HEALTH_MISS);
    }
    assert_int_equal(b.n_moved_dead, 1);
    bench_beat(&b, row, HEALTH_MISS);
    bench_beat(&b, row, HEALTH_MISS);
    assert_int_equal(b.n_moved_dead, 1);
    assert_int_equal(b.n_moved, 0);
    bench_beat(&b, row, HEALTH_GOOD);
    b.config.retry.move = MOVE_WHEN_UNREADY;
    for (uint32_t i = 0; i < b.config.health.dead_after; i++) {
        assert_int_equal(b.n_moved, i >= b.config.health.unready_after);
        bench_beat(&b, row, HEALTH_MISS);
    }
    assert_int_equal(b.n_moved_dead, 2);
    bench_close(&b);
}

static void test_budgets_the_other_way_round(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    b.config.health.unready_after = 9;
    b.config.health.dead_after = 3;
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    bench_beat(&b, row, HEALTH_MISS);
    bench_beat(&b, row, HEALTH_MISS);
    assert_int_equal(row->state, SUPERVISOR_READY);
    bench_beat(&b, row, HEALTH_MISS);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    assert_false(replica_is_ready(row->replica));
    bench_close(&b);
}

static void test_misses_while_starting_do_not_count(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    struct row *row = bench_row(&b, 0);
    bench_started(&b, row);
    for (int i = 0; i < 50; i++) {
        bench_beat(&b, row, i % 2 ? HEALTH_REFUSED : HEALTH_MISS);
    }
    assert_int_equal(row->state, SUPERVISOR_STARTING);
    assert_int_equal(supervisor_ignored(b.s), 0);
    bench_timer(&b, row); /* start_timeout_ms */
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    bench_close(&b);
}

static void test_an_impostor_never_joins(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    struct row *row = bench_row(&b, 0);
    bench_started(&b, row);
    b.is_impostor = true;
    bench_beat(&b, row, HEALTH_GOOD);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    assert_null(row->place.shown);
    b.is_impostor = false;
    bench_exited(&b, row);
    bench_timer(&b, row);
    bench_up(&b, row);
    assert_string_equal(row->name, "Server 1"); /* it never was one */

    row_event(row, ON_UNREADY, "test");
    b.is_impostor = true;
    bench_beat(&b, row, HEALTH_GOOD);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    bench_close(&b);
}

static void test_refused_by_a_worker_and_by_a_heartbeat(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);

    atomic_store(&row->replica->refusal_told, true);
    supervisor_refused(b.s, row->replica);
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    assert_false(replica_is_ready(row->replica));
    assert_int_equal(row->heartbeat->kicks, 1);
    bench_beat(&b, row, HEALTH_GOOD); /* it was only once */
    assert_int_equal(row->state, SUPERVISOR_READY);
    assert_false(atomic_load(&row->replica->refusal_told));

    supervisor_refused(b.s, row->replica);
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    bench_close(&b);
}

static void test_refused_by_heartbeats_alone(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    bench_close(&b);
}

static void test_refused_while_suspect_needs_a_second_one(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    bench_beat(&b, row, HEALTH_MISS);
    bench_beat(&b, row, HEALTH_MISS);
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    assert_int_equal(row->heartbeat->kicks, 1);
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    bench_close(&b);
}

static void test_refusal_of_one_that_has_left(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    struct replica *dead = row->replica;
    bench_replace(&b, row);
    supervisor_refused(b.s, dead);
    assert_int_equal(row->state, SUPERVISOR_READY);
    bench_close(&b);
}

/* ------------------------------------------------------------------ back-off */

static void test_backoff_grows_to_its_cap(void **state)
{
    uint64_t random = 7;
    (void)state;
    for (int i = 0; i < 100; i++) {
        static const uint32_t steps[] = { 0, 0, 100, 200, 400, 800, 1600, 3000, 3000, 3000 };
        for (uint32_t failures = 0; failures < sizeof steps / sizeof *steps; failures++) {
            uint32_t ms = row_backoff_ms(failures, 100, 3000, &random);
            assert_in_range(ms, steps[failures] - steps[failures] / 4, steps[failures]);
        }
    }
    assert_in_range(row_backoff_ms(UINT32_MAX, 1, UINT32_MAX, &random), 3221225471u, UINT32_MAX);
    assert_in_range(row_backoff_ms(2, 500, 100, &random), 75, 100);
    uint32_t first = row_backoff_ms(9, 100, 1u << 30, &random), i = 0;
    while (i < 100 && row_backoff_ms(9, 100, 1u << 30, &random) == first) {
        i++;
    }
    assert_true(i < 100); /* not all the same */
}

static uint32_t wait_minutes(struct row *row)
{
    struct timeval end, now;
    assert_true(event_pending(&row->timer, EV_TIMEOUT, &end));
    event_base_gettimeofday_cached(row->owner->base, &now);
    return end.tv_sec > now.tv_sec ? (uint32_t)((end.tv_sec - now.tv_sec + 30) / 60) : 0;
}

static void test_failed_starts_pause_longer_and_longer(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    struct row *row = bench_row(&b, 0);
    bench_exited(&b, row);
    assert_int_equal(wait_minutes(row), 0); /* the first restart is at once */
    bench_timer(&b, row);
    bench_exited(&b, row);
    assert_in_range(wait_minutes(row), 45, 60);
    bench_timer(&b, row);
    bench_started(&b, row); /* that it ran is not enough */
    bench_exited(&b, row);
    assert_in_range(wait_minutes(row), 90, 120);
    bench_timer(&b, row);
    bench_up(&b, row);
    bench_exited(&b, row);
    bench_timer(&b, row);
    bench_exited(&b, row);
    assert_int_equal(wait_minutes(row), 0); /* a new row of failures */
    bench_close(&b);
}

static void test_one_that_was_ready_pauses_only_a_little(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    struct row *row = bench_row(&b, 0);
    bench_up(&b, row);
    bench_exited(&b, row);
    assert_int_equal(wait_minutes(row), 0);
    for (int i = 0; i < 10; i++) {
        bench_timer(&b, row);
        bench_up(&b, row);
        bench_exited(&b, row);
        assert_in_range(wait_minutes(row), 45, 60); /* backoff_min_ms, and never more */
    }
    bench_timer(&b, row);
    bench_up(&b, row);
    row->started_ns -= 40 * 60000 * CLOCK_NS_PER_MS; /* the time that it lived counts */
    bench_exited(&b, row);
    assert_in_range(wait_minutes(row), 5, 20);
    bench_timer(&b, row);
    bench_up(&b, row);
    bench_timer(&b, row); /* ready for backoff_reset_ms */
    bench_exited(&b, row);
    assert_int_equal(wait_minutes(row), 0);
    bench_close(&b);
}

static void test_one_that_can_not_be_started(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    b.config.replicas.add_timeout_ms = 20;
    assert_int_equal(bench_add(&b, "S1,S2", 2, why, sizeof why), 0);
    struct row *s1 = bench_named(&b, "S1");
    for (int i = 0; i < 4; i++) {
        bench_exited(&b, s1);
        assert_int_equal(s1->state, SUPERVISOR_BACKOFF);
        bench_timer(&b, s1);
        assert_string_equal(s1->name, "S1");
    }
    bench_exited(&b, s1);
    bench_up(&b, bench_named(&b, "S2"));
    bench_publish(&b);
    while (b.n_answers == 0) {
        event_base_loop(b.base, EVLOOP_ONCE);
    }
    assert_true(b.timed_out);
    assert_string_equal(b.names, "S2");
    assert_string_equal(bench_names(&b), "Server 1,S2"); /* its row is cancelled */
    bench_close(&b);
}

static void test_stopping_answers_what_waits(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    assert_int_equal(bench_add(&b, "S1", 1, why, sizeof why), 0);
    supervisor_stop(b.s);
    assert_int_equal(b.n_answers, 0);
    bench_turn(&b);
    assert_int_equal(b.n_answers, 1);
    assert_true(b.timed_out);
    assert_string_equal(b.names, "");
    bench_close(&b);
}

/* ------------------------------------------------------------------ leaving */

static void test_draining(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 1);
    struct replica *leaving = row->replica;
    replica_reserve(leaving);
    assert_int_equal(bench_remove(&b, "Server 2", 1, why, sizeof why), 0);
    assert_int_equal(row->state, SUPERVISOR_DRAINING);
    assert_string_equal(bench_rotation(&b), "Server 1,Server 3");
    assert_false(replica_is_ready(leaving));
    assert_null(row->heartbeat);
    bench_turn(&b);
    assert_int_equal(b.n_answers, 0);
    bench_publish(&b);
    assert_int_equal(b.n_answers, 1);
    assert_string_equal(b.names, "Server 2");
    assert_int_equal(row->state, SUPERVISOR_DRAINING);
    assert_int_equal(row->spawned->asked, 0);
    bench_forget(&b);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    assert_int_equal(row->spawned->asked, 1);
    assert_string_equal(bench_names(&b), "Server 1,Server 2,Server 3"); /* it is still there, leaving */
    assert_int_equal(supervisor_wanted(b.s), 2);
    bench_exited(&b, row);
    bench_turn(&b);
    assert_string_equal(bench_names(&b), "Server 1,Server 3");
    assert_int_equal(b.n_cut, 0);
    bench_close(&b);
}

static void test_draining_too_long(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    bench_remove(&b, "1", 1, why, sizeof why);
    bench_publish(&b);
    bench_timer(&b, row);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    bench_timer(&b, row);
    assert_int_equal(row->spawned->killed, 1);
    bench_exited(&b, row);
    bench_turn(&b);
    assert_string_equal(bench_names(&b), "Server 2");
    assert_int_equal(b.n_to_forget, 1); /* workers may still hold it, though the row is gone … */
    assert_int_equal(b.n_cut, 1);       /* … and are told to end that */
    bench_forget(&b);
    bench_close(&b);
}

static void test_leaving_in_other_states(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 5);
    bench_all_up(&b);
    struct row *starting = bench_row(&b, 0), *backoff = bench_row(&b, 1), *stopping = bench_row(&b, 2);
    bench_exited(&b, starting);
    bench_timer(&b, starting); /* a stand-in starts; the dead one is still in the rotation */
    bench_exited(&b, backoff);
    row_event(stopping, ON_UNREADY, "test");
    row_event(stopping, ON_DEAD, "test");
    assert_int_equal(bench_remove(&b, "1,2,3", 3, why, sizeof why), 0);
    assert_string_equal(bench_rotation(&b), "Server 4,Server 5");
    assert_int_equal(starting->state, SUPERVISOR_STOPPING);
    assert_int_equal(backoff->state, SUPERVISOR_GONE);
    bench_exited(&b, stopping);
    assert_int_equal(stopping->state, SUPERVISOR_GONE); /* not started again */
    bench_exited(&b, starting);
    bench_publish(&b);
    assert_int_equal(b.n_answers, 1);
    assert_string_equal(bench_names(&b), "Server 4,Server 5");
    assert_int_equal(b.n_to_forget, 3);
    bench_forget(&b);
    bench_close(&b);
}

static void test_stop(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 4);
    bench_all_up(&b);
    struct row *ready = bench_row(&b, 0), *draining = bench_row(&b, 1), *starting = bench_row(&b, 2);
    row_dismiss(draining, "test");
    bench_exited(&b, starting);
    bench_timer(&b, starting);
    bench_turn(&b);
    unsigned changed = b.n_changed;
    bench_exited(&b, bench_row(&b, 3)); /* nothing of it runs: gone at once */

    supervisor_stop(b.s);
    bench_turn(&b);
    assert_int_equal(ready->state, SUPERVISOR_STOPPING);
    assert_int_equal(draining->state, SUPERVISOR_STOPPING);
    assert_int_equal(starting->state, SUPERVISOR_STOPPING);
    assert_int_equal(ready->spawned->asked, 1);
    assert_int_equal(b.n_changed, changed); /* nobody publishes any more */
    supervisor_stop(b.s);
    assert_int_equal(ready->spawned->killed, 1);
    assert_int_equal(draining->spawned->killed, 1);
    bench_exited(&b, ready);
    bench_exited(&b, draining);
    bench_turn(&b);
    assert_int_equal(b.n_stopped, 0);
    bench_exited(&b, starting);
    assert_int_equal(b.n_stopped, 0); /* never from inside */
    bench_turn(&b);
    assert_int_equal(b.n_stopped, 1);
    bench_close(&b); /* stops again: told once all the same */
}

static void test_stop_without_replicas(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 0);
    assert_string_equal(bench_rotation(&b), "");
    bench_close(&b);
}

/* ------------------------------------------------------------------ reload */

static struct config *apply_count(struct bench *b, uint32_t count)
{
    static struct config next;
    next = b->config;
    next.refs = 1;
    next.replicas.count = count;
    supervisor_apply(b->s, &next);
    bench_turn(b);
    return &next;
}

static void apply_back(struct bench *b)
{
    supervisor_apply(b->s, &b->config);
}

static void test_count_grows_and_shrinks(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    bench_remove(&b, "Server 2", 1, why, sizeof why);
    bench_publish(&b);
    bench_forget(&b);
    bench_exited(&b, bench_named(&b, "Server 2"));
    bench_turn(&b);

    struct config *next = apply_count(&b, 3); /* not changed: what /rm did stays */
    assert_string_equal(bench_names(&b), "Server 1,Server 3");
    assert_int_equal(next->refs, 2);
    apply_back(&b);
    assert_int_equal(next->refs, 1);
    apply_count(&b, 5);
    assert_string_equal(bench_names(&b), "Server 1,Server 3,Server 2,Server 4,Server 5");
    bench_up(&b, bench_named(&b, "Server 2"));
    bench_up(&b, bench_named(&b, "Server 4"));
    apply_back(&b); /* 5 -> 3: the newest leave, whether up or not */
    bench_exited(&b, bench_named(&b, "Server 5"));
    bench_publish(&b);
    bench_forget(&b);
    bench_exited(&b, bench_named(&b, "Server 4"));
    bench_turn(&b);
    assert_string_equal(bench_names(&b), "Server 1,Server 3,Server 2");
    bench_close(&b);
}

/* ------------------------------------------------------------------ static members */

static void test_static_members(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_STATIC, 3);
    struct row *row = bench_row(&b, 1);
    assert_string_equal(bench_names(&b), "Server 1,Server 2,Server 3");
    assert_string_equal(row->spawned->address, "10.0.0.2:8000");
    bench_started(&b, row);
    assert_int_equal(row->heartbeat->pace, HEALTH_STEADY);
    bench_timer(&b, row); /* it was silent for start_timeout_ms */
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    for (int i = 0; i < 20; i++) {
        bench_beat(&b, row, i % 2 ? HEALTH_MISS : HEALTH_REFUSED);
    }
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    assert_string_equal(bench_rotation(&b), "");
    bench_beat(&b, row, HEALTH_GOOD);
    assert_string_equal(bench_rotation(&b), "Server 2");
    for (int i = 0; i < 20; i++) {
        bench_beat(&b, row, HEALTH_REFUSED);
    }
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    assert_string_equal(bench_rotation(&b), "Server 2");
    assert_int_equal(row->spawned->asked, 0);

    bench_started(&b, bench_row(&b, 0));
    bench_timer(&b, bench_row(&b, 0));
    assert_int_equal(bench_row(&b, 0)->state,
                     SUPERVISOR_SUSPECT); /* never was in the rotation: nothing to drain */
    row = bench_row(&b, 0);
    assert_int_equal(bench_remove(&b, "Server 1", 1, why, sizeof why), 0);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    assert_int_equal(bench_add(&b, "", 1, why, sizeof why), -1);
    assert_non_null(strstr(why, "static"));
    bench_close(&b);
}

static void test_static_members_by_address(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_STATIC, 4);
    bench_all_up(&b);
    bench_remove(&b, "Server 4", 1, why, sizeof why);
    bench_publish(&b);
    bench_forget(&b);
    bench_exited(&b, bench_named(&b, "Server 4"));
    bench_turn(&b);

    /* 1 leaves, 2 weighs more, 3 and the removed 4 stay as they are, one comes with a name and one without */
    struct config_member members[] = {
        { .address = "10.0.0.2:8000", .weight = 7 },
        { .address = "10.0.0.9:8000", .weight = 1, .name = "nine" },
        { .address = "10.0.0.3:8000", .weight = 1 },
        { .address = "10.0.0.4:8000", .weight = 1 },
        { .address = "10.0.0.8:8000", .weight = 2 },
    };
    struct replica *two = bench_named(&b, "Server 2")->replica, *three = bench_named(&b, "Server 3")->replica;
    struct config next = b.config;
    next.refs = 1;
    next.replicas.members = members;
    next.replicas.n_members = 5;
    supervisor_apply(b.s, &next);
    bench_turn(&b);
    assert_string_equal(bench_names(&b), "Server 1,Server 2,Server 3,nine,Server 5");
    assert_int_equal(bench_named(&b, "Server 1")->state, SUPERVISOR_DRAINING);
    assert_ptr_equal(bench_named(&b, "Server 3")->replica, three);
    assert_ptr_not_equal(bench_named(&b, "Server 2")->place.shown, two);
    assert_int_equal(bench_named(&b, "Server 2")->place.shown->weight, 7);
    assert_int_equal(bench_named(&b, "Server 2")->state, SUPERVISOR_READY);
    assert_true(replica_is_ready(bench_named(&b, "Server 2")->place.shown));
    bench_up(&b, bench_named(&b, "nine"));
    assert_int_equal(bench_named(&b, "nine")->place.id, strategy_id_of_name("nine", 4));
    bench_up(&b, bench_named(&b, "Server 5"));
    assert_string_equal(bench_rotation(&b), "Server 2,Server 3,Server 5,nine");
    assert_int_equal(bench_named(&b, "Server 5")->place.shown->weight, 2);
    bench_publish(&b);
    assert_int_equal(b.n_to_forget, 2); /* the one that left, and the lighter two */
    bench_forget(&b);
    supervisor_apply(b.s, &b.config);
    assert_int_equal(next.refs, 1);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_replicas),
        cmocka_unit_test(test_ready_ones_join_and_changes_coalesce),
        cmocka_unit_test(test_rotation_is_sorted_by_ring_name),
        cmocka_unit_test(test_many_starts_take_turns_with_the_loop),
        cmocka_unit_test(test_stand_in_takes_the_place),
        cmocka_unit_test(test_stand_in_of_a_stand_in),
        cmocka_unit_test(test_one_that_never_was_ready_keeps_its_name),
        cmocka_unit_test(test_replacement_same),
        cmocka_unit_test(test_index_is_free_only_when_forgotten),
        cmocka_unit_test(test_two_budgets),
        cmocka_unit_test(test_requests_move_on),
        cmocka_unit_test(test_budgets_the_other_way_round),
        cmocka_unit_test(test_misses_while_starting_do_not_count),
        cmocka_unit_test(test_an_impostor_never_joins),
        cmocka_unit_test(test_refused_by_a_worker_and_by_a_heartbeat),
        cmocka_unit_test(test_refused_by_heartbeats_alone),
        cmocka_unit_test(test_refused_while_suspect_needs_a_second_one),
        cmocka_unit_test(test_refusal_of_one_that_has_left),
        cmocka_unit_test(test_backoff_grows_to_its_cap),
        cmocka_unit_test(test_failed_starts_pause_longer_and_longer),
        cmocka_unit_test(test_one_that_was_ready_pauses_only_a_little),
        cmocka_unit_test(test_one_that_can_not_be_started),
        cmocka_unit_test(test_stopping_answers_what_waits),
        cmocka_unit_test(test_draining),
        cmocka_unit_test(test_draining_too_long),
        cmocka_unit_test(test_leaving_in_other_states),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_without_replicas),
        cmocka_unit_test(test_count_grows_and_shrinks),
        cmocka_unit_test(test_static_members),
        cmocka_unit_test(test_static_members_by_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
