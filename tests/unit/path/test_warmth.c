/*
 * test_warmth.c - slow start and trials: what a replica that warms up is given, under several schedulers and a bound, and
 * that nobody is left without a replica because of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/path/pool_kit.h"
#include "world/load.h"
#include "world/replica.h"

static const struct kit_part ring = { "scheduler_ring", "slots=4294967296 virtual_nodes=1000" };
static const struct kit_part murmur = { "hash_murmur", "" }, linear = { "probe_linear", "" },
                             none = { "", "" };
static const struct kit_part in_turn = { "scheduler_round_robin", "" };

#define SECOND 1000000000ull

static void shares(void **state)
{
    (void)state;
    struct pool_kit kit;
    pool_open(&kit, in_turn, none, none, 1, NULL, 1);
    struct replica *r = kit.pool.replicas[0];
    assert_true(replica_is_warm(r));
    assert_int_equal(replica_warmth(r, 5 * SECOND), 1000);
    replica_set_warming(r, 10 * SECOND, 20 * SECOND);
    assert_false(replica_is_warm(r));
    assert_int_equal(replica_warmth(r, 10 * SECOND), 1); /* never nothing */
    assert_int_equal(replica_warmth(r, 9 * SECOND), 1);  /* a worker's clock may be a little behind */
    assert_int_equal(replica_warmth(r, 15 * SECOND), 250);
    assert_int_equal(replica_warmth(r, 20 * SECOND), 500);
    assert_int_equal(replica_warmth(r, 30 * SECOND - 1), 999);
    assert_int_equal(replica_warmth(r, 30 * SECOND), 1000);
    assert_int_equal(replica_warmth(r, 300 * SECOND), 1000);
    replica_set_on_trial(r);
    assert_true(replica_is_on_trial(r));
    assert_int_equal(replica_warmth(r, 300 * SECOND), REPLICA_TRIAL);
    replica_set_warming(r, 10 * SECOND, 0);
    assert_true(replica_is_warm(r));
    pool_close(&kit);
}

/* Shares of `count` picks, in thousandths, of each member; each gives its place back at once. */
static void count_picks(struct pool_worker *w, uint32_t count, uint32_t *out, uint32_t n)
{
    uint32_t picks[16] = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        uint32_t member = pool_pick(w, i * 2654435761u, NULL, 0);
        assert_true(member < n);
        picks[member]++;
        pool_give_back(w, member);
    }
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (uint32_t)((uint64_t)picks[i] * 1000 / count);
    }
}

static void check_share(uint32_t share, uint32_t expected, uint32_t off)
{
    assert_in_range(share, expected > off ? expected - off : 0, expected + off);
}

/* The clock of pool_question stands at 0: warmth w is warming from -w. */
static void set_warmth(struct replica *r, uint64_t thousandths)
{
    atomic_store(&r->warms_for_ns, 1000 * SECOND);
    atomic_store(&r->warm_at_ns, (1000 - thousandths) * SECOND);
}

static void try_ramp(struct kit_part scheduler, struct kit_part hash, struct kit_part probe, uint32_t bound)
{
    struct pool_kit kit;
    struct pool_worker w;
    uint32_t before[4], during[4];
    pool_open(&kit, scheduler, hash, probe, 4, NULL, 1);
    pool_sit(&w, &kit, 0, bound);
    count_picks(&w, 20000, before, 4);
    static const uint32_t steps[] = { 1, 100, 500, 900 };
    for (size_t i = 0; i < 4; i++) {
        set_warmth(kit.pool.replicas[2], steps[i]);
        w.pick.warmest_of = NULL;
        count_picks(&w, 20000, during, 4);
        /* passed over with 1 - w; round robin offers it again a little sooner or later */
        check_share(during[2], before[2] * steps[i] / 1000, 25);
    }
    pool_leave(&w);
    pool_close(&kit);
}

static void a_share_that_grows(void **state)
{
    (void)state;
    try_ramp(ring, murmur, linear, 0);
    try_ramp((struct kit_part){ "scheduler_random", "" }, none, none, 0);
    try_ramp((struct kit_part){ "scheduler_maglev", "" }, murmur, none, 0);
    try_ramp(ring, murmur, linear, 2000);
}

static void those_that_start_together_keep_their_keys(void **state)
{
    struct pool_kit kit;
    struct pool_worker w;
    uint32_t before[64];
    (void)state;
    pool_open(&kit, ring, murmur, linear, 3, NULL, 1);
    pool_sit(&w, &kit, 0, 0);
    for (uint32_t key = 0; key < 64; key++) {
        before[key] = pool_pick(&w, key, NULL, 0);
        pool_give_back(&w, before[key]);
    }
    for (int i = 0; i < 3; i++) {
        set_warmth(kit.pool.replicas[i], 30);
    }
    w.pick.warmest_of = NULL;
    for (uint32_t key = 0; key < 64; key++) {
        uint32_t member = pool_pick(&w, key, NULL, 0);
        assert_int_equal(member, before[key]);
        pool_give_back(&w, member);
    }
    pool_leave(&w);
    pool_close(&kit);
}

/* Whoever else there was is unready, tried or full: then it gets the request, cold as it is. */
static void nobody_else(void **state)
{
    struct pool_kit kit;
    struct pool_worker w;
    (void)state;
    for (uint32_t bound = 0; bound <= 1500; bound += 1500) {
        pool_open(&kit, ring, murmur, linear, 3, NULL, 1);
        pool_sit(&w, &kit, 0, bound);
        replica_set_on_trial(kit.pool.replicas[0]);
        replica_set_ready(kit.pool.replicas[1], false);
        const uint32_t tried[] = { 2 };
        for (uint32_t key = 0; key < 200; key++) {
            uint32_t member = pool_pick(&w, key, tried, 1);
            assert_int_equal(member, 0);
            pool_give_back(&w, member);
        }
        replica_set_ready(kit.pool.replicas[0], false);
        assert_int_equal(pool_pick(&w, 1, tried, 1), LB_NONE);
        assert_int_equal(load_total(kit.pool.load), 0);
        pool_leave(&w);
        pool_close(&kit);
    }
}

/* The bound holds for one that warms up too. */
static void within_the_bound(void **state)
{
    struct pool_kit kit;
    struct pool_worker w;
    (void)state;
    pool_open(&kit, ring, murmur, linear, 3, NULL, 1);
    pool_sit(&w, &kit, 0, 1250);
    set_warmth(kit.pool.replicas[1], 200);
    for (uint32_t i = 1; i <= 300; i++) {
        uint32_t member = pool_pick(&w, i, NULL, 0);
        assert_true(member < 3);
        uint64_t bound = (1250ull * i + 2999) / 3000;
        assert_true(replica_in_flight(kit.pool.replicas[member]) <= bound);
    }
    assert_int_equal(load_total(kit.pool.load), 300);
    pool_leave(&w);
    for (int i = 0; i < 3; i++) {
        assert_true(replica_in_flight(kit.pool.replicas[i]) > 0);
    }
    pool_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares),
        cmocka_unit_test(a_share_that_grows),
        cmocka_unit_test(those_that_start_together_keep_their_keys),
        cmocka_unit_test(nobody_else),
        cmocka_unit_test(within_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
