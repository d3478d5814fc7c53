/*
 * test_spawner_swarm.c - the Swarm driver: what it reads of tasks, and what it does with a fake engine that has some.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.spawner_swarm.
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
#include "control/spawner_swarm.h"
#include "unit/control/engine_fake.h"
#include "unit/control/loop_kit.h"
#include "unit/control/spawner_kit.h"
#include "world/config.h"

struct stage {
    struct fake *fake;
    struct event_base *base;
    struct config config;
    struct spawner *spawner;
    unsigned changes, scaled; /* how often the hooks were called */
    void *scaled_tag;
    char scaled_why[400];
};

static void on_members(void *ctx)
{
    ((struct stage *)ctx)->changes++;
}

static void on_scaled(void *ctx, void *tag, const char *why)
{
    struct stage *g = ctx;
    g->scaled++;
    g->scaled_tag = tag;
    snprintf(g->scaled_why, sizeof g->scaled_why, "%s", why);
}

/* ------------------------------------------------------------------ the stage */

static json_t *make_task(const char *id, int slot, const char *wanted, const char *state, const char *address)
{
    return json_pack("{s:s, s:i, s:s, s:s, s:{s:s, s:s}, s:[{s:{s:s, s:{s:s}}, s:[s]}]}", "ID", id, "Slot",
                     slot, "DesiredState", wanted, "CreatedAt", id, "Status", "State", state, "Err",
                     strcmp(state, "pending") == 0 ? "no suitable node" : "", "NetworksAttachments",
                     "Network", "ID", "netid", "Spec", "Name", "net", "Addresses", address);
}

static json_t *make_service(int replicas)
{
    return json_pack("{s:{s:i}, s:{s:s, s:{s:{s:i}}, s:s}}", "Version", "Index", 41, "Spec", "Name", "web",
                     "Mode", "Replicated", "Replicas", replicas, "Kept", "as it was");
}

static void prepare(struct stage *g)
{
    memset(g, 0, sizeof *g);
    g->fake = fake_open("1.24", "1.41");
    g->base = event_base_new();
    g->config.refs = 1;
    g->config.replicas.count = 3;
    g->config.replicas.max = 8;
    g->config.replicas.stop_timeout_ms = 5000;
    g->config.replicas.swarm.engine = mem_text(fake_address(g->fake));
    g->config.replicas.swarm.service = mem_text("web");
    g->config.replicas.swarm.network = mem_text("net");
    g->config.replicas.swarm.image = mem_text("img");
    g->config.replicas.swarm.port = 5000;
    g->config.replicas.swarm.on_exit = ON_EXIT_LEAVE;
    fake_serve(g->fake, "/services/web", 200, make_service(2));
    fake_serve(g->fake, "/services/web/update", 200, json_object());
    fake_serve(g->fake, "/tasks", 200,
               json_pack("[o,o]", make_task("t1", 1, "running", "running", "10.0.0.1/24"),
                         make_task("t2", 2, "running", "running", "10.0.0.2/24")));
}

static void open_spawner(struct stage *g)
{
    char why[200] = "";
    struct spawner_hooks hooks = { seen_started, seen_exited, g, on_members, on_scaled };
    g->spawner = spawner_swarm.open(g->base, &g->config, &hooks, why, sizeof why);
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
        spawner_swarm.close(g->spawner);
    }
    assert_int_equal(g->config.refs, 1);
    event_base_free(g->base);
    free(g->config.replicas.swarm.engine);
    free(g->config.replicas.swarm.service);
    free(g->config.replicas.swarm.network);
    free(g->config.replicas.swarm.image);
    fake_close(g->fake);
}

static bool has_trouble(const struct stage *g)
{
    return spawner_swarm.trouble(g->spawner) != NULL;
}

static void start(struct stage *g, struct seen *seen, const char *name)
{
    struct spawner_order order = {
        .name = name, .server_id = name, .place = { .ring_name = name }, .tag = seen
    };
    memset(seen, 0, sizeof *seen);
    seen->handle = spawner_swarm.start(g->spawner, &order);
    assert_int_equal(seen->started + seen->exited, 0); /* never from inside */
}

/* The members' names, joined by commas. */
static const char *members(struct stage *g)
{
    static char text[200];
    const struct spawner_found *list;
    size_t n = spawner_swarm.slots(g->spawner, &list), len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? "," : "", list[i].name);
    }
    return text;
}

static uint32_t ip_of(const struct spawner_started *where)
{
    return ntohl(((const struct sockaddr_in *)(const void *)&where->address)->sin_addr.s_addr);
}

/* ------------------------------------------------------------------ what is read */

static void test_slots_are_read(void **state)
{
    (void)state;
    struct config config = { 0 };
    struct swarm_slots slots;
    char trouble[200], service[] = "web", network[] = "net";
    config.replicas.swarm.service = service;
    config.replicas.swarm.network = network;
    config.replicas.swarm.port = 81;
    json_t *tasks = json_array();
    json_array_append_new(tasks, make_task("b", 10, "running", "running", "10.0.0.7/24"));
    json_array_append_new(tasks, make_task("a", 10, "running", "running", "10.0.0.6/24")); /* older */
    json_array_append_new(tasks,
                          make_task("z", 10, "shutdown", "running", "10.0.0.5/24")); /* its machine is gone */
    json_array_append_new(tasks, make_task("c", 2, "running", "running", "fd00::2/64"));
    json_array_append_new(tasks, make_task("d", 3, "ready", "ready", "10.0.0.3/24"));
    json_array_append_new(tasks, make_task("e", 4, "running", "pending", ""));
    json_array_append_new(tasks, make_task("k", 7, "running", "starting", "10.0.0.11/24"));
    json_array_append_new(tasks, make_task("l", 10, "running", "starting", "10.0.0.8/24")); /* of an update */
    json_array_append_new(tasks, make_task("f", 5, "remove", "running", "10.0.0.4/24"));
    json_array_append_new(tasks,
                          make_task("g", 0, "running", "running", "10.0.0.4/24")); /* of a global service */
    json_array_append_new(tasks, json_string("no task"));
    swarm_body_slots(tasks, &config, &slots, trouble, sizeof trouble);
    assert_string_equal(trouble, "");
    assert_int_equal(slots.n, 5);
    assert_string_equal(slots.items[0].name, "web.2");
    assert_int_equal(slots.items[0].where.address.ss_family, AF_INET6);
    assert_string_equal(slots.items[1].task, "");
    assert_string_equal(slots.items[2].state, "pending: no suitable node");
    assert_string_equal(slots.items[3].task, "k"); /* its health check comes later than our heartbeats */
    assert_string_equal(slots.items[4].name, "web.10");
    assert_string_equal(slots.items[4].task, "b");
    assert_int_equal(ip_of(&slots.items[4].where), 0x0a000007);
    swarm_body_free(&slots);

    config.replicas.swarm.network[0] = 'N';
    swarm_body_slots(tasks, &config, &slots, trouble, sizeof trouble);
    assert_non_null(strstr(trouble, "has no address in the network Net"));
    assert_string_equal(slots.items[4].task, "");
    swarm_body_free(&slots);
    json_decref(tasks);
}

static const json_t *at(const json_t *root, const char *a, const char *b)
{
    return json_object_get(json_object_get(root, a), b);
}

static void test_a_service_is_made(void **state)
{
    (void)state;
    struct stage g;
    prepare(&g);
    fake_serve(g.fake, "/services/web", 404, json_pack("{s:s}", "message", "no such service"));
    fake_serve(g.fake, "/services/create", 201, json_pack("{s:s}", "ID", "s1"));
    open_spawner(&g);
    json_t *spec = fake_told(g.fake);
    const json_t *task = json_object_get(spec, "TaskTemplate"),
                 *container = json_object_get(task, "ContainerSpec");
    assert_string_equal(json_string_value(json_object_get(spec, "Name")), "web");
    assert_string_equal(json_string_value(json_object_get(container, "Image")), "img");
    assert_string_equal(json_string_value(json_array_get(json_object_get(container, "Env"), 0)),
                        "SERVER_ID={{.Service.Name}}.{{.Task.Slot}}");
    assert_int_equal(json_integer_value(at(task, "RestartPolicy", "Delay")), 0);
    assert_true(json_is_integer(at(task, "RestartPolicy", "Delay")));
    assert_int_equal(json_integer_value(json_object_get(at(spec, "Mode", "Replicated"), "Replicas")), 3);
    assert_string_equal(json_string_value(at(spec, "EndpointSpec", "Mode")), "dnsrr");
    json_decref(spec);
    close_stage(&g);
}

static void test_another_balancer_was_quicker(void **state)
{
    (void)state;
    struct stage g;
    prepare(&g);
    fake_serve(g.fake, "/services/web", 404, json_object());
    fake_serve(g.fake, "/services/create", 409, json_pack("{s:s}", "message", "name conflicts"));
    open_spawner(&g);
    assert_string_equal(members(&g), "web.1,web.2");
    close_stage(&g);
}

static void test_a_global_service_is_refused(void **state)
{
    (void)state;
    struct stage g;
    char why[200] = "";
    struct spawner_hooks hooks = { seen_started, seen_exited, &g, on_members, on_scaled };
    prepare(&g);
    fake_serve(g.fake, "/services/web", 200,
               json_pack("{s:{s:i}, s:{s:{s:{}}}}", "Version", "Index", 41, "Spec", "Mode", "Global"));
    assert_null(spawner_swarm.open(g.base, &g.config, &hooks, why, sizeof why));
    assert_string_equal(why, "service web is not a replicated one");
    close_stage(&g);
}

/* ------------------------------------------------------------------ following */

static void test_tasks_come_and_go(void **state)
{
    (void)state;
    struct stage g;
    struct seen one, three;
    open_stage(&g);
    assert_string_equal(members(&g), "web.1,web.2");
    start(&g, &one, "web.1");
    WAIT_FOR(&g, one.started >= 1);
    assert_int_equal(ip_of(&one.what), 0x0a000001);
    assert_string_equal(spawner_swarm.label(one.handle), "web.1.t1");

    fake_serve(g.fake, "/tasks", 200,
               json_pack("[o,o]", make_task("t3", 3, "running", "preparing", ""),
                         make_task("t9", 1, "running", "running", "10.0.0.9/24")));
    WAIT_FOR(&g, g.changes >= 1);
    assert_string_equal(members(&g), "web.1,web.3");
    assert_int_equal(one.exited, 1);
    assert_string_equal(one.why, "Swarm has replaced its task");
    start(&g, &one, "web.1");
    WAIT_FOR(&g, one.started >= 1);
    assert_int_equal(ip_of(&one.what), 0x0a000009);

    start(&g, &three, "web.3");
    unsigned asked = fake_asked(g.fake, "/tasks");
    WAIT_FOR(&g, fake_asked(g.fake, "/tasks") >= asked + 2);
    assert_int_equal(three.started, 0); /* it waits as long as Swarm does */
    spawner_swarm.stop(g.spawner, three.handle, SPAWNER_ASK);
    assert_int_equal(three.exited, 0);
    WAIT_FOR(&g, three.exited >= 1);
    assert_int_equal(fake_asked(g.fake, "DELETE"), 0);
    close_stage(&g);
}

/* Its manager does not hear of the machine: what runs there tells itself. */
static void test_one_that_swarm_hears_nothing_of_is_asked(void **state)
{
    (void)state;
    struct stage g;
    struct seen one, two;
    open_stage(&g);
    fake_serve(g.fake, "/tasks", 200,
               json_pack("[o,o]", make_task("t5", 1, "running", "assigned", "10.0.0.5/24"),
                         make_task("t6", 2, "running", "preparing", "10.0.0.6/24")));
    unsigned asked = fake_asked(g.fake, "/tasks");
    WAIT_FOR(&g, fake_asked(g.fake, "/tasks") >= asked + 2);
    start(&g, &one, "web.1");
    start(&g, &two, "web.2");
    WAIT_FOR(&g, one.started >= 1);
    assert_int_equal(ip_of(&one.what), 0x0a000005);
    assert_string_equal(spawner_swarm.label(one.handle), "web.1.t5");
    assert_int_equal(two.started, 0); /* its machine is heard */

    static const char *const later[] = { "accepted", "preparing", "starting", "running" };
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        fake_serve(g.fake, "/tasks", 200,
                   json_pack("[o]", make_task("t5", 1, "running", later[i], "10.0.0.5/24")));
        asked = fake_asked(g.fake, "/tasks");
        WAIT_FOR(&g, fake_asked(g.fake, "/tasks") >= asked + 2);
        assert_int_equal(one.exited, 0);
    }
    fake_serve(g.fake, "/tasks", 200,
               json_pack("[o]", make_task("t7", 1, "running", "assigned", "10.0.0.7/24")));
    WAIT_FOR(&g, one.exited >= 1);
    assert_string_equal(one.why, "its task does not run any more");
    start(&g, &one, "web.1");
    WAIT_FOR(&g, one.started >= 1);
    assert_int_equal(ip_of(&one.what), 0x0a000007);
    close_stage(&g);
}

static void test_a_slot_that_goes_is_drained_first(void **state)
{
    (void)state;
    struct stage g;
    struct seen two;
    open_stage(&g);
    start(&g, &two, "web.2");
    WAIT_FOR(&g, two.started >= 1);
    fake_serve(g.fake, "/tasks", 200,
               json_pack("[o]", make_task("t1", 1, "running", "running", "10.0.0.1/24")));
    WAIT_FOR(&g, g.changes >= 1);
    assert_string_equal(members(&g), "web.1");
    assert_int_equal(two.exited, 0); /* whoever dismisses it says when */
    close_stage(&g);
}

static void test_events_are_told_of(void **state)
{
    (void)state;
    json_t *node = json_pack("{s:s}", "Type", "node");
    json_t *mine = json_pack("{s:s, s:{s:{s:s}}}", "Type", "service", "Actor", "Attributes", "name", "web");
    json_t *other = json_pack("{s:s, s:{s:{s:s}}}", "Type", "service", "Actor", "Attributes", "name", "web2");
    json_t *task = json_pack("{s:s, s:{s:{s:s, s:s}}}", "Type", "container", "Actor", "Attributes", "name",
                             "web.1.t1", "com.docker.swarm.service.name", "web");
    assert_true(swarm_body_concerns(node, "web"));
    assert_true(swarm_body_concerns(mine, "web"));
    assert_false(swarm_body_concerns(other, "web"));
    assert_true(swarm_body_concerns(task, "web"));
    assert_false(swarm_body_concerns(task, "web.1.t1"));
    json_decref(node);
    json_decref(mine);
    json_decref(other);
    json_decref(task);
}

static void test_without_a_manager_nothing_is_forgotten(void **state)
{
    (void)state;
    struct stage g;
    struct seen one;
    open_stage(&g);
    start(&g, &one, "web.1");
    WAIT_FOR(&g, one.started >= 1);
    fake_serve(g.fake, "/tasks", 503, json_pack("{s:s}", "message", "This node is not a swarm manager."));
    WAIT_FOR(&g, has_trouble(&g));
    assert_non_null(strstr(spawner_swarm.trouble(g.spawner), "not a swarm manager"));
    fake_away(g.fake);
    WAIT_FOR(&g, has_trouble(&g));
    assert_string_equal(members(&g), "web.1,web.2");
    assert_int_equal(one.exited, 0);
    fake_serve(g.fake, "/tasks", 404, json_pack("{s:s}", "message", "service web not found"));
    fake_back(g.fake);
    WAIT_FOR(&g, g.changes >= 1);
    assert_string_equal(members(&g), "");
    assert_non_null(strstr(spawner_swarm.trouble(g.spawner), "there is no service web any more"));
    assert_int_equal(fake_asked(g.fake, "/services/create"), 0);
    close_stage(&g);
}

/* ------------------------------------------------------------------ scaling */

static void test_scaling_changes_the_number_alone(void **state)
{
    (void)state;
    struct stage g;
    int tag;
    open_stage(&g);
    WAIT_FOR(&g, fake_asked(g.fake, "/events") >= 1);
    WAIT_FOR(&g, fake_asked(g.fake, "/tasks") >= 2);
    spawner_swarm.scale(g.spawner, SPAWNER_SCALE_BY, 3, &tag);
    assert_int_equal(g.scaled, 0);
    WAIT_FOR(&g, g.scaled >= 1);
    assert_string_equal(g.scaled_why, "");
    assert_ptr_equal(g.scaled_tag, &tag);
    assert_int_equal(fake_asked(g.fake, "/services/web/update?version=41"), 1);
    json_t *spec = fake_told(g.fake);
    assert_int_equal(json_integer_value(json_object_get(at(spec, "Mode", "Replicated"), "Replicas")), 5);
    assert_string_equal(json_string_value(json_object_get(spec, "Kept")), "as it was");
    json_decref(spec);
    close_stage(&g);
}

static void test_scaling_that_is_refused(void **state)
{
    (void)state;
    struct stage g;
    open_stage(&g);
    WAIT_FOR(&g, fake_asked(g.fake, "/tasks") >= 2);
    spawner_swarm.scale(g.spawner, SPAWNER_SCALE_BY, -3, NULL);
    WAIT_FOR(&g, g.scaled >= 1);
    assert_string_equal(g.scaled_why, "3 replicas cannot be removed: there are 2");
    spawner_swarm.scale(g.spawner, SPAWNER_SCALE_TO, 9, NULL);
    WAIT_FOR(&g, g.scaled >= 2);
    assert_string_equal(g.scaled_why, "9 replicas are too many: replicas.max is 8");
    fake_serve(g.fake, "/services/web/update", 500, json_pack("{s:s}", "message", "update out of sequence"));
    spawner_swarm.scale(g.spawner, SPAWNER_SCALE_TO, 4, NULL);
    WAIT_FOR(&g, g.scaled >= 3);
    assert_non_null(strstr(g.scaled_why, "out of sequence"));
    assert_int_equal(fake_asked(g.fake, "/services/web/update"), SWARM_SCALE_TRIES);
    fake_away(g.fake);
    spawner_swarm.scale(g.spawner, SPAWNER_SCALE_TO, 4, NULL);
    WAIT_FOR(&g, g.scaled >= 4);
    assert_true(*g.scaled_why);
    close_stage(&g);
}

/* ------------------------------------------------------------------ leaving */

static void test_only_who_is_told_removes_the_service(void **state)
{
    (void)state;
    struct stage g;
    open_stage(&g);
    spawner_swarm.leave(g.spawner);
    spawner_swarm.close(g.spawner);
    assert_int_equal(fake_asked(g.fake, "DELETE"), 0);
    g.config.replicas.swarm.on_exit = ON_EXIT_STOP;
    open_spawner(&g);
    spawner_swarm.leave(g.spawner);
    spawner_swarm.close(g.spawner);
    g.spawner = NULL;
    assert_int_equal(fake_asked(g.fake, "DELETE"), 1);
    close_stage(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_are_read),
        cmocka_unit_test(test_a_service_is_made),
        cmocka_unit_test(test_another_balancer_was_quicker),
        cmocka_unit_test(test_a_global_service_is_refused),
        cmocka_unit_test(test_tasks_come_and_go),
        cmocka_unit_test(test_one_that_swarm_hears_nothing_of_is_asked),
        cmocka_unit_test(test_a_slot_that_goes_is_drained_first),
        cmocka_unit_test(test_events_are_told_of),
        cmocka_unit_test(test_without_a_manager_nothing_is_forgotten),
        cmocka_unit_test(test_scaling_changes_the_number_alone),
        cmocka_unit_test(test_scaling_that_is_refused),
        cmocka_unit_test(test_only_who_is_told_removes_the_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
