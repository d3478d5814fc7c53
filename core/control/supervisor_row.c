/*
 * supervisor_row.c - what happens to one replica: the actions of the table.
 *
 * Owns     a row's replica, its heartbeat, its start, its timer and its budgets.
 * Used by  supervisor_table.c (actions), supervisor_change.c (dismiss), the spawner and health (reports).
 * Uses     spawner.h, health.h; supervisor_rotation.c for joining and leaving, supervisor_name.c for stand-
 *          ins.
 * Thread   control.
 *
 * The order here is that of a life: start, watch, join, doubt, stop, bury, leave. Actions give orders to the
 * spawner and to health, which report later and never from inside, so no action runs within another one.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/supervisor_inside.h"
#include "world/config.h"

/* A start takes the loop about a millisecond (fork), so many of them take turns with everything else. */
#define START_BURST     16
#define START_WINDOW_MS 40

void row_arm(struct row *row, uint32_t ms)
{
    struct timeval wait = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
    evtimer_add(&row->timer, &wait);
}

static void disarm(struct row *row)
{
    evtimer_del(&row->timer);
}

static void unwatch(struct row *row)
{
    if (row->heartbeat) {
        row->owner->health_ops->unwatch(row->heartbeat);
        row->heartbeat = NULL;
    }
}

static void set_unready(struct row *row)
{
    if (row->replica) {
        replica_set_ready(row->replica, false);
    }
}

/* ------------------------------------------------------------------ starting */

/* One that was in the rotation under its name gets a stand-in; one that never was just tries again. */
static bool needs_new_name(const struct row *row)
{
    const struct supervisor *s = row->owner;
    bool is_known = row->place.shown && strcmp(row->place.shown->name, row->name) == 0;
    return row->is_worn || (s->spawner_ops->can_start && is_known &&
                            s->config->replicas.replacement == REPLACEMENT_EMERGENCY);
}

static void take_new_name(struct row *row)
{
    char name[sizeof row->name];
    name_random(row->owner, "emergency_", 2, name);
    if (spare_is(row)) {
        log_info("replica \"%s\" comes up as a spare, after \"%s\"", name, row->name);
    } else {
        log_info("replica \"%s\" stands in for \"%s\" in the place of \"%s\"", name, row->name,
                 row->place.ring_name);
        keep_note(row->owner);
    }
    memcpy(row->name, name, sizeof row->name);
    row->is_worn = false;
}

/* False: not in this window; *wait_ms says when the next one opens. */
static bool may_start(struct supervisor *s, uint32_t *wait_ms)
{
    uint64_t now = clock_now_ns(), passed_ms = (now - s->window_ns) / CLOCK_NS_PER_MS;
    if (passed_ms >= START_WINDOW_MS) {
        s->window_ns = now;
        s->window_starts = 0;
        passed_ms = 0;
    }
    *wait_ms = START_WINDOW_MS - (uint32_t)passed_ms;
    return !s->spawner_ops->can_start || s->window_starts++ < START_BURST;
}

bool row_start(struct row *row, const char *why)
{
    struct supervisor *s = row->owner;
    uint32_t wait_ms;
    (void)why;

    spare_fill(row); /* then it is this row that comes up as a spare */
    if (!may_start(s, &wait_ms)) {
        row_arm(row, wait_ms);
        return false;
    }
    if (needs_new_name(row)) {
        take_new_name(row);
    }
    char server_id[sizeof row->name];
    name_of_server(s->config->replicas.name, row->name, server_id);
    rotation_drop_replica(row);
    row->misses = 0;
    row->refusals = 0;
    row->place.starts++;
    row->started_ns = clock_now_ns();
    row->was_ready = false;
    struct spawner_order order = {
        .name = row->name,
        .server_id = server_id,
        .address = row->place.address,
        .place = { .ring_name = row->place.ring_name,
                   .id = row->place.id,
                   .position = row->place.position,
                   .ordinal = row->place.ordinal,
                   .weight = row->place.weight },
        .tag = row,
    };
    row->spawned = s->spawner_ops->start(s->spawner, &order);
    if (!follow_is_on(s)) { /* the engine may take its time, and nobody else can start it */
        row_arm(row, s->config->health.start_timeout_ms);
    }
    return true;
}

bool row_watch(struct row *row, const char *why)
{
    struct supervisor *s = row->owner;
    (void)why;
    rotation_make_replica(row, &row->started->address, row->started->address_len);
    row->pid = row->started->pid;
    /* Where nothing is started there is nothing to be quick about, and a silent one may stay silent for long.
     * */
    enum health_pace pace = s->spawner_ops->can_start ? HEALTH_STARTING : HEALTH_STEADY;
    row->heartbeat = s->health_ops->watch(s->health, row->replica->address_text, pace, row_on_heartbeat, row);
    row_arm(row, s->config->health.start_timeout_ms);
    return true;
}

/* ------------------------------------------------------------------ ready, or not */

void row_warm_up(struct row *row)
{
    uint64_t ms = row->owner->config->replicas.slow_start_ms;
    replica_set_warming(row->replica, clock_now_ns(), ms * CLOCK_NS_PER_MS);
}

bool row_join(struct row *row, const char *why)
{
    struct supervisor *s = row->owner;
    (void)why;
    row->misses = 0;
    row->refusals = 0;
    row->failed_starts = 0;
    row->was_ready = true;
    atomic_store_explicit(&row->replica->refusal_told, false, memory_order_relaxed);
    s->health_ops->set_pace(row->heartbeat, HEALTH_STEADY);
    row_arm(row, s->config->replicas.backoff_reset_ms);
    if (spare_is(row)) {
        spare_look(s); /* a place may be waiting for it */
        return false;
    }
    row_warm_up(row);
    replica_set_ready(row->replica, true);
    if (row->place.shown != row->replica) {
        rotation_join(row);
    }
    return true;
}

bool row_go_on(struct row *row, const char *why)
{
    (void)why;
    row->misses = 0;
    return true;
}

bool row_forgive(struct row *row, const char *why)
{
    (void)why;
    row->place.deaths = 0;
    row->place.ejections = 0;
    return true;
}

bool row_suspend(struct row *row, const char *why)
{
    (void)why;
    disarm(row);
    set_unready(row);
    return true;
}

bool row_doubt(struct row *row, const char *why)
{
    row->refusals = 1;
    row->owner->health_ops->kick(row->heartbeat);
    return row_suspend(row, why);
}

bool row_ask(struct row *row, const char *why)
{
    (void)why;
    row->owner->health_ops->prompt(row->heartbeat);
    return true;
}

bool row_confirm(struct row *row, const char *why)
{
    row->refusals++;
    if (row->refusals >= 2) {
        return row_replace(row, why);
    }
    row->owner->health_ops->kick(row->heartbeat);
    return false;
}

bool row_replace(struct row *row, const char *why)
{
    if (row->owner->spawner_ops->can_start) {
        spare_look(row->owner); /* a spare need not wait until it has gone */
        return row_stop(row, why);
    }
    return !row_suspend(row, why);
}

/* ------------------------------------------------------------------ leaving */

bool row_drain(struct row *row, const char *why)
{
    if (!rotation_is_draining(row)) {
        return !row_stop(row, why);
    }
    unwatch(row);
    set_unready(row);
    row_arm(row, row->owner->config->replicas.drain_timeout_ms);
    return true;
}

bool row_stop(struct row *row, const char *why)
{
    struct supervisor *s = row->owner;
    (void)why;
    unwatch(row);
    set_unready(row);
    s->spawner_ops->stop(s->spawner, row->spawned, SPAWNER_ASK);
    row_arm(row, s->config->replicas.stop_timeout_ms);
    return true;
}

/* How the draining ended: which removal cost a client its answer is told each time. */
static void tell_cut(struct row *row, const char *how)
{
    uint32_t cut = replica_in_flight(row->replica);
    char text[160];
    snprintf(text, sizeof text, "%s after %llu ms: %u requests are cut off", how,
             (unsigned long long)((clock_now_ns() - row->since_ns) / CLOCK_NS_PER_MS), cut);
    log_write(cut ? LOG_WARN : LOG_INFO, "replica \"%s\": %s", row->name, text);
    supervisor_tell(row->owner, cut ? "cut" : "drained", row->name, text);
}

bool row_cut(struct row *row, const char *why)
{
    tell_cut(row, "not drained");
    return row_stop(row, why);
}

bool row_finish(struct row *row, const char *why)
{
    tell_cut(row, row->owner->is_stopping ? "the balancer leaves" : "drained");
    return row_stop(row, why);
}

bool row_kill(struct row *row, const char *why)
{
    struct supervisor *s = row->owner;
    log_warn("replica \"%s\": %s: killed", row->name, why);
    s->spawner_ops->stop(s->spawner, row->spawned, SPAWNER_KILL);
    row_arm(row, s->config->replicas.stop_timeout_ms);
    return true;
}

bool row_resign(struct row *row, const char *why)
{
    (void)row;
    (void)why;
    return true; /* is_leaving is set; row_bury looks at it */
}

/* ------------------------------------------------------------------ dead */

uint32_t row_backoff_ms(uint32_t failures, uint32_t min_ms, uint32_t max_ms, uint64_t *random)
{
    if (failures <= 1) {
        return 0;
    }
    uint64_t pause = min_ms;
    for (uint32_t i = 2; i < failures && pause < max_ms; i++) {
        pause *= 2;
    }
    if (pause > max_ms) {
        pause = max_ms;
    }
    return (uint32_t)(pause - lb_scale(lb_random(random), pause / 4 + 1));
}

/* A start that never became READY says that something is wrong with the command or the machine: these pauses
 * double. One that was READY has shown that it can live: whatever ended it, its place is filled again at once
 * the first time, and then as soon as backoff_min_ms have passed since its start, which keeps even a program
 * that dies of each request from using up the machine. */
static uint32_t choose_pause(struct row *row)
{
    struct supervisor *s = row->owner;
    uint32_t min_ms = s->config->replicas.backoff_min_ms, max_ms = s->config->replicas.backoff_max_ms;
    row->place.deaths++;
    if (follow_is_on(s)) {
        return 0; /* the pauses are the engine's: what starts now only waits for it */
    }
    if (!row->was_ready) {
        row->failed_starts++;
        return row_backoff_ms(row->failed_starts, min_ms, max_ms, &s->random);
    }
    uint32_t pause =
        row_backoff_ms(row->place.deaths < 2 ? row->place.deaths : 2, min_ms, max_ms, &s->random);
    uint64_t lived_ms = (clock_now_ns() - row->started_ns) / CLOCK_NS_PER_MS;
    return lived_ms < pause ? pause - (uint32_t)lived_ms : 0;
}

bool row_bury(struct row *row, const char *why)
{
    if (row->state == SUPERVISOR_DRAINING) {
        tell_cut(row, "it ended");
    }
    unwatch(row);
    free(row->last_end);
    row->last_end = row->was_ready ? NULL : mem_text(why);
    set_unready(row);
    disarm(row);
    row->spawned = NULL;
    row->pid = 0;
    if (row->is_leaving) {
        return false;
    }
    row_arm(row, choose_pause(row));
    return true;
}

bool row_leave(struct row *row, const char *why)
{
    (void)why;
    disarm(row);
    return true;
}

void row_dismiss(struct row *row, const char *why)
{
    if (!row->is_leaving) {
        row->is_leaving = true;
        keep_note(row->owner);
        rotation_leave(row);
        row_event(row, ON_WANT_LESS, why);
    }
}

void row_free(struct row *row)
{
    unwatch(row);
    disarm(row);
    rotation_forget_row(row);
    change_forget_row(row);
    rotation_drop_replica(row);
    list_remove(&row->link);
    free(row->place.address);
    free(row->place.member_name);
    free(row->last_end);
    free(row);
}

/* ------------------------------------------------------------------ another weight */

void row_reweigh(struct row *row, uint32_t weight)
{
    row->place.weight = weight;
    keep_note(row->owner);
    if (!row->replica) {
        return;
    }
    struct replica *old = row->replica;
    bool was_ready = replica_is_ready(old);
    replica_retain(old);
    struct sockaddr_storage address = row->replica->address;
    rotation_make_replica(row, &address, row->replica->address_len);
    replica_copy_warmth(row->replica, old);
    replica_set_ready(row->replica, was_ready);
    replica_release(old);
    if (row->place.shown) {
        rotation_join(row);
    }
}

/* ------------------------------------------------------------------ reports */

static void on_started(void *tag, const struct spawner_started *what)
{
    struct row *row = tag;
    row->started = what;
    row_event(row, ON_STARTED, "started");
    row->started = NULL;
}

static void on_exited(void *tag, const char *why)
{
    row_event(tag, ON_EXITED, why);
}

const struct spawner_hooks row_spawner_hooks = {
    .started = on_started,
    .exited = on_exited,
    .slots_changed = follow_slots,
    .scaled = follow_scaled,
};

/* A good heartbeat. Before a replica comes into the rotation by it we want to know that it was its own. */
static void take_good(struct row *row, const char *why)
{
    const struct supervisor *s = row->owner;
    char text[160];
    bool joins = row->state == SUPERVISOR_STARTING || row->state == SUPERVISOR_SUSPECT;
    if (joins && row->spawned && s->spawner_ops->is_impostor &&
        s->spawner_ops->is_impostor(s->spawner, row->spawned, text, sizeof text)) {
        row_event(row, ON_IMPOSTOR, text);
    } else {
        row_event(row, ON_HEARTBEAT_OK, why);
    }
}

/* At the miss that decides, and not at each one that follows. */
static void move_requests(struct row *row)
{
    const struct supervisor *s = row->owner;
    bool is_dead = row->misses == s->config->health.dead_after;
    bool is_unready =
        row->misses == s->config->health.unready_after && s->config->retry.move == MOVE_WHEN_UNREADY;
    if (row->replica && (is_dead || is_unready)) {
        s->hooks.move(s->hooks.ctx, row->replica, is_dead);
    }
}

void row_on_heartbeat(void *arg, enum health_result result, const char *why)
{
    struct row *row = arg;
    const struct config *config = row->owner->config;
    /* What it closes from now on says something new. */
    atomic_store_explicit(&row->replica->closed_told, false, memory_order_relaxed);
    if (result == HEALTH_GOOD) {
        take_good(row, why);
        return;
    }
    if (result == HEALTH_UNASKED) {
        return;
    }
    row->misses++;
    if (row->state == SUPERVISOR_STARTING) {
        return; /* it may take as long as start_timeout_ms */
    }
    if (result == HEALTH_REFUSED) {
        row_event(row, ON_REFUSED, why);
        return;
    }
    char text[160];
    snprintf(text, sizeof text, "%s, %u in a row", why, row->misses);
    if (row->misses == config->health.unready_after) {
        row_event(row, ON_UNREADY, text);
    }
    move_requests(row);
    if (row->misses >= config->health.dead_after) {
        row_event(row, ON_DEAD, text);
    }
}

void row_on_timer(evutil_socket_t fd, short what, void *arg)
{
    static const char *const reasons[SUPERVISOR_STATE_COUNT] = {
        [SUPERVISOR_STARTING] = "no good heartbeat within start_timeout_ms",
        [SUPERVISOR_READY] = "ready for backoff_reset_ms",
        [SUPERVISOR_EJECTED] = "its time is over",
        [SUPERVISOR_TRIAL] = "its trial went well",
        [SUPERVISOR_DRAINING] = "not drained within drain_timeout_ms",
        [SUPERVISOR_STOPPING] = "did not exit within stop_timeout_ms",
        [SUPERVISOR_BACKOFF] = "its pause is over",
    };
    struct row *row = arg;
    (void)fd;
    (void)what;
    row_event(row, ON_TIMER, reasons[row->state] ? reasons[row->state] : "");
}
