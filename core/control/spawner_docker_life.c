/*
 * spawner_docker_life.c - one container, from its creation to its end.
 *
 * Owns     the calls of each start, and what is left of dead containers until the engine has removed it.
 * Used by  spawner_docker.c (orders), spawner_docker_list.c (what the engine tells).
 * Uses     engine.h, spawner_docker_body.c.
 * Thread   control.
 *
 * Three calls bring one up: create, start, look (which address did it get?). After each the wish is looked at: one that
 * is to stop meanwhile stops at the next step. A death is told at once; the removal of the container follows in the
 * background, so that a stand-in need not wait for it.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/engine.h"
#include "control/engine_watch.h"
#include "control/spawner_docker.h"
#include "world/config.h"

#define PORT_MAX 65535u

static void look(struct spawned *one);

bool docker_is_lost(struct spawner *s, int status, const char *why)
{
    if (status == 0) {
        engine_watch_lost(s->watch, why);
    }
    return status == 0;
}

static void cancel(struct engine_call **call)
{
    if (*call) {
        engine_cancel(*call);
        *call = NULL;
    }
}

/* ------------------------------------------------------------------ published ports */

static struct docker_port *find_port(const struct spawner *s, uint32_t port)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        if (s->ports[i].port == port) {
            return &s->ports[i];
        }
    }
    return NULL;
}

static void note_port(struct spawner *s, uint16_t port, const struct spawned *holder)
{
    struct docker_port *p = find_port(s, port);
    if (!p) {
        s->ports = mem_grow(s->ports, (s->n_ports + 1) * sizeof *s->ports);
        p = &s->ports[s->n_ports++];
    }
    *p = (struct docker_port){ .port = port, .holder = holder };
    if (!holder) {
        p->refused_until_ns = clock_now_ns() + DOCKER_PORT_REFUSED_S * UINT64_C(1000000000);
    }
}

static void release_port(struct spawned *one)
{
    struct spawner *s = one->owner;
    struct docker_port *p = one->port ? find_port(s, one->port) : NULL;
    if (p && p->holder == one) {
        *p = s->ports[--s->n_ports];
    }
    one->port = 0;
}

/* The lowest one from publish_base_port up that none of ours has and nobody else had lately. False: there is none. */
static bool take_port(struct spawned *one)
{
    struct spawner *s = one->owner;
    uint32_t port = s->config->replicas.docker.publish_base_port;
    if (one->port || port == 0) {
        return true;
    }
    for (; port <= PORT_MAX; port++) {
        const struct docker_port *p = find_port(s, port);
        if (!p || (!p->holder && p->refused_until_ns < clock_now_ns())) {
            one->port = (uint16_t)port;
            note_port(s, one->port, one);
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ what is left of it */

void docker_free_remains(struct docker_remains *r)
{
    cancel(&r->call);
    event_del(&r->later);
    list_remove(&r->link);
    free(r->container);
    free(r->name);
    free(r);
}

/* A list finds what could not be removed now. */
static void on_removed(void *ctx, const struct engine_answer *a)
{
    struct docker_remains *r = ctx;
    struct spawner *s = r->owner;
    char *why = mem_text(a->why);
    int status = a->status;
    r->call = NULL;
    if (status != 0 && *why && status != 404 && status != 409) { /* gone, or being removed by somebody else */
        log_warn("container %s cannot be removed: %s", r->container, why);
    }
    docker_free_remains(r);
    docker_is_lost(s, status, why);
    free(why);
}

static void remove_container(struct docker_remains *r)
{
    char *path = mem_format("/containers/%s?force=1&v=1", r->id);
    r->call = engine_ask(r->owner->engine, "DELETE", path, NULL, DOCKER_CREATE_MS, on_removed, r);
    free(path);
}

static void on_last_words(void *ctx, const struct engine_answer *a)
{
    struct docker_remains *r = ctx;
    r->call = NULL;
    if (a->status == 200) {
        char *text = mem_text_n(a->text, a->text_len);
        size_t len = docker_body_unframe(text, a->text_len);
        for (size_t at = 0; at < len;) {
            const char *end = memchr(text + at, '\n', len - at);
            size_t line = end ? (size_t)(end - text) - at : len - at;
            if (line) {
                log_info("replica \"%s\" last printed: %.*s", r->name, (int)line, text + at);
            }
            at += line + 1;
        }
        free(text);
    }
    if (!docker_is_lost(r->owner, a->status, a->why)) { /* otherwise r is freed */
        remove_container(r);
    }
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    struct docker_remains *r = arg;
    (void)fd;
    (void)what;
    if (!r->name) {
        remove_container(r);
        return;
    }
    char *path = mem_format("/containers/%s/logs?stdout=1&stderr=1&tail=%d", r->id, DOCKER_LAST_LINES);
    r->call = engine_ask(r->owner->engine, "GET", path, NULL, ENGINE_TIMEOUT_MS, on_last_words, r);
    free(path);
}

void docker_bury(struct spawner *s, const char *id, const char *container, const char *name, uint32_t wait_ms)
{
    if (!engine_watch_is_up(s->watch)) {
        return; /* the next list finds it */
    }
    struct docker_remains *r = mem_zero(1, sizeof *r);
    r->owner = s;
    r->container = mem_text(container);
    r->name = mem_text(name);
    snprintf(r->id, sizeof r->id, "%s", id);
    list_push_back(&s->remains, &r->link);
    evtimer_assign(&r->later, s->base, on_due, r);
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) };
    evtimer_add(&r->later, &wait);
}

/* ------------------------------------------------------------------ its end */

void docker_free(struct spawned *one)
{
    cancel(&one->call);
    cancel(&one->stop_call);
    event_del(&one->later);
    release_port(one);
    list_remove(&one->link);
    free(one->name);
    free(one->server_id);
    free(one->ring_name);
    free(one->container);
    free(one);
}

void docker_end(struct spawned *one, const char *why)
{
    struct spawner *s = one->owner;
    struct spawner_hooks hooks = s->hooks;
    void *tag = one->tag;
    char text[sizeof one->why];
    snprintf(text, sizeof text, "%s", why);
    if (one->id[0] && !one->is_spared) {
        docker_bury(s, one->id, one->container, one->wish == DOCKER_STAY ? one->name : NULL,
                    s->is_leaving ? 0 : DOCKER_BURY_MS);
    }
    docker_free(one);
    hooks.exited(tag, text);
}

void docker_end_later(struct spawned *one, const char *why)
{
    one->is_over = true;
    snprintf(one->why, sizeof one->why, "%s", why);
    event_active(&one->later, EV_TIMEOUT, 0);
}

/* ------------------------------------------------------------------ stopping */

static void on_stop_answered(void *ctx, const struct engine_answer *a)
{
    struct spawned *one = ctx;
    one->stop_call = NULL;
    if (docker_is_lost(one->owner, a->status, a->why)) {
        return;
    }
    bool is_dead =
        a->status == 304 || a->status == 404 || a->status == 409; /* stopped before, gone, not running */
    if (is_dead || (a->status == 204 && one->wish == DOCKER_ASKED)) {
        docker_end(one, "stopped");
    } else if (*a->why) {
        log_warn("container %s cannot be stopped: %s", one->container, a->why);
    }
}

/* "stop" waits for the death, and kills by itself in the end: should we be gone by then, it happens all the same. */
void docker_send_stop(struct spawned *one)
{
    struct spawner *s = one->owner;
    uint32_t ms = s->config->replicas.stop_timeout_ms, seconds = ms / 1000 + 1;
    char *path;
    if (one->wish == DOCKER_KILLED) {
        path = mem_format("/containers/%s/kill?signal=SIGKILL", one->id);
    } else {
        path = mem_format("/containers/%s/stop?t=%u", one->id, seconds);
    }
    cancel(&one->stop_call);
    one->stop_call =
        engine_ask(s->engine, "POST", path, NULL,
                   one->wish == DOCKER_KILLED ? ENGINE_TIMEOUT_MS : ms + 1000 + ENGINE_TIMEOUT_MS,
                   on_stop_answered, one);
    free(path);
}

/* ------------------------------------------------------------------ coming up */

static void tell_running(struct spawned *one, const struct spawner_started *where)
{
    one->phase = DOCKER_RUNNING;
    if (one->wish != DOCKER_STAY) {
        docker_send_stop(one);
    } else {
        one->owner->hooks.started(one->tag, where);
    }
}

static void on_started(void *ctx, const struct engine_answer *a)
{
    struct spawned *one = ctx;
    struct spawner *s = one->owner;
    char why[sizeof one->why];
    one->call = NULL;
    if (docker_is_lost(s, a->status, a->why)) {
        return;
    }
    if (!*a->why) {
        look(one);
        return;
    }
    bool is_taken = one->port && (strstr(a->why, "already allocated") || strstr(a->why, "already in use"));
    if (is_taken) {
        snprintf(why, sizeof why,
                 "port %u of the engine's machine is taken, the next start tries another one: %s", one->port,
                 a->why);
        note_port(s, one->port, NULL);
    } else {
        snprintf(why, sizeof why, "container %s cannot be started: %s", one->container, a->why);
    }
    one->wish = DOCKER_ASKED; /* it has printed nothing */
    docker_end(one, why);
}

static void start_container(struct spawned *one)
{
    char *path = mem_format("/containers/%s/start", one->id);
    one->phase = DOCKER_STARTING;
    one->call = engine_ask(one->owner->engine, "POST", path, NULL, DOCKER_CREATE_MS, on_started, one);
    free(path);
}

static void on_looked(void *ctx, const struct engine_answer *a)
{
    struct spawned *one = ctx;
    const struct config *config = one->owner->config;
    const char *network = config->replicas.docker.network;
    const char *status = json_string_value(json_object_get(json_object_get(a->body, "State"), "Status"));
    struct spawner_started where;
    char why[sizeof one->why];
    one->call = NULL;
    if (docker_is_lost(one->owner, a->status, a->why)) {
        return;
    }
    if (*a->why || !status) {
        docker_end(one, a->status == 404 ? "its container is gone" : a->why);
    } else if (strcmp(status, "created") == 0 && one->wish == DOCKER_STAY) {
        start_container(one);
    } else if (strcmp(status, "running") != 0 && strcmp(status, "paused") != 0) {
        docker_body_end(a->body, why, sizeof why);
        docker_end(one, why);
    } else if (docker_body_address(a->body, network, config->replicas.docker.port, &where)) {
        tell_running(one, &where);
    } else {
        snprintf(why, sizeof why, "container %s has no address in the network %s", one->container,
                 *network ? network : "bridge");
        docker_end(one, why);
    }
}

static void look(struct spawned *one)
{
    char *path = mem_format("/containers/%s/json", one->id);
    one->phase = DOCKER_LOOKING;
    one->call = engine_ask(one->owner->engine, "GET", path, NULL, ENGINE_TIMEOUT_MS, on_looked, one);
    free(path);
}

static void on_created(void *ctx, const struct engine_answer *a)
{
    struct spawned *one = ctx;
    char why[sizeof one->why];
    const char *id = json_string_value(json_object_get(a->body, "Id"));
    one->call = NULL;
    if (docker_is_lost(one->owner, a->status, a->why)) {
        return;
    }
    if (*a->why || !id || strlen(id) >= sizeof one->id) {
        snprintf(why, sizeof why, "container %s cannot be created: %s", one->container, a->why);
        docker_end(one, why);
        return;
    }
    snprintf(one->id, sizeof one->id, "%s", id);
    if (one->wish != DOCKER_STAY) {
        docker_end(one, "stopped before it was started");
    } else {
        start_container(one);
    }
}

static bool is_name_used(const struct spawned *mine, const char *container)
{
    const struct spawner *s = mine->owner;
    for (struct link *at = s->all.next; at != &s->all; at = at->next) {
        const struct spawned *one = LIST_OWNER(at, struct spawned, link);
        if (one != mine && one->container && strcmp(one->container, container) == 0) {
            return true;
        }
    }
    for (struct link *at = s->remains.next; at != &s->remains; at = at->next) {
        if (strcmp(LIST_OWNER(at, struct docker_remains, link)->container, container) == 0) {
            return true;
        }
    }
    return false;
}

/* "a b" and "a-b" would be the same, and a dead one keeps its name until it is removed: the later one gets a number. */
static void choose_name(struct spawned *one)
{
    if (one->container) {
        return; /* it may have been created under it, and then the engine was lost */
    }
    char *base = docker_body_container(one->owner->instance, one->name);
    one->container = mem_text(base);
    for (unsigned k = 2; is_name_used(one, one->container); k++) {
        free(one->container);
        one->container = mem_format("%s.%u", base, k);
    }
    free(base);
}

static void create_container(struct spawned *one)
{
    struct spawner *s = one->owner;
    char why[160];
    if (!take_port(one)) {
        snprintf(why, sizeof why, "no free port from replicas.docker.publish_base_port = %u up",
                 s->config->replicas.docker.publish_base_port);
        docker_end_later(one, why);
        return;
    }
    choose_name(one);
    char *name = engine_escape(one->container), *path = mem_format("/containers/create?name=%s", name);
    json_t *body = docker_body_create(s->config, s->instance, one);
    one->phase = DOCKER_CREATING;
    one->call = engine_ask(s->engine, "POST", path, body, DOCKER_CREATE_MS, on_created, one);
    json_decref(body);
    free(path);
    free(name);
}

void docker_launch(struct spawned *one)
{
    if (one->id[0]) {
        if (one->port) {
            note_port(one->owner, one->port, one);
        }
        look(one);
    } else {
        create_container(one);
    }
}

void docker_suspend(struct spawned *one)
{
    cancel(&one->call);
    cancel(&one->stop_call);
    if (one->phase != DOCKER_RUNNING) {
        one->phase = DOCKER_WAITING;
    }
}
