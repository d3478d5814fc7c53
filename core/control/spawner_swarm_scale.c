/*
 * spawner_swarm_scale.c - changing the number of replicas that the service keeps.
 *
 * Owns     the changes that were asked for and are not done.
 * Used by  spawner_swarm.c.
 * Uses     engine.h, spawner_swarm_body.c.
 * Thread   control.
 *
 * Read, change, write back: the service's version makes that safe beside other balancers and people, because what was
 * changed meanwhile is refused and read again. So "one more" of two balancers at once is two more. One change at a time.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/engine.h"
#include "control/engine_watch.h"
#include "control/spawner_swarm.h"
#include "world/config.h"

struct swarm_scale {
    struct link link;
    struct spawner *owner;
    enum spawner_scale how;
    int64_t n;
    void *tag;
    unsigned tries;
    json_int_t from, to;
    struct engine_call *call; /* NULL: none under way */
};

static void read_service(struct swarm_scale *c);

static struct swarm_scale *first(const struct spawner *s)
{
    return list_is_empty(&s->scales) ? NULL : LIST_OWNER(s->scales.next, struct swarm_scale, link);
}

static void drop(struct swarm_scale *c)
{
    if (c->call) {
        engine_cancel(c->call);
    }
    list_remove(&c->link);
    free(c);
}

static void next_later(struct spawner *s)
{
    event_active(&s->scale_next, EV_TIMEOUT, 0);
}

static void finish(struct swarm_scale *c, const char *why)
{
    struct spawner *s = c->owner;
    void *tag = c->tag;
    drop(c);
    next_later(s);
    swarm_list_soon(s, SWARM_SOON_MS);
    s->hooks.scaled(s->hooks.ctx, tag, why);
}

/* The engine does not answer: down may come of that, and ends the others too. */
static bool is_lost(struct swarm_scale *c, const struct engine_answer *a)
{
    if (a->status != 0) {
        return false;
    }
    struct spawner *s = c->owner;
    finish(c, a->why);
    engine_watch_lost(s->watch, a->why);
    return true;
}

static void on_written(void *ctx, const struct engine_answer *a)
{
    struct swarm_scale *c = ctx;
    char why[400];
    c->call = NULL;
    if (is_lost(c, a)) {
        return;
    }
    if (!*a->why) {
        log_info("service %s: %" JSON_INTEGER_FORMAT " replicas instead of %" JSON_INTEGER_FORMAT,
                 c->owner->config->replicas.swarm.service, c->to, c->from);
        finish(c, "");
    } else if (strstr(a->why, "out of sequence") && ++c->tries < SWARM_SCALE_TRIES) {
        read_service(c);
    } else {
        snprintf(why, sizeof why, "service %s cannot be changed: %s",
                 c->owner->config->replicas.swarm.service, a->why);
        finish(c, why);
    }
}

static void write_service(struct swarm_scale *c, const json_t *service, json_int_t version)
{
    char *path = mem_format("/services/%s/update?version=%" JSON_INTEGER_FORMAT,
                            c->owner->config->replicas.swarm.service, version);
    json_t *spec = swarm_body_resized(service, c->to);
    c->call = engine_ask(c->owner->engine, "POST", path, spec, ENGINE_TIMEOUT_MS, on_written, c);
    json_decref(spec);
    free(path);
}

static void on_read(void *ctx, const struct engine_answer *a)
{
    struct swarm_scale *c = ctx;
    const struct config *config = c->owner->config;
    char why[400] = "";
    json_int_t version;
    c->call = NULL;
    if (is_lost(c, a)) {
        return;
    }
    if (*a->why) {
        snprintf(why, sizeof why, "%s", a->why);
    } else if (!swarm_body_service(a->body, &version, &c->from)) {
        snprintf(why, sizeof why, "service %s is not a replicated one", config->replicas.swarm.service);
    } else {
        c->to = c->how == SPAWNER_SCALE_TO ? c->n : c->from + c->n;
    }
    if (!*why && c->to < 0) {
        snprintf(why, sizeof why, "%" PRId64 " replicas cannot be removed: there are %" JSON_INTEGER_FORMAT,
                 -c->n, c->from);
    } else if (!*why && c->to > c->from && c->to > config->replicas.max) {
        snprintf(why, sizeof why, "%" JSON_INTEGER_FORMAT " replicas are too many: replicas.max is %u", c->to,
                 config->replicas.max);
    }
    if (*why || c->to == c->from) {
        finish(c, why);
    } else {
        write_service(c, a->body, version);
    }
}

static void read_service(struct swarm_scale *c)
{
    char *path = mem_format("/services/%s", c->owner->config->replicas.swarm.service);
    c->call = engine_ask(c->owner->engine, "GET", path, NULL, ENGINE_TIMEOUT_MS, on_read, c);
    free(path);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
    struct spawner *s = arg;
    struct swarm_scale *c = first(s);
    (void)fd;
    (void)what;
    if (!c || c->call) {
        return;
    }
    if (engine_watch_is_up(s->watch)) {
        read_service(c);
    } else {
        const char *trouble = engine_watch_trouble(s->watch);
        finish(c, *trouble ? trouble : "the engine was not reached yet");
    }
}

void swarm_scale(struct spawner *s, enum spawner_scale how, int64_t n, void *tag)
{
    struct swarm_scale *c = mem_zero(1, sizeof *c);
    c->owner = s;
    c->how = how;
    c->n = n;
    c->tag = tag;
    list_push_back(&s->scales, &c->link);
    next_later(s);
}

void swarm_scale_open(struct spawner *s)
{
    list_init(&s->scales);
    evtimer_assign(&s->scale_next, s->base, on_next, s);
}

void swarm_scale_close(struct spawner *s)
{
    while (!list_is_empty(&s->scales)) {
        drop(first(s));
    }
    event_del(&s->scale_next);
}

void swarm_scale_fail(struct spawner *s, const char *why)
{
    while (!list_is_empty(&s->scales)) {
        finish(first(s), why);
    }
}
