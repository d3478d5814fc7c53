/*
 * test_reload.c - lb.conf is read again: what is answered, what is in force afterwards, and who shares a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <cmocka.h>

#include "control/publish.h"
#include "control/reload.h"
#include "unit/control/stage.h"
#include "world/config.h"
#include "world/strategy.h"
#include "world/view.h"

#define RING(hash_) \
    "strategy = { scheduler = \"scheduler_ring\"; hash = \"" hash_ "\"; probe = \"probe_linear\"; };\n"
#define PARTS "{\"scheduler\":\"scheduler_ring\",\"hash\":\"hash_murmur\",\"probe\":\"probe_linear\"}"

struct told {
    int status; /* 0: nothing was told */
    char *body;
    json_t *root, *message;
};

static struct stage *s;
static struct reload *r;
static struct told told[8];
static struct config *applied;
static unsigned n_applied;

static void note_applied(void *ctx, struct config *before, struct config *now)
{
    (void)ctx;
    assert_ptr_not_equal(before, now);
    applied = now;
    n_applied++;
}

static void note_answer(void *arg, int status, const char *body, size_t body_len)
{
    struct told *t = arg;
    assert_int_equal(t->status, 0);
    assert_int_equal(strlen(body), body_len);
    t->status = status;
    t->body = strdup(body);
    t->root = json_loads(body, 0, NULL);
    assert_non_null(t->root);
    t->message = json_object_get(t->root, "message");
}

static int open_ring(void **state)
{
    (void)state;
    s = stage_open(RING("hash_murmur"));
    r = reload_new(s->builder, s->builder, s->publish, s->vetting, note_applied, NULL);
    n_applied = 0;
    stage_join(s, "Server 1", "Server 1");
    stage_join(s, "Server 2", "Server 2");
    stage_join(s, "Server 3", "Server 3");
    stage_settle(s);
    return 0;
}

static int close_ring(void **state)
{
    (void)state;
    stage_quiet(s);
    reload_free(r);
    stage_close(s);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        free(told[i].body);
        json_decref(told[i].root);
    }
    memset(told, 0, sizeof told);
    return 0;
}

static bool is_told(struct stage *stage)
{
    (void)stage;
    return told[0].status != 0;
}

static struct told *reload(const char *conf)
{
    free(told[0].body);
    json_decref(told[0].root);
    told[0] = (struct told){ 0 };
    stage_write(s, conf);
    reload_ask(r, "the test", note_answer, &told[0]);
    stage_wait(s, is_told);
    return &told[0];
}

/* "a,b" of a list of texts. */
static const char *list(const json_t *array)
{
    static char out[512];
    size_t i;
    json_t *item;
    out[0] = '\0';
    assert_true(json_is_array(array));
    json_array_foreach(array, i, item) {
        strcat(out, i ? "," : "");
        strcat(out, json_string_value(item));
    }
    return out;
}

static const char *text_at(const json_t *object, const char *name, const char *field)
{
    return json_string_value(json_object_get(json_object_get(object, name), field));
}

static void check_generation(const struct told *t, uint64_t generation)
{
    assert_int_equal(json_integer_value(json_object_get(t->message, "generation")), generation);
    assert_int_equal(publish_view(s->publish)->generation, generation);
}

/* ------------------------------------------------------------------ what is answered */

static void test_nothing_changed(void **state)
{
    (void)state;
    struct told *t = reload("# another comment\n" RING("hash_murmur"));
    assert_int_equal(t->status, 200);
    assert_string_equal(t->body, "{\"message\":{\"generation\":1,\"changed\":[],\"strategy\":" PARTS
                                 ",\"previous\":" PARTS
                                 ",\"moved_keys\":0.0,\"took_ms\":0.0},\"status\":\"successful\"}");
    assert_int_equal(n_applied, 0);
    check_generation(t, 1);
}

static bool all_have_mail(struct stage *stage)
{
    bool all = true;
    for (unsigned i = 0; i < STAGE_WORKERS; i++)
        all = all && stage->workers[i].mailbox.top;
    return all;
}

static void test_answered_when_every_worker_has_switched(void **state)
{
    (void)state;
    s->is_manual = true;
    stage_write(s, RING("hash_quadratic"));
    reload_ask(r, "the test", note_answer, &told[0]);
    stage_wait(s, all_have_mail);
    for (unsigned i = 0; i < STAGE_WORKERS; i++) {
        assert_int_equal(told[0].status, 0);
        assert_int_equal(n_applied, 0);
        stage_answer(s, i);
        stage_turn(s);
    }
    assert_int_equal(told[0].status, 200);
    check_generation(&told[0], 2);
    assert_int_equal(n_applied, 1);
    assert_ptr_equal(applied, publish_config(s->publish));
}

static void test_another_hash(void **state)
{
    (void)state;
    struct told *t = reload(RING("hash_quadratic"));
    assert_int_equal(t->status, 200);
    check_generation(t, 2);
    assert_string_equal(list(json_object_get(t->message, "changed")), "strategy.hash");
    assert_string_equal(text_at(t->message, "strategy", "hash"), "hash_quadratic");
    assert_string_equal(text_at(t->message, "previous", "hash"), "hash_murmur");
    double moved = json_real_value(json_object_get(t->message, "moved_keys"));
    assert_true(moved > 0.1 && moved <= 1);
    assert_null(json_object_get(t->message, "restart_required"));
    assert_string_equal(stage_names(publish_view(s->publish)), "Server 1,Server 2,Server 3");
}

static void test_without_keys_nothing_moves(void **state)
{
    (void)state;
    struct told *t = reload("strategy = { scheduler = \"scheduler_round_robin\"; };\n");
    assert_int_equal(t->status, 200);
    assert_true(json_is_null(json_object_get(t->message, "moved_keys")));
}

static void test_limits_only(void **state)
{
    (void)state;
    struct strategy *strategy = publish_strategy(s->publish);
    struct table *table = publish_table(s->publish);
    struct told *t = reload(RING("hash_murmur") "timeouts = { idle = 1234; };\n");
    assert_int_equal(t->status, 200);
    check_generation(t, 2);
    assert_string_equal(list(json_object_get(t->message, "changed")), "timeouts.idle");
    assert_ptr_equal(publish_strategy(s->publish), strategy);
    assert_ptr_equal(publish_table(s->publish), table);
    assert_int_equal(publish_view(s->publish)->config->timeouts.idle, 1234);
}

static void test_restart_required(void **state)
{
    (void)state;
    struct told *t = reload(RING("hash_murmur") "workers = 7;\n");
    assert_int_equal(t->status, 200);
    check_generation(t, 1);
    assert_string_equal(list(json_object_get(t->message, "changed")), "");
    assert_string_equal(list(json_object_get(t->message, "restart_required")), "workers");

    t = reload(RING("hash_murmur") "workers = 7; timeouts = { idle = 1234; };\n");
    check_generation(t, 2);
    assert_string_equal(list(json_object_get(t->message, "changed")), "timeouts.idle");
    assert_string_equal(list(json_object_get(t->message, "restart_required")), "workers");
    assert_int_equal(publish_config(s->publish)->workers, 0);
}

/* ------------------------------------------------------------------ what is refused */

static json_t *error_at(const struct told *t, size_t i)
{
    return json_array_get(json_object_get(t->root, "errors"), i);
}

static void test_all_errors_at_once(void **state)
{
    (void)state;
    struct told *t = reload("timeouts = { idle = -1; };\n"
                            "strategy = { scheduler = \"scheduler_rong\"; };\n"
                            "retry = { attempts = \"x\"; };\n");
    assert_int_equal(t->status, 422);
    assert_string_equal(json_string_value(json_object_get(t->root, "status")), "failure");
    assert_int_equal(json_array_size(json_object_get(t->root, "errors")), 3);
    for (int line = 1; line <= 3; line++) {
        json_t *error = error_at(t, (size_t)line - 1);
        bool found = false;
        for (size_t i = 0; i < 3; i++)
            found = found || json_integer_value(json_object_get(error_at(t, i), "line")) == line;
        assert_true(found);
        assert_true(json_integer_value(json_object_get(error, "column")) > 0);
        assert_string_equal(json_string_value(json_object_get(error, "file")), s->path);
        assert_true(json_is_string(json_object_get(error, "message")));
        assert_non_null(json_object_get(error, "hint"));
    }
    assert_int_equal(publish_view(s->publish)->generation, 1);
    assert_int_equal(n_applied, 0);

    t = reload(RING("hash_quadratic")); /* and the next one works */
    assert_int_equal(t->status, 200);
    check_generation(t, 2);
}

static void test_syntax_error(void **state)
{
    (void)state;
    struct told *t = reload("strategy = {\n  scheduler \"x\";\n");
    assert_int_equal(t->status, 422);
    assert_int_equal(json_array_size(json_object_get(t->root, "errors")), 1);
    assert_int_equal(json_integer_value(json_object_get(error_at(t, 0), "line")), 2);
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    struct told *t = reload("strategy = { scheduler = \"sch\xff\xfe\"; };\n");
    assert_int_equal(t->status, 422);
    assert_true(json_is_string(json_object_get(error_at(t, 0), "message")));
}

static void test_members_do_not_fit(void **state)
{
    (void)state;
    struct strategy *before = publish_strategy(s->publish);
    struct told *t = reload(
        "strategy = {\n  scheduler = \"scheduler_ring\"; hash = \"hash_murmur\"; probe = \"probe_linear\";"
        " scheduler_options = { slots = 16; virtual_nodes = 6; }; };\n");
    assert_int_equal(t->status, 422);
    assert_int_equal(json_array_size(json_object_get(t->root, "errors")), 1);
    assert_int_equal(json_integer_value(json_object_get(error_at(t, 0), "line")), 2);
    assert_non_null(
        strstr(json_string_value(json_object_get(error_at(t, 0), "message")), "18 virtual nodes"));
    assert_ptr_equal(publish_strategy(s->publish), before);
}

static void test_file_is_gone(void **state)
{
    (void)state;
    unlink(s->path);
    reload_ask(r, "the test", note_answer, &told[0]);
    stage_wait(s, is_told);
    assert_int_equal(told[0].status, 422);
    assert_int_equal(json_array_size(json_object_get(told[0].root, "errors")), 1);
}

/* ------------------------------------------------------------------ new code under an old name */

static void copy_file(const char *from, const char *to, const char *tail)
{
    char buffer[65536];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0)
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    assert_true(fputs(tail, out) >= 0);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void test_plugin_was_overwritten(void **state)
{
    (void)state;
    char from[512], to[128], conf[512];
    const char *dir = getenv("RM_PLUGIN_DIR");
    snprintf(from, sizeof from, "%s/hash_murmur.so", dir ? dir : RM_PLUGIN_DIR);
    snprintf(to, sizeof to, "%s.so", s->path);
    snprintf(conf, sizeof conf,
             "strategy = { scheduler = \"scheduler_ring\"; hash = \"%s\"; probe = \"probe_linear\"; };\n",
             to);
    copy_file(from, to, "");
    struct told *t = reload(conf); /* the same bytes at another place */
    check_generation(t, 2);
    assert_string_equal(list(json_object_get(t->message, "changed")), "strategy.hash");

    copy_file(from, to, "a byte more");
    t = reload(conf);
    check_generation(t, 3);
    assert_string_equal(list(json_object_get(t->message, "changed")), "strategy.hash");
    assert_true(json_real_value(json_object_get(t->message, "moved_keys")) == 0);

    t = reload(conf);
    check_generation(t, 3);
    assert_string_equal(list(json_object_get(t->message, "changed")), "");
    unlink(to);
}

/* ------------------------------------------------------------------ several at once */

static bool five_are_told(struct stage *stage)
{
    (void)stage;
    for (size_t i = 0; i < 5; i++)
        if (!told[i].status)
            return false;
    return true;
}

static void test_those_who_wait_share_a_run(void **state)
{
    (void)state;
    s->is_manual = true;
    stage_write(s, RING("hash_quadratic"));
    reload_ask(r, "the first", note_answer, &told[0]);
    stage_wait(s, all_have_mail); /* it is past reading the file */
    stage_write(s, RING("hash_murmur"));
    for (size_t i = 1; i < 5; i++)
        reload_ask(r, "another", note_answer, &told[i]);
    reload_ask(r, "SIGHUP", NULL, NULL);
    s->is_manual = false;
    stage_wait(s, five_are_told);
    assert_int_equal(json_integer_value(json_object_get(told[0].message, "generation")), 2);
    for (size_t i = 1; i < 5; i++) {
        assert_int_equal(json_integer_value(json_object_get(told[i].message, "generation")), 3);
        assert_string_equal(told[i].body, told[1].body);
    }
    check_generation(&told[1], 3);
}

/* The balancer leaves while one runs and others wait. */
static void test_left_alone(void **state)
{
    (void)state;
    s->is_manual = true;
    stage_write(s, RING("hash_quadratic"));
    reload_ask(r, "the first", note_answer, &told[0]);
    stage_wait(s, all_have_mail);
    reload_ask(r, "the second", note_answer, &told[1]);
    publish_stop(s->publish);
}

static void test_left_alone_while_reading(void **state)
{
    (void)state;
    reload_ask(r, "the first", note_answer, &told[0]);
    reload_ask(r, "the second", note_answer, &told[1]);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_ring, close_ring)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_changed),
        TEST(test_answered_when_every_worker_has_switched),
        TEST(test_another_hash),
        TEST(test_without_keys_nothing_moves),
        TEST(test_limits_only),
        TEST(test_restart_required),
        TEST(test_all_errors_at_once),
        TEST(test_syntax_error),
        TEST(test_bytes_that_are_no_text),
        TEST(test_members_do_not_fit),
        TEST(test_file_is_gone),
        TEST(test_plugin_was_overwritten),
        TEST(test_those_who_wait_share_a_run),
        TEST(test_left_alone),
        TEST(test_left_alone_while_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
