/*
 * test_scheduler_rendezvous.c - the best of all draws, found the slow way too; logarithms; weights.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/scheduler_rendezvous/logarithm.h"

/* One by one, four at a time (AVX2) and eight (AVX-512), where the processor has them. */
static const char *const ways[] = { "lanes=1", "lanes=4", "lanes=8" };
enum { WAYS = sizeof ways / sizeof ways[0] };

/* The member with the best draw of those not tried, the slow way. */
static uint32_t slow_pick(const struct kit_seat *seat, uint64_t hash)
{
    const struct table *t = seat->table;
    const struct lb_hash *h = &t->strategy->with_hash;
    struct logarithm logarithm;
    uint32_t best = LB_NONE;
    uint64_t best_draw = 0, best_score = 0;

    logarithm_make(&logarithm);
    for (uint32_t m = 0; m < t->n_members; m++) {
        uint64_t score = lb_hash_mix(h, hash, h->ops->place(h->self, &t->members[m], 0));
        uint64_t draw = logarithm_minus(&logarithm, score);
        bool better;

        if (seat->tried[m >> 6] >> (m & 63) & 1)
            continue;
        if (best != LB_NONE && t->members[m].weight == t->members[best].weight)
            better = score > best_score;
        else
            better = best == LB_NONE ||
                     (lb_u128)draw * t->members[best].weight < (lb_u128)best_draw * t->members[m].weight;
        if (better) {
            best = m;
            best_draw = draw;
            best_score = score;
        }
    }
    return best;
}

static uint64_t mix_of_its_own(const void *self, uint64_t x, uint64_t salt)
{
    (void)self;
    return lb_mix64(x * 3 + lb_mix64(salt + 5));
}

/* Every number of members up to 130, so that every rest of eight lanes is there; equal and different weights;
 * the header's re-hash and one of the hash's own; none, some and all tried. */
static void check_same_as_slow(const char *lanes, uint32_t n, bool weighted, bool own_mix)
{
    struct strategy *s = kit_scheduler("scheduler_rendezvous", lanes);
    struct lb_hash_ops ops = *s->with_hash.ops;
    struct lb_member *members = weighted ? kit_weighted_members(n, 300) : kit_members(n);
    struct lb_hash own;
    struct kit_seat seat;
    struct table *t;

    ops.mix = own_mix ? mix_of_its_own : NULL;
    own = kit_set_hash(s, (struct lb_hash){ .ops = &ops, .self = s->with_hash.self });
    t = kit_build(s, members, n);
    seat = kit_sit(t, 1);
    for (uint64_t k = 0; k < 40; k++) {
        uint32_t expected = slow_pick(&seat, lb_mix64(k));

        assert_int_equal(kit_ask_hash(&seat, lb_mix64(k)), expected);
        if (k % 3 == 0 && expected != LB_NONE)
            kit_mark(&seat, expected);
        if (k == 30)
            kit_unmark_all(&seat);
    }
    kit_leave(&seat);
    table_release(t);
    kit_set_hash(s, own);
    kit_members_free(members, n);
    strategy_release(s);
}

static void test_same_as_the_slow_way(void **state)
{
    (void)state;
    for (size_t way = 0; way < WAYS; way++) {
        for (uint32_t n = 1; n <= 130; n++) {
            for (int variant = 0; variant < 4; variant++)
                check_same_as_slow(ways[way], n, variant & 1, variant & 2);
        }
        check_same_as_slow(ways[way], 1000, false, false);
        check_same_as_slow(ways[way], 1001, true, false);
    }
}

static uint64_t same_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    (void)self;
    (void)copy;
    return member->id % 2;
}

/* A hash so bad that half of the members draw the same: the first of them has it, in whatever lane it is. */
static void test_equal_draws(void **state)
{
    (void)state;
    for (uint32_t n = 2; n < 60 * WAYS; n++) {
        struct strategy *s = kit_scheduler("scheduler_rendezvous", ways[n % WAYS]);
        struct lb_hash_ops ops = *s->with_hash.ops;
        struct lb_member *members = kit_members(n);
        struct lb_hash own;
        struct kit_seat seat;
        struct table *t;

        ops.place = same_place;
        own = kit_set_hash(s, (struct lb_hash){ .ops = &ops, .self = s->with_hash.self });
        for (uint32_t rotation = 0; rotation < n; rotation += 1 + n / 60) {
            for (uint32_t i = 0; i < n; i++)
                members[i].id = i < rotation ? 1 : 2 * i; /* the first of the second kind is in each place */
            t = kit_build(s, members, n);
            seat = kit_sit(t, 1);
            for (uint64_t k = 0; k < 4; k++)
                assert_int_equal(kit_ask_hash(&seat, lb_mix64(k)), slow_pick(&seat, lb_mix64(k)));
            kit_leave(&seat);
            table_release(t);
        }
        kit_set_hash(s, own);
        kit_members_free(members, n);
        strategy_release(s);
    }
}

/* Known logarithms, to 15 digits. */
static void test_logarithm(void **state)
{
    static const struct {
        uint64_t random;
        double minus;
    } known[] = {
        { UINT64_MAX, 0 },                                /* u = 1 */
        { (1ull << 63) - 1, 0.693147180559945309 },       /* 1/2 */
        { (1ull << 62) - 1, 1.386294361119890619 },       /* 1/4 */
        { 0, 44.36141955583649980 },                      /* 2^-64 */
        { 0xBFFFFFFFFFFFFFFFull, 0.287682072451780927 },  /* 3/4 */
        { 0x5555555555555554ull, 1.098612288668109691 },  /* 1/3 */
        { 0x1999999999999998ull, 2.302585092994045684 },  /* 1/10 */
        { 0xFFFFFFFFull, 22.18070977791824990 },          /* 2^-32 */
        { 0xFFFFFFFEFFFFFFFFull, 2.328306437080797e-10 }, /* 1 - 2^-32 */
        { 0xFFFFFFFFFFFEFFFFull, 3.552713678800501e-15 }, /* 1 - 2^-48 */
    };
    struct logarithm l;

    (void)state;
    logarithm_make(&l);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        double off = (double)logarithm_minus(&l, known[i].random) / 144115188075855872.0 - known[i].minus;

        assert_true(off < 1.5e-14 && off > -1.5e-14);
    }
    for (uint64_t k = 0; k < 200000;
         k++) { /* the larger the number, the smaller: across table steps and powers of 2 */
        uint64_t random = lb_mix64(k) >> k % 64, more = random + (random >> 20) + 1;

        if (more > random)
            assert_true(logarithm_minus(&l, more) <= logarithm_minus(&l, random));
    }
}

/* A million keys, weights from 1 to 1,000: each member within five standard deviations of its share. */
static void test_weights(void **state)
{
    enum { N = 8, KEYS = 1000000 };
    static const uint32_t weights[N] = { 1, 10, 100, 1000, 3, 33, 333, 1000 };
    struct strategy *s = kit_scheduler("scheduler_rendezvous", "");
    struct lb_member *members = kit_members(N);
    unsigned hits[N] = { 0 };
    struct kit_seat seat;
    struct table *t;

    (void)state;
    for (uint32_t i = 0; i < N; i++)
        members[i].weight = weights[i];
    t = kit_build(s, members, N);
    seat = kit_sit(t, 1);
    for (uint64_t k = 0; k < KEYS; k++)
        hits[kit_ask_hash(&seat, lb_mix64(k))]++;
    for (uint32_t i = 0; i < N; i++) {
        double share = weights[i] / 2480.0, off = hits[i] - share * KEYS;

        assert_true(t->shares[i] == share);
        assert_true(off * off < 25 * share * (1 - share) * KEYS);
    }
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, N);
    strategy_release(s);
}

/* A member that becomes heavier only takes keys; one that becomes lighter only loses some. */
static void test_change_of_a_weight(void **state)
{
    enum { N = 10, KEYS = 50000 };
    struct strategy *s = kit_scheduler("scheduler_rendezvous", "");
    struct lb_member *members = kit_weighted_members(N, 0);
    struct table *before = kit_build(s, members, N), *after;
    struct kit_seat had, has;
    unsigned moved = 0;

    (void)state;
    members[4].weight *= 2;
    after = kit_build(s, members, N);
    had = kit_sit(before, 1);
    has = kit_sit(after, 1);
    for (uint64_t k = 0; k < KEYS; k++) {
        uint32_t one = kit_ask_hash(&had, lb_mix64(k)), other = kit_ask_hash(&has, lb_mix64(k));

        assert_true(one == other || other == 4);
        moved += one != other;
    }
    assert_in_range(moved, KEYS / 10, KEYS / 6); /* from 5/30 to 10/35 */
    kit_leave(&had);
    kit_leave(&has);
    table_release(before);
    table_release(after);
    kit_members_free(members, N);
    strategy_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_slow_way),
        cmocka_unit_test(test_equal_draws),
        cmocka_unit_test(test_logarithm),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_change_of_a_weight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
