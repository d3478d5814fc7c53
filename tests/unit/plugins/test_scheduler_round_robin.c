/*
 * test_scheduler_round_robin.c - everybody in turn, by weight, as evenly as can be.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugins/scheduler_round_robin/turns.h"

/* What the plugin keeps to itself, for a look at one cycle from its beginning. */
#include "plugins/scheduler_round_robin/turns.c"

static const struct kit_part none = { NULL, NULL };

static struct strategy *in_turn(void)
{
    return kit_strategy((struct kit_part){ "scheduler_round_robin", "" }, none, none);
}

static void *plain_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static void plain_release(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static const struct lb_alloc plain = { .alloc = plain_alloc, .release = plain_release };
static struct lb_error reason;

/* ------------------------------------------------------------------ the cycle */

/* After any t turns member i has had t w[i] / W of them, rounded down or up; after W, exactly w[i]. */
static void check_even(const uint32_t *weight, uint32_t n)
{
    uint64_t sum = 0;
    uint32_t *turns;
    uint64_t *had = mem_zero(n, sizeof *had);

    for (uint32_t i = 0; i < n; i++)
        sum += weight[i];
    turns = mem_alloc(sum * sizeof *turns);
    assert_int_equal(turns_make(&plain, weight, n, (uint32_t)sum, turns, &reason), 0);
    for (uint64_t t = 1; t <= sum; t++) {
        assert_true(turns[t - 1] < n);
        had[turns[t - 1]]++;
        for (uint32_t i = 0; i < n; i++) {
            assert_true(had[i] * sum < t * weight[i] + sum); /* had - t w / W < 1, in whole numbers */
            assert_true(t * weight[i] < had[i] * sum + sum);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(had[i], weight[i]);
    free(turns);
    free(had);
}

static void test_cycles_are_even(void **state)
{
    static const uint32_t fixed[][5] = { { 5, 1, 1 },     { 1, 5, 1 },        { 1 },
                                         { 7 },           { 1000, 1 },        { 1, 65535 },
                                         { 3, 3, 3 },     { 2, 3, 5, 7, 11 }, { 100, 1, 1, 1, 1 },
                                         { 65535, 65534 } };
    uint64_t random = 5;

    (void)state;
    for (size_t c = 0; c < sizeof fixed / sizeof fixed[0]; c++) {
        uint32_t n = 0;

        while (n < 5 && fixed[c][n])
            n++;
        check_even(fixed[c], n);
    }
    for (int round = 0; round < 200; round++) {
        uint32_t weight[60], n = 1 + (uint32_t)lb_scale(lb_random(&random), 60);

        for (uint32_t i = 0; i < n; i++)
            weight[i] = 1 + (uint32_t)lb_scale(lb_random(&random), round % 2 ? 4 : 60);
        check_even(weight, n);
    }
}

/* One heavy among a thousand light ones has every second turn, never two in a row. */
static void test_heavy_among_light(void **state)
{
    enum { LIGHT = 1000 };
    uint32_t weight[LIGHT + 1], *turns = mem_alloc(2 * LIGHT * sizeof *turns);

    (void)state;
    weight[0] = LIGHT;
    for (int i = 1; i <= LIGHT; i++)
        weight[i] = 1;
    assert_int_equal(turns_make(&plain, weight, LIGHT + 1, 2 * LIGHT, turns, &reason), 0);
    for (int t = 0; t < 2 * LIGHT; t += 2)
        assert_true((turns[t] == 0) != (turns[t + 1] == 0));
    free(turns);
}

/* ------------------------------------------------------------------ picks */

/* Ten rounds: each cycle has every member as often as its reduced weight, wherever it starts. */
static void check_picks(const uint32_t *weight, uint32_t n, uint32_t cycle, uint32_t divisor)
{
    struct lb_member *members = kit_members(n);
    struct strategy *s = in_turn();
    struct table *t;
    struct kit_seat seat;

    for (uint32_t i = 0; i < n; i++)
        members[i].weight = weight[i];
    t = kit_build(s, members, n);
    seat = kit_sit(t, weight[0]);
    for (int round = 0; round < 10; round++) {
        uint32_t had[8] = { 0 };

        for (uint32_t i = 0; i < cycle; i++)
            had[kit_ask_hash(&seat, 0)]++;
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(had[i], weight[i] / divisor);
    }
    for (uint32_t i = 0; i < n; i++)
        assert_true(t->shares[i] == (double)(weight[i] / divisor) / cycle);
    kit_leave(&seat);
    table_release(t);
    strategy_release(s);
    kit_members_free(members, n);
}

static void test_picks(void **state)
{
    (void)state;
    check_picks((const uint32_t[]){ 1 }, 1, 1, 1);
    check_picks((const uint32_t[]){ 1, 1, 1 }, 3, 3, 1);
    check_picks((const uint32_t[]){ 4, 4, 4, 4 }, 4, 4, 4);
    check_picks((const uint32_t[]){ 5, 1, 1 }, 3, 7, 1);
    check_picks((const uint32_t[]){ 10, 15, 5 }, 3, 6, 5);
    check_picks((const uint32_t[]){ 1, 2, 3, 4, 5, 6, 7, 8 }, 8, 36, 1);
}

/* Equal members: strictly one after another, in the order of ring names. */
static void test_equal_members_in_order(void **state)
{
    struct lb_member *members = kit_members(5);
    struct strategy *s = in_turn();
    struct table *t = kit_build(s, members, 5);
    struct kit_seat seat = kit_sit(t, 77);
    uint32_t last = kit_ask_hash(&seat, 0);

    (void)state;
    for (int i = 0; i < 50; i++) {
        uint32_t m = kit_ask_hash(&seat, (uint64_t)i);

        assert_int_equal(m, (last + 1) % 5);
        last = m;
    }
    kit_leave(&seat);
    table_release(t);
    strategy_release(s);
    kit_members_free(members, 5);
}

/* Workers do not all begin with the same member. */
static void test_starts_are_spread(void **state)
{
    struct lb_member *members = kit_members(8);
    struct strategy *s = in_turn();
    struct table *t = kit_build(s, members, 8);
    unsigned first[8] = { 0 };

    (void)state;
    for (uint64_t worker = 0; worker < 800; worker++) {
        struct kit_seat seat = kit_sit(t, lb_mix64(worker));

        first[kit_ask_hash(&seat, 0)]++;
        kit_leave(&seat);
    }
    for (int i = 0; i < 8; i++)
        assert_true(first[i] > 50 && first[i] < 150);
    table_release(t);
    strategy_release(s);
    kit_members_free(members, 8);
}

/* A tried member is passed over, and the others keep taking equal turns. */
static void test_tried_are_passed_over(void **state)
{
    struct lb_member *members = kit_members(6);
    struct strategy *s = in_turn();
    struct table *t = kit_build(s, members, 6);
    struct kit_seat seat = kit_sit(t, 3);
    unsigned had[6] = { 0 };

    (void)state;
    kit_mark(&seat, 2);
    kit_mark(&seat, 3);
    for (int i = 0; i < 400; i++)
        had[kit_ask_hash(&seat, 0)]++;
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(had[i], i == 2 || i == 3 ? 0 : 100);
    kit_leave(&seat);
    table_release(t);
    strategy_release(s);
    kit_members_free(members, 6);
}

/* With equal and with different weights, whatever the number of members: no member twice, every member once,
 * then none. A heavy tried member fills more turns than a pick will skip. */
static void test_never_a_tried_one(void **state)
{
    static const uint32_t counts[] = { 1, 2, 5, 63, 64, 65, 200 };

    (void)state;
    for (size_t c = 0; c < 3 * sizeof counts / sizeof counts[0]; c++) {
        uint32_t n = counts[c / 3];
        struct lb_member *members = kit_members(n);
        struct strategy *s = in_turn();
        struct table *t;
        struct kit_seat seat;

        for (uint32_t i = 0; c % 3 && i < n; i++)
            members[i].weight = c % 3 == 1 ? 1 + i % 7 : i == 0 ? 65535 : 1;
        t = kit_build(s, members, n);
        seat = kit_sit(t, c);
        for (int round = 0; round < 20; round++) {
            for (uint32_t asked = 0; asked < n; asked++) {
                uint32_t m = kit_ask_hash(&seat, 0);

                assert_true(m < n);
                assert_false(seat.tried[m >> 6] >> (m & 63) & 1);
                kit_mark(&seat, m);
            }
            assert_int_equal(kit_ask_hash(&seat, 0), LB_NONE);
            kit_unmark_all(&seat);
        }
        kit_leave(&seat);
        table_release(t);
        strategy_release(s);
        kit_members_free(members, n);
    }
}

/* The heavy one is down: the light ones share its turns. */
static void test_light_share_when_heavy_is_down(void **state)
{
    struct lb_member *members = kit_members(5);
    struct strategy *s = in_turn();
    unsigned had[5] = { 0 };
    struct kit_seat seat;
    struct table *t;

    (void)state;
    members[2].weight = 10000;
    t = kit_build(s, members, 5);
    seat = kit_sit(t, 1);
    kit_mark(&seat, 2);
    for (int i = 0; i < 40000; i++)
        had[kit_ask_hash(&seat, 0)]++;
    for (uint32_t i = 0; i < 5; i++)
        assert_true(i == 2 ? had[i] == 0 : had[i] > 9000 && had[i] < 11000);
    kit_leave(&seat);
    table_release(t);
    strategy_release(s);
    kit_members_free(members, 5);
}

static void test_digest(void **state)
{
    struct lb_member *members = kit_members(4);
    struct strategy *s = in_turn();
    struct table *t = kit_build(s, members, 4), *again = kit_build(s, members, 4),
                 *fewer = kit_build(s, members, 3);
    struct table *heavier;

    (void)state;
    members[1].weight = 2;
    heavier = kit_build(s, members, 4);
    assert_true(t->digest == again->digest);
    assert_true(t->digest != fewer->digest);
    assert_true(t->digest != heavier->digest);
    assert_int_equal(kit_inspect(t, NULL, 0).slots, 0);
    assert_int_equal(kit_inspect(t, NULL, 0).slot_owner, LB_NONE);
    table_release(t);
    table_release(again);
    table_release(fewer);
    table_release(heavier);
    strategy_release(s);
    kit_members_free(members, 4);
}

static void test_nobody(void **state)
{
    struct strategy *s = in_turn();
    struct table *t = kit_build(s, NULL, 0);
    struct kit_seat seat = kit_sit(t, 1);

    (void)state;
    assert_int_equal(kit_ask_hash(&seat, 0), LB_NONE);
    assert_null(t->shares);
    kit_leave(&seat);
    table_release(t);
    strategy_release(s);
}

static void test_refusals(void **state)
{
    enum { N = 200 };
    struct lb_member *members = kit_members(N);
    struct strategy *s = in_turn();
    struct lb_error why;

    (void)state;
    for (uint32_t i = 0; i < N; i++)
        members[i].weight = 2 * (21000 + i);
    assert_null(strategy_build(s, members, N, &why));
    assert_string_equal(
        why.text, "the weights, divided by 2, add up to a cycle of 4219900 turns, and at most 4194304 are "
                  "kept: use coarser weights");
    strategy_release(s);
    kit_members_free(members, N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cycles_are_even),
        cmocka_unit_test(test_heavy_among_light),
        cmocka_unit_test(test_picks),
        cmocka_unit_test(test_equal_members_in_order),
        cmocka_unit_test(test_starts_are_spread),
        cmocka_unit_test(test_tried_are_passed_over),
        cmocka_unit_test(test_never_a_tried_one),
        cmocka_unit_test(test_light_share_when_heavy_is_down),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
