/*
 * test_scale.c - autoscaling: steps, waves and noise against a clock that the test turns; then the rows that follow.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.scale.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/scale.h"
#include "unit/control/supervisor_fake.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define COOL   (10 * SECOND)

static const struct scale_rules rules = { .min = 2, .max = 20, .target_inflight = 4000, .cooldown_ms = COOL };

/* A pool, its load, and what was decided. */
struct play {
    struct scale scale;
    uint64_t now_ms;
    uint32_t n;
    unsigned out, in;
    uint64_t last_out_ms, first_in_ms;
    uint64_t random;
    char why[160];
};

static void begin(struct play *p, uint32_t n)
{
    *p = (struct play){ .now_ms = 5000, .n = n, .random = 7 };
    scale_touch(&p->scale, p->now_ms);
}

static void look(struct play *p, uint32_t in_flight)
{
    p->now_ms += SCALE_LOOK_MS;
    uint32_t wanted = scale_look(&p->scale, &rules, p->now_ms, p->n, in_flight, p->why, sizeof p->why);
    if (wanted > p->n) {
        p->out++;
        p->last_out_ms = p->now_ms;
    } else if (wanted < p->n) {
        p->first_in_ms = p->in ? p->first_in_ms : p->now_ms;
        p->in++;
    }
    p->n = wanted;
}

/* The load for so long, each look off by up to so many percent. */
static void hold(struct play *p, uint32_t in_flight, unsigned percent, uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += SCALE_LOOK_MS) {
        uint64_t off = lb_scale(lb_random(&p->random), 2 * percent + 1);
        look(p, (uint32_t)(in_flight * (100 - percent + off) / 100));
    }
}

static void test_a_step_up_and_down(void **state)
{
    struct play p;
    (void)state;
    begin(&p, 2);
    hold(&p, 6, 30, 5 * MINUTE);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.out + p.in, 0);

    uint64_t step = p.now_ms;
    hold(&p, 40, 30, 30 * MINUTE);
    assert_int_equal(p.n, 10);
    assert_in_range(p.out, 3, 4); /* 2, 4, 8, 10: one for each doubling; the noise may cost one more */
    assert_int_equal(p.in, 0);
    assert_true(p.last_out_ms - step < 4 * COOL);

    step = p.now_ms;
    hold(&p, 6, 30, 30 * MINUTE);
    assert_int_equal(p.n, 2);
    assert_in_range(p.in, 2, 3);                   /* 10, 5, 2 */
    assert_true(p.first_in_ms - step >= 2 * COOL); /* slower than out */
    assert_in_range(p.out, 3, 4);
}

static void test_the_same_step_again_and_again_stays_within_bounds(void **state)
{
    struct play p;
    (void)state;
    begin(&p, 2);
    for (int i = 0; i < 60; i++) { /* shorter than the patience: what went out stays out */
        hold(&p, 40, 0, 15 * SECOND);
        hold(&p, 6, 0, 15 * SECOND);
    }
    assert_int_equal(p.n, 10);
    assert_int_equal(p.in, 0);
    assert_in_range(p.out, 3, 4);
}

static void test_every_constant_load_comes_to_rest(void **state)
{
    (void)state;
    for (uint32_t load = 0; load <= 90; load++) {
        for (uint32_t n = 2; n <= 20; n += 3) {
            struct play p;
            begin(&p, n);
            hold(&p, load, 0, 10 * MINUTE);
            uint32_t rest = p.n;
            unsigned decisions = p.out + p.in;
            hold(&p, load, 0, 60 * MINUTE);
            assert_int_equal(p.n, rest);
            assert_int_equal(p.out + p.in, decisions);
            assert_in_range(decisions, 0, 5);
            assert_true(p.out == 0 || p.in == 0); /* never back and forth */
            assert_true(load * 10 <= rest * 44 || rest == rules.max);
            assert_true(rest == rules.min || load * 100 > (rest - 1) * 4 * 80);
        }
    }
}

/* Requests arrive at a rate, whatever becomes of them: what is in flight depends on how many serve, and grows beyond all
 * bounds near saturation. The worst case for any rule that looks at the present only. */
static void test_an_open_system_does_not_swing(void **state)
{
    struct play p;
    (void)state;
    begin(&p, 4);
    for (uint64_t at = 0; at < 4 * 60 * (uint64_t)MINUTE; at += SCALE_LOOK_MS) {
        double busy = 2.7 / p.n; /* three are too few for the target, four too many */
        double in_flight = busy < 0.99 ? busy / (1 - busy) * p.n : 300;
        look(&p, (uint32_t)(in_flight + 0.5));
    }
    assert_true(p.in > 0);
    /* without growing patience it would be one in each 30 seconds: 480 */
    assert_in_range(p.in, 1, 60);
    assert_in_range(p.out, 1, 60);
}

static void test_a_moment_is_not_a_load(void **state)
{
    struct play p;
    (void)state;
    begin(&p, 2);
    hold(&p, 6, 0, MINUTE);
    for (int i = 0; i < 20; i++) {
        hold(&p, 60, 0, 2 * SCALE_LOOK_MS);
        hold(&p, 6, 0, 2 * SECOND);
    }
    assert_int_equal(p.out, 0);
    assert_int_equal(p.n, 2);
}

static void test_bounds_hold(void **state)
{
    struct play p;
    (void)state;
    begin(&p, 1); /* /rm has taken one */
    hold(&p, 0, 0, COOL - SCALE_LOOK_MS);
    assert_int_equal(p.n, 1);
    hold(&p, 0, 0, SCALE_LOOK_MS);
    assert_int_equal(p.n, 2);
    hold(&p, 100000, 0, 10 * MINUTE);
    assert_int_equal(p.n, 20);
    begin(&p, 30); /* /add has brought ten more than max */
    hold(&p, 100000, 0, 2 * COOL - SCALE_LOOK_MS);
    assert_int_equal(p.n, 30);
    hold(&p, 100000, 0, 10 * MINUTE);
    assert_int_equal(p.n, 20);
    assert_int_equal(p.in, 1);
}

/* ------------------------------------------------------------------ the rows */

static void load_all(struct bench *b, uint32_t each)
{
    for (struct row *row = row_first(b->s); row; row = row_after(row)) {
        if (row->place.shown) {
            row->place.shown->live.in_flight = each;
        }
    }
}

static void look_for(struct bench *b, uint64_t *at_ms, uint64_t ms)
{
    for (uint64_t end = *at_ms + ms; *at_ms < end; *at_ms += SCALE_LOOK_MS) {
        scaling_look(b->s, *at_ms);
    }
}

static void open_scaling(struct bench *b, uint64_t *at_ms)
{
    bench_open(b, DRIVER_PROCESS, 2);
    bench_all_up(b);
    b->config.replicas.scale.target_inflight = 2000;
    b->config.replicas.scale.min = 1;
    b->config.replicas.scale.max = 3;
    b->config.replicas.scale.cooldown_ms = COOL;
    *at_ms = 1000;
    scale_touch(&b->s->scale, *at_ms);
}

static void test_rows_follow(void **state)
{
    struct bench b;
    uint64_t at;
    (void)state;
    open_scaling(&b, &at);
    load_all(&b, 5);
    look_for(&b, &at, COOL);
    assert_string_equal(bench_names(&b), "Server 1,Server 2");
    look_for(&b, &at, 3 * SECOND);
    assert_string_equal(bench_names(&b), "Server 1,Server 2,Server 3"); /* not more than max */
    assert_non_null(
        strstr(b.s->scale_why, "2 -> 3 replicas: 10.0 requests in flight, target 2.000 a replica"));
    load_all(&b, 0);
    look_for(&b, &at, 10 * COOL);
    assert_int_equal(supervisor_wanted(b.s), 3); /* the third is not ready: nobody leaves */
    bench_up(&b, bench_row(&b, 2));
    bench_publish(&b);
    look_for(&b, &at, 2 * COOL + SECOND);
    assert_int_equal(supervisor_wanted(b.s), 1);
    assert_int_equal(bench_row(&b, 0)->state, SUPERVISOR_READY); /* the newest leave */
    assert_int_equal(bench_row(&b, 2)->state, SUPERVISOR_DRAINING);
    assert_int_equal(b.s->scale_decisions, 2);
    bench_publish(&b);
    bench_forget(&b);
    bench_close(&b);
}

static void test_nothing_is_decided_when_none_serves(void **state)
{
    struct bench b;
    uint64_t at;
    (void)state;
    open_scaling(&b, &at);
    load_all(&b, 0);
    row_event(bench_row(&b, 0), ON_UNREADY, "test");
    row_event(bench_row(&b, 1), ON_UNREADY, "test");
    look_for(&b, &at, 10 * COOL);
    load_all(&b, 50);
    look_for(&b, &at, 10 * COOL);
    assert_int_equal(supervisor_wanted(b.s), 2);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_up_and_down),
        cmocka_unit_test(test_the_same_step_again_and_again_stays_within_bounds),
        cmocka_unit_test(test_every_constant_load_comes_to_rest),
        cmocka_unit_test(test_an_open_system_does_not_swing),
        cmocka_unit_test(test_a_moment_is_not_a_load),
        cmocka_unit_test(test_bounds_hold),
        cmocka_unit_test(test_rows_follow),
        cmocka_unit_test(test_nothing_is_decided_when_none_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
