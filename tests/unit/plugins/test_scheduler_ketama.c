/*
 * test_scheduler_ketama.c - points by weight, walks and refusals. That they are libketama's points, and
 * libmemcached's, is in test_scheduler_vectors.c.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct table *ketama(const char *options, const struct lb_member *members, uint32_t n)
{
    struct strategy *s = kit_scheduler("scheduler_ketama", options);
    struct table *t = kit_build(s, members, n);

    strategy_release(s);
    return t;
}

static uint32_t points_with(const char *options, const uint32_t *weights, uint32_t n)
{
    struct lb_member *members = kit_members(n);
    struct table *t;
    uint32_t points;

    for (uint32_t i = 0; i < n; i++)
        members[i].weight = weights ? weights[i] : 1;
    t = ketama(options, members, n);
    points = (uint32_t)kit_inspect(t, NULL, 0).used;
    table_release(t);
    kit_members_free(members, n);
    return points;
}

/* 160 a member of mean weight, whatever the weights' unit is; a very light one still has four. */
static void test_points_by_weight(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 200; n++)
        assert_int_equal(points_with("", NULL, n), 160 * n);
    assert_int_equal(points_with("", (const uint32_t[]){ 100, 100, 100 }, 3), 480);
    assert_int_equal(points_with("", (const uint32_t[]){ 1, 2, 3 }, 3), 80 + 160 + 240);
    assert_int_equal(points_with("", (const uint32_t[]){ 600, 400 }, 2), 4 * (48 + 32));
    assert_int_equal(points_with("", (const uint32_t[]){ 1, 60000 }, 2), 4 * (1 + 79));
    assert_int_equal(points_with("digests=1", (const uint32_t[]){ 1, 1 }, 2), 8);
}

/* The core's walk is the circle's: with the first member of a key tried, it goes where it goes without that
 * member. */
static void test_tried_is_as_gone(void **state)
{
    enum { N = 10, KEYS = 3000 };
    struct lb_member *members = kit_members(N);
    struct table *all = ketama("", members, N);
    struct kit_seat seat = kit_sit(all, 1);

    (void)state;
    for (uint32_t gone = 0; gone < N; gone++) {
        struct lb_member *rest = kit_members_without(members, N, gone);
        struct table *fewer = ketama("", rest, N - 1);
        struct kit_seat other = kit_sit(fewer, 1);

        kit_mark(&seat, gone);
        for (uint64_t k = 0; k < KEYS; k++) {
            char text[24];
            struct lb_key key = kit_key(k, text);

            assert_int_equal(all->members[kit_ask(&seat, &key)].id, fewer->members[kit_ask(&other, &key)].id);
        }
        kit_unmark_all(&seat);
        kit_leave(&other);
        table_release(fewer);
        free(rest);
    }
    kit_leave(&seat);
    table_release(all);
    kit_members_free(members, N);
}

/* Every place's owner, by the shares: the owners of the places around each point account for all of 2^32. */
static void test_shares_are_the_arcs(void **state)
{
    enum { N = 7, SAMPLES = 200000 };
    struct lb_member *members = kit_weighted_members(N, 0);
    struct table *t = ketama("digests=5", members, N);
    unsigned hits[N] = { 0 };

    (void)state;
    for (uint64_t i = 0; i < SAMPLES; i++) /* evenly over the circle */
        hits[kit_inspect(t, NULL, i * ((1ull << 32) / SAMPLES)).slot_owner]++;
    for (uint32_t m = 0; m < N; m++)
        assert_true(hits[m] > t->shares[m] * SAMPLES - 40 && hits[m] < t->shares[m] * SAMPLES + 40);
    assert_int_equal(kit_inspect(t, NULL, 1ull << 32).slot_owner, LB_NONE);
    assert_int_equal(kit_inspect(t, NULL, UINT32_MAX).slot_owner, kit_inspect(t, NULL, 0).slot_owner);
    table_release(t);
    kit_members_free(members, N);
}

static void test_refusals(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_ketama", "digests=10000"),
                    *plain = kit_scheduler("scheduler_ketama", "");
    struct lb_member *members = kit_members(500), one;
    char *name = mem_zero(513, 1);

    (void)state;
    kit_check_refusal(s, members, 500,
                      "500 members make 20000000 points, and a circle holds at most 16777216: lower digests");
    memset(name, 'x', 513);
    one = (struct lb_member){ .key = name, .key_len = 513, .weight = 1 };
    kit_check_refusal(plain, &one, 1, "a ring name has 513 bytes, and at most 512 can be digested");
    one.key_len = 512;
    table_release(kit_build(plain, &one, 1));
    free(name);
    kit_members_free(members, 500);
    strategy_release(s);
    strategy_release(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points_by_weight),
        cmocka_unit_test(test_tried_is_as_gone),
        cmocka_unit_test(test_shares_are_the_arcs),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
