/*
 * test_scheduler_ring.c - the ring against a ring that is placed and walked the slow way, and its promises.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct kit_part quadratic = { "hash_quadratic", "" };
static const struct kit_part murmur = { "hash_murmur", "" };
static const struct kit_part linear = { "probe_linear", "" };

static struct strategy *ring_strategy(const char *options, struct kit_part hash, struct kit_part probe)
{
    return kit_strategy((struct kit_part){ "scheduler_ring", options }, hash, probe);
}

/* ------------------------------------------------------------------ the slow way */

/* Who has which slot: node[slot] is member + 1, or 0. As nodes.c says: members in order, copies in order, at
 * most min(slots, 1024) attempts, then the next free slot from home. */
struct slow_ring {
    uint64_t slots;
    uint32_t *node;
    uint32_t *attempt, *copy;
};

static uint64_t slow_home(const struct strategy *s, const struct table *t, uint64_t slots, uint32_t m,
                          uint32_t j, uint64_t *value)
{
    *value = s->with_hash.ops->place(s->with_hash.self, &t->members[m], j);
    return *value % slots;
}

static void slow_place(struct slow_ring *r, const struct strategy *s, const struct table *t, uint32_t m,
                       uint32_t j)
{
    const uint32_t most = r->slots < 1024 ? (uint32_t)r->slots : 1024;
    const struct lb_probe_ops *probe = s->with_probe.ops;
    uint64_t value, home = slow_home(s, t, r->slots, m, j, &value), slot = home;
    uint32_t attempt = 0;

    while (r->node[slot]) {
        if (probe->yields && probe->yields(s->with_probe.self, attempt, r->attempt[slot])) {
            uint32_t other = r->node[slot] - 1, other_copy = r->copy[slot], other_attempt = r->attempt[slot];

            r->node[slot] = m + 1;
            r->copy[slot] = j;
            r->attempt[slot] = attempt;
            m = other;
            j = other_copy;
            attempt = other_attempt;
            home = slow_home(s, t, r->slots, m, j, &value);
        }
        if (attempt == most) {
            for (slot = home; r->node[slot];)
                slot = (slot + 1) % r->slots;
        } else {
            struct lb_probe_try try = {
                .home = home, .hash2 = lb_mix64(value ^ lb_mix64(1)), .slots = r->slots, .copy = j
            };

            try.attempt = ++attempt;
            slot = probe->at(s->with_probe.self, &try);
        }
    }
    r->node[slot] = m + 1;
    r->copy[slot] = j;
    r->attempt[slot] = attempt;
}

static struct slow_ring slow_build(const struct strategy *s, const struct table *t, uint64_t slots,
                                   uint32_t virtual_nodes)
{
    struct slow_ring r = { .slots = slots };

    r.node = mem_zero(slots, sizeof *r.node);
    r.attempt = mem_zero(slots, sizeof *r.attempt);
    r.copy = mem_zero(slots, sizeof *r.copy);
    for (uint32_t m = 0; m < t->n_members; m++) {
        for (uint32_t j = 0; j < virtual_nodes * t->members[m].weight; j++)
            slow_place(&r, s, t, m, j);
    }
    return r;
}

static void slow_free(struct slow_ring *r)
{
    free(r->node);
    free(r->attempt);
    free(r->copy);
}

/* Clockwise from a slot to the first member that is not tried. */
static uint32_t slow_pick(const struct slow_ring *r, const struct kit_seat *seat, uint64_t slot)
{
    for (uint64_t step = 0; step < r->slots; step++, slot = (slot + 1) % r->slots) {
        uint32_t m = r->node[slot] - 1;

        if (r->node[slot] && !(seat->tried[m >> 6] >> (m & 63) & 1))
            return m;
    }
    return LB_NONE;
}

/* Every slot's owner, the shares, and for some slots the whole order of members. */
static void compare(const struct strategy *s, const struct table *t, uint64_t slots, uint32_t virtual_nodes)
{
    struct slow_ring slow = slow_build(s, t, slots, virtual_nodes);
    struct kit_seat seat = kit_sit(t, 1);
    uint64_t *owned = mem_zero(t->n_members, sizeof *owned);

    for (uint64_t back = 1, m = slow_pick(&slow, &seat, 0); back <= slots; back++) {
        uint64_t slot =
            slots - back; /* backwards, a slot without a node belongs to the owner of the one after it */

        m = slow.node[slot] ? slow.node[slot] - 1 : m;
        owned[m]++;
        assert_int_equal(kit_ask_hash(&seat, slot), m);
        assert_int_equal(kit_ask_hash(&seat, slot + slots * 1000), m);
        if (slot % 509 == 0)
            assert_int_equal(kit_inspect(t, NULL, slot).slot_owner, m);
    }
    for (uint32_t m = 0; m < t->n_members; m++)
        assert_true(t->shares[m] == (double)owned[m] / (double)slots);
    /* In the order of the ring as far as a pick walks; with fewer nodes than that, to the end. */
    for (uint64_t slot = 0; slot < slots && kit_inspect(t, NULL, 0).used <= 256; slot += slots / 20 + 1) {
        uint32_t m;

        while ((m = kit_ask_hash(&seat, slot)) != LB_NONE) {
            assert_int_equal(m, slow_pick(&slow, &seat, slot));
            kit_mark(&seat, m);
        }
        assert_int_equal(slow_pick(&slow, &seat, slot), LB_NONE);
        kit_unmark_all(&seat);
    }
    free(owned);
    kit_leave(&seat);
    slow_free(&slow);
}

/* Sparse and loaded rings, weights, both registers, good and bad hashes and probes: always the slow way's
 * answer. */
static const struct {
    unsigned slots, virtual_nodes, members, heaviest;
} sizes[] = {
    { 2, 1, 1, 1 },      { 2, 1, 2, 1 },      { 3, 1, 3, 1 },      { 512, 9, 3, 1 },     { 512, 9, 20, 3 },
    { 512, 32, 8, 1 },   { 7, 1, 7, 1 },      { 256, 16, 16, 1 },  { 1024, 12, 20, 1 },  { 1000, 12, 20, 5 },
    { 1009, 1, 200, 1 }, { 2048, 6, 200, 1 }, { 5000, 12, 20, 1 }, { 65536, 12, 20, 1 },
};

static const struct kit_part hashes[] = {
    { "hash_quadratic", "" },
    { "hash_murmur", "" },
    { "hash_quadratic", "place_i_square=0 place_j_square=0 place_j_linear=0" }, /* all nodes at one home */
};

static const struct kit_part probes[] = {
    { "probe_linear", "" },
    { "probe_linear", "step=2" },
    { "probe_quadratic", "" },
    { "probe_quadratic", "per_copy=true" },
    { RM_TEST_PLUGIN_DIR "/probe_hash2.so", "" },
    { RM_TEST_PLUGIN_DIR "/probe_stays.so", "" },
    { RM_TEST_PLUGIN_DIR "/probe_yields.so", "" },
    { RM_TEST_PLUGIN_DIR "/probe_yields_always.so", "" },
};

static void check_against_the_slow_way(unsigned size, struct kit_part hash, struct kit_part probe)
{
    const unsigned slots = sizes[size].slots, virtual_nodes = sizes[size].virtual_nodes;
    const unsigned n = sizes[size].members;
    struct lb_member *members = kit_members(n);
    uint64_t digest = 0, nodes = 0;

    for (unsigned i = 0; i < n; i++) {
        members[i].weight = 1 + i % sizes[size].heaviest;
        nodes += members[i].weight * virtual_nodes;
    }
    for (int dense = 0; dense < 2; dense++) {
        char *options =
            mem_format("slots=%u virtual_nodes=%u dense_up_to=%u", slots, virtual_nodes, dense ? slots : 0);
        struct strategy *s = ring_strategy(options, hash, probe);
        struct table *t = kit_build(s, members, n);
        struct lb_inspect seen = kit_inspect(t, NULL, 0);

        compare(s, t, slots, virtual_nodes);
        assert_int_equal(seen.used, nodes);
        assert_int_equal(seen.slots, slots);
        assert_true(!dense || seen.digest == digest);
        digest = seen.digest;
        table_release(t);
        strategy_release(s);
        free(options);
    }
    kit_members_free(members, n);
}

static void test_same_as_the_slow_way(void **state)
{
    (void)state;
    for (unsigned size = 0; size < sizeof sizes / sizeof sizes[0]; size++) {
        for (unsigned h = 0; h < sizeof hashes / sizeof hashes[0]; h++) {
            for (unsigned p = 0; p < sizeof probes / sizeof probes[0]; p++)
                check_against_the_slow_way(size, hashes[h], probes[p]);
        }
    }
}

/* Larger than the slow way could do in a hurry: the two registers against each other, at all loads. */
static void test_dense_and_sparse_agree(void **state)
{
    static const struct {
        unsigned slots, virtual_nodes, members;
    } large[] = {
        { 100003, 100, 50 }, { 16384, 163, 100 }, { 5000, 50, 100 }, { 16384, 64, 256 }, { 262144, 50, 200 }
    };
    static const struct kit_part some[] = { { "probe_linear", "" },
                                            { "probe_quadratic", "" },
                                            { "probe_quadratic", "per_copy=true" },
                                            { RM_TEST_PLUGIN_DIR "/probe_yields.so", "" } };

    (void)state;
    for (unsigned i = 0; i < sizeof large / sizeof large[0] * 4 * 2; i++) {
        const unsigned slots = large[i / 8].slots, n = large[i / 8].members;
        struct lb_member *members = kit_members(n);
        struct table *tables[2];
        struct strategy *s[2];

        for (int dense = 0; dense < 2; dense++) {
            char *options = mem_format("slots=%u virtual_nodes=%u dense_up_to=%u", slots,
                                       large[i / 8].virtual_nodes, dense ? slots : 0);
            s[dense] = ring_strategy(options, i % 2 ? murmur : quadratic, some[i / 2 % 4]);
            tables[dense] = kit_build(s[dense], members, n);
            free(options);
        }
        assert_true(tables[0]->digest == tables[1]->digest);
        assert_memory_equal(tables[0]->shares, tables[1]->shares, n * sizeof(double));
        for (int dense = 0; dense < 2; dense++) {
            table_release(tables[dense]);
            strategy_release(s[dense]);
        }
        kit_members_free(members, n);
    }
}

/* ------------------------------------------------------------------ large rings */

/* On 2^32 slots the look-up must find what a search through all virtual nodes finds, also right at and beside
 * them. */
static void test_look_up_on_the_largest_ring(void **state)
{
    enum { N = 50, COPIES = 40 };
    struct strategy *s = ring_strategy("virtual_nodes=40", murmur, linear);
    struct lb_member *members = kit_members(N);
    struct table *t = kit_build(s, members, N);
    struct kit_seat seat = kit_sit(t, 1);
    uint64_t *slots = mem_alloc(N * COPIES * sizeof *slots);
    uint64_t random = 3;

    (void)state;
    for (uint32_t i = 0; i < N * COPIES; i++)
        slots[i] =
            s->with_hash.ops->place(s->with_hash.self, &t->members[i / COPIES], i % COPIES) % (1ull << 32);
    for (int q = 0; q < 20000; q++) {
        uint64_t hash = lb_random(&random), nearest = UINT64_MAX;
        uint32_t owner = LB_NONE;

        if (q % 4) /* just before, at and just after a node */
            hash = (hash >> 32 << 32) + (slots[hash % (N * COPIES)] + (uint64_t)(q % 4) - 2) % (1ull << 32);
        if (q == 1)
            hash = UINT64_MAX;
        for (uint32_t i = 0; i < N * COPIES; i++) {
            uint64_t ahead = (slots[i] - hash) % (1ull << 32);

            if (ahead < nearest) {
                nearest = ahead;
                owner = i / COPIES;
            }
        }
        assert_int_equal(kit_ask_hash(&seat, hash), owner);
    }
    free(slots);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, N);
    strategy_release(s);
}

/* A hash that crowds a corner of the largest ring, across its end: node j of member i is in slot i + 4j - 2,
 * so 2,000 neighbours fill two of the buckets, and the first is in the very last slot. */
static void test_crowded_corner(void **state)
{
    struct strategy *s =
        ring_strategy("virtual_nodes=500",
                      (struct kit_part){ "hash_quadratic", "place_i_square=0 place_i_linear=1 "
                                                           "place_j_square=0 place_j_linear=4 "
                                                           "place_constant=4294967294" },
                      linear);
    struct lb_member *members = kit_members(4);
    struct table *t = kit_build(s, members, 4);
    struct kit_seat seat = kit_sit(t, 1);

    (void)state;
    for (uint64_t node = 0; node < 2000; node++) {
        uint64_t slot = (node + 0xFFFFFFFFull) % (1ull << 32);

        assert_int_equal(t->members[kit_ask_hash(&seat, slot)].id, node % 4 + 1);
        assert_int_equal(t->members[kit_inspect(t, NULL, slot).slot_owner].id, node % 4 + 1);
    }
    assert_int_equal(t->members[kit_ask_hash(&seat, 0xFFFFFFFEull)].id, 1);
    assert_int_equal(t->members[kit_ask_hash(&seat, 0x80000000ull)].id, 1);
    assert_int_equal(t->members[kit_ask_hash(&seat, 2000)].id,
                     1); /* beyond the last node, all the way round */
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, 4);
    strategy_release(s);
}

/* Members that leave a 2^32 ring take no key but their own with them, and bring the same back. */
static void test_no_excess_moves(void **state)
{
    enum { N = 20, KEYS = 50000 };
    struct strategy *s = ring_strategy("virtual_nodes=200", murmur, linear);
    struct lb_member *members = kit_members(N), rest[N - 1];
    struct table *all = kit_build(s, members, N), *fewer, *again;
    struct kit_seat before = kit_sit(all, 1), after;

    (void)state;
    memcpy(rest, members, 7 * sizeof *rest);
    memcpy(rest + 7, members + 8, (N - 8) * sizeof *rest);
    fewer = kit_build(s, rest, N - 1);
    after = kit_sit(fewer, 1);
    for (uint64_t k = 0; k < KEYS; k++) {
        char text[24];
        struct lb_key key = kit_key(k, text);
        uint32_t had = kit_ask(&before, &key), has = kit_ask(&after, &key);

        if (had != 7)
            assert_int_equal(all->members[had].id, fewer->members[has].id);
        kit_mark(&before, 7); /* a tried member's keys go where they would go without it */
        assert_int_equal(all->members[kit_ask(&before, &key)].id, fewer->members[has].id);
        kit_unmark_all(&before);
    }
    assert_true(all->digest != fewer->digest);
    again = kit_build(s, members, N);
    assert_true(all->digest == again->digest);
    kit_leave(&before);
    kit_leave(&after);
    table_release(all);
    table_release(fewer);
    table_release(again);
    kit_members_free(members, N);
    strategy_release(s);
}

/* ------------------------------------------------------------------ promises of every scheduler */

/* In whatever order members are fed, sorted they make the same ring; so do three balancers. */
static void test_order_of_insertion(void **state)
{
    enum { N = 40 };
    struct strategy *s = ring_strategy("slots=65536 virtual_nodes=100", murmur, linear);
    struct lb_member *members = kit_members(N);
    struct table *first = kit_build(s, members, N);
    uint64_t random = 11;

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct table *t;

        for (uint32_t i = N - 1; i > 0; i--) {
            uint32_t j = (uint32_t)lb_scale(lb_random(&random), i + 1);
            struct lb_member held = members[i];

            members[i] = members[j];
            members[j] = held;
        }
        qsort(members, N, sizeof *members, strategy_compare_members);
        t = kit_build(s, members, N);
        assert_true(t->digest == first->digest);
        assert_true(t->members_digest == first->members_digest);
        table_release(t);
    }
    table_release(first);
    kit_members_free(members, N);
    strategy_release(s);
}

/* The digest tells apart what answers differently: names, sizes, hashes, one node. */
static void test_digest_differs(void **state)
{
    static const char *const options[] = { "slots=4096 virtual_nodes=10", "slots=4097 virtual_nodes=10",
                                           "slots=4096 virtual_nodes=11" };
    struct lb_member *members = kit_members(5);
    uint64_t digests[5];

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct strategy *s = ring_strategy(
            options[i % 3], i == 3 ? (struct kit_part){ "hash_murmur", "bits=32" } : murmur, linear);
        struct table *t = kit_build(s, members, i == 4 ? 4 : 5);

        digests[i] = t->digest;
        for (int j = 0; j < i; j++)
            assert_true(digests[i] != digests[j]);
        table_release(t);
        strategy_release(s);
    }
    kit_members_free(members, 5);
}

/* Tried members are never named again, and every member is named in the end: with few members and with so
 * many that a walk is cut short. */
static void test_never_a_tried_one(void **state)
{
    static const uint32_t counts[] = { 1, 2, 63, 64, 65, 128, 1000 };

    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct strategy *s = ring_strategy("virtual_nodes=20", murmur, linear);
        struct lb_member *members = kit_members(counts[c]);
        struct table *t = kit_build(s, members, counts[c]);
        struct kit_seat seat = kit_sit(t, 1);

        for (uint64_t hash = 1; hash < 6; hash++) {
            for (uint32_t asked = 0; asked < counts[c]; asked++) {
                uint32_t m = kit_ask_hash(&seat, lb_mix64(hash));

                assert_true(m < counts[c]);
                assert_false(seat.tried[m >> 6] >> (m & 63) & 1);
                assert_int_equal(kit_ask_hash(&seat, lb_mix64(hash)), m); /* deterministic */
                kit_mark(&seat, m);
            }
            assert_int_equal(kit_ask_hash(&seat, lb_mix64(hash)), LB_NONE);
            kit_unmark_all(&seat);
        }
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, counts[c]);
        strategy_release(s);
    }
}

/* With all but ten of a thousand members down, those ten share the keys. */
static void test_few_left_share(void **state)
{
    enum { N = 1000, KEYS = 20000 };
    struct strategy *s = ring_strategy("virtual_nodes=100", murmur, linear);
    struct lb_member *members = kit_members(N);
    struct table *t = kit_build(s, members, N);
    struct kit_seat seat = kit_sit(t, 1);
    unsigned hits[N] = { 0 };

    (void)state;
    for (uint32_t m = 0; m < N; m++) {
        if (m % 10 != 3 || m >= 100) /* the ten are neighbours in the list */
            kit_mark(&seat, m);
    }
    for (uint64_t k = 0; k < KEYS; k++)
        hits[kit_ask_hash(&seat, lb_mix64(k))]++;
    for (uint32_t m = 3; m < 100; m += 10)
        assert_true(hits[m] > KEYS * 7 / 100 && hits[m] < KEYS * 13 / 100);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, N);
    strategy_release(s);
}

/* Weight w is w times the virtual nodes, so about w times the share. */
static void test_weights(void **state)
{
    struct strategy *s = ring_strategy("virtual_nodes=1000", murmur, linear);
    struct lb_member *members = kit_members(3);
    struct table *t;

    (void)state;
    members[0].weight = 2;
    members[2].weight = 5;
    t = kit_build(s, members, 3);
    assert_int_equal(kit_inspect(t, NULL, 0).used, 8000);
    assert_true(t->shares[0] > 0.23 && t->shares[0] < 0.27);
    assert_true(t->shares[1] > 0.115 && t->shares[1] < 0.135);
    assert_true(t->shares[2] > 0.59 && t->shares[2] < 0.66);
    table_release(t);
    kit_members_free(members, 3);
    strategy_release(s);
}

static void test_nobody_and_one(void **state)
{
    struct strategy *s = ring_strategy("slots=2 virtual_nodes=2", quadratic, linear);
    struct lb_member *members = kit_members(1);
    struct table *none = kit_build(s, members, 0), *one = kit_build(s, members, 1);
    struct kit_seat no_seat = kit_sit(none, 1), seat = kit_sit(one, 1);

    (void)state;
    assert_int_equal(kit_ask_hash(&no_seat, 1), LB_NONE);
    assert_int_equal(kit_inspect(none, NULL, 0).slot_owner, LB_NONE);
    assert_int_equal(kit_inspect(none, NULL, 0).used, 0);
    for (uint64_t hash = 0; hash < 10; hash++)
        assert_int_equal(kit_ask_hash(&seat, hash), 0);
    assert_true(one->shares[0] == 1);
    assert_int_equal(kit_inspect(one, NULL, 1).slot_owner, 0);
    assert_int_equal(kit_inspect(one, NULL, 2).slot_owner, LB_NONE); /* there is no slot 2 */
    kit_leave(&no_seat);
    kit_leave(&seat);
    table_release(none);
    table_release(one);
    kit_members_free(members, 1);
    strategy_release(s);
}

/* ------------------------------------------------------------------ refusals */

static void refuses(const char *options, struct kit_part probe, uint32_t n, uint32_t weight,
                    const char *expected)
{
    struct strategy *s = ring_strategy(options, quadratic, probe);
    struct lb_member *members = kit_members(n);
    struct lb_error why;

    for (uint32_t i = 0; i < n; i++)
        members[i].weight = weight;
    assert_null(strategy_build(s, members, n, &why));
    if (!strstr(why.text, expected))
        print_error("got \"%s\"\n", why.text);
    assert_non_null(strstr(why.text, expected));
    kit_members_free(members, n);
    strategy_release(s);
}

static void test_refusals(void **state)
{
    (void)state;
    refuses("slots=10 virtual_nodes=4", linear, 3, 1,
            "3 members make 12 virtual nodes, and the ring has only 10 slots: raise slots, or lower "
            "virtual_nodes or the "
            "weights");
    refuses("slots=10 virtual_nodes=4", linear, 1, 3, "1 members make 12 virtual nodes");
    refuses("virtual_nodes=100000", linear, 3, 65535,
            "make 19660500000 virtual nodes, and the ring has only 4294967296");
    refuses("virtual_nodes=100000", linear, 168, 1,
            "make 16800000 virtual nodes, and a ring holds at most 16777216");
    refuses("slots=64 virtual_nodes=9", (struct kit_part){ RM_TEST_PLUGIN_DIR "/probe_outside.so", "" }, 3, 1,
            "the probe plugin answered slot 65 on a ring of 64 slots");
    refuses("virtual_nodes=900", (struct kit_part){ RM_TEST_PLUGIN_DIR "/probe_outside.so", "" }, 3, 1,
            "the probe plugin answered slot 4294967297 on a ring of 4294967296 slots");
    refuses("", linear, 2, 0, "member \"Server 1\" has weight 0: a weight is 1 to 65535");
}

/* An allocator that refuses the k-th request, for every k: nothing is left behind, and the reason is told. */
static void test_no_memory(void **state)
{
    static const char *const options[] = { "slots=64 virtual_nodes=9",
                                           "slots=64 virtual_nodes=9 dense_up_to=0" };
    struct lb_member *members = kit_members(7);

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct strategy *s = ring_strategy(options[i % 2], quadratic,
                                           (struct kit_part){ i < 2 ? RM_TEST_PLUGIN_DIR "/probe_yields.so"
                                                                    : RM_TEST_PLUGIN_DIR "/probe_stays.so",
                                                              "" });
        kit_check_scarce(s, members, 7);
        strategy_release(s);
    }
    kit_members_free(members, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_slow_way),
        cmocka_unit_test(test_dense_and_sparse_agree),
        cmocka_unit_test(test_look_up_on_the_largest_ring),
        cmocka_unit_test(test_crowded_corner),
        cmocka_unit_test(test_no_excess_moves),
        cmocka_unit_test(test_order_of_insertion),
        cmocka_unit_test(test_digest_differs),
        cmocka_unit_test(test_never_a_tried_one),
        cmocka_unit_test(test_few_left_share),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_nobody_and_one),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
