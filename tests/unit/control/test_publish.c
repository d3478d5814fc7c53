/*
 * test_publish.c - one view after the other: order, coalescing, stand-ins, refusals, and when things are
 * freed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <cmocka.h>

#include "control/publish.h"
#include "control/roster.h"
#include "control/supervisor.h"
#include "unit/control/stage.h"
#include "world/config.h"
#include "world/replica.h"
#include "world/strategy.h"
#include "world/view.h"

/* A ring with room for four. */
#define SMALL                                                                                          \
    "strategy = { scheduler = \"scheduler_ring\"; hash = \"hash_murmur\"; probe = \"probe_linear\";\n" \
    "  scheduler_options = { slots = 16; virtual_nodes = 4; }; };\n"
#define ROUND_ROBIN "strategy = { scheduler = \"scheduler_round_robin\"; };\n"

static struct stage *s;

static int open_small(void **state)
{
    (void)state;
    s = stage_open(SMALL);
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    stage_close(s);
    return 0;
}

static const char *running(void)
{
    return stage_names(publish_view(s->publish));
}

static bool is_posted(struct stage *stage)
{
    bool all = true;
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        all = all && (stage->workers[i].mail || stage->workers[i].mailbox.top);
    return all;
}

static bool has_one_view(struct stage *stage)
{
    return publish_count_views(stage->publish) == 1;
}

/* ------------------------------------------------------------------ order */

static void test_published_when_all_have_switched(void **state)
{
    (void)state;
    s->is_manual = true;
    stage_join(s, "a", "a");
    stage_join(s, "b", "b");
    stage_wait(s, is_posted);
    assert_int_equal(publish_count_views(s->publish), 2);
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        assert_int_equal(s->published, 0);
        assert_string_equal(running(), "");
        assert_int_equal(stage_answer(s, i), MESSAGE_RUN_VIEW);
        assert_string_equal(stage_names(s->workers[i].runs), "a,b");
        stage_turn(s);
    }
    assert_int_equal(s->published, 2);
    assert_string_equal(running(), "a,b");
    assert_int_equal(publish_view(s->publish)->serial, 2);
    assert_int_equal(publish_view(s->publish)->generation, 1);
    assert_int_equal(publish_count_views(s->publish), 1);
}

static void test_burst_is_one_view(void **state)
{
    (void)state;
    s->is_manual = true;
    stage_join(s, "a", "a");
    stage_wait(s, is_posted);
    stage_join(s, "b", "b");
    stage_turn(s);
    stage_join(s, "c", "c");
    stage_turn(s);
    stage_leave(s, "a");
    stage_turn(s);
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        assert_int_equal(stage_answer(s, i), MESSAGE_RUN_VIEW);
        assert_int_equal(stage_answer(s, i), 0); /* one at a time */
    }
    assert_string_equal(stage_names(s->workers[0].runs), "a");
    s->is_manual = false;
    stage_settle(s);
    assert_string_equal(running(), "b,c");
    assert_int_equal(publish_view(s->publish)->serial, 3);
    assert_int_equal(s->workers[0].n_views, 2);
}

static void test_change_and_back_is_no_view(void **state)
{
    (void)state;
    struct replica *a = stage_join(s, "a", "a");
    stage_settle(s);
    uint64_t serial = publish_view(s->publish)->serial;
    s->stamp += 2; /* out and in again between two turns of the loop */
    publish_rotation_changed(s->publish);
    stage_settle(s);
    assert_int_equal(publish_view(s->publish)->serial, serial);
    assert_ptr_equal(publish_view(s->publish)->pools[0].replicas[0], a);
}

/* The table is the one in force: the view is posted in the same turn, without the builder. */
static void test_stand_in_reuses_the_table(void **state)
{
    (void)state;
    stage_join(s, "a", "a");
    stage_join(s, "b", "b");
    stage_settle(s);
    struct table *table = publish_table(s->publish);
    s->is_manual = true;
    stage_join(s, "emergency_17", "a");
    event_base_loop(s->base, EVLOOP_NONBLOCK);
    assert_true(is_posted(s));
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        assert_int_equal(stage_answer(s, i), MESSAGE_RUN_VIEW);
    stage_turn(s);
    assert_string_equal(running(), "emergency_17,b");
    assert_ptr_equal(publish_table(s->publish), table);
    assert_ptr_equal(publish_view(s->publish)->pools[0].table, table);
}

/* A stand-in that comes while a table is built that fits it goes into the same view. */
static void test_stand_in_during_a_build(void **state)
{
    (void)state;
    stage_join(s, "a", "a");
    stage_settle(s);
    stage_join(s, "b", "b");
    event_base_loop(s->base, EVLOOP_NONBLOCK | EVLOOP_ONCE); /* the job is out, and not back */
    stage_join(s, "emergency_17", "a");
    unsigned views = s->workers[0].n_views;
    stage_settle(s);
    assert_string_equal(running(), "emergency_17,b");
    assert_int_equal(s->workers[0].n_views, views + 1);
}

/* ------------------------------------------------------------------ what was replaced */

static void test_view_lives_until_the_last_release(void **state)
{
    (void)state;
    s->workers[1].keeps_views = true;
    struct view *first = s->workers[1].runs;
    struct replica *a = stage_join(s, "a", "a");
    replica_retain(a);
    stage_settle(s);
    stage_leave(s, "a");
    stage_settle(s);
    assert_int_equal(publish_count_views(s->publish), 3);
    assert_int_equal(first->unreleased, 1);
    assert_true(a->refs > 1);
    struct letter_view *letter = calloc(1, sizeof *letter);
    letter->view = first;
    publish_released(s->publish, letter);
    assert_int_equal(publish_count_views(s->publish), 2);
    replica_release(a);
}

static void test_release_may_come_before_switched(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        s->workers[i].releases_first = true;
    stage_join(s, "a", "a");
    stage_settle(s);
    stage_join(s, "b", "b");
    stage_settle(s);
    stage_wait(s, has_one_view);
    assert_string_equal(running(), "a,b");
}

/* All have let go of the old view, and the last SWITCHED is still on its way: until it comes, the old one is
 * what is in force. */
static void test_view_in_force_outlives_its_releases(void **state)
{
    (void)state;
    stage_join(s, "a", "a");
    stage_settle(s);
    stage_wait(s, has_one_view);
    const struct view *before = publish_view(s->publish);
    s->is_manual = true;
    stage_join(s, "b", "b");
    stage_wait(s, is_posted);
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        struct letter_view *letter = calloc(1, sizeof *letter);
        letter->view = (struct view *)(uintptr_t)before;
        publish_released(s->publish, letter);
        s->workers[i].keeps_views = true; /* it has said so already */
    }
    assert_int_equal(publish_count_views(s->publish), 2);
    assert_ptr_equal(publish_view(s->publish), before);
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        stage_answer(s, i);
    stage_turn(s);
    assert_int_equal(publish_count_views(s->publish), 1);
    assert_string_equal(running(), "a,b");
}

static void test_forgotten_when_all_have_forgotten(void **state)
{
    (void)state;
    struct replica *a = stage_join(s, "a", "a"), *b = stage_join(s, "b", "b");
    replica_retain(a);
    stage_settle(s);
    stage_leave(s, "a");
    stage_settle(s);
    s->is_manual = true;
    publish_forget(s->publish, a);
    publish_forget(s->publish, b);
    replica_release(a); /* the publisher holds it */
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        assert_null(s->forgotten);
        assert_int_equal(stage_answer(s, i), MESSAGE_FORGET);
        stage_turn(s);
    }
    assert_ptr_equal(s->forgotten, a);
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        assert_int_equal(stage_answer(s, i), MESSAGE_FORGET);
    stage_turn(s);
    assert_ptr_equal(s->forgotten, b);
}

/* ------------------------------------------------------------------ refusals */

static void join_many(const char *names)
{
    for (; *names; names++)
        stage_join(s, (char[]){ *names, '\0' }, (char[]){ *names, '\0' });
}

static void test_full_ring_leaves_newcomers_out(void **state)
{
    (void)state;
    join_many("bcde");
    stage_settle(s);
    assert_string_equal(publish_refusal(s->publish), "");
    struct replica *a = stage_join(s, "a", "a");
    stage_settle(s);
    assert_string_equal(running(), "b,c,d,e");
    assert_true(strlen(publish_refusal(s->publish)) > 0);
    assert_int_equal(roster_index(publish_view(s->publish), a), -1);
    assert_int_equal(roster_index(publish_view(s->publish), s->replicas[2]), 1);

    stage_join(s, "emergency_17", "c"); /* others are replaced meanwhile */
    stage_settle(s);
    assert_string_equal(running(), "b,emergency_17,d,e");

    stage_leave(s, "b"); /* now there is room */
    stage_settle(s);
    assert_string_equal(running(), "a,emergency_17,d,e");
    assert_string_equal(publish_refusal(s->publish), "");
}

static bool has_four(struct stage *stage)
{
    return publish_view(stage->publish)->pools[0].n_replicas == 4 && has_one_view(stage);
}

/* From nothing to more than there is room for, all at once: as many get in as fit. */
static void test_as_many_as_fit(void **state)
{
    (void)state;
    join_many("abcdefghijklm");
    stage_wait(s, has_four);
    assert_true(strlen(publish_refusal(s->publish)) > 0);
    join_many("n");
    stage_settle(s);
    assert_int_equal(publish_view(s->publish)->pools[0].n_replicas, 4);
}

/* ------------------------------------------------------------------ a new configuration */

static struct outcome {
    bool is_done;
    char refused[256];
} outcome;

static void note_outcome(void *ctx, const char *refused)
{
    struct outcome *o = ctx;
    assert_false(o->is_done);
    o->is_done = true;
    snprintf(o->refused, sizeof o->refused, "%s", refused ? refused : "");
}

static bool is_done(struct stage *stage)
{
    (void)stage;
    return outcome.is_done;
}

/* Applies the text with a strategy of its own. */
static struct config *apply(const char *conf)
{
    struct problems problems = { 0 };
    stage_write(s, conf);
    struct config *config = config_load(s->path, &problems);
    struct strategy *strategy = strategy_make(config, &problems);
    assert_non_null(strategy);
    outcome = (struct outcome){ 0 };
    struct publish_change change = {
        .config = config, .strategy = strategy, .done = note_outcome, .ctx = &outcome
    };
    publish_apply(s->publish, &change);
    strategy_release(strategy);
    config_release(config);
    return config;
}

static void test_apply(void **state)
{
    (void)state;
    join_many("abc");
    stage_settle(s);
    s->is_manual = true;
    struct config *config = apply(ROUND_ROBIN);
    stage_wait(s, is_posted);
    assert_int_equal(publish_view(s->publish)->generation, 1);
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        assert_false(outcome.is_done);
        stage_answer(s, i);
        stage_turn(s);
    }
    assert_true(outcome.is_done);
    assert_string_equal(outcome.refused, "");
    assert_int_equal(publish_view(s->publish)->generation, 2);
    assert_ptr_equal(publish_view(s->publish)->config, config);
    assert_ptr_equal(publish_config(s->publish), config);
    assert_string_equal(running(), "a,b,c");
}

/* The rotation that changed while it was being tried is not lost. */
static void test_apply_refused(void **state)
{
    (void)state;
    join_many("abcd");
    stage_settle(s);
    struct strategy *before = publish_strategy(s->publish);
    apply("strategy = { scheduler = \"scheduler_ring\"; hash = \"hash_murmur\"; probe = \"probe_linear\";\n"
          "  scheduler_options = { slots = 16; virtual_nodes = 6; }; };\n");
    stage_join(s, "emergency_17", "a");
    stage_wait(s, is_done);
    assert_true(strlen(outcome.refused) > 0);
    assert_ptr_equal(publish_strategy(s->publish), before);
    assert_int_equal(publish_view(s->publish)->generation, 1);
    stage_settle(s);
    assert_string_equal(running(), "emergency_17,b,c,d");
}

/* Nothing is posted, told or leaked after that. */
static void test_stop_in_the_middle(void **state)
{
    (void)state;
    join_many("ab");
    stage_settle(s);
    s->is_manual = true;
    stage_join(s, "c", "c");
    event_base_loop(s->base, EVLOOP_NONBLOCK | EVLOOP_ONCE); /* the job is out, and not back */
    apply(ROUND_ROBIN);
    publish_stop(s->publish);
    publish_forget(s->publish, s->replicas[0]);
    stage_turn(s);
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        assert_int_equal(stage_answer(s, i), 0);
    assert_false(outcome.is_done);
    assert_string_equal(running(), "a,b");
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_small, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_published_when_all_have_switched),
        TEST(test_burst_is_one_view),
        TEST(test_change_and_back_is_no_view),
        TEST(test_stand_in_reuses_the_table),
        TEST(test_stand_in_during_a_build),
        TEST(test_view_lives_until_the_last_release),
        TEST(test_release_may_come_before_switched),
        TEST(test_view_in_force_outlives_its_releases),
        TEST(test_forgotten_when_all_have_forgotten),
        TEST(test_full_ring_leaves_newcomers_out),
        TEST(test_as_many_as_fit),
        TEST(test_apply),
        TEST(test_apply_refused),
        TEST(test_stop_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
