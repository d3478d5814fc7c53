/*
 * test_supervisor_closed.c - a replica that closes idle connections: asked at once, and believed what it answers.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.supervisor_closed.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/control/supervisor_fake.h"

static void test_one_that_closes_idle_connections_is_asked(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    atomic_store(&row->replica->closed_told, true);
    supervisor_closed(b.s, row->replica);
    assert_int_equal(row->state, SUPERVISOR_READY); /* it may be well */
    assert_true(replica_is_ready(row->replica));
    assert_int_equal(row->heartbeat->prompts, 1);
    assert_int_equal(row->heartbeat->kicks, 0);
    assert_int_equal(bench_row(&b, 1)->heartbeat->prompts, 0);
    assert_true(atomic_load(&row->replica->closed_told)); /* not until it has answered */
    bench_beat(&b, row, HEALTH_GOOD);
    assert_false(atomic_load(&row->replica->closed_told));
    assert_int_equal(row->state, SUPERVISOR_READY);

    supervisor_closed(b.s, row->replica);
    assert_int_equal(row->heartbeat->prompts, 2);
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    bench_close(&b);
}

static void test_whatever_the_answer_the_next_close_is_news(void **state)
{
    static const enum health_result results[] = { HEALTH_MISS, HEALTH_UNASKED, HEALTH_REFUSED };
    (void)state;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        struct bench b;
        bench_open(&b, DRIVER_STATIC, 1);
        bench_all_up(&b);
        struct row *row = bench_row(&b, 0);
        atomic_store(&row->replica->closed_told, true);
        supervisor_closed(b.s, row->replica);
        bench_beat(&b, row, results[i]);
        assert_false(atomic_load(&row->replica->closed_told));
        bench_close(&b);
    }
}

static void test_closing_by_one_out_of_rotation_or_gone_says_nothing(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    struct replica *dead = row->replica;
    row_event(row, ON_UNREADY, "test");
    uint64_t ignored = supervisor_ignored(b.s);
    supervisor_closed(b.s, dead);
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    assert_int_equal(row->heartbeat->prompts, 0);
    assert_int_equal(supervisor_ignored(b.s), ignored + 1);
    bench_replace(&b, row);
    supervisor_closed(b.s, dead);
    assert_int_equal(row->heartbeat->prompts, 0);
    assert_int_equal(supervisor_ignored(b.s), ignored + 1);
    bench_close(&b);
}

/* Nobody starts it again, so it is out until a heartbeat is good. */
static void test_a_fixed_one_that_has_gone_is_out_until_it_is_back(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_STATIC, 2);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    supervisor_closed(b.s, row->replica);
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_false(replica_is_ready(row->replica));
    bench_beat(&b, row, HEALTH_REFUSED);
    assert_int_equal(row->state, SUPERVISOR_SUSPECT);
    bench_beat(&b, row, HEALTH_GOOD);
    assert_int_equal(row->state, SUPERVISOR_READY);
    assert_true(replica_is_ready(row->replica));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_closes_idle_connections_is_asked),
        cmocka_unit_test(test_whatever_the_answer_the_next_close_is_news),
        cmocka_unit_test(test_closing_by_one_out_of_rotation_or_gone_says_nothing),
        cmocka_unit_test(test_a_fixed_one_that_has_gone_is_out_until_it_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
