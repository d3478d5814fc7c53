/*
 * test_routes.c - the control routes: methods, rights, and the exact answers. The supervisor is played by
 * this file.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <jansson.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/spool.h"
#include "control/call.h"
#include "control/publish.h"
#include "control/routes.h"
#include "control/supervisor.h"
#include "unit/control/stage.h"
#include "world/replica.h"
#include "world/stats.h"
#include "world/view.h"

#define CONF                                                                                           \
    "strategy = { scheduler = \"scheduler_ring\"; hash = \"hash_murmur\"; probe = \"probe_linear\";\n" \
    "  scheduler_options = { slots = 16; virtual_nodes = 4; }; };\n"                                   \
    "control_from = [ \"127.0.0.0/8\", \"10.0.0.0/8\" ];\n"

static struct stage *s;
static struct routes routes;

/* ------------------------------------------------------------------ the supervisor, played */

static struct supervisor_info rows[8];
static size_t n_rows;

/* What the last supervisor_add or _remove was given. */
static struct order {
    char names[256]; /* "a,b" */
    size_t n;
    unsigned count;
    supervisor_done_fn done;
    void *arg;
} added, removed;
static const char *refuse_with; /* NULL: accepted */

static int take_order(struct order *o, const char *const *names, size_t n_names, size_t n,
                      supervisor_done_fn done, void *arg, char *why, size_t why_size)
{
    o->count++;
    if (refuse_with) {
        snprintf(why, why_size, "%s", refuse_with);
        return -1;
    }
    o->names[0] = '\0';
    for (size_t i = 0; i < n_names; i++) {
        strcat(o->names, i ? "," : "");
        strcat(o->names, names[i]);
    }
    o->n = n;
    o->done = done;
    o->arg = arg;
    return 0;
}

int supervisor_add(struct supervisor *sup, const char *const *names, size_t n_names, size_t n,
                   const uint32_t *weights, size_t n_weights, supervisor_done_fn done, void *arg, char *why,
                   size_t why_size)
{
    (void)sup;
    (void)weights;
    (void)n_weights;
    return take_order(&added, names, n_names, n, done, arg, why, why_size);
}

int supervisor_remove(struct supervisor *sup, const char *const *names, size_t n_names, size_t n,
                      supervisor_done_fn done, void *arg, char *why, size_t why_size)
{
    (void)sup;
    return take_order(&removed, names, n_names, n, done, arg, why, why_size);
}

size_t supervisor_list(const struct supervisor *sup, struct supervisor_info **out)
{
    (void)sup;
    *out = malloc(sizeof rows);
    memcpy(*out, rows, sizeof rows);
    return n_rows;
}

size_t supervisor_list_spares(const struct supervisor *sup, struct supervisor_info **out)
{
    static const struct supervisor_info spare = { .name = "emergency_12", .ring_name = "" };
    (void)sup;
    *out = malloc(sizeof spare);
    **out = spare;
    return 1;
}

bool supervisor_is_following(const struct supervisor *sup)
{
    (void)sup;
    return false;
}

const struct replica *supervisor_find(const struct supervisor *sup, const char *name)
{
    (void)sup;
    for (size_t i = 0; i < n_rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].replica;
    return NULL;
}

uint32_t supervisor_wanted(const struct supervisor *sup)
{
    (void)sup;
    return 3;
}

bool supervisor_scaling(const struct supervisor *sup, struct supervisor_scaling *out)
{
    (void)sup;
    (void)out;
    return false;
}

uint64_t supervisor_ignored(const struct supervisor *sup)
{
    (void)sup;
    return 4;
}

bool supervisor_is_serving(enum supervisor_state state)
{
    return state == SUPERVISOR_READY;
}

const char *supervisor_state_name(enum supervisor_state state)
{
    return state == SUPERVISOR_READY ? "READY" : "OTHER";
}

const char *supervisor_driver(const struct supervisor *sup)
{
    (void)sup;
    return "played";
}

const char *supervisor_trouble(const struct supervisor *sup)
{
    (void)sup;
    return NULL;
}

void rotation_free(struct rotation *r)
{
    free(r->members);
    free(r->replicas);
}

static void add_row(const char *name, enum supervisor_state state)
{
    struct replica *replica = stage_join(s, name, name);
    rows[n_rows] = (struct supervisor_info){
        .name = replica->name,
        .ring_name = replica->ring_name,
        .state = state,
        .replica = replica,
        .pid = 4711,
        .ordinal = (uint32_t)n_rows + 1,
        .restarts = 5,
    };
    n_rows++;
}

/* ------------------------------------------------------------------ calls */

static struct letter_call *make_letter(const char *method, const char *path, const char *body)
{
    struct letter_call *letter = mem_zero(1, sizeof *letter + strlen(body) + 1);
    struct sockaddr_in *peer = (void *)&letter->peer;
    letter->letter.kind = MESSAGE_CALL;
    letter->parked = (struct parked){ .worker = 1, .slot = 77, .serial = 123456789012 };
    peer->sin_family = AF_INET;
    peer->sin_port = htons(40000);
    inet_pton(AF_INET, "127.0.0.1", &peer->sin_addr);
    letter->method = method;
    letter->path = path;
    letter->query = "";
    letter->body = memcpy(letter + 1, body, strlen(body) + 1);
    letter->body_len = strlen(body);
    return letter;
}

/* The worker's answer so far, or NULL. */
static struct letter_answer *answer(void)
{
    stage_turn(s);
    return s->workers[1].answer;
}

static struct letter_answer *ask_letter(struct letter_call *letter)
{
    free(s->workers[1].answer);
    s->workers[1].answer = NULL;
    routes_letter(&routes, letter);
    return answer();
}

static struct letter_answer *ask(const char *method, const char *path, const char *body)
{
    return ask_letter(make_letter(method, path, body));
}

static struct letter_answer *ask_from(const char *address, const char *authorization, const char *method,
                                      const char *path)
{
    struct letter_call *letter = make_letter(method, path, "");
    inet_pton(AF_INET, address, &((struct sockaddr_in *)(void *)&letter->peer)->sin_addr);
    letter->authorization = authorization;
    return ask_letter(letter);
}

static void check_answer(const struct letter_answer *a, int status, const char *body)
{
    char text[4096];
    assert_non_null(a);
    assert_true(a->body_len < sizeof text);
    memcpy(text, a->body, a->body_len);
    text[a->body_len] = '\0';
    if (body)
        assert_string_equal(text, body);
    assert_int_equal(a->status, status);
    assert_string_equal(a->content_type, "application/json");
    assert_int_equal(a->parked.worker, 1);
    assert_int_equal(a->parked.slot, 77);
    assert_int_equal(a->parked.serial, 123456789012);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    json_decref(root);
}

static int open_house(void **state)
{
    const char *conf = state && *state ? *state : CONF;
    s = stage_open(conf);
    static const char *const steps[] = { "READ_HEAD", NULL };
    routes = (struct routes){
        .base = s->base,
        .publish = s->publish,
        .spool = spool_new(),
        .workers = s->reach,
        .n_workers = STAGE_WORKERS,
        .step_names = steps,
    };
    routes_init(&routes);
    memset(&added, 0, sizeof added);
    memset(&removed, 0, sizeof removed);
    refuse_with = NULL;
    n_rows = 0;
    add_row("Server 2", SUPERVISOR_READY);
    add_row("Server 1", SUPERVISOR_READY);
    add_row("Server 3", SUPERVISOR_SUSPECT);
    stage_settle(s);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    routes_close(&routes);
    spool_free((struct spool *)(uintptr_t)routes.spool);
    stage_close(s);
    return 0;
}

/* ------------------------------------------------------------------ methods and rights */

static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *allow; /* allow: NULL when the method is right */
    } calls[] = {
        { "GET", "/rep", NULL },
        { "HEAD", "/rep", NULL },
        { "POST", "/rep", "GET" },
        { "GET", "/add", "POST" },
        { "HEAD", "/add", "POST" },
        { "GET", "/rm", "DELETE, POST" },
        { "PUT", "/rm", "DELETE, POST" },
        { "DELET", "/rm", "DELETE, POST" },
        { "DELETE,", "/rm", "DELETE, POST" },
        { "", "/rm", "DELETE, POST" },
        { "GET", "/reload", "POST" },
        { "POST", "/requests/Server 1", "GET" },
        { "HEAD", "/requests/Server 1", NULL },
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct letter_answer *a = ask(calls[i].method, calls[i].path, "");
        check_answer(a, calls[i].allow ? 405 : 200, NULL);
        assert_string_equal(a->allow, calls[i].allow ? calls[i].allow : "");
    }
    assert_int_equal(added.count + removed.count, 0);
}

static void test_unknown(void **state)
{
    (void)state;
    check_answer(ask("GET", "/repp", ""), 404, NULL);
    check_answer(ask("GET", "/state", ""), 404, NULL); /* not on the traffic port */
    check_answer(ask("GET", "/requests/Nobody", ""), 404,
                 "{\"message\":\"Server ID not found\",\"status\":\"failure\"}");
}

static void test_peers(void **state)
{
    (void)state;
    check_answer(ask_from("192.0.2.1", NULL, "GET", "/rep"), 200, NULL);
    check_answer(ask_from("192.0.2.1", NULL, "POST", "/add"), 403, NULL);
    check_answer(ask_from("192.0.2.1", NULL, "DELETE", "/rm"), 403, NULL);
    check_answer(ask_from("192.0.2.1", NULL, "POST", "/reload"), 403, NULL);
    check_answer(ask_from("192.0.2.1", NULL, "GET", "/add"), 405, NULL);
    assert_int_equal(added.count + removed.count, 0);
    assert_null(ask_from("10.1.2.3", NULL, "POST", "/add"));
    assert_int_equal(added.count, 1);
}

static int open_with_token(void **state)
{
    *state = (void *)(uintptr_t)CONF "control_token = \"sesame\";\n";
    return open_house(state);
}

static void test_token(void **state)
{
    (void)state;
    static const char *const bad[] = { NULL,
                                       "",
                                       "sesame",
                                       "Bearer",
                                       "Bearer ",
                                       "Bearer sesam",
                                       "Basic sesame",
                                       "Bearer sesames",
                                       "Bearer Sesame",
                                       "Bearer sesamesesame" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_answer(ask_from("127.0.0.1", bad[i], "POST", "/add"), 403, NULL);
    check_answer(ask_from("192.0.2.1", "Bearer sesame", "POST", "/add"), 403, NULL);
    check_answer(ask_from("127.0.0.1", NULL, "GET", "/rep"), 200, NULL);
    assert_int_equal(added.count, 0);
    assert_null(ask_from("127.0.0.1", "Bearer sesame", "POST", "/add"));
    assert_null(ask_from("127.0.0.1", "bearer  sesame", "POST", "/add"));
    assert_int_equal(added.count, 2);
}

static void test_leaving(void **state)
{
    (void)state;
    routes.leaving = true;
    struct letter_answer *a = ask("POST", "/add", "");
    check_answer(a, 503, "{\"message\":\"<Error> the balancer is leaving\",\"status\":\"failure\"}");
    assert_int_equal(a->retry_after_s, 1);
    check_answer(ask("GET", "/rep", ""), 200, NULL);
}

/* ------------------------------------------------------------------ /rep, /add, /rm */

#define REP "\"N\":2,\"replicas\":[\"Server 2\",\"Server 1\"]"

static void test_rep(void **state)
{
    (void)state;
    check_answer(ask("GET", "/rep", ""), 200, "{\"message\":{" REP "},\"status\":\"successful\"}");
    rows[2].state = SUPERVISOR_READY;
    check_answer(ask("GET", "/rep", ""), 200,
                 "{\"message\":{\"N\":3,\"replicas\":[\"Server 2\",\"Server 1\",\"Server 3\"]},"
                 "\"status\":\"successful\"}");
    s->is_manual = true;
    add_row("Server 4", SUPERVISOR_READY); /* ready, but no worker knows it yet */
    s->is_manual = false;
    rows[2].state = SUPERVISOR_STARTING;
    check_answer(ask("GET", "/rep", ""), 200, "{\"message\":{" REP "},\"status\":\"successful\"}");
    n_rows = 0;
    check_answer(ask("GET", "/rep", ""), 200,
                 "{\"message\":{\"N\":0,\"replicas\":[]},\"status\":\"successful\"}");
}

static void finish(const struct order *o, bool timed_out, const char *one, const char *other,
                   const char *skip)
{
    char *names[] = { (char *)(uintptr_t)one, (char *)(uintptr_t)other, NULL };
    char *skipped[] = { (char *)(uintptr_t)skip, NULL };
    o->done(o->arg,
            &(struct supervisor_result){ .timed_out = timed_out, .names = names, .skipped = skipped });
}

static void test_add(void **state)
{
    (void)state;
    assert_null(ask("POST", "/add", "{\"n\":3,\"hostnames\":[\"S5\",\"Server 1\"]}"));
    assert_string_equal(added.names, "S5,Server 1");
    assert_int_equal(added.n, 3);
    finish(&added, false, "S5", "S1234", "Server 1");
    check_answer(answer(), 200,
                 "{\"message\":{" REP ",\"added\":[\"S5\",\"S1234\"],\"skipped\":[\"Server 1\"]},"
                 "\"status\":\"successful\"}");

    assert_null(ask("POST", "/add", ""));
    assert_int_equal(added.n, 1);
    finish(&added, false, "S5", NULL, NULL);
    check_answer(answer(), 200, "{\"message\":{" REP ",\"added\":[\"S5\"]},\"status\":\"successful\"}");
}

static void test_add_times_out(void **state)
{
    (void)state;
    assert_null(ask("POST", "/add", "n=2"));
    finish(&added, true, "S5", NULL, NULL);
    struct letter_answer *a = answer();
    check_answer(a, 504, NULL);
    json_t *root = json_loadb(a->body, a->body_len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "status")), "failure");
    json_t *message = json_object_get(root, "message");
    assert_int_equal(json_integer_value(json_object_get(message, "N")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(message, "added"), 0)), "S5");
    assert_int_equal(json_array_size(json_object_get(message, "added")), 1);
    json_decref(root);
}

static void test_refused(void **state)
{
    (void)state;
    check_answer(ask("POST", "/add", "{"), 400, NULL);
    check_answer(ask("POST", "/add", "n=1&hostname=a&hostname=b"), 400,
                 "{\"message\":\"<Error> Length of hostname list is more than newly added instances\","
                 "\"status\":\"failure\"}");
    check_answer(ask("DELETE", "/rm", "n=1&hostname=a&hostname=b"), 400,
                 "{\"message\":\"<Error> Length of hostname list is more than removable instances\","
                 "\"status\":\"failure\"}");
    assert_int_equal(added.count + removed.count, 0);
    refuse_with = "there are none";
    check_answer(ask("POST", "/add", "n=1"), 400,
                 "{\"message\":\"<Error> there are none\",\"status\":\"failure\"}");
    refuse_with = "<Error> there are none";
    check_answer(ask("DELETE", "/rm", "n=1"), 400,
                 "{\"message\":\"<Error> there are none\",\"status\":\"failure\"}");
}

static void test_rm(void **state)
{
    (void)state;
    assert_null(ask("DELETE", "/rm", "server_id=Server+3"));
    assert_string_equal(removed.names, "Server 3");
    finish(&removed, false, "Server 3", NULL, NULL);
    check_answer(answer(), 200,
                 "{\"message\":{" REP ",\"removed\":[\"Server 3\"],\"removed_server\":\"Server 3\"},"
                 "\"status\":\"successful\"}");
    assert_null(ask("POST", "/rm", "{\"n\":2}"));
    finish(&removed, false, "Server 7", "Server 3", NULL);
    check_answer(answer(), 200,
                 "{\"message\":{" REP ",\"removed\":[\"Server 7\",\"Server 3\"]},\"status\":\"successful\"}");
}

/* The ring has room for four: the fifth came up, and must go again. */
static void test_add_without_a_place(void **state)
{
    (void)state;
    add_row("Server 4", SUPERVISOR_READY);
    stage_settle(s);
    assert_null(ask("POST", "/add", "hostname=S5"));
    add_row("S5", SUPERVISOR_READY);
    stage_settle(s);
    finish(&added, false, "S5", NULL, NULL);
    assert_int_equal(removed.count, 0); /* not from inside the supervisor */
    assert_null(answer());
    assert_int_equal(removed.count, 1);
    assert_string_equal(removed.names, "S5");
    finish(&removed, false, "S5", NULL, NULL);
    struct letter_answer *a = answer();
    check_answer(a, 400, NULL);
    assert_non_null(memmem(a->body, a->body_len, "<Error> 5 members", 17));
}

static void test_closed_in_the_middle(void **state)
{
    (void)state;
    assert_null(ask("POST", "/add", "n=1"));
    assert_null(ask("DELETE", "/rm", "n=1"));
    routes_close(&routes);
    assert_null(answer());
}

/* ------------------------------------------------------------------ /requests and /state */

static void test_requests(void **state)
{
    (void)state;
    check_answer(ask("GET", "/requests/Server 1", ""), 200,
                 "{\n  \"requests\": [],\n  \"status\": \"successful\"\n}");
    struct replica *replica = (struct replica *)rows[1].replica;
    stats_note_request(&replica->lines[0], 16, 1, 132574);
    stats_note_request(&replica->lines[2], 16, 2, 9223372036854775807u);
    stats_note_request(&replica->lines[0], 16, 3, 0);
    check_answer(ask("GET", "/requests/Server 1", ""), 200,
                 "{\n  \"requests\": [\n    132574,\n    9223372036854775807,\n    0\n  ],\n"
                 "  \"status\": \"successful\"\n}");
}

static json_t *seen;

static void note_state(void *carrier, const struct answer *a)
{
    assert_null(carrier);
    assert_int_equal(a->status, 200);
    seen = json_loadb(a->body, a->body_len, 0, NULL);
}

static json_int_t integer_at(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (!json_is_integer(value))
        fail_msg("%s is no integer", name);
    return json_integer_value(value);
}

static void check_replica(json_t *replica)
{
    assert_string_equal(json_string_value(json_object_get(replica, "name")), "Server 2");
    assert_string_equal(json_string_value(json_object_get(replica, "state")), "READY");
    assert_true(json_is_true(json_object_get(replica, "ready")));
    assert_true(json_is_string(json_object_get(replica, "address")));
    assert_int_equal(integer_at(replica, "pid"), 4711);
    assert_int_equal(integer_at(replica, "in_flight"), 2);
    assert_int_equal(integer_at(replica, "requests"), 7);
    assert_int_equal(integer_at(replica, "status_2xx"), 6);
    double share = json_real_value(json_object_get(replica, "share"));
    assert_true(share > 0 && share < 1);
}

static void test_state(void **state)
{
    (void)state;
    static const struct call_port port = { "test", note_state };
    struct replica *replica = (struct replica *)rows[0].replica;
    replica_reserve(replica);
    replica_reserve(replica);
    STATS_ADD(replica->lines[0].counters.answered, 3);
    STATS_ADD(replica->lines[1].counters.answered, 4);
    STATS_ADD(replica->lines[1].counters.status_2xx, 6);
    STATS_ADD(s->workers[0].counters.requests, 10);
    STATS_ADD(s->workers[2].counters.requests, 20);
    struct call *call = call_new(&routes, &port, NULL);
    call->method = "GET";
    call->path = "/state";
    routes_dispatch(&routes, call, ROUTE_ADMIN);

    assert_non_null(seen);
    assert_int_equal(integer_at(seen, "generation"), 1);
    assert_int_equal(integer_at(seen, "view"), publish_view(s->publish)->serial);
    assert_int_equal(integer_at(seen, "workers"), STAGE_WORKERS);
    assert_int_equal(integer_at(seen, "wanted"), 3);
    assert_string_equal(json_string_value(json_object_get(seen, "driver")), "played");
    assert_true(json_real_value(json_object_get(seen, "largest_share_over_fair")) >= 1);
    json_t *strategy = json_object_get(seen, "strategy");
    assert_string_equal(json_string_value(json_object_get(strategy, "hash")), "hash_murmur");
    assert_true(json_is_true(json_object_get(strategy, "keyed")));
    json_t *options = json_object_get(json_object_get(strategy, "options"), "scheduler");
    assert_int_equal(integer_at(options, "slots"), 16);
    assert_int_equal(json_string_length(json_object_get(json_object_get(strategy, "table"), "digest")), 16);
    assert_int_equal(json_array_size(json_object_get(seen, "replicas")), 3);
    check_replica(json_array_get(json_object_get(seen, "replicas"), 0));
    const json_t *spare = json_array_get(json_object_get(seen, "spares"), 0);
    assert_string_equal(json_string_value(json_object_get(spare, "name")), "emergency_12");
    assert_true(json_is_null(json_object_get(spare, "ring_name")));
    assert_int_equal(json_array_size(json_object_get(seen, "spares")), 1);
    assert_int_equal(integer_at(json_object_get(seen, "totals"), "requests"), 30);
    assert_int_equal(integer_at(json_array_get(json_object_get(seen, "per_worker"), 2), "requests"), 20);
    json_t *step = json_array_get(json_object_get(seen, "steps"), 0);
    assert_string_equal(json_string_value(json_object_get(step, "name")), "READ_HEAD");
    assert_true(json_is_null(json_object_get(step, "p99_us")));
    json_decref(seen);
    seen = NULL;
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_methods),
        TEST(test_unknown),
        TEST(test_peers),
        cmocka_unit_test_setup_teardown(test_token, open_with_token, close_house),
        TEST(test_leaving),
        TEST(test_rep),
        TEST(test_add),
        TEST(test_add_times_out),
        TEST(test_refused),
        TEST(test_rm),
        TEST(test_add_without_a_place),
        TEST(test_closed_in_the_middle),
        TEST(test_requests),
        TEST(test_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
