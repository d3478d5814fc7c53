/*
 * test_engine.c - the client of the Engine API against a fake engine: versions, refusals, streams, silence.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.engine.
 * Thread   one; the fake has its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "control/engine.h"
#include "control/engine_wait.h"
#include "control/engine_watch.h"
#include "unit/control/engine_fake.h"
#include "unit/control/loop_kit.h"

struct seen {
    struct event_base *base;
    unsigned answers, opened, objects, ups, downs;
    int status;
    char why[256], action[64];
    struct engine_call **cancel; /* at the first object */
};

static void on_answer(void *ctx, const struct engine_answer *a)
{
    struct seen *s = ctx;
    s->answers++;
    s->status = a->status;
    snprintf(s->why, sizeof s->why, "%s", a->why);
}

static void on_opened(void *ctx, const json_t *nothing)
{
    struct seen *s = ctx;
    assert_null(nothing);
    s->opened++;
}

static void on_object(void *ctx, const json_t *object)
{
    struct seen *s = ctx;
    s->objects++;
    snprintf(s->action, sizeof s->action, "%s", json_string_value(json_object_get(object, "Action")));
    if (s->cancel) {
        engine_cancel(*s->cancel);
    }
}

static void on_up(void *ctx)
{
    ((struct seen *)ctx)->ups++;
}

static void on_down(void *ctx, const char *why)
{
    struct seen *s = ctx;
    s->downs++;
    snprintf(s->why, sizeof s->why, "%s", why);
}

static struct engine *open_engine(struct seen *s, const char *address)
{
    char why[200] = "";
    memset(s, 0, sizeof *s);
    s->base = event_base_new();
    struct engine *e = engine_open(s->base, address, why, sizeof why);
    assert_string_equal(why, "");
    return e;
}

static void greet(struct seen *s, struct engine *e)
{
    engine_greet(e, on_answer, s);
    assert_int_equal(s->answers, 0); /* never from inside */
    WAIT_FOR(s, s->answers >= 1);
    s->answers = 0;
}

/* An engine of these versions is spoken to in that one. */
static void check_version(const char *oldest, const char *newest, const char *spoken)
{
    struct fake *f = fake_open(oldest, newest);
    struct seen s;
    struct engine *e = open_engine(&s, fake_address(f));
    char path[40];
    greet(&s, e);
    assert_string_equal(s.why, "");
    assert_string_equal(engine_version(e), spoken);
    engine_ask(e, "GET", "/containers/json?filters=x", NULL, ENGINE_TIMEOUT_MS, on_answer, &s);
    WAIT_FOR(&s, s.answers >= 1);
    assert_int_equal(s.status, 200);
    snprintf(path, sizeof path, "GET /v%s/containers/json", spoken);
    assert_int_equal(fake_asked(f, path), 1);
    engine_close(e);
    event_base_free(s.base);
    fake_close(f);
}

static void test_the_version_is_negotiated(void **state)
{
    (void)state;
    check_version("1.12", "1.41", "1.41"); /* older than ours */
    check_version("1.24", "1.44", "1.44");
    check_version("1.24", "1.47", "1.44"); /* newer, and ours is still spoken */
    check_version("1.50", "1.52", "1.52"); /* newer, and refuses ours */
}

static void test_refusals_carry_the_engines_words(void **state)
{
    (void)state;
    struct fake *f = fake_open("1.24", "1.41");
    struct seen s;
    struct engine *e = open_engine(&s, fake_address(f));
    greet(&s, e);
    fake_fail(f, "/containers/create", 404, "No such image: x:latest");
    json_t *body = json_object();
    engine_ask(e, "POST", "/containers/create?name=a", body, ENGINE_TIMEOUT_MS, on_answer, &s);
    json_decref(body);
    WAIT_FOR(&s, s.answers >= 1);
    assert_int_equal(s.status, 404);
    assert_string_equal(s.why, "No such image: x:latest");

    fake_fail(f, "/containers", 0, NULL); /* silence */
    engine_ask(e, "GET", "/containers/json", NULL, 50, on_answer, &s);
    WAIT_FOR(&s, s.answers >= 2);
    assert_int_equal(s.status, 0);
    assert_non_null(strstr(s.why, "does not answer"));

    fake_away(f);
    engine_ask(e, "GET", "/containers/json", NULL, ENGINE_TIMEOUT_MS, on_answer, &s);
    WAIT_FOR(&s, s.answers >= 3);
    assert_int_equal(s.status, 0);
    assert_non_null(strstr(s.why, "cannot be reached: Connection refused"));
    engine_close(e);
    event_base_free(s.base);
    fake_close(f);
}

static void test_a_stream_is_told_object_by_object(void **state)
{
    (void)state;
    struct fake *f = fake_open("1.24", "1.41");
    struct seen s;
    struct engine *e = open_engine(&s, fake_address(f));
    greet(&s, e);
    engine_stream(e, "/events", on_opened, on_object, on_answer, &s);
    WAIT_FOR(&s, s.opened >= 1);
    fake_add(f, "a", "running", "i", "a", "1");
    fake_add(f, "b", "running", "i", "b", "2");
    fake_die(f, "a", 0, true);
    fake_die(f, "b", 0, true);
    WAIT_FOR(&s, s.objects >= 2);
    assert_string_equal(s.action, "die");
    assert_int_equal(s.answers, 0);
    fake_away(f);
    WAIT_FOR(&s, s.answers >= 1);
    assert_int_equal(s.opened, 1);
    engine_close(e);
    event_base_free(s.base);
    fake_close(f);
}

static void test_a_stream_is_cancelled_from_inside(void **state)
{
    (void)state;
    struct fake *f = fake_open("1.24", "1.41");
    struct seen s;
    struct engine *e = open_engine(&s, fake_address(f));
    greet(&s, e);
    struct engine_call *call = engine_stream(e, "/events", on_opened, on_object, on_answer, &s);
    s.cancel = &call;
    WAIT_FOR(&s, s.opened >= 1);
    fake_add(f, "a", "running", "i", "a", "1");
    fake_add(f, "b", "running", "i", "b", "2");
    fake_die(f, "a", 0, true);
    fake_die(f, "b", 0, true);
    WAIT_FOR(&s, s.objects >= 1);
    engine_ask(e, "GET", "/containers/json?i", NULL, ENGINE_TIMEOUT_MS, on_answer, &s);
    WAIT_FOR(&s, s.answers >= 1); /* of the list: the stream's own end is not told */
    assert_int_equal(s.status, 200);
    assert_int_equal(s.objects, 1);
    engine_close(e);
    event_base_free(s.base);
    fake_close(f);
}

static void test_an_engine_is_lost_and_found(void **state)
{
    (void)state;
    struct fake *f = fake_open("1.24", "1.41");
    struct seen s;
    struct engine *e = open_engine(&s, fake_address(f));
    struct engine_watch_hooks hooks = { &s, on_up, on_up, on_object, on_down };
    struct engine_watch *w = engine_watch_open(s.base, e, "/events", 3600000, &hooks);
    WAIT_FOR(&s, s.ups >= 1);
    assert_true(engine_watch_is_up(w));
    fake_away(f);
    WAIT_FOR(&s, s.downs >= 1);
    assert_false(engine_watch_is_up(w));
    assert_string_not_equal(engine_watch_trouble(w), "");
    fake_back(f);
    WAIT_FOR(&s, s.ups >= 2);
    assert_string_equal(engine_watch_trouble(w), "");
    fake_fail(f, "/_ping", 0, NULL);
    engine_watch_lost(w, "said so"); /* a request was not answered */
    assert_int_equal(s.downs, 2);
    assert_string_equal(s.why, "said so");
    engine_watch_lost(w, "again");
    assert_int_equal(s.downs, 2);
    engine_watch_close(w);
    engine_close(e);
    event_base_free(s.base);
    fake_close(f);
}

static void test_a_question_can_be_waited_for(void **state)
{
    (void)state;
    struct fake *f = fake_open("1.24", "1.41");
    char why[200] = "";
    json_t *list = NULL;
    struct engine_wait *w = engine_wait_open(fake_address(f), 10000, why, sizeof why);
    assert_non_null(w);
    assert_int_equal(engine_wait_ask(w, "GET", "/containers/json?x", NULL, &list, why, sizeof why), 200);
    assert_true(json_is_array(list));
    json_decref(list);
    assert_int_equal(engine_wait_ask(w, "DELETE", "/containers/x", NULL, NULL, why, sizeof why), 404);
    assert_string_equal(why, "No such container");
    engine_wait_close(w);

    fake_fail(f, "/_ping", 0, NULL);
    assert_null(engine_wait_open(fake_address(f), 50, why, sizeof why));
    assert_non_null(strstr(why, "does not answer"));
    fake_away(f);
    assert_null(engine_wait_open(fake_address(f), 10000, why, sizeof why));
    assert_non_null(strstr(why, "cannot be reached"));
    fake_close(f);
}

static void test_texts(void **state)
{
    (void)state;
    char *text = engine_escape("a b/{\"x\":1}~\xc3\xbc");
    assert_string_equal(text, "a%20b%2F%7B%22x%22%3A1%7D~%C3%BC");
    free(text);
    char why[200];
    assert_null(engine_open(NULL, "/var/run/docker.sock", why, sizeof why));
    assert_non_null(strstr(why, "neither unix://"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_version_is_negotiated),
        cmocka_unit_test(test_refusals_carry_the_engines_words),
        cmocka_unit_test(test_a_stream_is_told_object_by_object),
        cmocka_unit_test(test_a_stream_is_cancelled_from_inside),
        cmocka_unit_test(test_an_engine_is_lost_and_found),
        cmocka_unit_test(test_a_question_can_be_waited_for),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
