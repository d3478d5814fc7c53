/*
 * supervisor.c - want N, have M: opening, looking, leaving.
 *
 * Owns     the supervisor: its rows, its spawner, its heartbeats. The only one that decides to start or stop
 *          a replica.
 * Used by  control.c, publish.c, routes.c, state.c.
 * Uses     supervisor_table.c for behaviour, supervisor_change.c for membership, spawner.h, health.h.
 * Thread   control.
 */
#include "control/supervisor.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/supervisor_inside.h"
#include "world/config.h"

/* ------------------------------------------------------------------ telling others */

static void free_rows(struct link *rows)
{
    while (!list_is_empty(rows)) {
        row_free(LIST_OWNER(rows->next, struct row, link));
    }
}

static void settle(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *s = arg;
    (void)fd;
    (void)what;

    spare_settle(s);
    if (s->is_changed && !s->is_stopping) {
        s->is_changed = false;
        s->hooks.rotation_changed(s->hooks.ctx);
    }
    rotation_tell_departed(s);
    keep_settle(s);
    change_settle(s);
    free_rows(&s->gone);
    if (s->is_stopping && !s->is_stopped && list_is_empty(&s->rows) && list_is_empty(&s->spares)) {
        s->is_stopped = true;
        s->hooks.stopped(s->hooks.ctx); /* the last thing: s may be closed in there */
    }
}

void supervisor_settle_later(struct supervisor *s)
{
    event_active(&s->settle, EV_TIMEOUT, 0);
}

void supervisor_tell(struct supervisor *s, const char *kind, const char *replica, const char *why)
{
    if (s->hooks.event) {
        s->hooks.event(s->hooks.ctx, kind, replica, why);
    }
}

static void on_spawner_event(void *ctx, const char *kind, const char *why)
{
    supervisor_tell(ctx, kind, NULL, why);
}

/* ------------------------------------------------------------------ opening */

static const struct spawner_ops *spawner_of(enum config_driver driver)
{
    switch (driver) {
    case DRIVER_PROCESS: return &spawner_process;
    case DRIVER_STATIC: return &spawner_static;
    case DRIVER_DOCKER: return &spawner_docker;
    case DRIVER_DNS: return &spawner_dns;
    case DRIVER_SWARM: return &spawner_swarm;
    }
    return NULL;
}

struct supervisor *supervisor_open(struct event_base *base, struct config *config, unsigned n_workers,
                                   const struct supervisor_hooks *hooks, char *why, size_t why_size)
{
    return supervisor_open_with(spawner_of(config->replicas.driver), &health_http, base, config, n_workers,
                                hooks, why, why_size);
}

struct supervisor *supervisor_open_with(const struct spawner_ops *spawner, const struct health_ops *health,
                                        struct event_base *base, struct config *config, unsigned n_workers,
                                        const struct supervisor_hooks *hooks, char *why, size_t why_size)
{
    struct supervisor *s = mem_zero(1, sizeof *s);
    s->base = base;
    s->n_workers = n_workers;
    s->hooks = *hooks;
    s->spawner_ops = spawner;
    s->health_ops = health;
    s->config = config;
    if (getrandom(&s->random, sizeof s->random, 0) != sizeof s->random) {
        s->random = clock_now_ns();
    }
    struct spawner_hooks spawner_hooks = row_spawner_hooks;
    spawner_hooks.ctx = s;
    s->spawner = spawner->open(base, config, &spawner_hooks, why, why_size);
    if (!s->spawner) {
        free(s);
        return NULL;
    }
    s->health = health->open(base, config);
    if (!s->health) {
        snprintf(why, why_size, "libcurl, which sends the heartbeats, cannot be set up");
        spawner->close(s->spawner);
        free(s);
        return NULL;
    }
    config_retain(config);
    list_init(&s->rows);
    list_init(&s->spares);
    list_init(&s->gone);
    list_init(&s->departed);
    list_init(&s->changes);
    list_init(&s->absent);
    list_init(&s->asked);
    s->file = spawner->slots ? NULL : hooks->file; /* who is there, its engine keeps */
    if (s->file) {
        membership_file_listen(s->file, keep_on_saved, s);
    }
    evtimer_assign(&s->settle, base, settle, s);
    outlier_open(s);
    scaling_open(s);
    if (spawner->listen) {
        const struct spawner_listener to = { s, members_found, on_spawner_event };
        spawner->listen(s->spawner, &to);
    }
    change_first_rows(s);
    return s;
}

void supervisor_apply(struct supervisor *s, struct config *next)
{
    struct config *old = s->config;
    config_retain(next);
    s->config = next;
    s->health_ops->apply(s->health, next);
    s->spawner_ops->apply(s->spawner, next);
    outlier_apply(s);
    if (!s->is_stopping) {
        change_apply(s, old);
    }
    scaling_apply(s);
    config_release(old);
}

/* ------------------------------------------------------------------ what workers saw */

static void raise_of(struct supervisor *s, const struct replica *replica, enum supervisor_event event,
                     const char *why)
{
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        if (row->replica == replica) {
            row_event(row, event, why);
            return;
        }
    }
}

void supervisor_refused(struct supervisor *s, struct replica *replica)
{
    raise_of(s, replica, ON_REFUSED, "connection refused");
}

void supervisor_closed(struct supervisor *s, struct replica *replica)
{
    raise_of(s, replica, ON_CLOSED, "idle connection closed");
}

/* ------------------------------------------------------------------ looking */

static struct supervisor_info describe(const struct row *row)
{
    const struct spawner_ops *ops = row->owner->spawner_ops;
    struct spawner_figures figures = { 0 };
    if (row->spawned && ops->figures) {
        ops->figures(row->spawned, &figures);
    }
    return (struct supervisor_info){
        .name = row->name,
        .ring_name = row->place.ring_name,
        .state = row->state,
        .replica = row->replica,
        .pid = row->pid,
        .label = row->spawned && ops->label ? ops->label(row->spawned) : NULL,
        .ordinal = row->place.ordinal,
        .restarts = row->place.starts > 1 ? row->place.starts - 1 : 0,
        .misses = row->misses,
        .ejections = row->place.ejections,
        .output_lines = figures.lines,
        .output_dropped = figures.dropped,
        .since_ns = row->since_ns,
    };
}

static size_t list(const struct link *rows, struct supervisor_info **out)
{
    size_t n = 0, i = 0;
    for (const struct link *at = rows->next; at != rows; at = at->next) {
        n++;
    }
    *out = mem_zero(n + 1, sizeof **out);
    for (const struct link *at = rows->next; at != rows; at = at->next) {
        (*out)[i++] = describe(LIST_OWNER(at, struct row, link));
    }
    return n;
}

size_t supervisor_list(const struct supervisor *s, struct supervisor_info **out)
{
    return list(&s->rows, out);
}

size_t supervisor_list_spares(const struct supervisor *s, struct supervisor_info **out)
{
    return list(&s->spares, out);
}

const struct replica *supervisor_find(const struct supervisor *s, const char *name)
{
    const struct row *row = row_find(s, name);
    return row ? row->replica : NULL;
}

uint32_t supervisor_wanted(const struct supervisor *s)
{
    return change_count_living(s);
}

uint64_t supervisor_ignored(const struct supervisor *s)
{
    return s->ignored;
}

const char *supervisor_driver(const struct supervisor *s)
{
    return s->spawner_ops->name;
}

const char *supervisor_trouble(const struct supervisor *s)
{
    return s->spawner_ops->trouble ? s->spawner_ops->trouble(s->spawner) : NULL;
}

/* ------------------------------------------------------------------ leaving */

/* The workers have drained by now, so nobody will say that a row is drained: it is. */
static void stop_row(struct row *row)
{
    row_dismiss(row, "the balancer leaves");
    if (row->state == SUPERVISOR_DRAINING) {
        row_event(row, ON_DRAINED, "the balancer leaves");
    }
}

static void kill_row(struct row *row)
{
    if (row->state == SUPERVISOR_STOPPING) {
        row_event(row, ON_TIMER, "the balancer leaves at once");
    }
}

static void leave(struct link *rows, bool at_once)
{
    struct link *next;
    for (struct link *at = rows->next; at != rows; at = next) {
        struct row *row = LIST_OWNER(at, struct row, link);
        next = at->next; /* a row that is GONE at once moves to another list */
        if (at_once) {
            kill_row(row);
        } else {
            stop_row(row);
        }
    }
}

void supervisor_stop(struct supervisor *s)
{
    bool is_second = s->is_stopping;
    s->is_stopping = true;
    if (!is_second && s->spawner_ops->leave) {
        s->spawner_ops->leave(s->spawner);
    }
    leave(&s->rows, is_second);
    leave(&s->spares, is_second);
    supervisor_settle_later(s);
}

void supervisor_close(struct supervisor *s)
{
    if (s->file) {
        membership_file_listen(s->file, NULL, NULL);
    }
    free_rows(&s->rows);
    free_rows(&s->spares);
    free_rows(&s->gone);
    change_close(s);
    members_close(s);
    keep_close(s);
    outlier_close(s);
    scaling_close(s);
    event_del(&s->settle); /* freeing rows may have asked for one */
    s->spawner_ops->close(s->spawner);
    s->health_ops->close(s->health);
    rotation_close(s);
    config_release(s->config);
    free(s);
}
