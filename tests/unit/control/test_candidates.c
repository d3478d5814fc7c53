/*
 * test_candidates.c - candidates of strategy.shadow: in force with a reload, built behind a change of membership, kept
 * through stand-ins and reloads, and never in the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <cmocka.h>

#include "control/candidates.h"
#include "control/publish.h"
#include "control/reload.h"
#include "unit/control/stage.h"
#include "world/shadow.h"
#include "world/strategy.h"
#include "world/view.h"

#define PLAIN                    "hash = \"hash_murmur\";"
#define OTHER                    "{ name = \"other\"; hash = \"hash_quadratic\"; }"
#define SMALL                    "{ name = \"small\"; scheduler_options = { slots = 3; virtual_nodes = 1; }; }"
#define CONF(strategy_, shadow_) "strategy = { " strategy_ " shadow = ( " shadow_ " ); };\n"

static struct stage *s;
static struct reload *r;
static int status;
static json_t *answer;

static void note_applied(void *ctx, struct config *before, struct config *now)
{
    (void)ctx, (void)before, (void)now;
}

static void note_answer(void *arg, int code, const char *body, size_t body_len)
{
    (void)arg;
    status = code;
    answer = json_loadb(body, body_len, 0, NULL);
    assert_non_null(answer);
}

static int set_up(void **state)
{
    (void)state;
    s = stage_open(CONF(PLAIN, ""));
    r = reload_new(s->builder, s->builder, s->publish, s->vetting, note_applied, NULL);
    stage_join(s, "Server 1", "Server 1");
    stage_join(s, "Server 2", "Server 2");
    stage_join(s, "Server 3", "Server 3");
    stage_settle(s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stage_quiet(s);
    reload_free(r);
    stage_close(s);
    json_decref(answer);
    answer = NULL;
    return 0;
}

static bool is_answered(struct stage *stage)
{
    (void)stage;
    return status != 0;
}

static int reload(const char *conf)
{
    json_decref(answer);
    answer = NULL;
    status = 0;
    stage_write(s, conf);
    reload_ask(r, "the test", note_answer, NULL);
    stage_wait(s, is_answered);
    return status;
}

static bool has_changed(const char *name)
{
    json_t *changed = json_object_get(json_object_get(answer, "message"), "changed"), *item;
    size_t i;
    json_array_foreach(changed, i, item) {
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    }
    return false;
}

/* What the view that every worker runs carries. */
static struct shadow *carried(void)
{
    const struct pool *pool = &publish_view(s->publish)->pools[0];
    assert_true(!pool->shadow || pool->shadow->force == pool->table);
    return pool->shadow;
}

static bool is_equipped(struct stage *stage)
{
    (void)stage;
    return carried() != NULL;
}

static void with_a_reload_they_are_in_force_at_once(void **state)
{
    (void)state;
    assert_null(carried());
    assert_int_equal(reload(CONF(PLAIN, OTHER)), 200);
    assert_true(has_changed("strategy.shadow"));
    assert_non_null(carried());
    assert_int_equal(carried()->set->n, 1);
    assert_true(carried()->items[0].moved > 0);
    assert_int_equal(publish_view(s->publish)->generation, 2);
    assert_int_equal(reload(CONF(PLAIN, OTHER)), 200);
    assert_false(has_changed("strategy.shadow"));
    assert_int_equal(publish_view(s->publish)->generation, 2);
    assert_int_equal(reload(CONF(PLAIN, "")), 200);
    assert_true(has_changed("strategy.shadow"));
    assert_null(carried());
}

static bool posted_four(struct stage *stage)
{
    bool all = true;
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        all = all && stage->workers[i].runs->pools[0].n_replicas == 4;
    return all;
}

static bool first_has_mail(struct stage *stage)
{
    return stage->workers[0].mailbox.top != NULL;
}

static void a_newcomer_does_not_wait_for_them(void **state)
{
    (void)state;
    assert_int_equal(reload(CONF(PLAIN, OTHER)), 200);
    s->is_manual = true;
    stage_join(s, "Server 4", "Server 4");
    stage_wait(s, first_has_mail);
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        stage_answer(s, i);
    assert_true(posted_four(s));
    assert_null(s->workers[0].runs->pools[0].shadow);
    stage_wait(s, first_has_mail); /* a second view, which carries them */
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        while (stage_answer(s, i)) {}
    s->is_manual = false;
    stage_wait(s, is_equipped);
    assert_int_equal(carried()->force->n_members, 4);
    assert_int_equal(carried()->items[0].table->n_members, 4);
}

static void a_stand_in_takes_them_over(void **state)
{
    (void)state;
    assert_int_equal(reload(CONF(PLAIN, OTHER)), 200);
    struct shadow *before = carried();
    shadow_count(before->items[0].picks, 0, 1);
    stage_join(s, "emergency_52", "Server 2");
    stage_settle(s);
    assert_ptr_equal(carried(), before);
    assert_string_equal(stage_names(publish_view(s->publish)), "Server 1,emergency_52,Server 3");
}

static void counters_survive_a_reload(void **state)
{
    (void)state;
    assert_int_equal(reload(CONF(PLAIN, OTHER)), 200);
    struct shadow_counts *picks = carried()->items[0].picks, *versus = carried()->items[0].versus;
    shadow_count(picks, 2, 0);
    assert_int_equal(reload(CONF(PLAIN, SMALL ", " OTHER) "timeouts = { idle = 4321; };\n"), 200);
    assert_ptr_equal(carried()->items[1].picks, picks);
    assert_ptr_equal(carried()->items[1].versus, versus);
    assert_int_equal(shadow_sum(carried()->items[1].picks, 0), 1);
    assert_int_equal(reload(CONF("hash = \"hash_murmur\"; hash_options = { seed = 7; };", OTHER)), 200);
    assert_int_equal(shadow_sum(carried()->items[0].picks, 0), 1);
    assert_ptr_not_equal(carried()->items[0].versus, versus); /* compared with another one */
    assert_int_equal(
        reload(CONF(PLAIN,
                    "{ name = \"other\"; hash = \"hash_quadratic\"; hash_options = { h_constant = 1; }; }")),
        200);
    assert_int_equal(shadow_sum(carried()->items[0].picks, 0), 0); /* another strategy */
}

static void one_that_refuses_members_stands_aside(void **state)
{
    (void)state;
    assert_int_equal(reload(CONF(PLAIN, SMALL ", " OTHER)), 200);
    assert_non_null(carried()->items[0].table);
    stage_join(s, "Server 4", "Server 4"); /* four virtual nodes on three slots */
    stage_settle(s);
    stage_wait(s, is_equipped);
    assert_string_equal(stage_names(publish_view(s->publish)), "Server 1,Server 2,Server 3,Server 4");
    assert_string_equal(publish_refusal(s->publish), ""); /* nobody was left out for it */
    assert_null(carried()->items[0].table);
    assert_non_null(strstr(carried()->items[0].why, "3 slots"));
    assert_non_null(carried()->items[1].table);
    stage_leave(s, "Server 4");
    stage_settle(s);
    stage_wait(s, is_equipped);
    assert_non_null(carried()->items[0].table); /* it takes part again */
}

static void its_refusal_does_not_refuse_a_reload(void **state)
{
    (void)state;
    stage_join(s, "Server 4", "Server 4");
    stage_settle(s);
    assert_int_equal(reload(CONF(PLAIN, SMALL)), 200);
    assert_null(carried()->items[0].table);
}

static void its_mistakes_do(void **state)
{
    (void)state;
    assert_int_equal(
        reload(CONF("hash = \"hash_nowhere\";",
                    "{ name = \"a\"; probe = \"probe_nowhere\"; }, { name = \"b\"; hash = \"hash_murmur\";\n"
                    "hash_options = { sed = 1; }; }")),
        422);
    json_t *errors = json_object_get(answer, "errors");
    assert_int_equal(json_array_size(errors), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(errors, 2), "line")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(errors, 2), "column")), 24);
    assert_null(carried());
    assert_int_equal(publish_view(s->publish)->generation, 1);
}

/* Members come and go faster than candidates are built. */
static void they_catch_up(void **state)
{
    (void)state;
    assert_int_equal(reload(CONF(PLAIN, OTHER ", { name = \"same\"; }")), 200);
    for (int i = 4; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "Server %d", i);
        stage_join(s, name, name);
        stage_turn(s);
    }
    stage_settle(s);
    stage_wait(s, is_equipped);
    assert_int_equal(carried()->items[0].table->n_members, 19);
    assert_true(carried()->items[1].moved == 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(with_a_reload_they_are_in_force_at_once),
        TEST(a_newcomer_does_not_wait_for_them),
        TEST(a_stand_in_takes_them_over),
        TEST(counters_survive_a_reload),
        TEST(one_that_refuses_members_stands_aside),
        TEST(its_refusal_does_not_refuse_a_reload),
        TEST(its_mistakes_do),
        TEST(they_catch_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
