/*
 * spawner_swarm.c - replicas as the tasks of a Docker Swarm service: the driver.
 *
 * Owns     the list of the service's slots as it was last told.
 * Used by  supervisor.c, through spawner.h.
 * Uses     spawner_swarm.h and its files, engine_wait.h to open and to close, config.h for replicas.swarm.
 * Thread   control.
 *
 * Nothing is started here: an order waits for Swarm's task of that slot. What Swarm replaces has exited for us, and its
 * successor answers the next order. Opening waits for the engine, because without it there is nobody to send requests to
 * (exit code 4), and makes the service unless it is there. Nobody makes it again when it is removed later: whoever did
 * that meant it, and when it comes back so do its replicas.
 */
#include "control/spawner.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/engine.h"
#include "control/engine_wait.h"
#include "control/engine_watch.h"
#include "control/spawner_swarm.h"
#include "world/config.h"
#include "world/strategy.h"

/* ------------------------------------------------------------------ the slots */

static const struct swarm_slot *find_slot(const struct swarm_slots *slots, const char *name)
{
    for (size_t i = 0; i < slots->n; i++) {
        if (strcmp(slots->items[i].name, name) == 0) {
            return &slots->items[i];
        }
    }
    return NULL;
}

static bool is_same_set(const struct swarm_slots *a, const struct swarm_slots *b)
{
    bool is_same = a->n == b->n;
    for (size_t i = 0; i < a->n && is_same; i++) {
        is_same = a->items[i].number == b->items[i].number;
    }
    return is_same;
}

static void tell_waiting(const struct swarm_slots *before, const struct swarm_slots *now)
{
    for (size_t i = 0; i < now->n; i++) {
        const struct swarm_slot *slot = &now->items[i], *old = find_slot(before, slot->name);
        bool is_news = !old || !old->state || !slot->state || strcmp(old->state, slot->state) != 0;
        if (!slot->task[0] && slot->state && is_news) {
            log_info("replica \"%s\" waits for Swarm: %s", slot->name, slot->state);
        }
    }
}

/* A manager that has just become leader may for a minute and more not hear that a task runs which it has assigned; its
 * replica is there and well. Heartbeats say what Swarm does not; until one is good nobody is sent a request. */
static void ask_unheard(const struct swarm_slots *before, struct swarm_slots *now, uint64_t now_ns)
{
    for (size_t i = 0; i < now->n; i++) {
        struct swarm_slot *slot = &now->items[i];
        if (slot->task[0] || !slot->is_unheard) {
            continue;
        }
        const struct swarm_slot *old = find_slot(before, slot->name);
        bool is_known = old && old->is_unheard && strcmp(old->waits, slot->waits) == 0;
        slot->unheard_ns = is_known ? old->unheard_ns : now_ns;
        if (now_ns - slot->unheard_ns < SWARM_UNHEARD_MS * CLOCK_NS_PER_MS) {
            continue;
        }
        if (!old->task[0]) {
            log_info("replica \"%s\" is asked: for %u ms its machine has not told Swarm of it", slot->name,
                     SWARM_UNHEARD_MS);
        }
        memcpy(slot->task, slot->waits, sizeof slot->task);
        slot->where = slot->waits_at;
    }
}

/* True: it is another set than before. */
static bool take_slots(struct spawner *s, struct swarm_slots *now)
{
    bool is_changed = !is_same_set(&s->slots, now);
    ask_unheard(&s->slots, now, clock_now_ns());
    tell_waiting(&s->slots, now);
    swarm_body_free(&s->slots);
    s->slots = *now;
    free(s->members);
    s->members = mem_zero(now->n + 1, sizeof *s->members);
    for (size_t i = 0; i < now->n; i++) {
        const struct swarm_slot *slot = &now->items[i];
        s->members[i] = (struct spawner_found){
            .name = slot->name,
            .place = { .ring_name = slot->name,
                       .id = strategy_id_of_name(slot->name, strlen(slot->name)),
                       .position = slot->number,
                       .ordinal = slot->number <= UINT32_MAX ? (uint32_t)slot->number : 0,
                       .weight = 1 },
        };
    }
    return is_changed;
}

static size_t slots_swarm(struct spawner *s, const struct spawner_found **out)
{
    *out = s->members;
    return s->slots.n;
}

/* ------------------------------------------------------------------ one replica */

static void free_one(struct spawned *one)
{
    event_del(&one->report);
    list_remove(&one->link);
    free(one->name);
    free(one);
}

static void end(struct spawned *one, const char *why)
{
    struct spawner *s = one->owner;
    void *tag = one->tag;
    free_one(one);
    s->hooks.exited(tag, why);
}

/* It was asked before Swarm heard of it, and now Swarm hears that it is to start. */
static bool is_still_next(const struct spawned *one, const struct swarm_slot *slot)
{
    return !slot->task[0] && strcmp(one->task, slot->waits) == 0;
}

/* Compares what was told of it with its slot. One whose slot has gone is left to the supervisor, which lets its requests
 * end before it stops it. */
static void settle_one(struct spawned *one)
{
    const struct swarm_slot *slot = find_slot(&one->owner->slots, one->name);
    if (one->is_stopped) {
        end(one, "left to Swarm");
    } else if (slot && one->task[0] && strcmp(one->task, slot->task) != 0 && !is_still_next(one, slot)) {
        end(one, slot->task[0] ? "Swarm has replaced its task" : "its task does not run any more");
    } else if (slot && slot->task[0] && !one->task[0]) {
        snprintf(one->task, sizeof one->task, "%s", slot->task);
        snprintf(one->label, sizeof one->label, "%s.%s", one->name, one->task);
        one->owner->hooks.started(one->tag, &slot->where);
    }
}

static void on_report(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    settle_one(arg);
}

static void settle_all(struct spawner *s)
{
    struct link *next;
    for (struct link *at = s->all.next; at != &s->all; at = next) {
        next = at->next; /* whoever is told orders nothing from inside, or at the end of the list */
        settle_one(LIST_OWNER(at, struct spawned, link));
    }
}

static struct spawned *start_swarm(struct spawner *s, const struct spawner_order *order)
{
    struct spawned *one = mem_zero(1, sizeof *one);
    one->owner = s;
    one->tag = order->tag;
    one->name = mem_text(order->name);
    list_push_back(&s->all, &one->link);
    evtimer_assign(&one->report, s->base, on_report, one);
    event_active(&one->report, EV_TIMEOUT, 0);
    return one;
}

static void stop_swarm(struct spawner *s, struct spawned *one, enum spawner_stop how)
{
    (void)s;
    (void)how;
    one->is_stopped = true;
    event_active(&one->report, EV_TIMEOUT, 0);
}

static const char *label_swarm(const struct spawned *one)
{
    return one->task[0] ? one->label : NULL;
}

/* ------------------------------------------------------------------ the list of tasks */

static void say_trouble(struct spawner *s, const char *trouble)
{
    if (strcmp(s->trouble, trouble) != 0) {
        log_write(*trouble ? LOG_WARN : LOG_INFO, "swarm: %s", *trouble ? trouble : "all is well again");
        snprintf(s->trouble, sizeof s->trouble, "%s", trouble);
    }
}

static void follow(struct spawner *s, struct swarm_slots *now)
{
    bool is_changed = take_slots(s, now);
    settle_all(s);
    if (is_changed && !s->is_leaving) {
        s->hooks.slots_changed(s->hooks.ctx);
    }
    for (size_t i = 0; i < s->slots.n; i++) {
        if (!s->slots.items[i].task[0]) {
            swarm_list_soon(s, SWARM_HURRY_MS);
            break;
        }
    }
}

static void on_listed(void *ctx, const struct engine_answer *a)
{
    struct spawner *s = ctx;
    const char *service = s->config->replicas.swarm.service;
    struct swarm_slots now = { 0 };
    char trouble[sizeof s->trouble] = "";
    s->listing = NULL;
    if (a->status == 0) {
        engine_watch_lost(s->watch, a->why);
        return;
    }
    if (a->status == 404) {
        snprintf(trouble, sizeof trouble, "there is no service %s any more; it is not made again", service);
    } else if (json_is_array(a->body)) {
        swarm_body_slots(a->body, s->config, &now, trouble, sizeof trouble);
    } else { /* a manager that is none just now: what is known goes on */
        snprintf(trouble, sizeof trouble, "the tasks of %s cannot be listed: %s", service, a->why);
        say_trouble(s, trouble);
        return;
    }
    say_trouble(s, trouble);
    if (s->is_stale) {
        s->is_stale = false;
        swarm_list_soon(s, SWARM_SOON_MS);
    }
    follow(s, &now);
}

static void ask_list(void *ctx)
{
    struct spawner *s = ctx;
    if (s->listing) {
        return;
    }
    evtimer_del(&s->soon);
    s->is_stale = false;
    char *path = swarm_body_tasks_path(s->config->replicas.swarm.service);
    s->listing = engine_ask(s->engine, "GET", path, NULL, SWARM_ANSWER_MS, on_listed, s);
    free(path);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct spawner *s = arg;
    (void)fd;
    (void)what;
    if (engine_watch_is_up(s->watch)) {
        ask_list(s);
    }
}

void swarm_list_soon(struct spawner *s, uint32_t ms)
{
    struct timeval wait = { .tv_sec = 0, .tv_usec = (suseconds_t)(ms * 1000) }, due, now, left;
    if (s->listing) {
        s->is_stale = true;
    } else {
        event_base_gettimeofday_cached(s->base, &now);
        bool is_set = evtimer_pending(&s->soon, &due);
        evutil_timersub(&due, &now, &left);
        if (!is_set || evutil_timercmp(&wait, &left, <)) {
            evtimer_add(&s->soon, &wait);
        }
    }
}

static void on_event(void *ctx, const json_t *event)
{
    struct spawner *s = ctx;
    if (swarm_body_concerns(event, s->config->replicas.swarm.service)) {
        swarm_list_soon(s, SWARM_SOON_MS);
    }
}

static void on_down(void *ctx, const char *why)
{
    struct spawner *s = ctx;
    if (s->listing) {
        engine_cancel(s->listing);
        s->listing = NULL;
    }
    evtimer_del(&s->soon);
    swarm_scale_fail(s, why);
}

/* ------------------------------------------------------------------ opening */

/* The answer is released. False with a sentence: it cannot be used. */
static bool judge_service(const struct config *config, json_t *service, char *why, size_t why_size)
{
    json_int_t version, replicas;
    bool is_good = swarm_body_service(service, &version, &replicas);
    json_decref(service);
    if (is_good) {
        log_info("service %s with %" JSON_INTEGER_FORMAT " replicas is there already: its tasks are ours",
                 config->replicas.swarm.service, replicas);
    } else {
        snprintf(why, why_size, "service %s is not a replicated one", config->replicas.swarm.service);
    }
    return is_good;
}

static bool make_service(const struct config *config, struct engine_wait *w, char *why, size_t why_size)
{
    const char *service = config->replicas.swarm.service;
    char said[300];
    if (!*config->replicas.swarm.image) {
        snprintf(why, why_size,
                 "there is no service %s, and replicas.swarm.image names no image to make it of", service);
        return false;
    }
    json_t *body = swarm_body_create(config);
    int status = engine_wait_ask(w, "POST", "/services/create", body, NULL, said, sizeof said);
    json_decref(body);
    if (status == 409) { /* another balancer was quicker */
        return true;
    }
    if (status != 201) {
        snprintf(why, why_size, "service %s cannot be made: %s", service, said);
        return false;
    }
    log_info("service %s is made, with %u replicas of %s", service, config->replicas.count,
             config->replicas.swarm.image);
    return true;
}

/* The service, and who is there now. False with a sentence. */
static bool learn(struct spawner *s, char *why, size_t why_size)
{
    const struct config *config = s->config;
    struct engine_wait *w = engine_wait_open(config->replicas.swarm.engine, SWARM_OPEN_MS, why, why_size);
    if (!w) {
        return false;
    }
    json_t *body = NULL;
    char *path = mem_format("/services/%s", config->replicas.swarm.service);
    int status = engine_wait_ask(w, "GET", path, NULL, &body, why, why_size);
    free(path);
    bool is_good = status == 200;
    if (status == 404) {
        json_decref(body);
        is_good = make_service(config, w, why, why_size);
    } else if (is_good) {
        is_good = judge_service(config, body, why, why_size);
    } else {
        json_decref(body);
    }
    if (is_good) {
        struct swarm_slots now;
        body = NULL;
        path = swarm_body_tasks_path(config->replicas.swarm.service);
        is_good = engine_wait_ask(w, "GET", path, NULL, &body, why, why_size) == 200;
        free(path);
        swarm_body_slots(is_good ? body : NULL, config, &now, s->trouble, sizeof s->trouble);
        json_decref(body);
        take_slots(s, &now);
    }
    engine_wait_close(w);
    return is_good;
}

static struct spawner *open_swarm(struct event_base *base, struct config *config,
                                  const struct spawner_hooks *hooks, char *why, size_t why_size)
{
    struct spawner *s = mem_zero(1, sizeof *s);
    s->base = base;
    s->config = config;
    s->hooks = *hooks;
    list_init(&s->all);
    bool is_learned = learn(s, why, why_size);
    s->engine = is_learned ? engine_open(base, config->replicas.swarm.engine, why, why_size) : NULL;
    if (!s->engine) {
        swarm_body_free(&s->slots);
        free(s->members);
        free(s);
        return NULL;
    }
    why[0] = '\0'; /* "no such service", before it was made */
    config_retain(config);
    evtimer_assign(&s->soon, base, on_soon, s);
    swarm_scale_open(s);
    struct engine_watch_hooks watch_hooks = {
        .ctx = s, .up = ask_list, .tick = ask_list, .event = on_event, .down = on_down
    };
    char *events = swarm_body_events_path();
    s->watch = engine_watch_open(base, s->engine, events, SWARM_LIST_MS, &watch_hooks);
    free(events);
    return s;
}

static void apply_swarm(struct spawner *s, struct config *next)
{
    config_retain(next);
    config_release(s->config);
    s->config = next;
}

static const char *trouble_swarm(const struct spawner *s)
{
    const char *engine = engine_watch_trouble(s->watch);
    if (!engine_watch_is_up(s->watch) && *engine) {
        return engine;
    }
    return *s->trouble ? s->trouble : NULL;
}

/* ------------------------------------------------------------------ leaving */

static void leave_swarm(struct spawner *s)
{
    s->is_leaving = true;
}

static void remove_service(const struct config *config)
{
    char why[256];
    const char *service = config->replicas.swarm.service;
    struct engine_wait *w = engine_wait_open(config->replicas.swarm.engine, SWARM_CLOSE_MS, why, sizeof why);
    char *path = mem_format("/services/%s", service);
    int status = w ? engine_wait_ask(w, "DELETE", path, NULL, NULL, why, sizeof why) : 0;
    free(path);
    if (status == 200) {
        log_info("service %s is removed", service);
    } else if (status != 404) {
        log_warn("service %s is left behind: %s", service, why);
    }
    if (w) {
        engine_wait_close(w);
    }
}

static void close_swarm(struct spawner *s)
{
    bool removes = s->is_leaving && s->config->replicas.swarm.on_exit == ON_EXIT_STOP;
    swarm_scale_close(s);
    engine_watch_close(s->watch);
    if (s->listing) {
        engine_cancel(s->listing);
    }
    event_del(&s->soon);
    while (!list_is_empty(&s->all)) {
        free_one(LIST_OWNER(s->all.next, struct spawned, link));
    }
    engine_close(s->engine);
    if (removes) {
        remove_service(s->config);
    }
    swarm_body_free(&s->slots);
    free(s->members);
    config_release(s->config);
    free(s);
}

const struct spawner_ops spawner_swarm = {
    .name = "swarm",
    .can_start = false,
    .open = open_swarm,
    .apply = apply_swarm,
    .start = start_swarm,
    .stop = stop_swarm,
    .close = close_swarm,
    .slots = slots_swarm,
    .scale = swarm_scale,
    .leave = leave_swarm,
    .trouble = trouble_swarm,
    .label = label_swarm,
};
