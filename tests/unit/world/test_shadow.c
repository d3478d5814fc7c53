/*
 * test_shadow.c - candidates: made with all mistakes told once, and what of them is kept when the world changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "unit/plugins/strategy_kit.h"
#include "unit/world/config_kit.h"
#include "world/plugin.h"
#include "world/shadow.h"

static char *text_of(const char *strategy)
{
    return mem_format("plugin_dir = \"%s\";\nstrategy = {\n%s };\n",
                      getenv("RM_PLUGIN_DIR") ? getenv("RM_PLUGIN_DIR") : RM_PLUGIN_DIR, strategy);
}

/* The configuration with this inside strategy; line 3 of the file is its first. */
static struct config *load(const char *strategy)
{
    char *text = text_of(strategy);
    struct config *c = conf_load(text);
    free(text);
    return c;
}

static struct shadow_set *make(const char *strategy)
{
    struct problems problems = { 0 };
    struct config *c = load(strategy);
    struct shadow_set *set = shadow_set_make(c, NULL, NULL, &problems);
    for (size_t i = 0; i < problems.count; i++)
        problem_print(&problems.items[i], stderr);
    assert_non_null(set);
    config_release(c);
    return set;
}

static struct table *build(const char *strategy, uint32_t n)
{
    struct problems problems = { 0 };
    struct config *c = load(strategy);
    struct strategy *s = strategy_make(c, &problems);
    assert_non_null(s);
    struct lb_member *members = kit_members(n);
    struct table *table = kit_build(s, members, n);
    kit_members_free(members, n);
    strategy_release(s);
    config_release(c);
    return table;
}

static struct shadow *shadow_over(struct shadow_set *set, struct table *force, const struct shadow *before)
{
    struct shadow *s = shadow_new(set, force, 2, before);
    for (uint32_t i = 0; i < set->n; i++)
        shadow_build(s, i, before);
    return s;
}

/* ------------------------------------------------------------------ sets */

static void what_a_candidate_leaves_out_is_as_in_force(void **state)
{
    (void)state;
    struct shadow_set *set =
        make("scheduler_options = { slots = 512; virtual_nodes = 9; }; hash = \"hash_quadratic\";\n"
             "hash_options = { h_constant = 3; };\n"
             "shadow = ( { name = \"as it is\"; },\n"
             "  { name = \"hash\"; hash = \"hash_murmur\"; },\n"
             "  { name = \"own options\"; hash_options = { h_constant = 4; }; },\n"
             "  { name = \"in turn\"; scheduler = \"scheduler_round_robin\"; } );");
    assert_int_equal(set->n, 4);
    const struct strategy *as_is = set->candidates[0].strategy, *hash = set->candidates[1].strategy;
    const struct strategy *options = set->candidates[2].strategy, *turn = set->candidates[3].strategy;
    assert_string_equal(set->candidates[1].name, "hash");
    assert_string_equal(as_is->hash->info->name, "hash_quadratic");
    assert_string_equal(as_is->scheduler->info->name, "scheduler_ring");
    assert_string_equal(hash->hash->info->name, "hash_murmur");
    assert_int_equal(hash->values[0][0].i, 512);
    assert_string_equal(options->hash->info->name, "hash_quadratic");
    assert_true(memcmp(as_is->fingerprint, options->fingerprint, sizeof as_is->fingerprint) != 0);
    assert_string_equal(turn->scheduler->info->name, "scheduler_round_robin");
    shadow_set_release(set);
}

static void mistakes_are_told_once_and_all(void **state)
{
    (void)state;
    struct problems problems = { 0 };
    struct config *c = load("hash_options = { nosuch = 1; };\n"
                            "shadow = ( { name = \"a\"; },\n"
                            "  { name = \"b\"; hash = \"hash_nowhere\"; },\n"
                            "  { name = \"c\"; scheduler_options = { slots = 1; }; } );");
    assert_null(strategy_make(c, &problems));
    assert_int_equal(problems.count, 1);
    assert_null(shadow_set_make(c, NULL, NULL, &problems));
    assert_int_equal(problems.count, 3); /* a and c have that of the strategy too, and it is not told again */
    assert_int_equal(problems.items[1].line, 5);
    assert_non_null(strstr(problems.items[1].message, "hash_nowhere"));
    assert_int_equal(problems.items[2].line, 6);
    problems_free(&problems);
    config_release(c);
}

static void what_is_the_same_is_adopted(void **state)
{
    (void)state;
    static const char two[] =
        "shadow = ( { name = \"a\"; }, { name = \"b\"; scheduler = \"scheduler_round_robin\"; } );";
    struct shadow_set *before = make(two), *fresh = make(two);
    assert_ptr_not_equal(before->candidates[0].strategy, fresh->candidates[0].strategy);
    struct shadow_set *set = shadow_set_adopt(fresh, before);
    assert_ptr_equal(set, before);
    shadow_set_release(set);
    shadow_set_release(fresh);

    fresh = make(
        "shadow = ( { name = \"b\"; scheduler = \"scheduler_round_robin\"; }, { name = \"a\"; hash = \"hash_quadratic\"; },\n"
        "{ name = \"c\"; } );");
    set = shadow_set_adopt(fresh, before);
    assert_ptr_not_equal(set, before);
    assert_ptr_equal(set->candidates[0].strategy, before->candidates[1].strategy);
    assert_ptr_equal(set->candidates[1].strategy, fresh->candidates[1].strategy);
    assert_ptr_equal(set->candidates[2].strategy,
                     fresh->candidates[2].strategy); /* of another name it begins anew */
    shadow_set_release(before);
    shadow_set_release(fresh);
    shadow_set_release(set);
}

/* ------------------------------------------------------------------ shadows */

static const char candidates[] =
    "shadow = ( { name = \"a\"; hash = \"hash_quadratic\"; },\n"
    "{ name = \"small\"; scheduler_options = { slots = 4; virtual_nodes = 1; }; } );";

static void tables_and_counters_are_kept(void **state)
{
    (void)state;
    struct shadow_set *set = make(candidates);
    struct table *force = build("", 3), *other = build("hash = \"hash_quadratic\";", 3), *more = build("", 4);
    struct shadow *first = shadow_over(set, force, NULL);
    assert_non_null(first->items[0].table);
    assert_true(first->items[0].moved > 0);
    shadow_count(first->items[0].picks, 1, 2);
    shadow_count(first->items[0].versus, 0, SHADOW_MOVED);
    shadow_count(first->force_picks, 0, 1);

    /* the same again (a reload that changed something else): all is kept */
    struct shadow *again = shadow_over(set, force, first);
    assert_ptr_equal(again->items[0].table, first->items[0].table);
    assert_ptr_equal(again->items[0].picks, first->items[0].picks);
    assert_ptr_equal(again->items[0].versus, first->items[0].versus);
    assert_ptr_equal(again->force_picks, first->force_picks);
    assert_true(again->items[0].moved == first->items[0].moved);
    shadow_release(first);
    assert_int_equal(shadow_sum(again->items[0].picks, 2), 1);

    /* another strategy in force: picks go on, what was compared begins anew */
    struct shadow *beside = shadow_over(set, other, again);
    assert_ptr_equal(beside->items[0].table, again->items[0].table);
    assert_int_equal(shadow_sum(beside->items[0].picks, 2), 1);
    assert_int_equal(shadow_sum(beside->items[0].versus, SHADOW_MOVED), 0);
    assert_int_equal(shadow_sum(beside->force_picks, 1), 0);
    assert_true(beside->items[0].moved < again->items[0].moved);
    shadow_release(beside);

    /* other members: everything begins anew */
    struct shadow *grown = shadow_over(set, more, again);
    assert_ptr_not_equal(grown->items[0].table, again->items[0].table);
    assert_int_equal(shadow_sum(grown->items[0].picks, 2), 0);
    shadow_release(grown);
    shadow_release(again);
    table_release(more);
    table_release(other);
    table_release(force);
    shadow_set_release(set);
}

static void a_refusal_lasts_while_the_members_do(void **state)
{
    (void)state;
    struct shadow_set *set = make(candidates);
    struct table *five = build("", 5), *three = build("", 3);
    struct shadow *s = shadow_over(set, five, NULL);
    assert_null(s->items[1].table);
    assert_non_null(strstr(s->items[1].why, "4 slots"));
    assert_non_null(s->items[0].table); /* the others take part */
    struct shadow *again = shadow_over(set, five, s);
    assert_null(again->items[1].table);
    assert_string_equal(again->items[1].why, s->items[1].why);
    struct shadow *fewer = shadow_over(set, three, again);
    assert_non_null(fewer->items[1].table);
    assert_string_equal(fewer->items[1].why, "");
    shadow_release(fewer);
    shadow_release(again);
    shadow_release(s);
    table_release(three);
    table_release(five);
    shadow_set_release(set);
}

static void workers_count_on_lines_of_their_own(void **state)
{
    (void)state;
    struct shadow_set *set = make(candidates);
    struct table *force = build("", 3);
    struct shadow *s = shadow_over(set, force, NULL);
    struct shadow_counts *c = s->items[0].picks;
    assert_int_equal((uintptr_t)c->cells % 64, 0);
    assert_int_equal(c->stride * sizeof *c->cells % 64, 0);
    assert_true(c->stride >= 5); /* three members, sampled, nobody */
    for (unsigned w = 0; w < 2; w++)
        for (uint32_t k = 0; k < 5; k++)
            for (uint32_t i = 0; i <= k + w; i++)
                shadow_count(c, w, k);
    for (uint32_t k = 0; k < 5; k++)
        assert_int_equal(shadow_sum(c, k), 2 * k + 3);
    shadow_release(s);
    table_release(force);
    shadow_set_release(set);
}

int main(void)
{
#define KIT_TEST(test_) cmocka_unit_test_setup_teardown(test_, conf_open, conf_close)
    const struct CMUnitTest tests[] = {
        KIT_TEST(what_a_candidate_leaves_out_is_as_in_force),
        KIT_TEST(mistakes_are_told_once_and_all),
        KIT_TEST(what_is_the_same_is_adopted),
        KIT_TEST(tables_and_counters_are_kept),
        KIT_TEST(a_refusal_lasts_while_the_members_do),
        KIT_TEST(workers_count_on_lines_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
