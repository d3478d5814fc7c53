/*
 * test_probe_double.c - double hashing: every step reaches every slot, and crowds do not grow.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/plugin.h"

static struct plugin *plugin;
static const struct lb_probe_ops *ops;

static int load(void **state)
{
    char why[512] = "";

    (void)state;
    plugin = plugin_load(RM_PLUGIN_DIR, "probe_double", LB_PROBE, why, sizeof why);
    if (!plugin)
        return -1;
    ops = plugin->info->ops;
    return ops->create || ops->destroy ? -1 : 0; /* no instance: self is NULL */
}

static int unload(void **state)
{
    (void)state;
    plugin_release(plugin);
    return 0;
}

static uint64_t at(uint64_t slots, uint64_t home, uint64_t hash2, uint32_t attempt)
{
    struct lb_probe_try try = { .home = home, .slots = slots, .hash2 = hash2, .attempt = attempt, .copy = 5 };

    return ops->at(NULL, &try);
}

/* Attempts 1 to slots - 1 see every slot but home, once each. */
static void check_reach(uint64_t slots, uint64_t hash2)
{
    bool *seen = mem_zero(slots, sizeof *seen);
    uint64_t home = hash2 / 3 % slots;

    seen[home] = true;
    for (uint32_t t = 1; t < slots; t++) {
        uint64_t slot = at(slots, home, hash2, t);

        assert_true(slot < slots);
        assert_false(seen[slot]);
        seen[slot] = true;
    }
    free(seen);
}

static void test_reach(void **state)
{
    static const uint64_t sizes[] = {
        2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 30, 210, 500, 503, 512, 1000, 1024, 2310
    };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (uint64_t hash2 = 0; hash2 < 40; hash2++) {
            check_reach(sizes[i], hash2);
            check_reach(sizes[i], lb_mix64(hash2 + 1));
        }
        check_reach(sizes[i], UINT64_MAX);
    }
}

/* The same step each time, by the second hash. */
static void test_steps(void **state)
{
    unsigned different = 0;

    (void)state;
    for (uint64_t hash2 = 0; hash2 < 100; hash2++) {
        uint64_t step = at(1000, 0, lb_mix64(hash2), 1);

        for (uint32_t t = 1; t < 50; t++)
            assert_int_equal(at(1000, 7, lb_mix64(hash2), t), (7 + t * step) % 1000);
        different += step != at(1000, 0, lb_mix64(hash2 + 1), 1);
    }
    assert_true(different > 90);
    assert_int_equal(at(1024, 100, 6, 1), 107);    /* 6 is made odd */
    assert_int_equal(at(1000, 100, 4, 1), 107);    /* 1 + 4 has a divisor in common with 1000, and so has 6 */
    assert_int_equal(at(1000, 100, 998, 1), 99);   /* 999 is the largest step */
    assert_int_equal(at(1000, 100, 1000, 1), 103); /* modulo 999: 2, and the next that fits is 3 */
}

/* Nothing wraps where all numbers are as large as they can be. */
static void test_extremes(void **state)
{
    const uint64_t two_32 = 1ull << 32, prime = 4294967291, nine_primes = 223092870; /* 2 * 3 * 5 * … * 23 */

    (void)state;
    assert_true(at(two_32, two_32 - 1, UINT64_MAX, 1) == two_32 - 2);      /* the step is -1 */
    assert_true(at(two_32, two_32 - 1, UINT64_MAX, UINT32_MAX) == 0);      /* -1 + -1 * -1 */
    assert_true(at(prime, prime - 1, prime - 2, 1) == prime - 2);          /* the step is prime - 1 */
    assert_true(at(prime, prime - 1, prime - 2, UINT32_MAX) == prime - 5); /* -1 - (2^32 - 1) */
    for (uint64_t hash2 = 0; hash2 < 20000; hash2++)
        assert_true(at(nine_primes, 0, hash2, 1) - (1 + hash2) < 40);
    assert_true(at(nine_primes, 0, nine_primes - 2, 1) == nine_primes - 1);
}

/* ------------------------------------------------------------------ on a crowded ring */

/* The slots by the plugins' own answers, one node after another; how many attempts the unluckiest needed. */
static uint32_t place_slowly(const struct strategy *s, const struct table *t, uint64_t slots, uint32_t copies,
                             uint32_t *owner)
{
    uint32_t longest = 0;

    for (uint64_t slot = 0; slot < slots; slot++)
        owner[slot] = LB_NONE;
    for (uint32_t m = 0; m < t->n_members; m++) {
        for (uint32_t j = 0; j < copies; j++) {
            uint64_t hash = s->with_hash.ops->place(s->with_hash.self, &t->members[m], j);
            struct lb_probe_try try = {
                .slots = slots, .copy = j, .home = hash % slots, .hash2 = lb_hash_mix(&s->with_hash, hash, 1)
            };
            uint64_t slot = try.home;

            while (owner[slot] != LB_NONE) {
                try.attempt++;
                slot = s->with_probe.ops->at(s->with_probe.self, &try);
            }
            owner[slot] = m;
            longest = try.attempt > longest ? try.attempt : longest;
        }
    }
    return longest;
}

/* 450 nodes on 500 slots: the ring has the slots that the slow way gives, and attempts stay few. */
static uint32_t check_ring(const char *probe)
{
    enum { SLOTS = 500, MEMBERS = 50, COPIES = 9 };
    struct strategy *s = kit_strategy((struct kit_part){ "scheduler_ring", "slots=500 virtual_nodes=9" },
                                      (struct kit_part){ "hash_murmur", "" }, (struct kit_part){ probe, "" });
    struct lb_member *members = kit_members(MEMBERS);
    struct table *t = kit_build(s, members, MEMBERS);
    uint32_t owner[SLOTS], longest = place_slowly(s, t, SLOTS, COPIES, owner), next = LB_NONE;

    for (int slot = 2 * SLOTS - 1; slot >= 0; slot--) {
        if (owner[slot % SLOTS] != LB_NONE)
            next = owner[slot % SLOTS];
        if (slot < SLOTS)
            assert_int_equal(kit_inspect(t, NULL, (uint64_t)slot).slot_owner, next);
    }
    table_release(t);
    kit_members_free(members, MEMBERS);
    strategy_release(s);
    return longest;
}

static void test_crowded_ring(void **state)
{
    uint32_t mine = check_ring("probe_double"), linear = check_ring("probe_linear");

    (void)state;
    print_message("90 %% full: the unluckiest node needs %u attempts, %u with probe_linear\n", mine, linear);
    assert_true(mine < linear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_crowded_ring),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
