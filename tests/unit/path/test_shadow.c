/*
 * test_shadow.c - candidates are asked about a sample and obeyed by nobody: how often, about what, and what is counted.
 * What it costs is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "path/shadow.h"
#include "unit/path/pool_kit.h"
#include "world/replica.h"
#include "world/shadow.h"

#define MEMBERS 5

static const struct kit_part ring = { "scheduler_ring", "slots=4294967296 virtual_nodes=1000" };
static const struct kit_part small_ring = { "scheduler_ring", "slots=512 virtual_nodes=9" };
static const struct kit_part full_ring = { "scheduler_ring", "slots=2 virtual_nodes=1" };
static const struct kit_part murmur = { "hash_murmur", "" }, quadratic = { "hash_quadratic", "" };
static const struct kit_part linear = { "probe_linear", "" }, none = { "", "" };
static const struct kit_part in_turn = { "scheduler_round_robin", "" };

static struct pool_kit kit;
static struct pool_worker w;
static struct shadow_set *set;
static struct shadow *shadow;
static struct shadow_seats seats;
static struct shadow_sampler sampler;

static void add(const char *name, struct kit_part scheduler, struct kit_part hash, struct kit_part probe)
{
    set->candidates[set->n++] =
        (struct shadow_candidate){ .name = mem_text(name), .strategy = kit_strategy(scheduler, hash, probe) };
}

static int set_up(void **state)
{
    (void)state;
    pool_open(&kit, ring, murmur, linear, MEMBERS, NULL, 2);
    set = shadow_set_new();
    add("same", ring, murmur, linear);
    add("small", small_ring, quadratic, linear);
    add("turn", in_turn, none, none);
    add("full", full_ring, murmur, linear);
    shadow = shadow_new(set, kit.pool.table, 2, NULL);
    for (uint32_t i = 0; i < set->n; i++)
        shadow_build(shadow, i, NULL);
    kit.pool.shadow = shadow;
    pool_sit(&w, &kit, 1, 0);
    shadow_take_seats(&w.pick, shadow, &seats);
    shadow_open(&sampler, 99);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shadow_leave_seats(&seats);
    pool_leave(&w);
    shadow_release(shadow);
    shadow_set_release(set);
    pool_close(&kit);
    return 0;
}

/* One request as exchange.c has it. Returns the member in force. */
static uint32_t request(uint64_t number)
{
    struct lb_key key;
    char text[24];
    struct pick_question q = pool_question(&w, &key, number, text);
    shadow_ask(&sampler, &w.pick, &seats, &q);
    uint32_t member = pick_member(&w.pick, &q);
    shadow_note(&sampler, &seats, w.number, w.pick.first);
    if (member != LB_NONE)
        pool_give_back(&w, member);
    return member;
}

static uint64_t sum_of(uint32_t candidate, uint32_t counter)
{
    return shadow_sum(shadow->items[candidate].picks, counter);
}

/* ------------------------------------------------------------------ when */

static void one_in_so_many_is_due(void **state)
{
    (void)state;
    static const uint32_t every[] = { 1, 2, 16, 1000 };
    for (size_t e = 0; e < 4; e++) {
        uint32_t due = 0, gap = 0, longest = 0, n = 200000;
        bool differs = false;
        uint32_t last = 0;
        for (uint32_t i = 0; i < n; i++) {
            gap++;
            if (!shadow_is_due(&sampler, &seats, every[e]))
                continue;
            due++;
            longest = gap > longest ? gap : longest;
            differs = differs || (last && gap != last);
            last = gap;
            gap = 0;
        }
        assert_in_range(longest, 1, 2 * every[e] - 1);
        assert_true(differs == (every[e] > 1)); /* in step with nothing */
        assert_in_range(due, n / every[e] * 8 / 10, n / every[e] * 12 / 10);
    }
}

static void none_is_due_when_off(void **state)
{
    (void)state;
    struct shadow_seats empty = { 0 };
    for (int i = 0; i < 100; i++) {
        assert_false(shadow_is_due(&sampler, &seats, 0));
        assert_false(shadow_is_due(&sampler, &empty, 1));
    }
}

/* ------------------------------------------------------------------ what is counted */

static void answers_are_counted_by_member(void **state)
{
    (void)state;
    uint32_t in_force[MEMBERS] = { 0 }, n = 3000;
    for (uint32_t i = 0; i < n; i++)
        in_force[request(100000 + i)]++;
    for (uint32_t m = 0; m < MEMBERS; m++) {
        assert_int_equal(shadow_sum(shadow->force_picks, m), in_force[m]);
        assert_int_equal(sum_of(0, m), in_force[m]); /* the same strategy */
        assert_int_equal(sum_of(2, m), n / MEMBERS); /* each in turn */
    }
    for (uint32_t c = 0; c < 3; c++) {
        assert_int_equal(sum_of(c, SHADOW_SAMPLED(MEMBERS)), n);
        assert_int_equal(sum_of(c, SHADOW_NOBODY(MEMBERS)), 0);
        assert_int_equal(shadow_sum(shadow->items[c].versus, SHADOW_COMPARED), n);
    }
    assert_int_equal(shadow_sum(shadow->items[0].versus, SHADOW_MOVED), 0);
    double moved = (double)shadow_sum(shadow->items[1].versus, SHADOW_MOVED) / n;
    assert_true(moved > 0.5 && moved < 1);
    assert_true(moved > shadow->items[1].moved - 0.1 && moved < shadow->items[1].moved + 0.1);
    assert_true(shadow->items[0].moved == 0);
    assert_true(shadow->items[2].moved < 0); /* it has no keys */
}

static void one_that_refused_is_not_asked(void **state)
{
    (void)state;
    request(7);
    assert_null(seats.seats[3]);
    assert_null(shadow->items[3].table);
    assert_non_null(strstr(shadow->items[3].why, "slots"));
    assert_null(shadow->items[3].picks);
}

static void unready_members_are_nobodys(void **state)
{
    (void)state;
    for (uint32_t m = 0; m < MEMBERS; m++)
        replica_set_ready(kit.pool.replicas[m], m == 2);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(request(i), 2);
    for (uint32_t c = 0; c < 3; c++)
        assert_int_equal(sum_of(c, 2), 50);
    replica_set_ready(kit.pool.replicas[2], false);
    assert_int_equal(request(1), LB_NONE);
    assert_int_equal(sum_of(1, SHADOW_NOBODY(MEMBERS)), 1);
    assert_int_equal(sum_of(1, SHADOW_SAMPLED(MEMBERS)), 51);
    assert_int_equal(shadow_sum(shadow->items[1].versus, SHADOW_COMPARED),
                     50); /* with nobody nothing compares */
}

/* ------------------------------------------------------------------ what is left alone */

static void the_one_in_force_does_not_notice(void **state)
{
    (void)state;
    struct pool_kit other;
    struct pool_worker plain;
    pool_open(&other, in_turn, none, none, MEMBERS, NULL, 2);
    pool_sit(&plain, &other, 1, 0);
    struct shadow_set *beside = shadow_set_new();
    beside->candidates[beside->n++] =
        (struct shadow_candidate){ .name = mem_text("turn"), .strategy = kit_strategy(in_turn, none, none) };
    struct pool_worker watched;
    pool_sit(&watched, &other, 1, 0);
    struct shadow *s = shadow_new(beside, other.pool.table, 2, NULL);
    struct shadow_seats own;
    shadow_build(s, 0, NULL);
    shadow_take_seats(&watched.pick, s, &own);
    for (uint32_t i = 0; i < 300; i++) {
        struct lb_key key;
        char text[24];
        struct pick_question q = pool_question(&watched, &key, i, text);
        shadow_ask(&sampler, &watched.pick, &own, &q); /* each with its own place in the cycle */
        assert_int_equal(pick_member(&watched.pick, &q), pool_pick(&plain, i, NULL, 0));
        assert_true(watched.random == plain.random);
    }
    for (uint32_t m = 0; m < MEMBERS; m++)
        assert_int_equal(replica_in_flight(other.pool.replicas[m]),
                         2 * 300 / MEMBERS); /* candidates take no place */
    shadow_leave_seats(&own);
    pool_leave(&watched);
    pool_leave(&plain);
    shadow_release(s);
    shadow_set_release(beside);
    pool_close(&other);
}

static void bounds_are_nobodys_fault(void **state)
{
    (void)state;
    w.bound = 1000;
    struct lb_key key;
    char text[24];
    uint32_t held[20], elsewhere = 0;
    for (uint32_t i = 0; i < 20; i++) { /* one key: the bound spreads it */
        struct pick_question q = pool_question(&w, &key, 132574, text);
        shadow_ask(&sampler, &w.pick, &seats, &q);
        held[i] = pick_member(&w.pick, &q);
        shadow_note(&sampler, &seats, w.number, w.pick.first);
        elsewhere += held[i] != w.pick.first;
    }
    assert_true(elsewhere > 0);
    assert_int_equal(sum_of(0, w.pick.first), 20); /* the strategies are compared, not the bound */
    assert_int_equal(shadow_sum(shadow->items[0].versus, SHADOW_MOVED), 0);
    for (uint32_t i = 0; i < 20; i++)
        pool_give_back(&w, held[i]);
}

/* ------------------------------------------------------------------ what it costs */

#define ROUNDS 300000

static double time_requests(uint32_t every)
{
    uint64_t begun = clock_now_ns();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct lb_key key;
        char text[24];
        struct pick_question q = pool_question(&w, &key, i * 7919, text);
        bool due = shadow_is_due(&sampler, &seats, every);
        if (due)
            shadow_ask(&sampler, &w.pick, &seats, &q);
        uint32_t member = pick_member(&w.pick, &q);
        if (due)
            shadow_note(&sampler, &seats, w.number, w.pick.first);
        pool_give_back(&w, member);
    }
    return (double)(clock_now_ns() - begun) / ROUNDS;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void what_it_costs(void **state)
{
    (void)state;
    double off[7], one_in_16[7], all[7];
    for (int i = 0; i < 7; i++) { /* in turns, so that all see the same machine */
        off[i] = time_requests(0);
        one_in_16[i] = time_requests(16);
        all[i] = time_requests(1);
    }
    qsort(off, 7, sizeof *off, by_size);
    qsort(one_in_16, 7, sizeof *one_in_16, by_size);
    qsort(all, 7, sizeof *all, by_size);
    printf(
        "# a pick with its key, three candidates, median of 7: %.1f ns with the shadow off, %.1f with 1 in 16, %.1f with "
        "every request; %.1f ns a sampled request\n",
        off[3], one_in_16[3], all[3], all[3] - off[3]);
    assert_true(sum_of(0, SHADOW_SAMPLED(MEMBERS)) > 7 * ROUNDS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_in_so_many_is_due),         TEST(none_is_due_when_off),
        TEST(answers_are_counted_by_member), TEST(one_that_refused_is_not_asked),
        TEST(unready_members_are_nobodys),   TEST(the_one_in_force_does_not_notice),
        TEST(bounds_are_nobodys_fault),      TEST(what_it_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
