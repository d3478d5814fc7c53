/*
 * test_spawner_docker.c - the Docker driver against a fake engine: lives, deaths, an engine that goes and comes, adoption.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.spawner_docker.
 * Thread   one; the fake has its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "control/spawner_docker.h"
#include "unit/control/engine_fake.h"
#include "unit/control/loop_kit.h"
#include "unit/control/spawner_kit.h"
#include "world/config.h"

#define MARK "ringmaster.instance"

struct stage {
    struct fake *fake;
    struct event_base *base;
    struct config config;
    struct spawner *spawner;
};

static const struct spawner_hooks hooks = { .started = seen_started, .exited = seen_exited };

static void prepare(struct stage *g)
{
    memset(g, 0, sizeof *g);
    g->fake = fake_open("1.24", "1.41");
    g->base = event_base_new();
    g->config.refs = 1;
    g->config.replicas.stop_timeout_ms = 5000;
    g->config.replicas.docker.engine = mem_text(fake_address(g->fake));
    g->config.replicas.docker.instance = mem_text("house");
    g->config.replicas.docker.image = mem_text("img");
    g->config.replicas.docker.network = mem_text("");
    g->config.replicas.docker.port = 5000;
}

static void open_spawner(struct stage *g)
{
    char why[200] = "";
    g->spawner = spawner_docker.open(g->base, &g->config, &hooks, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(g->spawner);
}

static void open_stage(struct stage *g)
{
    prepare(g);
    open_spawner(g);
}

static void close_stage(struct stage *g)
{
    if (g->spawner) {
        spawner_docker.close(g->spawner);
    }
    assert_int_equal(g->config.refs, 1);
    event_base_free(g->base);
    free(g->config.replicas.docker.engine);
    free(g->config.replicas.docker.instance);
    free(g->config.replicas.docker.image);
    free(g->config.replicas.docker.network);
    fake_close(g->fake);
}

static void start(struct stage *g, struct seen *seen, const char *name, uint32_t ordinal)
{
    struct spawner_order order = {
        .name = name,
        .server_id = "1",
        .place = { .ring_name = name, .id = ordinal, .position = ordinal, .ordinal = ordinal, .weight = 3 },
        .tag = seen,
    };
    memset(seen, 0, sizeof *seen);
    seen->handle = spawner_docker.start(g->spawner, &order);
    assert_int_equal(seen->started + seen->exited, 0); /* never from inside */
}

/* What the fake says of the container: "" when it has none. */
static bool has_state(const struct stage *g, const char *container, const char *wanted)
{
    char state[20];
    fake_state(g->fake, container, state, sizeof state);
    return strcmp(state, wanted) == 0;
}

static bool has_trouble(const struct stage *g)
{
    return spawner_docker.trouble(g->spawner) != NULL;
}

/* ------------------------------------------------------------------ a life */

static const char *label_in(const json_t *body, const char *name)
{
    return json_string_value(json_object_get(json_object_get(body, "Labels"), name));
}

static void test_it_starts_and_stops(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    open_stage(&g);
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.started >= 1);
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&one.what.address;
    assert_int_equal(ntohl(in->sin_addr.s_addr), 0xac110009); /* 172.17.0.9 */
    assert_int_equal(ntohs(in->sin_port), 5000);
    assert_string_equal(spawner_docker.label(one.handle), "house-Server-1");

    json_t *body = fake_created(g.fake);
    assert_string_equal(label_in(body, MARK), "house");
    assert_string_equal(label_in(body, "ringmaster.pool"), "default");
    assert_string_equal(label_in(body, "ringmaster.name"), "Server 1");
    assert_string_equal(label_in(body, "ringmaster.ordinal"), "1");
    assert_string_equal(label_in(body, "ringmaster.weight"), "3");
    assert_string_equal(json_string_value(json_array_get(json_object_get(body, "Env"), 0)), "SERVER_ID=1");
    json_decref(body);

    spawner_docker.stop(g.spawner, one.handle, SPAWNER_ASK);
    assert_int_equal(one.exited, 0);
    WAIT_FOR(&g, one.exited >= 1);
    WAIT_FOR(&g, has_state(&g, "house-Server-1", "")); /* removed */
    assert_int_equal(fake_asked(g.fake, "/stop?t=6"), 1);
    close_stage(&g);
}

static void test_limits_and_network_are_passed_on(void **state)
{
    (void)state;
    struct stage g;
    char *setting = mem_text("A=b"), *word = mem_text("run");
    prepare(&g);
    free(g.config.replicas.docker.network);
    g.config.replicas.docker.network = mem_text("net");
    g.config.replicas.docker.environment = (struct config_list){ .items = &setting, .count = 1 };
    g.config.replicas.docker.command = (struct config_list){ .items = &word, .count = 1 };
    g.config.replicas.docker.memory_mib = 64;
    g.config.replicas.docker.cpus = 500;
    struct spawned one = { .name = word, .ring_name = word, .server_id = word, .port = 5001 };
    json_t *body = docker_body_create(&g.config, "house", &one);
    const json_t *host = json_object_get(body, "HostConfig");
    assert_int_equal(json_integer_value(json_object_get(host, "Memory")), 64 << 20);
    assert_int_equal(json_integer_value(json_object_get(host, "NanoCpus")), 500000000);
    assert_string_equal(json_string_value(json_object_get(host, "NetworkMode")), "net");
    char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    assert_non_null(strstr(text, "\"PortBindings\":{\"5000/tcp\":[{\"HostPort\":\"5001\"}]}"));
    assert_non_null(strstr(text, "\"EndpointsConfig\":{\"net\":{\"Aliases\":[\"run\"]}}"));
    assert_non_null(strstr(text, "\"Cmd\":[\"run\"]"));
    assert_non_null(strstr(text, "\"A=b\""));
    free(text);
    json_decref(body);
    free(setting);
    free(word);
    close_stage(&g);
}

static void test_a_death_is_told_by_an_event(void **state)
{
    (void)state;
    struct stage g;
    struct seen one, two;
    open_stage(&g);
    start(&g, &one, "Server 1", 1);
    start(&g, &two, "Server 2", 2);
    WAIT_FOR(&g, one.started >= 1);
    WAIT_FOR(&g, two.started >= 1);
    fake_die(g.fake, "house-Server-1", 137, true);
    WAIT_FOR(&g, one.exited >= 1);
    assert_string_equal(one.why, "killed by SIGKILL");
    WAIT_FOR(&g, has_state(&g, "house-Server-1", ""));
    assert_int_equal(fake_asked(g.fake, "/logs?"), 1); /* its last words */
    fake_die(g.fake, "house-Server-2", 3, true);
    WAIT_FOR(&g, two.exited >= 1);
    assert_string_equal(two.why, "exited with status 3");
    close_stage(&g);
}

static void test_a_stand_in_is_started_before_the_dead_one_is_removed(void **state)
{
    (void)state;
    struct stage g;
    struct seen one, two;
    open_stage(&g);
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.started >= 1);
    fake_die(g.fake, "house-Server-1", 137, true);
    WAIT_FOR(&g, one.exited >= 1);
    start(&g, &two, "emergency_07", 1);
    WAIT_FOR(&g, two.started >= 1);
    assert_int_equal(fake_asked(g.fake, "DELETE"), 0);
    WAIT_FOR(&g, has_state(&g, "house-Server-1", ""));
    close_stage(&g);
}

/* Health may know of a death before the engine tells: a call to stop it would only hold up the engine. */
static void test_one_that_has_just_died_is_not_asked_to_stop(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    open_stage(&g);
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.started >= 1);
    fake_die(g.fake, "house-Server-1", 137, true);
    spawner_docker.stop(g.spawner, one.handle, SPAWNER_ASK);
    WAIT_FOR(&g, one.exited >= 1);
    assert_string_equal(one.why, "killed by SIGKILL");
    WAIT_FOR(&g, has_state(&g, "house-Server-1", ""));
    assert_int_equal(fake_asked(g.fake, "/stop"), 0);
    close_stage(&g);
}

static void test_what_the_engine_refuses_is_told(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    open_stage(&g);
    fake_fail(g.fake, "/containers/create", 404, "No such image: img:latest");
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.exited >= 1);
    assert_string_equal(one.why, "container house-Server-1 cannot be created: No such image: img:latest");
    fake_fail(g.fake, "/start", 404, "network net not found");
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.exited >= 1);
    assert_string_equal(one.why, "container house-Server-1 cannot be started: network net not found");
    assert_int_equal(one.started, 0);
    fake_fail(g.fake, NULL, 0, NULL);
    WAIT_FOR(&g, has_state(&g, "house-Server-1", ""));
    fake_add(g.fake, "house-S5", "running", "another", "S5", "1");
    start(&g, &one, "S5", 5);
    WAIT_FOR(&g, one.exited >= 1);
    assert_non_null(strstr(one.why, "already in use"));
    WAIT_FOR(&g, has_state(&g, "house-S5", "running")); /* it is not ours */
    close_stage(&g);
}

static void test_a_taken_port_is_passed_over(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    prepare(&g);
    g.config.replicas.docker.publish_base_port = 5001;
    open_spawner(&g);
    fake_fail(g.fake, "/start", 500, "Bind for 0.0.0.0:5001 failed: port is already allocated");
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.exited >= 1);
    assert_non_null(strstr(one.why, "port 5001 of the engine's machine is taken"));
    fake_fail(g.fake, NULL, 0, NULL);
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.started >= 1);
    json_t *body = fake_created(g.fake);
    char *text = json_dumps(body, JSON_COMPACT);
    assert_non_null(strstr(text, "\"HostPort\":\"5002\""));
    free(text);
    json_decref(body);
    close_stage(&g);
}

static void test_alike_names_get_different_containers(void **state)
{
    (void)state;
    struct stage g;
    struct seen one, two;
    open_stage(&g);
    start(&g, &one, "a b", 0);
    start(&g, &two, "a@b", 0);
    WAIT_FOR(&g, one.started >= 1);
    WAIT_FOR(&g, two.started >= 1);
    assert_string_equal(spawner_docker.label(one.handle), "house-a-b");
    assert_string_equal(spawner_docker.label(two.handle), "house-a-b.2");
    close_stage(&g);
}

/* ------------------------------------------------------------------ an engine that goes and comes */

static void test_nobody_dies_with_the_engine(void **state)
{
    (void)state;
    struct stage g;
    struct seen one, two, three;
    open_stage(&g);
    start(&g, &one, "Server 1", 1);
    start(&g, &two, "Server 2", 2);
    WAIT_FOR(&g, one.started >= 1);
    WAIT_FOR(&g, two.started >= 1);
    fake_away(g.fake);
    WAIT_FOR(&g, has_trouble(&g));
    start(&g, &three, "Server 3", 3); /* waits */
    fake_die(g.fake, "house-Server-2", 0, false);
    loop_turn(g.base);
    assert_int_equal(one.exited + two.exited + three.exited + three.started, 0);
    fake_back(g.fake);
    WAIT_FOR(&g, two.exited >= 1);
    assert_string_equal(two.why, "as listed");
    WAIT_FOR(&g, three.started >= 1);
    assert_int_equal(one.exited, 0);
    WAIT_FOR(&g, !has_trouble(&g));
    close_stage(&g);
}

/* It was created, and the answer was lost: it is not created twice. */
static void test_a_start_goes_on_where_it_was(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    open_stage(&g);
    fake_fail(g.fake, "/start", 0, NULL); /* never answered */
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, has_state(&g, "house-Server-1", "created"));
    fake_away(g.fake);
    WAIT_FOR(&g, has_trouble(&g));
    fake_fail(g.fake, NULL, 0, NULL);
    fake_back(g.fake);
    WAIT_FOR(&g, one.started >= 1);
    assert_int_equal(fake_asked(g.fake, "/containers/create"), 1);
    assert_int_equal(fake_count(g.fake), 1);
    close_stage(&g);
}

static void test_a_stop_reaches_it_later(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    open_stage(&g);
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.started >= 1);
    fake_away(g.fake);
    WAIT_FOR(&g, has_trouble(&g));
    spawner_docker.stop(g.spawner, one.handle, SPAWNER_KILL);
    loop_turn(g.base);
    assert_int_equal(one.exited, 0);
    fake_back(g.fake);
    WAIT_FOR(&g, one.exited >= 1);
    WAIT_FOR(&g, has_state(&g, "house-Server-1", ""));
    close_stage(&g);
}

/* ------------------------------------------------------------------ those that run already */

static void test_what_runs_is_adopted(void **state)
{
    (void)state;
    struct stage g;
    struct seen one, two;
    const struct spawner_found *found;
    prepare(&g);
    fake_add(g.fake, "x", "running", "house", "Server 2", "2");
    fake_add(g.fake, "y", "running", "house", "emergency_07", "1");
    fake_add(g.fake, "dead", "exited", "house", "Server 3", "3");
    fake_add(g.fake, "foreign", "exited", "another", "Server 1", "1");
    open_spawner(&g);
    assert_int_equal(spawner_docker.found(g.spawner, &found), 2);
    assert_string_equal(found[0].name, "emergency_07"); /* by position */
    assert_int_equal(found[0].place.ordinal, 1);
    assert_string_equal(found[1].name, "Server 2");
    start(&g, &one, "emergency_07", 1);
    start(&g, &two, "Server 2", 2);
    WAIT_FOR(&g, one.started >= 1);
    WAIT_FOR(&g, two.started >= 1);
    assert_string_equal(spawner_docker.label(one.handle), "y");
    assert_int_equal(fake_asked(g.fake, "/containers/create"), 0);
    WAIT_FOR(&g, has_state(&g, "dead", "")); /* ours, and dead */
    WAIT_FOR(&g, has_state(&g, "foreign", "exited"));
    WAIT_FOR(&g, has_state(&g, "x", "running"));
    close_stage(&g);
}

static void test_leaving_stops_or_leaves(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    for (int leave = 0; leave < 2; leave++) {
        open_stage(&g);
        g.config.replicas.docker.on_exit = leave ? ON_EXIT_LEAVE : ON_EXIT_STOP;
        fake_add(g.fake, "rest", "exited", "house", "S9", "9");
        start(&g, &one, "Server 1", 1);
        WAIT_FOR(&g, one.started >= 1);
        spawner_docker.leave(g.spawner);
        spawner_docker.stop(g.spawner, one.handle, SPAWNER_ASK);
        WAIT_FOR(&g, one.exited >= 1);
        spawner_docker.close(g.spawner);
        g.spawner = NULL;
        WAIT_FOR(&g, has_state(&g, "house-Server-1", leave ? "running" : ""));
        assert_true(leave || fake_count(g.fake) == 0);
        close_stage(&g);
    }
}

/* The engine removes it already, for somebody else: when we are gone it is gone as well. */
static void test_leaving_waits_for_a_removal_under_way(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    open_stage(&g);
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.started >= 1);
    fake_fail(g.fake, "force=1", 409, "removal of container house-Server-1 is already in progress");
    spawner_docker.leave(g.spawner);
    spawner_docker.stop(g.spawner, one.handle, SPAWNER_ASK);
    WAIT_FOR(&g, one.exited >= 1);
    spawner_docker.close(g.spawner);
    g.spawner = NULL;
    assert_int_equal(fake_asked(g.fake, "/wait?condition=removed"), 1);
    close_stage(&g);
}

static void test_leaving_does_not_wait_for_an_engine_that_is_away(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    open_stage(&g);
    start(&g, &one, "Server 1", 1);
    WAIT_FOR(&g, one.started >= 1);
    fake_away(g.fake);
    WAIT_FOR(&g, has_trouble(&g));
    spawner_docker.leave(g.spawner);
    spawner_docker.stop(g.spawner, one.handle, SPAWNER_ASK);
    WAIT_FOR(&g, one.exited >= 1);
    close_stage(&g);
}

static void test_without_an_engine_there_is_no_start(void **state)
{
    (void)state;
    struct stage g;
    char why[200] = "";
    prepare(&g);
    fake_away(g.fake);
    g.spawner = spawner_docker.open(g.base, &g.config, &hooks, why, sizeof why);
    assert_null(g.spawner);
    assert_non_null(strstr(why, "cannot be reached"));
    close_stage(&g);
}

static void test_frames_of_output(void **state)
{
    (void)state;
    char text[] = "\1\0\0\0\0\0\0\3ab\n\2\0\0\0\0\0\0\2cd", plain[] = "a line\n";
    size_t len = docker_body_unframe(text, sizeof text - 1);
    assert_int_equal(len, 5);
    assert_memory_equal(text, "ab\ncd", 5);
    assert_int_equal(docker_body_unframe(plain, 7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_starts_and_stops),
        cmocka_unit_test(test_limits_and_network_are_passed_on),
        cmocka_unit_test(test_a_death_is_told_by_an_event),
        cmocka_unit_test(test_a_stand_in_is_started_before_the_dead_one_is_removed),
        cmocka_unit_test(test_one_that_has_just_died_is_not_asked_to_stop),
        cmocka_unit_test(test_what_the_engine_refuses_is_told),
        cmocka_unit_test(test_a_taken_port_is_passed_over),
        cmocka_unit_test(test_alike_names_get_different_containers),
        cmocka_unit_test(test_nobody_dies_with_the_engine),
        cmocka_unit_test(test_a_start_goes_on_where_it_was),
        cmocka_unit_test(test_a_stop_reaches_it_later),
        cmocka_unit_test(test_what_runs_is_adopted),
        cmocka_unit_test(test_leaving_stops_or_leaves),
        cmocka_unit_test(test_leaving_waits_for_a_removal_under_way),
        cmocka_unit_test(test_leaving_does_not_wait_for_an_engine_that_is_away),
        cmocka_unit_test(test_without_an_engine_there_is_no_start),
        cmocka_unit_test(test_frames_of_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
