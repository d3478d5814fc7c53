/*
 * test_scheduler_multiprobe.c - the nearest point behind any of k places, found the slow way too.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdlib.h>
#include <string.h>

/* Every point of every untried member for every place. */
static uint32_t slow_pick(const struct kit_seat *seat, uint64_t hash, uint32_t probes)
{
    const struct table *t = seat->table;
    const struct lb_hash *h = &t->strategy->with_hash;
    uint64_t place = hash, step = lb_mix64(hash ^ lb_mix64(1)), best = UINT64_MAX;
    uint32_t nearest = LB_NONE;

    for (uint32_t i = 0; i < probes; i++, place += step) {
        for (uint32_t m = 0; m < t->n_members; m++) {
            for (uint32_t j = 0; j < t->members[m].weight; j++) {
                uint64_t distance = h->ops->place(h->self, &t->members[m], j) - place - 1;

                if (seat->tried[m >> 6] >> (m & 63) & 1 || distance >= best)
                    continue;
                best = distance;
                nearest = m;
            }
        }
    }
    return nearest;
}

static void test_same_as_the_slow_way(void **state)
{
    static const char *const options[] = { "probes=1", "probes=2", "probes=21", "" };
    static const uint32_t probes[] = { 1, 2, 21, 21 }, counts[] = { 1, 2, 3, 17, 64, 100 };

    (void)state;
    for (size_t c = 0; c < 4 * sizeof counts / sizeof counts[0]; c++) {
        struct strategy *s = kit_scheduler("scheduler_multiprobe", options[c % 4]);
        struct lb_member *members = kit_weighted_members(counts[c / 4], 0);
        struct table *t = kit_build(s, members, counts[c / 4]);
        struct kit_seat seat = kit_sit(t, 1);

        for (uint64_t k = 0; k < 12; k++) {
            for (uint32_t tries = 0; tries < 10; tries++) { /* so few that no walk is cut short */
                uint32_t expected = slow_pick(&seat, lb_mix64(k), probes[c % 4]);

                assert_int_equal(kit_ask_hash(&seat, lb_mix64(k)), expected);
                if (expected != LB_NONE)
                    kit_mark(&seat, expected);
            }
            kit_unmark_all(&seat);
        }
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, counts[c / 4]);
        strategy_release(s);
    }
}

/* At the end of the circle the first point is next; a point's own place is not behind it. */
static uint64_t edge_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    static const uint64_t places[] = { 100, 1ull << 63, UINT64_MAX };

    (void)self;
    (void)copy;
    return places[member->id - 1];
}

static uint64_t edge_key(const void *self, const struct lb_key *key)
{
    (void)self;
    return key->id;
}

static void test_circle_closes(void **state)
{
    static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = edge_key, .place = edge_place };
    struct strategy *s = kit_scheduler("scheduler_multiprobe", "probes=1");
    struct lb_hash own = kit_set_hash(s, (struct lb_hash){ .ops = &ops });
    struct lb_member *members = kit_members(3);
    struct table *t = kit_build(s, members, 3);
    struct kit_seat seat = kit_sit(t, 1);

    (void)state;
    assert_int_equal(kit_ask_hash(&seat, 0), 0);
    assert_int_equal(kit_ask_hash(&seat, 99), 0);
    assert_int_equal(kit_ask_hash(&seat, 100), 1);
    assert_int_equal(kit_ask_hash(&seat, (1ull << 63) - 1), 1);
    assert_int_equal(kit_ask_hash(&seat, 1ull << 63), 2);
    assert_int_equal(kit_ask_hash(&seat, UINT64_MAX - 1), 2);
    assert_int_equal(kit_ask_hash(&seat, UINT64_MAX), 0);
    kit_mark(&seat, 0);
    assert_int_equal(kit_ask_hash(&seat, UINT64_MAX), 1);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, 3);
    kit_set_hash(s, own);
    strategy_release(s);
}

/* More probes, more even. */
static void test_more_probes_are_more_even(void **state)
{
    enum { N = 50, KEYS = 400000 };
    static const char *const options[] = { "probes=1", "probes=5", "probes=21" };
    double largest[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct strategy *s = kit_scheduler("scheduler_multiprobe", options[i]);
        struct lb_member *members = kit_members(N);
        struct table *t = kit_build(s, members, N);
        struct kit_seat seat = kit_sit(t, 1);
        unsigned hits[N] = { 0 }, most = 0;

        for (uint64_t k = 0; k < KEYS; k++)
            hits[kit_ask_hash(&seat, lb_mix64(k))]++;
        for (uint32_t m = 0; m < N; m++)
            most = hits[m] > most ? hits[m] : most;
        largest[i] = (double)most * N / KEYS;
        print_message("%s: the largest share is %.3f times the mean\n", options[i], largest[i]);
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, N);
        strategy_release(s);
    }
    assert_true(largest[0] > 2 && largest[1] < 1.6 && largest[2] < 1.15);
}

static void test_refusals(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_multiprobe", "");
    struct lb_member *members = kit_members(70);

    (void)state;
    for (uint32_t i = 0; i < 70; i++)
        members[i].weight = 65535;
    kit_check_refusal(
        s, members, 70,
        "the weights add up to 4587450 points, and a circle holds at most 4194304: use smaller weights");
    kit_members_free(members, 70);
    strategy_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_slow_way),
        cmocka_unit_test(test_circle_closes),
        cmocka_unit_test(test_more_probes_are_more_even),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
