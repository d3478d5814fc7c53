/*
 * test_golden.c - the assignment's ring, its two misprints, and the rule of the md5 ring: values worked out
 * by hand and by the founding programs, seen through the shipped plugins.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdlib.h>
#include <string.h>

#include "world/plugin.h"

enum { SLOTS = 512, COPIES = 9, MEMBERS = 3 };

static const struct kit_part ring = { "scheduler_ring", "slots=512 virtual_nodes=9" };

/* One ring: which hash, where the nine virtual nodes of each of three members are, and who gets which key. */
struct golden {
    const char *name, *options;
    int slots[MEMBERS][COPIES];
    struct {
        uint64_t key;
        uint32_t slot, member; /* slot is SLOTS where nobody wrote it down */
    } keys[6];
    double shares[MEMBERS]; /* of the slots, in slots */
    int keys_of[MEMBERS];   /* of the ids 0 .. 511, which is one period of H */
};

static const struct golden rings[] = {
    { .name = "assignment",
      .options = "",
      .slots = { { 26, 29, 34, 41, 50, 61, 74, 89, 106 },
                 { 30, 32, 37, 44, 53, 64, 77, 92, 109 },
                 { 35, 38, 42, 49, 58, 69, 82, 97, 114 } },
      .keys = { { 132574, 81, 3 },
                { 237891, 32, 2 },
                { 982345, 372, 1 },
                { 674512, 177, 1 },
                { 876234, 265, 1 },
                { 543289, 308, 1 } },
      .shares = { 457, 22, 33 },
      .keys_of = { 432, 24, 56 } },
    { .name = "printed variant",
      .options = "h_square=2 h_linear=1 place_i_square=0 place_i_linear=1 place_j_square=2 place_j_linear=1",
      .slots = { { 26, 29, 36, 47, 62, 81, 104, 131, 162 },
                 { 27, 30, 37, 48, 63, 82, 105, 132, 163 },
                 { 28, 31, 38, 49, 64, 83, 106, 133, 164 } },
      .keys = { { 132574, SLOTS, 1 },
                { 237891, SLOTS, 1 },
                { 982345, SLOTS, 1 },
                { 674512, SLOTS, 1 },
                { 876234, SLOTS, 1 },
                { 543289, SLOTS, 1 } },
      .shares = { 494, 9, 9 },
      .keys_of = { 494, 9, 9 } },
    /* i + 3j + 25: member 1 has 26, 29 … 50, member 2 one more, member 3 two more; nothing collides. Keys: 3i
     * + 17. */
    { .name = "flat variant",
      .options = "h_square=0 h_linear=3 place_i_square=0 place_i_linear=1 place_j_square=0 place_j_linear=3",
      .slots = { { 26, 29, 32, 35, 38, 41, 44, 47, 50 },
                 { 27, 30, 33, 36, 39, 42, 45, 48, 51 },
                 { 28, 31, 34, 37, 40, 43, 46, 49, 52 } },
      .keys = { { 132574, (3 * 132574 + 17) % SLOTS, 1 },
                { 237891, (3 * 237891 + 17) % SLOTS, 1 },
                { 3, 26, 1 },
                { 341, 16, 1 },
                { 4 + 512, 29, 1 },
                { 8, 41, 1 } },
      .shares = { 494, 9, 9 },
      .keys_of = { 494, 9, 9 } },
};

/* The first two give the same rings; the third is the md5 ring's. */
static const struct kit_part probes[] = { { "probe_linear", "" },
                                          { "probe_quadratic", "" },
                                          { "probe_quadratic", "per_copy=true" } };

/* ------------------------------------------------------------------ rings of three */

/* Places the virtual nodes as the assignment describes it, one after another, and compares with the golden
 * sets. */
static void check_nodes(const struct strategy *s, const struct table *t, const struct golden *g)
{
    bool taken[SLOTS] = { false };

    for (uint64_t id = 1; id <= MEMBERS; id++) {
        bool mine[SLOTS] = { false };

        for (uint32_t j = 0; j < COPIES; j++) {
            const struct lb_member *member = &t->members[kit_index(t, id)];
            struct lb_probe_try try = { .slots = SLOTS, .copy = j };
            uint64_t slot = s->with_hash.ops->place(s->with_hash.self, member, j) % SLOTS;

            try.home = slot;
            while (taken[slot]) {
                try.attempt++;
                slot = s->with_probe.ops->at(s->with_probe.self, &try);
            }
            taken[slot] = mine[slot] = true;
        }
        for (int j = 0; j < COPIES; j++)
            assert_true(mine[g->slots[id - 1][j]]);
    }
}

/* The owner of every slot is the first golden node at or after it. */
static void check_owners(const struct table *t, const struct golden *g)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        uint64_t owner = 0;

        for (uint32_t ahead = 0; !owner; ahead++) {
            for (uint64_t id = 1; id <= MEMBERS; id++) {
                for (int j = 0; j < COPIES; j++) {
                    if ((uint32_t)g->slots[id - 1][j] == (slot + ahead) % SLOTS)
                        owner = id;
                }
            }
        }
        assert_int_equal(t->members[kit_inspect(t, NULL, slot).slot_owner].id, owner);
    }
}

static void check_keys(const struct strategy *s, const struct table *t, const struct golden *g)
{
    struct kit_seat seat = kit_sit(t, 1);

    for (int i = 0; i < 6; i++) {
        char text[24];
        struct lb_key key = kit_key(g->keys[i].key, text);

        if (g->keys[i].slot < SLOTS)
            assert_int_equal(strategy_hash(s, &key) % SLOTS, g->keys[i].slot);
        assert_int_equal(t->members[kit_ask(&seat, &key)].id, g->keys[i].member);
    }
    kit_leave(&seat);
}

/* H has a period of 512, so the ids 0 .. 511 stand for all. The polynomials reach few slots: shares of the
 * keys are not those of the slots. */
static void check_key_shares(const struct table *t, const struct golden *g)
{
    struct kit_seat seat = kit_sit(t, 1);
    int keys_of[MEMBERS] = { 0 };

    for (uint64_t i = 0; i < SLOTS; i++) {
        char text[24];
        struct lb_key key = kit_key(i, text);

        keys_of[t->members[kit_ask(&seat, &key)].id - 1]++;
    }
    assert_memory_equal(keys_of, g->keys_of, sizeof keys_of);
    kit_leave(&seat);
}

static void test_rings(void **state)
{
    struct lb_member *members = kit_members(MEMBERS);

    (void)state;
    for (size_t r = 0; r < sizeof rings / sizeof rings[0]; r++) {
        for (size_t p = 0; p < 2; p++) {
            struct strategy *s =
                kit_strategy(ring, (struct kit_part){ "hash_quadratic", rings[r].options }, probes[p]);
            struct table *t = kit_build(s, members, MEMBERS);
            struct lb_inspect seen = kit_inspect(t, NULL, 0);

            check_nodes(s, t, &rings[r]);
            check_owners(t, &rings[r]);
            check_keys(s, t, &rings[r]);
            check_key_shares(t, &rings[r]);
            assert_int_equal(seen.slots, SLOTS);
            assert_int_equal(seen.used, MEMBERS * COPIES);
            for (uint64_t id = 1; id <= MEMBERS; id++)
                assert_true(t->shares[kit_index(t, id)] == rings[r].shares[id - 1] / SLOTS);
            table_release(t);
            strategy_release(s);
        }
    }
    kit_members_free(members, MEMBERS);
}

/* Of all keys, rounded as they are told: 84.4 / 4.7 / 10.9 % and 96.5 / 1.8 / 1.8 %. */
static void test_told_shares(void **state)
{
    static const int per_mille[][MEMBERS] = { { 844, 47, 109 }, { 965, 18, 18 } };

    (void)state;
    for (int r = 0; r < 2; r++) {
        for (int m = 0; m < MEMBERS; m++)
            assert_int_equal((rings[r].keys_of[m] * 1000 + SLOTS / 2) / SLOTS, per_mille[r][m]);
    }
}

/* Why it balances badly: H(i) = (i + 1)^2 + 16 reaches 87 of the 512 slots, and one of them takes every
 * sixteenth key. */
static void test_reach(void **state)
{
    struct strategy *s = kit_strategy(ring, (struct kit_part){ "hash_quadratic", "" }, probes[0]);
    unsigned hits[SLOTS] = { 0 }, reached = 0, most = 0;

    (void)state;
    for (uint64_t i = 0; i < SLOTS * 4; i++) {
        struct lb_key key = { .id = i, .flags = LB_KEY_INTEGER };
        uint64_t slot = strategy_hash(s, &key) % SLOTS;

        assert_int_equal(slot, ((i + 1) * (i + 1) + 16) % SLOTS);
        reached += hits[slot]++ == 0;
        most = hits[slot] > most ? hits[slot] : most;
    }
    assert_int_equal(reached, 87);
    assert_true((double)most / (SLOTS * 4) == 0.0625);
    strategy_release(s);
}

/* Modulo 2^64, as the plugin promises: ids that are hashes of names wrap, and on 512 slots that changes
 * nothing. */
static void test_large_ids(void **state)
{
    struct strategy *s = kit_strategy(ring, (struct kit_part){ "hash_quadratic", "" }, probes[0]);

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t id = lb_mix64(i), low = id % SLOTS;
        struct lb_key key = { .id = id };
        struct lb_member member = { .id = id };

        assert_int_equal(strategy_hash(s, &key) % SLOTS, (low * low + 2 * low + 17) % SLOTS);
        assert_int_equal(
            s->with_hash.ops->place(s->with_hash.self, &member, 4000000000u) % SLOTS,
            (low * low + 4000000000ull % SLOTS * (4000000000ull % SLOTS) + 2 * 4000000000ull + 25) % SLOTS);
    }
    strategy_release(s);
}

/* ------------------------------------------------------------------ the md5 ring */

/* Its rule for collisions: M = 1024, the slot goes on by 2j + 1 each time, j being the virtual node's index,
 * until one is free. (Its counts need md5 and are tested with the hash that has it.) */
static void test_md5_ring_rule(void **state)
{
    struct strategy *s = kit_strategy((struct kit_part){ "scheduler_ring", "slots=1024 virtual_nodes=100" },
                                      (struct kit_part){ "hash_murmur", "" }, probes[2]);
    struct lb_member *members = kit_members(6);
    struct table *t = kit_build(s, members, 6);
    int owner[1024];
    uint32_t next = LB_NONE;

    (void)state;
    memset(owner, -1, sizeof owner);
    for (uint32_t m = 0; m < 6; m++) {
        for (uint32_t j = 0; j < 100; j++) {
            uint64_t slot = s->with_hash.ops->place(s->with_hash.self, &t->members[m], j) % 1024;

            while (owner[slot] >= 0)
                slot = (slot + 2 * j + 1) % 1024;
            owner[slot] = (int)m;
        }
    }
    for (int slot = 2047; slot >= 0; slot--) {
        if (owner[slot % 1024] >= 0)
            next = (uint32_t)owner[slot % 1024];
        if (slot < 1024)
            assert_int_equal(kit_inspect(t, NULL, (uint64_t)slot).slot_owner, next);
    }
    assert_int_equal(kit_inspect(t, NULL, 0).used, 600);
    table_release(t);
    kit_members_free(members, 6);
    strategy_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rings),     cmocka_unit_test(test_told_shares),   cmocka_unit_test(test_reach),
        cmocka_unit_test(test_large_ids), cmocka_unit_test(test_md5_ring_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
