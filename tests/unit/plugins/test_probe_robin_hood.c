/*
 * test_probe_robin_hood.c - the next slot, and who has come farther takes it: against a slow model, and
 * against probe_linear.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/plugin.h"

enum { SLOTS = 512, MEMBERS = 48, COPIES = 9 };

static const struct kit_part ring = { "scheduler_ring", "slots=512 virtual_nodes=9" };
static const struct kit_part murmur = { "hash_murmur", "" };

static struct strategy *with_probe(const char *probe)
{
    return kit_strategy(ring, murmur, (struct kit_part){ probe, "" });
}

static void test_at_and_yields(void **state)
{
    struct strategy *s = with_probe("probe_robin_hood");
    const struct lb_probe_ops *ops = s->with_probe.ops;

    (void)state;
    for (uint64_t slots = 2; slots < 20; slots++) {
        for (uint32_t t = 1; t < 40; t++) {
            struct lb_probe_try try = {
                .home = slots - 1, .slots = slots, .attempt = t, .copy = 3, .hash2 = 9
            };

            assert_int_equal(ops->at(s->with_probe.self, &try), (slots - 1 + t) % slots);
        }
    }
    for (uint64_t mine = 0; mine < 10; mine++) {
        for (uint64_t theirs = 0; theirs < 10; theirs++)
            assert_int_equal(ops->yields(s->with_probe.self, mine, theirs) != 0, mine > theirs);
    }
    strategy_release(s);
}

static void test_extremes(void **state)
{
    struct strategy *s = with_probe("probe_robin_hood");
    struct lb_probe_try try = { .home = UINT32_MAX, .slots = 1ull << 32, .attempt = UINT32_MAX };

    (void)state;
    assert_true(s->with_probe.ops->at(s->with_probe.self, &try) == UINT32_MAX - 1u);
    assert_true(s->with_probe.ops->yields(s->with_probe.self, UINT64_MAX, 0));
    strategy_release(s);
}

/* ------------------------------------------------------------------ a model */

/* Who is in a slot, and how far from home. */
struct resident {
    uint32_t member, distance;
    bool there;
};

static void place_robin_hood(struct resident *slots, uint64_t home, uint32_t member)
{
    struct resident mine = { .member = member, .there = true };

    for (uint64_t slot = home; mine.there; slot = (slot + 1) % SLOTS, mine.distance++) {
        if (!slots[slot].there || mine.distance > slots[slot].distance) {
            struct resident other = slots[slot];

            slots[slot] = mine;
            mine = other;
        }
    }
}

static void place_linear(struct resident *slots, uint64_t home, uint32_t member)
{
    uint32_t distance = 0;

    while (slots[(home + distance) % SLOTS].there)
        distance++;
    slots[(home + distance) % SLOTS] = (struct resident){ member, distance, true };
}

static void fill(struct resident *slots, const struct strategy *s, const struct lb_member *members,
                 uint32_t n, void (*place)(struct resident *, uint64_t, uint32_t))
{
    memset(slots, 0, SLOTS * sizeof *slots);
    for (uint32_t m = 0; m < n; m++) {
        for (uint32_t j = 0; j < COPIES; j++)
            place(slots, s->with_hash.ops->place(s->with_hash.self, &members[m], j) % SLOTS, m);
    }
}

static void check_owners(const struct table *t, const struct resident *slots)
{
    uint32_t next = LB_NONE;

    for (int slot = 2 * SLOTS - 1; slot >= 0; slot--) {
        if (slots[slot % SLOTS].there)
            next = slots[slot % SLOTS].member;
        if (slot < SLOTS)
            assert_int_equal(kit_inspect(t, NULL, (uint64_t)slot).slot_owner, next);
    }
}

/* From an empty ring to one that is 98 % full. */
static void test_ring_is_the_models(void **state)
{
    static const uint32_t counts[] = { 1, 10, 30, 45, 55 };
    struct strategy *s = with_probe("probe_robin_hood");
    struct resident slots[SLOTS];

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct lb_member *members = kit_members(counts[i]);
        struct table *t = kit_build(s, members, counts[i]);

        fill(slots, s, members, counts[i], place_robin_hood);
        check_owners(t, slots);
        table_release(t);
        kit_members_free(members, counts[i]);
    }
    strategy_release(s);
}

struct distances {
    uint32_t sum, longest;
    double squares;
    double late; /* mean distance of the last eighth of the members, in those of all */
};

static struct distances measure(const struct resident *slots)
{
    struct distances d = { 0 };
    uint32_t late = 0;

    for (int slot = 0; slot < SLOTS; slot++) {
        const struct resident *r = &slots[slot];

        if (!r->there)
            continue;
        d.sum += r->distance;
        d.longest = r->distance > d.longest ? r->distance : d.longest;
        d.squares += (double)r->distance * r->distance;
        late += r->member >= MEMBERS - MEMBERS / 8 ? r->distance : 0;
    }
    d.late = (double)late / (MEMBERS / 8) / ((double)d.sum / MEMBERS);
    return d;
}

/* What its comment promises, beside probe_linear: the same slots taken and as far altogether, but more
 * evenly, and it is no disadvantage to be placed late. */
static void test_evenly(void **state)
{
    struct strategy *s = with_probe("probe_robin_hood");
    struct lb_member *members = kit_members(MEMBERS);
    struct resident mine[SLOTS], linear[SLOTS];
    struct distances d, l;

    (void)state;
    fill(mine, s, members, MEMBERS, place_robin_hood);
    fill(linear, s, members, MEMBERS, place_linear);
    for (int slot = 0; slot < SLOTS; slot++)
        assert_int_equal(mine[slot].there, linear[slot].there);
    d = measure(mine);
    l = measure(linear);
    print_message(
        "84 %% full: %u steps in all; the longest way is %u, %u with probe_linear; members placed late go "
        "%.2f times as far as all, %.2f times with probe_linear\n",
        d.sum, d.longest, l.longest, d.late, l.late);
    assert_int_equal(d.sum, l.sum);
    assert_true(d.longest < l.longest);
    assert_true(d.squares < l.squares);
    assert_true(d.late < l.late && d.late < 1.3);
    kit_members_free(members, MEMBERS);
    strategy_release(s);
}

/* Slots whose owner changes when one member leaves, though it was not the owner before; all members in
 * turn. */
static unsigned excess_moves(const char *probe)
{
    struct strategy *s = with_probe(probe);
    struct lb_member *members = kit_members(MEMBERS), *fewer = mem_alloc(MEMBERS * sizeof *fewer);
    struct table *all = kit_build(s, members, MEMBERS);
    unsigned moved = 0;

    for (uint32_t gone = 0; gone < MEMBERS; gone++) {
        struct table *t;

        memcpy(fewer, members, gone * sizeof *members);
        memcpy(fewer + gone, members + gone + 1, (MEMBERS - gone - 1) * sizeof *members);
        t = kit_build(s, fewer, MEMBERS - 1);
        for (uint64_t slot = 0; slot < SLOTS; slot++) {
            uint32_t before = kit_inspect(all, NULL, slot).slot_owner,
                     after = kit_inspect(t, NULL, slot).slot_owner;

            moved += before != gone && members[before].id != fewer[after].id;
        }
        table_release(t);
    }
    table_release(all);
    strategy_release(s);
    free(fewer);
    kit_members_free(members, MEMBERS);
    return moved;
}

/* The price: on a crowded ring more slots change hands when a member leaves. */
static void test_moves(void **state)
{
    unsigned mine = excess_moves("probe_robin_hood"), linear = excess_moves("probe_linear");

    (void)state;
    print_message(
        "84 %% full, one member leaves: %.1f of %d slots move that need not, %.1f with probe_linear\n",
        (double)mine / MEMBERS, SLOTS, (double)linear / MEMBERS);
    assert_true(mine > linear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_and_yields),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_ring_is_the_models),
        cmocka_unit_test(test_evenly),
        cmocka_unit_test(test_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
