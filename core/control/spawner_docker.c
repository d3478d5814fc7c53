/*
 * spawner_docker.c - replicas as containers of a Docker Engine: the driver.
 *
 * Owns     every container with our label, and what was ordered and not created yet.
 * Used by  supervisor.c, through spawner.h.
 * Uses     spawner_docker.h and its files, engine_wait.h to open and to close, config.h for replicas.docker.
 * Thread   control.
 *
 * Opening waits for the engine, because without one there is nothing to start with (exit code 4). After that nothing
 * waits, and the engine may come and go. Whose containers they are is said by the instance: as configured, or the
 * compose project of the container that we run in, or this host's name and our first port.
 */
#include "control/spawner.h"

#include <ctype.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/engine.h"
#include "control/engine_wait.h"
#include "control/engine_watch.h"
#include "control/spawner_docker.h"
#include "world/config.h"

/* ------------------------------------------------------------------ who are we? */

/* The id of the container that we run in: Docker mounts files of its directory into it. False: in none. */
static bool read_own_container(char id[DOCKER_ID_SIZE])
{
    static const char mark[] = "/containers/";
    char line[4096];
    bool is_found = false;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts && !is_found && fgets(line, sizeof line, mounts)) {
        const char *at = strstr(line, mark);
        size_t digits = at ? strspn(at + sizeof mark - 1, "0123456789abcdef") : 0;
        is_found = digits == 64 && snprintf(id, DOCKER_ID_SIZE, "%.64s", at + sizeof mark - 1) > 0;
    }
    if (mounts) {
        fclose(mounts);
    }
    return is_found;
}

/* NULL: none. The caller frees it. */
static char *find_compose_project(struct engine_wait *w)
{
    char id[DOCKER_ID_SIZE], why[256];
    if (!read_own_container(id)) {
        return NULL;
    }
    json_t *body = NULL;
    char *path = mem_format("/containers/%s/json", id);
    engine_wait_ask(w, "GET", path, NULL, &body, why, sizeof why);
    free(path);
    const json_t *labels = json_object_get(json_object_get(body, "Config"), "Labels");
    char *project = mem_text(json_string_value(json_object_get(labels, "com.docker.compose.project")));
    json_decref(body);
    return project;
}

static char *name_after_host(const struct config *config)
{
    char host[65] = "ringmaster";
    const char *first = config->listen.count ? config->listen.items[0] : "", *port = strrchr(first, ':');
    gethostname(host, sizeof host - 1);
    char *name = mem_format("%s-%s", host, port ? port + 1 : first);
    for (char *c = name; *c; c++) {
        *c = isalnum((unsigned char)*c) || *c == '.' || *c == '-' || *c == '_' ? *c : '-';
    }
    return name;
}

static char *find_instance(struct engine_wait *w, const struct config *config)
{
    if (*config->replicas.docker.instance) {
        return mem_text(config->replicas.docker.instance);
    }
    char *project = find_compose_project(w);
    return project ? project : name_after_host(config);
}

/* ------------------------------------------------------------------ who runs already? */

static int compare_found(const void *a, const void *b)
{
    const struct spawner_found *x = a, *y = b;
    return (x->place.position > y->place.position) - (x->place.position < y->place.position);
}

/* Those alive whose labels say which replica they are. */
static void note_found(struct spawner *s, const json_t *list)
{
    size_t n = json_array_size(list);
    s->found = mem_zero(n + 1, sizeof *s->found);
    s->unclaimed = mem_zero(n + 1, sizeof *s->unclaimed);
    for (size_t i = 0; i < n; i++) {
        struct docker_entry e;
        if (!docker_body_entry(json_array_get(list, i), &e) || !e.is_alive || !e.name || !e.ring_name) {
            continue;
        }
        struct docker_found *f = &s->unclaimed[s->n_unclaimed++];
        snprintf(f->id, sizeof f->id, "%s", e.id);
        f->container = mem_text(e.container);
        f->name = mem_text(e.name);
        f->ring_name = mem_text(e.ring_name);
        f->port = e.port;
        s->found[s->n_found] = (struct spawner_found){ .name = f->name, .place = e.place };
        s->found[s->n_found++].place.ring_name = f->ring_name;
    }
    qsort(s->found, s->n_found, sizeof *s->found, compare_found);
}

static size_t found_docker(struct spawner *s, const struct spawner_found **out)
{
    *out = s->found;
    return s->n_found;
}

/* One that began as a spare may be in any place by now: labels cannot be changed. */
static bool is_it(const struct docker_found *f, const struct spawned *one)
{
    return strcmp(f->name, one->name) == 0 && (!*f->ring_name || strcmp(f->ring_name, one->ring_name) == 0);
}

/* One that runs under that name, in that place, becomes the answer to the order. */
static void claim(struct spawned *one)
{
    struct spawner *s = one->owner;
    for (size_t i = 0; i < s->n_unclaimed; i++) {
        struct docker_found *f = &s->unclaimed[i];
        if (!is_it(f, one)) {
            continue;
        }
        memcpy(one->id, f->id, sizeof one->id);
        one->container = mem_text(f->container);
        one->port = f->port;
        log_info("replica \"%s\" is adopted: container %s runs already", one->name, one->container);
        docker_free_found(f);
        *f = s->unclaimed[--s->n_unclaimed];
        return;
    }
}

/* ------------------------------------------------------------------ opening */

/* What the engine must answer before we begin. False with a sentence. */
static bool learn(struct spawner *s, char *why, size_t why_size)
{
    struct engine_wait *w =
        engine_wait_open(s->config->replicas.docker.engine, DOCKER_OPEN_MS, why, why_size);
    if (!w) {
        return false;
    }
    s->instance = find_instance(w, s->config);
    json_t *list = NULL;
    char *path = docker_list_path(s->instance);
    int status = engine_wait_ask(w, "GET", path, NULL, &list, why, why_size);
    free(path);
    engine_wait_close(w);
    if (status == 200) {
        note_found(s, list);
    }
    json_decref(list);
    return status == 200;
}

static struct spawner *open_docker(struct event_base *base, struct config *config,
                                   const struct spawner_hooks *hooks, char *why, size_t why_size)
{
    struct spawner *s = mem_zero(1, sizeof *s);
    s->base = base;
    s->config = config;
    s->hooks = *hooks;
    s->opened_ns = clock_now_ns();
    list_init(&s->all);
    list_init(&s->remains);
    bool is_learned = learn(s, why, why_size);
    s->engine = is_learned ? engine_open(base, config->replicas.docker.engine, why, why_size) : NULL;
    if (!s->engine) {
        free(s->instance);
        free(s);
        return NULL;
    }
    config_retain(config);
    log_info("containers with the label ringmaster.instance=%s are ours; %zu run already", s->instance,
             s->n_found);
    struct engine_watch_hooks watch_hooks = docker_watch_hooks;
    watch_hooks.ctx = s;
    char *events = docker_events_path(s->instance);
    s->watch = engine_watch_open(base, s->engine, events, DOCKER_LIST_MS, &watch_hooks);
    free(events);
    return s;
}

static void apply_docker(struct spawner *s, struct config *next)
{
    config_retain(next);
    config_release(s->config);
    s->config = next;
}

/* ------------------------------------------------------------------ orders */

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct spawned *one = arg;
    (void)fd;
    (void)what;
    if (one->is_over) {
        docker_end(one, one->why);
    } else if (engine_watch_is_up(one->owner->watch) && !one->stop_call) { /* else the next list sees to it */
        docker_send_stop(one);
    }
}

/* Who is to be stopped because it refuses connections has died, as a rule, and the engine is about to say so: a call that
 * stops it would only hold up the engine, which has to start a stand-in. Nobody waits for an end so closely. */
static void stop_soon(struct spawned *one)
{
    struct timeval wait = { .tv_usec = DOCKER_STOP_WAIT_MS * 1000 };
    evtimer_add(&one->later, &wait);
}

static struct spawned *start_docker(struct spawner *s, const struct spawner_order *order)
{
    struct spawned *one = mem_zero(1, sizeof *one);
    one->owner = s;
    one->tag = order->tag;
    one->name = mem_text(order->name);
    one->server_id = mem_text(order->server_id);
    one->ring_name = mem_text(order->place.ring_name);
    one->place = order->place;
    one->place.ring_name = one->ring_name;
    list_push_back(&s->all, &one->link);
    evtimer_assign(&one->later, s->base, on_later, one);
    claim(one);
    if (s->is_listed) {
        docker_launch(one);
    }
    return one;
}

static void stop_docker(struct spawner *s, struct spawned *one, enum spawner_stop how)
{
    bool is_up = engine_watch_is_up(s->watch);
    enum docker_wish wish = how == SPAWNER_KILL ? DOCKER_KILLED : DOCKER_ASKED;
    bool is_news = wish > one->wish || !one->stop_call;
    one->wish = wish > one->wish ? wish : one->wish;
    if (s->is_leaving && s->config->replicas.docker.on_exit == ON_EXIT_LEAVE) {
        one->is_spared = true;
        docker_end_later(one, "left running");
    } else if (one->phase == DOCKER_WAITING) {
        docker_end_later(one, "stopped before it was started"); /* should it exist, the next list finds it */
    } else if (!is_up && s->is_leaving) {
        docker_end_later(one, engine_watch_trouble(s->watch));
    } else if (is_up && one->phase == DOCKER_RUNNING && is_news && (how == SPAWNER_KILL || s->is_leaving)) {
        docker_send_stop(one);
    } else if (is_up && one->phase == DOCKER_RUNNING && is_news) {
        stop_soon(one);
    } /* else: once it runs, or the engine is back */
}

static const char *trouble_docker(const struct spawner *s)
{
    return engine_watch_is_up(s->watch) || !*engine_watch_trouble(s->watch) ? NULL
                                                                            : engine_watch_trouble(s->watch);
}

static const char *label_docker(const struct spawned *one)
{
    return one->container;
}

/* ------------------------------------------------------------------ leaving */

static void leave_docker(struct spawner *s)
{
    s->is_leaving = true;
}

/* One whose removal is under way already is waited for. */
static void sweep_one(struct engine_wait *w, const struct docker_entry *e)
{
    char why[256], *path = mem_format("/containers/%s?force=1&v=1", e->id);
    int status = engine_wait_ask(w, "DELETE", path, NULL, NULL, why, sizeof why);
    free(path);
    if (status == 409) {
        path = mem_format("/containers/%s/wait?condition=removed", e->id);
        status = engine_wait_ask(w, "POST", path, NULL, NULL, why, sizeof why);
        free(path);
    }
    if (status != 200 && status != 204 && status != 404) {
        log_warn("container %s is left behind: %s", e->container, why);
    }
}

/* What has our label and is still there: dead ones whose removal was under way, orders that were cut off. */
static void sweep(const struct spawner *s, uint32_t ms)
{
    char why[256];
    struct engine_wait *w = engine_wait_open(s->config->replicas.docker.engine, ms, why, sizeof why);
    if (!w) {
        log_warn("containers of ours may be left behind: %s", why);
        return;
    }
    json_t *list = NULL;
    char *path = docker_list_path(s->instance);
    engine_wait_ask(w, "GET", path, NULL, &list, why, sizeof why);
    free(path);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct docker_entry e;
        if (docker_body_entry(json_array_get(list, i), &e)) {
            sweep_one(w, &e);
        }
    }
    json_decref(list);
    engine_wait_close(w);
}

static void close_docker(struct spawner *s)
{
    bool sweeps = s->is_leaving && s->config->replicas.docker.on_exit == ON_EXIT_STOP;
    uint32_t sweep_ms = engine_watch_is_up(s->watch) ? DOCKER_CLOSE_MS : DOCKER_CLOSE_LOST_MS;
    engine_watch_close(s->watch);
    if (s->listing) {
        engine_cancel(s->listing);
    }
    while (!list_is_empty(&s->all)) {
        docker_free(LIST_OWNER(s->all.next, struct spawned, link));
    }
    while (!list_is_empty(&s->remains)) {
        docker_free_remains(LIST_OWNER(s->remains.next, struct docker_remains, link));
    }
    engine_close(s->engine);
    if (sweeps) {
        sweep(s, sweep_ms);
    }
    for (size_t i = 0; i < s->n_unclaimed; i++) {
        docker_free_found(&s->unclaimed[i]);
    }
    free(s->unclaimed);
    free(s->found);
    free(s->ports);
    free(s->instance);
    config_release(s->config);
    free(s);
}

const struct spawner_ops spawner_docker = {
    .name = "docker",
    .can_start = true,
    .open = open_docker,
    .apply = apply_docker,
    .start = start_docker,
    .stop = stop_docker,
    .close = close_docker,
    .found = found_docker,
    .leave = leave_docker,
    .trouble = trouble_docker,
    .label = label_docker,
};
