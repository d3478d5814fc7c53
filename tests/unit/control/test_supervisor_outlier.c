/*
 * test_supervisor_outlier.c - passive health: who is ejected, for how long, and the way back; weights and draining too.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.supervisor_outlier.
 * Thread   one.
 */
#include <event2/event.h>
#include <event2/util.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "unit/control/supervisor_fake.h"

static void see_failing(struct bench *b, struct row *row)
{
    supervisor_failing(b->s, row->replica, 5, false);
}

/* What workers would have counted. */
static void serve(struct row *row, unsigned answered, unsigned failed, unsigned errors, uint64_t us_each)
{
    struct replica_counters *c = &row->replica->lines[1].counters;
    STATS_ADD(c->answered, answered);
    STATS_ADD(c->failed, failed);
    STATS_ADD(c->status_5xx, errors);
    STATS_ADD(c->reply_us, answered * us_each);
}

static void interval(struct bench *b)
{
    event_active(&b->s->judge, EV_TIMEOUT, 0);
    bench_turn(b);
}

static uint64_t left_ms(const struct row *row)
{
    struct timeval at, now;
    assert_true(evtimer_pending(&row->timer, &at));
    evutil_gettimeofday(&now, NULL);
    struct timeval left;
    evutil_timersub(&at, &now, &left);
    return (uint64_t)(left.tv_sec * 1000 + left.tv_usec / 1000);
}

static void test_out_on_trial_and_back(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 1);
    see_failing(&b, row);
    assert_int_equal(row->state, SUPERVISOR_EJECTED);
    assert_false(replica_is_ready(row->replica));
    assert_int_equal(row->heartbeat ? row->heartbeat->kicks : 0, 1); /* it is looked at, at once */
    bench_beat(&b, row, HEALTH_GOOD);                                /* being there is not being well */
    assert_int_equal(row->state, SUPERVISOR_EJECTED);

    bench_timer(&b, row);
    assert_int_equal(row->state, SUPERVISOR_TRIAL);
    assert_true(replica_is_ready(row->replica));
    assert_true(replica_is_on_trial(row->replica));
    serve(row, 2, 0, 0, 1);
    bench_timer(&b, row);
    assert_int_equal(row->state, SUPERVISOR_TRIAL); /* three are wanted */
    serve(row, 1, 0, 0, 1);
    bench_timer(&b, row);
    assert_int_equal(row->state, SUPERVISOR_READY);
    assert_true(replica_is_warm(row->replica));
    assert_string_equal(row->name, "Server 2");
    bench_close(&b);
}

static void test_the_time_grows(void **state)
{
    static const unsigned hours[] = { 1, 2, 4, 4 };
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    for (int i = 0; i < 4; i++) {
        see_failing(&b, row); /* the first from READY, then from its trial */
        assert_int_equal(row->state, SUPERVISOR_EJECTED);
        assert_in_range(left_ms(row), hours[i] * BENCH_HOUR_MS - 60000, hours[i] * BENCH_HOUR_MS);
        bench_timer(&b, row);
        assert_int_equal(row->state, SUPERVISOR_TRIAL);
    }
    serve(row, 3, 0, 0, 1);
    bench_timer(&b, row);
    bench_timer(&b, row); /* well for long */
    assert_int_equal(row->place.ejections, 0);
    bench_close(&b);
}

static void test_never_too_many(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 5);
    bench_all_up(&b);
    for (int i = 0; i < 5; i++) {
        see_failing(&b, bench_row(&b, (size_t)i));
    }
    assert_int_equal(bench_row(&b, 0)->state, SUPERVISOR_EJECTED);
    assert_int_equal(bench_row(&b, 1)->state, SUPERVISOR_EJECTED); /* 2 of 5 are within half */
    assert_int_equal(bench_row(&b, 2)->state, SUPERVISOR_READY);
    bench_timer(&b, bench_row(&b, 0)); /* on trial it still counts */
    see_failing(&b, bench_row(&b, 3));
    assert_int_equal(bench_row(&b, 3)->state, SUPERVISOR_READY);
    see_failing(&b, bench_row(&b, 0)); /* and may be ejected again */
    assert_int_equal(bench_row(&b, 0)->state, SUPERVISOR_EJECTED);
    bench_close(&b);

    bench_open(&b, DRIVER_PROCESS, 2);
    bench_all_up(&b);
    b.config.outlier.max_ejected_percent = 100;
    row_event(bench_row(&b, 0), ON_UNREADY, "test");
    see_failing(&b, bench_row(&b, 1)); /* the last one that is ready */
    assert_int_equal(bench_row(&b, 1)->state, SUPERVISOR_READY);
    bench_close(&b);
}

static void test_one_that_is_worse_than_that(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 1);
    see_failing(&b, row);
    bench_beat(&b, row, HEALTH_MISS);
    bench_timer(&b, row);
    assert_int_equal(row->state, SUPERVISOR_EJECTED); /* no trial for one that is not there */
    for (int i = 0; i < 4; i++) {
        bench_beat(&b, row, HEALTH_MISS);
    }
    assert_int_equal(row->state, SUPERVISOR_STOPPING);
    bench_close(&b);
}

static void test_one_that_has_left_or_changed(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    struct row *row = bench_row(&b, 1);
    struct replica *former = row->replica;
    bench_replace(&b, row);
    supervisor_failing(b.s, former, 9, false);
    assert_int_equal(row->state, SUPERVISOR_READY);
    row_dismiss(row, "test");
    supervisor_failing(b.s, row->replica, 9, false);
    assert_int_equal(row->state, SUPERVISOR_DRAINING);
    bench_close(&b);
}

static void test_share_of_failures(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 4);
    b.config.outlier.failure_percent = 40;
    bench_all_up(&b);
    interval(&b);
    for (int i = 0; i < 4; i++) {
        serve(bench_row(&b, (size_t)i), 100, 0, i == 2 ? 39 : 0, 10);
    }
    serve(bench_row(&b, 3), 0, 9, 0, 0); /* 9 of 109 */
    interval(&b);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bench_row(&b, (size_t)i)->state, SUPERVISOR_READY);
    }
    serve(bench_row(&b, 2), 10, 0, 4, 10);
    serve(bench_row(&b, 3), 4, 5, 0, 10); /* more, but of 9 requests only */
    interval(&b);
    assert_int_equal(bench_row(&b, 2)->state, SUPERVISOR_EJECTED);
    assert_int_equal(bench_row(&b, 3)->state, SUPERVISOR_READY);
    bench_close(&b);
}

static void test_slower_than_the_others(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 4);
    b.config.outlier.latency_factor = 3000;
    bench_all_up(&b);
    interval(&b);
    static const uint64_t fast[] = { 100, 110, 120, 900 }; /* nine times, but by less than a millisecond */
    for (int i = 0; i < 4; i++) {
        serve(bench_row(&b, (size_t)i), 50, 0, 0, fast[i]);
    }
    interval(&b);
    assert_int_equal(bench_row(&b, 3)->state, SUPERVISOR_READY);
    static const uint64_t slow[] = { 4000, 5000, 6000, 15001 };
    for (int i = 0; i < 4; i++) {
        serve(bench_row(&b, (size_t)i), 50, 0, 0, slow[i]);
    }
    interval(&b);
    assert_int_equal(bench_row(&b, 2)->state, SUPERVISOR_READY);
    assert_int_equal(bench_row(&b, 3)->state, SUPERVISOR_EJECTED);
    bench_close(&b);

    bench_open(&b, DRIVER_PROCESS, 2); /* two have no "the others" */
    b.config.outlier.latency_factor = 3000;
    bench_all_up(&b);
    interval(&b);
    serve(bench_row(&b, 0), 50, 0, 0, 10);
    serve(bench_row(&b, 1), 50, 0, 0, 100000);
    interval(&b);
    assert_int_equal(bench_row(&b, 1)->state, SUPERVISOR_READY);
    bench_close(&b);
}

/* ------------------------------------------------------------------ slow start */

static void test_new_and_recovered_ones_warm_up(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    b.config.replicas.slow_start_ms = BENCH_HOUR_MS;
    bench_all_up(&b);
    struct row *row = bench_row(&b, 0);
    assert_false(replica_is_warm(row->replica));
    replica_set_warm(row->replica);
    row_event(row, ON_UNREADY, "test");
    bench_beat(&b, row, HEALTH_GOOD);
    assert_false(replica_is_warm(row->replica));
    replica_set_on_trial(row->replica);
    row_reweigh(row, 3); /* another object in the same place */
    assert_true(replica_is_on_trial(row->replica));
    assert_int_equal(row->replica->weight, 3);
    bench_close(&b);
}

/* ------------------------------------------------------------------ weights */

static void test_weights_of_additions(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    uint32_t weights[] = { 7, 5, 3 };
    memcpy(b.weights, weights, sizeof weights);
    b.n_weights = 3;
    /* "Server 1" exists: its weight is skipped with it; the third belongs to the first without a name */
    assert_int_equal(bench_add(&b, "Server 1,A", 4, why, sizeof why), 0);
    assert_int_equal(bench_row(&b, 0)->place.weight, 1);
    assert_int_equal(bench_named(&b, "A")->place.weight, 5);
    assert_int_equal(bench_row(&b, 2)->place.weight, 3);
    assert_int_equal(bench_row(&b, 3)->place.weight, 1);
    bench_close(&b);
}

static void test_weights_of_the_configuration(void **state)
{
    static uint32_t first[] = { 2, 3 };
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    assert_int_equal(bench_row(&b, 1)->place.weight, 1);
    b.weights[0] = 6;
    b.n_weights = 1;
    assert_int_equal(bench_add(&b, "Server 4", 1, why, sizeof why), 0);
    bench_up(&b, bench_named(&b, "Server 4"));
    b.config.replicas.weights = first;
    b.config.replicas.n_weights = 2;
    supervisor_apply(b.s, &b.config);
    bench_publish(&b);
    assert_int_equal(bench_row(&b, 0)->place.weight, 2);
    assert_int_equal(bench_row(&b, 1)->place.weight, 3);
    assert_int_equal(bench_row(&b, 1)->place.shown->weight, 3);
    assert_int_equal(bench_row(&b, 2)->place.weight, 1);
    static uint32_t all[] = { 2, 9, 4, 8 };
    b.config.replicas.weights = all;
    b.config.replicas.n_weights = 4;
    supervisor_apply(b.s, &b.config);
    assert_int_equal(bench_row(&b, 2)->place.weight, 4);
    assert_int_equal(bench_row(&b, 3)->place.weight, 6); /* what /add said stays */
    bench_replace(&b, bench_row(&b, 1));
    assert_int_equal(bench_row(&b, 1)->place.weight, 9); /* a stand-in has the weight of its place */
    b.config.replicas.weights = NULL;
    b.config.replicas.n_weights = 0;
    bench_publish(&b);
    bench_forget(&b);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_on_trial_and_back),
        cmocka_unit_test(test_the_time_grows),
        cmocka_unit_test(test_never_too_many),
        cmocka_unit_test(test_one_that_is_worse_than_that),
        cmocka_unit_test(test_one_that_has_left_or_changed),
        cmocka_unit_test(test_share_of_failures),
        cmocka_unit_test(test_slower_than_the_others),
        cmocka_unit_test(test_new_and_recovered_ones_warm_up),
        cmocka_unit_test(test_weights_of_additions),
        cmocka_unit_test(test_weights_of_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
