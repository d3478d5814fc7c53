/*
 * spawner_docker_list.c - what the engine tells: events, and the list that settles what they missed.
 *
 * Owns     the list under way.
 * Used by  spawner_docker.c.
 * Uses     engine_watch.h, spawner_docker_life.c, spawner_docker_body.c.
 * Thread   control.
 *
 * An event tells of a death within milliseconds. The list comes when the engine was reached and every DOCKER_LIST_MS:
 * one of ours that is not in it, or not alive in it, has died; one in it that nobody knows is removed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/engine.h"
#include "control/engine_watch.h"
#include "control/spawner_docker.h"

static json_t *make_filter(const char *instance)
{
    char *label = mem_format("ringmaster.instance=%s", instance);
    json_t *out = json_pack("{s:[s]}", "label", label);
    free(label);
    return out;
}

char *docker_list_path(const char *instance)
{
    char *filters = engine_escape_filters(make_filter(instance));
    char *path = mem_format("/containers/json?all=1&filters=%s", filters);
    free(filters);
    return path;
}

char *docker_events_path(const char *instance)
{
    json_t *filter = make_filter(instance);
    json_object_set_new(filter, "type", json_pack("[s]", "container"));
    json_object_set_new(filter, "event", json_pack("[s,s]", "die", "oom"));
    char *filters = engine_escape_filters(filter), *path = mem_format("/events?filters=%s", filters);
    free(filters);
    return path;
}

/* ------------------------------------------------------------------ looking for one */

struct spawned *docker_find(const struct spawner *s, const char *id, const char *container)
{
    for (struct link *at = s->all.next; at != &s->all; at = at->next) {
        struct spawned *one = LIST_OWNER(at, struct spawned, link);
        bool is_it = one->id[0] ? strcmp(one->id, id) == 0
                                : container && one->container && strcmp(one->container, container) == 0;
        if (is_it) {
            return one;
        }
    }
    return NULL;
}

static bool is_being_removed(const struct spawner *s, const char *id)
{
    for (struct link *at = s->remains.next; at != &s->remains; at = at->next) {
        if (strcmp(LIST_OWNER(at, struct docker_remains, link)->id, id) == 0) {
            return true;
        }
    }
    return false;
}

void docker_free_found(struct docker_found *f)
{
    free(f->container);
    free(f->name);
    free(f->ring_name);
    *f = (struct docker_found){ 0 };
}

/* May somebody still ask for it? */
static bool is_unclaimed(const struct spawner *s, const char *id)
{
    bool is_over = clock_now_ns() - s->opened_ns > DOCKER_CLAIM_MS * CLOCK_NS_PER_MS;
    for (size_t i = 0; i < s->n_unclaimed && !is_over; i++) {
        if (strcmp(s->unclaimed[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ the list */

/* Nobody of ours knows it. */
static void settle_stranger(struct spawner *s, const struct docker_entry *e)
{
    if (is_being_removed(s, e->id) || (e->is_alive && is_unclaimed(s, e->id)) ||
        strcmp(e->state, "removing") == 0) {
        return;
    }
    log_info("container %s (%s) has our label, and no replica belongs to it: it is removed", e->container,
             e->status);
    docker_bury(s, e->id, e->container, NULL, 0);
}

static void settle_entry(struct spawner *s, const struct docker_entry *e)
{
    struct spawned *one = docker_find(s, e->id, e->container);
    if (!one) {
        settle_stranger(s, e);
        return;
    }
    one->is_seen = true;
    if (one->phase == DOCKER_WAITING && !one->id[0]) { /* it was created, and then the engine was lost */
        snprintf(one->id, sizeof one->id, "%s", e->id);
    }
    if (one->is_expected && !e->is_alive) {
        docker_end(one, e->status);
    }
}

/* Those that ran when the list was asked for, and are not in it. Whoever is told may order more starts, so each turn
 * begins at the front. */
static bool end_one_missing(struct spawner *s)
{
    for (struct link *at = s->all.next; at != &s->all; at = at->next) {
        struct spawned *one = LIST_OWNER(at, struct spawned, link);
        if (one->is_expected && !one->is_seen) {
            one->id[0] = '\0'; /* there is nothing to bury */
            docker_end(one, "its container is gone");
            return true;
        }
    }
    return false;
}

/* Those that have waited for the engine, and the stops that it has not heard of. */
static void go_on(struct spawner *s)
{
    struct link *next;
    s->is_listed = true;
    for (struct link *at = s->all.next; at != &s->all && s->is_listed; at = next) {
        struct spawned *one = LIST_OWNER(at, struct spawned, link);
        next = at->next;
        if (one->phase == DOCKER_WAITING) {
            docker_launch(one);
        } else if (one->phase == DOCKER_RUNNING && one->wish != DOCKER_STAY && !one->stop_call) {
            docker_send_stop(one);
        }
    }
}

static void on_listed(void *ctx, const struct engine_answer *a)
{
    struct spawner *s = ctx;
    s->listing = NULL;
    if (docker_is_lost(s, a->status, a->why)) {
        return;
    }
    if (!json_is_array(a->body)) {
        log_warn("the engine does not list its containers: %s", a->why);
        return;
    }
    for (size_t i = 0; i < json_array_size(a->body); i++) {
        struct docker_entry entry;
        if (docker_body_entry(json_array_get(a->body, i), &entry)) {
            settle_entry(s, &entry);
        }
    }
    while (end_one_missing(s)) {}
    go_on(s);
}

static void ask_list(void *ctx)
{
    struct spawner *s = ctx;
    if (s->listing) {
        return;
    }
    for (struct link *at = s->all.next; at != &s->all; at = at->next) {
        struct spawned *one = LIST_OWNER(at, struct spawned, link);
        one->is_expected = one->phase == DOCKER_RUNNING;
        one->is_seen = false;
    }
    char *path = docker_list_path(s->instance);
    s->listing = engine_ask(s->engine, "GET", path, NULL, ENGINE_TIMEOUT_MS, on_listed, s);
    free(path);
}

/* ------------------------------------------------------------------ events */

static void on_event(void *ctx, const json_t *event)
{
    struct spawner *s = ctx;
    const json_t *actor = json_object_get(event, "Actor");
    const char *id = json_string_value(json_object_get(actor, "ID"));
    const char *action = json_string_value(json_object_get(event, "Action"));
    const char *code = json_string_value(json_object_get(json_object_get(actor, "Attributes"), "exitCode"));
    struct spawned *one = id && action ? docker_find(s, id, NULL) : NULL;
    if (!one) {
        return;
    }
    if (strcmp(action, "oom") == 0) {
        one->is_starved = true;
    } else if (strcmp(action, "die") == 0) {
        char why[128];
        docker_body_exit(code ? strtol(code, NULL, 10) : 0, one->is_starved, why, sizeof why);
        docker_end(one, why);
    }
}

/* ------------------------------------------------------------------ lost */

/* When we leave there is nobody to wait for it. */
static void on_down(void *ctx, const char *why)
{
    struct spawner *s = ctx;
    s->is_listed = false;
    if (s->listing) {
        engine_cancel(s->listing);
        s->listing = NULL;
    }
    while (!list_is_empty(&s->remains)) {
        docker_free_remains(LIST_OWNER(s->remains.next, struct docker_remains, link));
    }
    for (struct link *at = s->all.next; at != &s->all; at = at->next) {
        struct spawned *one = LIST_OWNER(at, struct spawned, link);
        docker_suspend(one);
        if (s->is_leaving && one->wish != DOCKER_STAY) {
            docker_end_later(one, why);
        }
    }
}

const struct engine_watch_hooks docker_watch_hooks = {
    .up = ask_list,
    .tick = ask_list,
    .event = on_event,
    .down = on_down,
};
