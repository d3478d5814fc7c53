/*
 * test_scheduler_least_request.c - always the least for its weight; ties by chance and weight.
 */
#include "unit/plugins/load_kit.h"

/* Whatever the load and whoever is tried, nobody left has less for its weight than the one that is picked. */
static void test_always_the_least(void **state)
{
    enum { N = 70 };
    uint32_t weights[N];
    struct kit_load load;
    uint64_t random = 1;

    (void)state;
    for (uint32_t i = 0; i < N; i++)
        weights[i] = i % 3 == 0 ? 65535 : 1 + i % 4;
    load = kit_load_open("scheduler_least_request", "", weights, N, 1);
    for (int round = 0; round < 3000; round++) {
        uint32_t picked;

        for (uint32_t i = 0; i < N; i++)
            load.live[i].in_flight = (uint32_t)lb_scale(lb_random(&random), round % 3 ? 5 : UINT32_MAX);
        for (int i = 0; i < round % 40; i++)
            kit_mark(&load.seat, (uint32_t)lb_scale(lb_random(&random), N));
        picked = kit_load_ask(&load, 0);
        assert_true(picked < N && !(load.seat.tried[picked >> 6] >> (picked & 63) & 1));
        for (uint32_t i = 0; i < N; i++) {
            if (!(load.seat.tried[i >> 6] >> (i & 63) & 1))
                assert_true((uint64_t)load.live[picked].in_flight * weights[i] <=
                            (uint64_t)load.live[i].in_flight * weights[picked]);
        }
        kit_unmark_all(&load.seat);
    }
    kit_load_close(&load);
}

/* Among equals by weight: in an idle pool, and in one where some are busier. */
static void test_ties_by_weight(void **state)
{
    enum { N = 6, PICKS = 200000 };
    static const uint32_t weights[N] = { 1, 2, 3, 4, 5, 5 };

    (void)state;
    for (int busy = 0; busy < 2; busy++) {
        struct kit_load load = kit_load_open("scheduler_least_request", "", weights, N, 5);
        double hits[N] = { 0 }, sum = 20 - (busy ? 5 : 0);

        for (uint32_t i = 0; i < N; i++)
            load.live[i].in_flight = busy ? 2 * weights[i] + (i == 4) : 0;
        for (int i = 0; i < PICKS; i++)
            hits[kit_load_ask(&load, 0)]++;
        for (uint32_t i = 0; i < N; i++) {
            double share = busy && i == 4 ? 0 : weights[i] / sum, off = hits[i] - share * PICKS;

            assert_true(off * off <= 25 * share * PICKS);
        }
        kit_load_close(&load);
    }
}

/* Requests that stay: they end up equally spread. */
static void test_balls_into_bins(void **state)
{
    enum { N = 100, BALLS = 100000 };
    struct kit_load load = kit_load_open("scheduler_least_request", "", NULL, N, 9);

    (void)state;
    for (int ball = 0; ball < BALLS; ball++)
        load.live[kit_load_ask(&load, 0)].in_flight++;
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(load.live[i].in_flight, BALLS / N);
    kit_load_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_always_the_least),
        cmocka_unit_test(test_ties_by_weight),
        cmocka_unit_test(test_balls_into_bins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
