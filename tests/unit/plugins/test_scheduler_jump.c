/*
 * test_scheduler_jump.c - jumps against the definition they shorten, and what may move when buckets come and
 * go.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/scheduler_jump/jump.h"

/* From n to n + 1 buckets a key stays, or goes to the new one; and one in n + 1 does. */
static void test_grows_by_one(void **state)
{
    enum { KEYS = 2000, BUCKETS = 200 };
    unsigned moved = 0;
    double expected = 0;

    (void)state;
    for (uint32_t n = 1; n < BUCKETS; n++) {
        for (uint64_t k = 0; k < KEYS; k++) {
            uint32_t before = jump_bucket(lb_mix64(k), n), after = jump_bucket(lb_mix64(k), n + 1);

            assert_true(before < n);
            assert_true(after == before || after == n);
            moved += after != before;
        }
        expected += KEYS / (n + 1.0);
    }
    assert_true(moved > expected * 0.95 && moved < expected * 1.05);
}

static void test_many_buckets(void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 1000; k++) {
        uint32_t bucket = jump_bucket(lb_mix64(k), 0x7FFFFFFF);

        assert_true(bucket < 0x7FFFFFFF);
        assert_int_equal(jump_bucket(lb_mix64(k), bucket + 1),
                         bucket); /* it came there when there were so many */
    }
    assert_int_equal(jump_bucket(UINT64_MAX, 1), 0);
}

/* Through the plugin: the last member by ring name leaves, and only its keys move; the first leaves, and most
 * do. */
static void test_last_and_first(void **state)
{
    enum { N = 9, KEYS = 20000 };
    struct strategy *s = kit_scheduler("scheduler_jump", "");
    struct lb_member *members = kit_weighted_members(N, 0);
    struct table *all = kit_build(s, members, N), *no_last = kit_build(s, members, N - 1),
                 *no_first = kit_build(s, members + 1, N - 1);
    struct kit_seat seat = kit_sit(all, 1), last = kit_sit(no_last, 1), first = kit_sit(no_first, 1);
    unsigned moved = 0;

    (void)state;
    for (uint64_t k = 0; k < KEYS; k++) {
        uint32_t had = kit_ask_hash(&seat, lb_mix64(k));

        if (had != N - 1)
            assert_int_equal(kit_ask_hash(&last, lb_mix64(k)), had);
        moved += had != 0 && kit_ask_hash(&first, lb_mix64(k)) + 1 != had;
    }
    assert_true(moved > KEYS / 4);
    kit_leave(&seat);
    kit_leave(&last);
    kit_leave(&first);
    table_release(all);
    table_release(no_last);
    table_release(no_first);
    kit_members_free(members, N);
    strategy_release(s);
}

/* Weights are virtual buckets, in blocks, after division by their common divisor. */
static void test_weights_are_blocks(void **state)
{
    enum { N = 4 };
    static const uint32_t owner[12] = { 0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3 };
    struct strategy *s = kit_scheduler("scheduler_jump", "");
    struct lb_member *members = kit_members(N);
    struct kit_seat seat;
    struct table *t;

    (void)state;
    members[0].weight = 200;
    members[1].weight = 100;
    members[2].weight = 400;
    members[3].weight = 500;
    t = kit_build(s, members, N);
    seat = kit_sit(t, 1);
    assert_int_equal(kit_inspect(t, NULL, 0).used, 12);
    for (uint64_t k = 0; k < 1000; k++)
        assert_int_equal(kit_ask_hash(&seat, lb_mix64(k)), owner[jump_bucket(lb_mix64(k), 12)]);
    assert_true(t->shares[2] == 4.0 / 12);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, N);
    strategy_release(s);
}

static void test_refusals(void **state)
{
    enum { N = 40000 };
    struct strategy *s = kit_scheduler("scheduler_jump", "");
    struct lb_member *members = kit_members(N);

    (void)state;
    for (uint32_t i = 0; i < N; i++)
        members[i].weight = 65534 + i % 2;
    kit_check_refusal(
        s, members, N,
        "the weights, divided by 1, add up to 2621380000 buckets, and at most 2147483647 can be told "
        "apart: use coarser weights");
    kit_members_free(members, N);
    strategy_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_by_one),   cmocka_unit_test(test_many_buckets),
        cmocka_unit_test(test_last_and_first), cmocka_unit_test(test_weights_are_blocks),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
