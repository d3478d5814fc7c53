/*
 * test_scheduler_maglev.c - the table against the paper's pseudocode, quotas, primes and refusals.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugins/scheduler_maglev/maglev.h"
#include "plugins/scheduler_maglev/prime.h"

static struct strategy *maglev(uint32_t slots)
{
    char *options = mem_format("slots=%u", slots);
    struct strategy *s = kit_scheduler("scheduler_maglev", options);

    free(options);
    return s;
}

/* ------------------------------------------------------------------ the paper's way */

/* Eisenbud et al., pseudocode 1, for members of equal weight: permutation[i][j], next[i], entry[slot]. */
static uint32_t *slow_entries(const struct table *t, uint32_t slots)
{
    const struct strategy *s = t->strategy;
    uint64_t *next = mem_zero(t->n_members, sizeof *next);
    uint32_t *entry = mem_alloc(slots * sizeof *entry), filled = 0;

    for (uint32_t slot = 0; slot < slots; slot++)
        entry[slot] = LB_NONE;
    for (;;) {
        for (uint32_t i = 0; i < t->n_members; i++) {
            uint64_t offset = s->with_hash.ops->place(s->with_hash.self, &t->members[i], 0) % slots;
            uint64_t skip = s->with_hash.ops->place(s->with_hash.self, &t->members[i], 1) % (slots - 1) + 1;

            while (entry[(offset + next[i] * skip) % slots] != LB_NONE)
                next[i]++;
            entry[(offset + next[i] * skip) % slots] = i;
            if (++filled == slots) {
                free(next);
                return entry;
            }
        }
    }
}

static void test_same_as_the_paper(void **state)
{
    static const uint32_t sizes[][2] = { { 3, 1 },       { 3, 3 },     { 7, 3 },      { 7, 7 },
                                         { 13, 5 },      { 251, 4 },   { 1009, 10 },  { 1009, 1009 },
                                         { 10007, 100 }, { 65537, 3 }, { 65537, 64 }, { 65537, 1000 } };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t slots = sizes[i][0], n = sizes[i][1], least = UINT32_MAX, most = 0;
        struct strategy *s = maglev(slots);
        struct lb_member *members = kit_members(n);
        struct table *t = kit_build(s, members, n);
        struct kit_seat seat = kit_sit(t, 1);
        uint32_t *entry = slow_entries(t, slots), *count = mem_zero(n, sizeof *count);

        for (uint64_t slot = 0; slot < slots; slot++) {
            assert_int_equal(kit_ask_hash(&seat, slot), entry[slot]);
            count[entry[slot]]++;
        }
        for (uint32_t m = 0; m < n; m++) {
            assert_true(t->shares[m] == (double)count[m] / slots);
            least = count[m] < least ? count[m] : least;
            most = count[m] > most ? count[m] : most;
        }
        assert_true(most - least <= 1);
        free(count);
        free(entry);
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, n);
        strategy_release(s);
    }
}

/* The reciprocal gives the remainder of every hash: at the edges of each quotient, and of 2^64. */
static void test_slot_is_the_remainder(void **state)
{
    static const uint32_t sizes[] = { 3, 7, 251, 65537, 655373, 6553577 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t slots = sizes[i];
        uint64_t reciprocal = (uint64_t)(((lb_u128)1 << 64) / slots);

        for (uint64_t k = 0; k < 200000; k++) {
            uint64_t random = lb_mix64(k), hash = k % 4 == 0   ? random
                                                  : k % 4 == 1 ? random / slots * slots
                                                  : k % 4 == 2 ? random / slots * slots - 1
                                                               : UINT64_MAX - k;

            assert_int_equal(maglev_slot(hash, slots, reciprocal), hash % slots);
        }
    }
}

/* ------------------------------------------------------------------ weights */

/* Each within one slot of the exact share; only who is lighter than a slot has more, and then exactly one. */
static void check_quotas(uint32_t slots, const uint32_t *weights, uint32_t n)
{
    struct strategy *s = maglev(slots);
    struct lb_member *members = kit_members(n);
    double sum = 0, light = 0, rest = slots, total = 0;
    struct table *t;

    for (uint32_t i = 0; i < n; i++) {
        members[i].weight = weights[i];
        sum += weights[i];
    }
    t = kit_build(s, members, n);
    for (uint32_t i = 0; i < n; i++)
        light += weights[i] * rest < sum;
    for (uint32_t i = 0; i < n; i++) {
        double quota = t->shares[i] * slots, exact = weights[i] * rest / sum;

        assert_true(quota > 0.5);
        if (exact < 1)
            assert_true(quota < 1.5);
        else if (light == 0)
            assert_true(quota > exact - 1 && quota < exact + 1);
        total += quota;
    }
    assert_true(total > slots - 0.01 && total < slots + 0.01);
    table_release(t);
    kit_members_free(members, n);
    strategy_release(s);
}

static void test_weights_within_one_slot(void **state)
{
    uint32_t weights[1000];

    (void)state;
    check_quotas(17, (const uint32_t[]){ 1, 2 }, 2);
    check_quotas(17, (const uint32_t[]){ 8, 2 }, 2);
    check_quotas(7, (const uint32_t[]){ 65535, 1, 1, 1, 1, 1, 1 }, 7);
    check_quotas(65537, (const uint32_t[]){ 65535, 1 }, 2);
    check_quotas(65537, (const uint32_t[]){ 1, 65535, 30000, 1 }, 4);
    for (unsigned round = 0; round < 6; round++) {
        for (uint32_t i = 0; i < 1000; i++)
            weights[i] = 1 + (uint32_t)(lb_mix64(i + 1000 * round) % (round < 3 ? 10 : 65535));
        check_quotas(round % 3 == 0 ? 10007 : 65537, weights, 1000);
    }
}

/* Turns of weighted members: round by round, the k-th of member i in round floor(k R / quota[i]). */
static void check_turns(uint32_t slots, const uint32_t *weights, uint32_t n)
{
    struct strategy *s = maglev(slots);
    struct lb_member *members = kit_members(n);
    uint64_t *quota = mem_zero(n, sizeof *quota), *had = mem_zero(n, sizeof *had),
             *next = mem_zero(n, sizeof *next);
    uint32_t *entry = mem_alloc(slots * sizeof *entry);
    uint64_t rounds = 0;
    struct table *t;

    for (uint32_t i = 0; i < n; i++)
        members[i].weight = weights[i];
    t = kit_build(s, members, n);
    for (uint32_t slot = 0; slot < slots; slot++)
        entry[slot] = LB_NONE;
    for (uint32_t i = 0; i < n; i++) {
        quota[i] = (uint64_t)(t->shares[i] * slots + 0.5);
        rounds = quota[i] > rounds ? quota[i] : rounds;
    }
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < n; i++) {
            uint64_t offset = s->with_hash.ops->place(s->with_hash.self, &members[i], 0) % slots;
            uint64_t skip = s->with_hash.ops->place(s->with_hash.self, &members[i], 1) % (slots - 1) + 1;

            if (had[i] == quota[i] || had[i] * rounds / quota[i] != round)
                continue;
            while (entry[(offset + next[i] * skip) % slots] != LB_NONE)
                next[i]++;
            entry[(offset + next[i] * skip) % slots] = i;
            had[i]++;
        }
    }
    for (uint64_t slot = 0; slot < slots; slot++)
        assert_int_equal(kit_inspect(t, NULL, slot).slot_owner, entry[slot]);
    free(quota);
    free(had);
    free(next);
    free(entry);
    table_release(t);
    kit_members_free(members, n);
    strategy_release(s);
}

static void test_weighted_turns(void **state)
{
    (void)state;
    check_turns(13, (const uint32_t[]){ 6, 4, 3 }, 3); /* a fraction of 6/4 comes out even */
    check_turns(31, (const uint32_t[]){ 4, 9, 12, 6 }, 4);
    check_turns(1009, (const uint32_t[]){ 1, 2, 3, 4, 5, 1, 2, 3, 40 }, 9);
    check_turns(1009, (const uint32_t[]){ 600, 400, 9 }, 3);
    check_turns(7, (const uint32_t[]){ 65535, 1, 1 }, 3);
}

/* ------------------------------------------------------------------ moves */

/* All of a hundred members leave, one at a time, and every slot is looked at: an exact figure, not a sample.
 * */
static void test_excess_moves(void **state)
{
    enum { N = 100, SLOTS = 65537 };
    struct strategy *s = maglev(SLOTS);
    struct lb_member *members = kit_members(N);
    struct table *all = kit_build(s, members, N);
    struct kit_seat before = kit_sit(all, 1);
    unsigned moved = 0;

    (void)state;
    for (uint32_t gone = 0; gone < N; gone++) {
        struct lb_member *rest = kit_members_without(members, N, gone);
        struct table *fewer = kit_build(s, rest, N - 1);
        struct kit_seat after = kit_sit(fewer, 1);

        for (uint64_t slot = 0; slot < SLOTS; slot++) {
            uint32_t had = kit_ask_hash(&before, slot), has = kit_ask_hash(&after, slot);

            moved += had != gone && has != had - (had > gone);
        }
        kit_leave(&after);
        table_release(fewer);
        free(rest);
    }
    print_message("one of %d members removed, %d slots: %.4f %% of all slots move beyond the minimum\n", N,
                  SLOTS, 100.0 * moved / N / SLOTS);
    assert_true(100.0 * moved / N / SLOTS <= 0.60);
    kit_leave(&before);
    table_release(all);
    kit_members_free(members, N);
    strategy_release(s);
}

/* ------------------------------------------------------------------ edges and refusals */

static void test_primes(void **state)
{
    unsigned primes = 0;

    (void)state;
    for (uint32_t n = 0; n < 10000; n++)
        primes += prime_is(n);
    assert_int_equal(primes, 1229);
    assert_true(prime_is(65537) && prime_is(655373) && prime_is(6553577) && prime_is(2147483647));
    assert_false(prime_is(65537ull * 3) || prime_is(65521u * 65521u));
    assert_int_equal(prime_at_least(65536), 65537);
    assert_int_equal(prime_at_least(65538), 65539);
    assert_int_equal(prime_at_least(8), 11);
    assert_int_equal(prime_at_least(1), 2);
}

static void refuses_options(const char *options, const char *expected)
{
    char *problems =
        kit_problems(RM_PLUGIN_DIR, (struct kit_part){ "scheduler_maglev", options },
                     (struct kit_part){ "hash_murmur", "" }, (struct kit_part){ "probe_linear", "" });

    if (!strstr(problems, expected))
        print_error("got \"%s\"\n", problems);
    assert_non_null(strstr(problems, expected));
    free(problems);
}

static void test_refusals(void **state)
{
    struct strategy *s = maglev(7), *large = maglev(6553577);
    struct lb_member *members = kit_members(8), *many = kit_members(65537);

    (void)state;
    refuses_options("slots=65536", "slots is 65536, which is not a prime");
    refuses_options("slots=65536", "the next prime is 65537");
    refuses_options("slots=6553576", "the next prime is 6553577");
    refuses_options("slots=2", "(3 .. 6553577)");
    kit_check_refusal(s, members, 8, "8 members, and this table holds at most 7: raise slots");
    kit_check_refusal(large, many, 65537,
                      "65537 members, and this table holds at most 65536: use scheduler_ring");
    strategy_release(s);
    strategy_release(large);
    kit_members_free(members, 8);
    kit_members_free(many, 65537);
}

/* As many members as entries can name, and hardly a slot more. */
static void test_largest_pool(void **state)
{
    enum { N = 65536 };
    struct strategy *s = maglev(65537);
    struct lb_member *members = kit_members(N);
    struct table *t = kit_build(s, members, N);
    unsigned char *has = mem_zero(N, 1);
    unsigned with_slot = 0;

    (void)state;
    for (uint64_t slot = 0; slot < 65537; slot++)
        has[((const struct maglev *)t->made)->owners[slot]] = 1;
    for (uint32_t m = 0; m < N; m++)
        with_slot += has[m];
    assert_int_equal(with_slot, N);
    free(has);
    table_release(t);
    kit_members_free(members, N);
    strategy_release(s);
}

static void test_no_memory(void **state)
{
    struct strategy *s = maglev(251);
    struct lb_member *members = kit_weighted_members(11, 100);

    (void)state;
    kit_check_scarce(s, members, 11);
    kit_members_free(members, 11);
    strategy_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_paper),
        cmocka_unit_test(test_slot_is_the_remainder),
        cmocka_unit_test(test_weights_within_one_slot),
        cmocka_unit_test(test_weighted_turns),
        cmocka_unit_test(test_excess_moves),
        cmocka_unit_test(test_primes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_largest_pool),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
