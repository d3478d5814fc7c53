/*
 * test_scheduler_peak_ewma.c - exp from a table, averages that rise at once and forget slowly, and whom they
 * choose.
 */
#include "unit/plugins/load_kit.h"

#include "plugins/scheduler_peak_ewma/decay.h"

#define MS 1000000ull
#define S  1000000000ull

static bool is_near(double a, double b, double off)
{
    return a > b - off && a < b + off;
}

/* ------------------------------------------------------------------ decay.h */

static void test_decay(void **state)
{
    static const struct {
        double over_tau, left;
    } known[] = {
        { 0, 1 },
        { 0.001, 0.999000499833375 },
        { 0.1, 0.904837418035960 },
        { 0.5, 0.606530659712633 },
        { 0.6931471805599453, 0.5 },
        { 1, 0.367879441171442 },
        { 2, 0.135335283236613 },
        { 5, 0.006737946999085 },
        { 20, 0.000000002061154 },
        { 1000000, 0 },
    };
    static const uint64_t taus[] = { MS, S, 10 * S, 3600 * S };

    (void)state;
    for (size_t t = 0; t < sizeof taus / sizeof taus[0]; t++) {
        struct decay d;
        uint64_t before = DECAY_ONE;

        decay_make(&d, taus[t]);
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            uint64_t ns = (uint64_t)(known[i].over_tau * (double)taus[t] + 0.5);

            assert_true(is_near((double)decay_after(&d, ns) / (double)DECAY_ONE, known[i].left, 2e-6));
        }
        for (uint64_t ns = 0; ns < 40 * taus[t]; ns += taus[t] / 200) { /* never rises */
            uint64_t left = decay_after(&d, ns);

            assert_true(left <= before);
            before = left;
        }
        assert_int_equal(decay_after(&d, UINT64_MAX), 0);
    }
}

static void test_average(void **state)
{
    struct average a = { 0 };
    struct decay d;

    (void)state;
    decay_make(&d, 10 * S);
    average_observe(&a, &d, 5 * MS, 100 * S);
    assert_int_equal(a.cost_ns, 5 * MS);
    average_observe(&a, &d, 50 * MS, 100 * S + 1); /* a peak counts whole */
    assert_int_equal(a.cost_ns, 50 * MS);
    average_observe(&a, &d, 10 * MS, 110 * S); /* tau later: 50/e + 10 (1 - 1/e) */
    assert_true(is_near((double)a.cost_ns, 24.7151776e6, 200));
    assert_true(is_near((double)average_now(&a, &d, 120 * S), 24.7151776e6 / 2.718281828,
                        200)); /* unheard: forgiven */
    assert_int_equal(average_now(&a, &d, 50 * S),
                     a.cost_ns); /* a clock that seems to go back changes nothing */
    average_observe(&a, &d, 0, 110 * S);
    assert_int_equal(a.cost_ns, average_now(&a, &d, 110 * S));
}

/* ------------------------------------------------------------------ choices */

/* All answer in 10 ms but one, which takes 100: it gets next to nothing. */
static void test_slow_one_is_left_alone(void **state)
{
    enum { N = 10, PICKS = 20000 };
    struct kit_load load = kit_load_open("scheduler_peak_ewma", "", NULL, N, 1);
    unsigned slow = 0;
    uint64_t now = S;

    (void)state;
    for (int i = 0; i < PICKS; i++, now += MS) {
        uint32_t member = kit_load_ask(&load, now);

        slow += member == 3;
        kit_load_reply(&load, member, LB_ANSWERED, member == 3 ? 100 * MS : 10 * MS, now);
    }
    assert_in_range(slow, 1, PICKS / 100); /* in 20 seconds it is tried again now and then */
    kit_load_close(&load);
}

/* Seen once as slow, it is left within one reply; it comes back when time has passed, and stays when it is
 * quick. */
static void test_comes_back(void **state)
{
    struct kit_load load = kit_load_open("scheduler_peak_ewma", "decay_ms=1000", NULL, 2, 1);
    unsigned second = 0;

    (void)state;
    kit_load_reply(&load, 0, LB_ANSWERED, 10 * MS, S);
    kit_load_reply(&load, 1, LB_ANSWERED, 500 * MS, S);
    for (unsigned i = 0; i < 200; i++)
        second += kit_load_ask(&load, S + i) == 1;
    assert_in_range(second, 0, 1);
    kit_load_reply(&load, 0, LB_ANSWERED, 10 * MS, 6 * S);
    for (int i = 0; i < 200; i++) /* five seconds later the 500 ms weigh 3.4 */
        second += kit_load_ask(&load, 6 * S) == 1;
    assert_true(second > 190);
    kit_load_close(&load);
}

/* Requests in flight multiply the latency, and weights divide it. */
static void test_in_flight_and_weight(void **state)
{
    static const uint32_t weights[] = { 1, 3 };
    struct kit_load load = kit_load_open("scheduler_peak_ewma", "", weights, 2, 1);
    unsigned heavy = 0;

    (void)state;
    kit_load_reply(&load, 0, LB_ANSWERED, 10 * MS, S);
    kit_load_reply(&load, 1, LB_ANSWERED, 10 * MS, S);
    load.live[0].in_flight = 1; /* 20 against 10 * 5 / 3 */
    load.live[1].in_flight = 4;
    for (int i = 0; i < 200; i++)
        heavy += kit_load_ask(&load, S) == 1;
    assert_true(heavy > 195);
    load.live[1].in_flight = 6; /* 20 against 10 * 7 / 3 */
    for (int i = 0; i < 200; i++)
        heavy -= kit_load_ask(&load, S) == 0;
    assert_true(heavy < 10);
    kit_load_close(&load);
}

/* A member that refuses at once is no quick one; a request that was cancelled says nothing. */
static void test_failures(void **state)
{
    static const uint32_t outcomes[] = { LB_FAILED, LB_TIMED_OUT, LB_CANCELLED };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct kit_load load = kit_load_open("scheduler_peak_ewma", "", NULL, 2, 1);
        unsigned failing = 0;

        kit_load_reply(&load, 0, LB_ANSWERED, 10 * MS, S);
        kit_load_reply(&load, 1, LB_ANSWERED, MS, S);
        kit_load_reply(&load, 1, outcomes[i], 0, S);
        for (int k = 0; k < 200; k++)
            failing += kit_load_ask(&load, S) == 1;
        assert_true(outcomes[i] == LB_CANCELLED ? failing > 195 : failing < 5);
        kit_load_close(&load);
    }
}

/* Before a worker has seen anything it believes the core's averages; of whom nobody knows anything it asks
 * one thing. */
static void test_first_impressions(void **state)
{
    struct kit_load load = kit_load_open("scheduler_peak_ewma", "", NULL, 2, 1);
    unsigned first = 0, unknown = 0;

    (void)state;
    load.live[0].latency_ns = 2 * MS;
    load.live[1].latency_ns = 40 * MS;
    for (int i = 0; i < 200; i++)
        first += kit_load_ask(&load, S) == 0;
    assert_true(first > 195);
    load.live[1].latency_ns = 0;
    for (int i = 0; i < 200; i++)
        unknown += kit_load_ask(&load, S) == 1;
    assert_true(unknown > 195);
    load.live[1].in_flight = 1;
    unknown = 0;
    for (int i = 0; i < 200; i++)
        unknown += kit_load_ask(&load, S) == 1;
    assert_true(unknown < 5);
    kit_load_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decay),
        cmocka_unit_test(test_average),
        cmocka_unit_test(test_slow_one_is_left_alone),
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_in_flight_and_weight),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_first_impressions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
