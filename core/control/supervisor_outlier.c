/*
 * supervisor_outlier.c - passive health: who is ejected for what its answers show, and for how long.
 *
 * Owns     what was counted of each replica in the last interval.
 * Used by  supervisor.c (opens, applies), supervisor_table.c (actions), control.c through supervisor.h (letters).
 * Uses     stats.h: workers count, here it is judged.
 * Thread   control.
 *
 * A heartbeat asks whether a replica is there; its answers to real requests show whether it is well. Many failures in a
 * row are told by the worker that sees them, at once. The share of failures, and the time to a reply beside that of the
 * others, are looked at once an interval. Whoever is ejected comes back on trial after a time that doubles with each
 * ejection: a fiftieth of its requests, and the first failure ends it. Never more than a share of the pool is out for
 * this reason, and never the last one that is ready: when all fail alike, it is not the replicas.
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
#include "world/stats.h"

#define PATIENCE_MS         100  /* from one look at a trial to the next */
#define LEAST_DIFFERENCE_US 1000 /* a replica that is slower by less than this is never too slow */
#define FEWEST_TO_COMPARE   3    /* with fewer there is no "the others" */

/* ------------------------------------------------------------------ out and back */

/* May one more be ejected? */
static bool may_eject(const struct supervisor *s)
{
    uint32_t n = 0, ejected = 0, ready = 0;
    for (const struct row *row = row_first(s); row; row = row_after(row)) {
        n += !row->is_leaving;
        ejected += row->state == SUPERVISOR_EJECTED || row->state == SUPERVISOR_TRIAL;
        ready += row->state == SUPERVISOR_READY;
    }
    return ready > 1 && (ejected + 1) * 100 <= n * s->config->outlier.max_ejected_percent;
}

static void raise_outlier(struct row *row, const char *why)
{
    if (row->state == SUPERVISOR_READY && !may_eject(row->owner)) {
        log_info("replica \"%s\": %s; it stays, because too many would be out", row->name, why);
        return;
    }
    if (supervisor_is_serving(row->state)) {
        row_event(row, ON_OUTLIER, why);
    }
}

bool row_eject(struct row *row, const char *why)
{
    const struct config *config = row->owner->config;
    uint64_t ms = config->outlier.eject_ms;
    for (uint32_t i = 0; i < row->place.ejections && ms < config->outlier.eject_max_ms; i++) {
        ms *= 2;
    }
    ms = ms < config->outlier.eject_max_ms ? ms : config->outlier.eject_max_ms;
    row->place.ejections++;
    replica_set_ready(row->replica, false);
    row_arm(row, (uint32_t)ms);
    row->owner->health_ops->kick(row->heartbeat); /* perhaps it is worse than that */
    log_warn("replica \"%s\" is ejected for %llu ms: %s", row->name, (unsigned long long)ms, why);
    return true;
}

static void sum_up(const struct row *row, struct replica_totals *out)
{
    stats_sum_replica(row->replica->lines, row->replica->n_workers, out);
}

bool row_try(struct row *row, const char *why)
{
    struct replica_totals sum;
    (void)why;
    if (row->misses > 0) {
        row_arm(row, PATIENCE_MS);
        return false;
    }
    sum_up(row, &sum);
    row->trial_answered = sum.answered;
    row->refusals = 0;
    atomic_store_explicit(&row->replica->failing_told, false, memory_order_relaxed);
    atomic_store_explicit(&row->replica->refusal_told, false, memory_order_relaxed);
    replica_set_on_trial(row->replica);
    replica_set_ready(row->replica, true);
    row_arm(row, PATIENCE_MS);
    return true;
}

bool row_pass(struct row *row, const char *why)
{
    const struct config *config = row->owner->config;
    struct replica_totals sum;
    (void)why;
    sum_up(row, &sum);
    if (sum.answered - row->trial_answered < config->outlier.trials) {
        row_arm(row, PATIENCE_MS);
        return false;
    }
    row_warm_up(row);
    row_arm(row, config->replicas.backoff_reset_ms);
    return true;
}

/* ------------------------------------------------------------------ in a row */

void supervisor_failing(struct supervisor *s, struct replica *replica, uint32_t in_a_row, bool are_errors)
{
    char why[96];
    snprintf(why, sizeof why,
             are_errors ? "%u replies 5xx in a row" : "%u attempts without a usable reply in a row",
             in_a_row);
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        if (row->replica == replica) {
            raise_outlier(row, why);
            return;
        }
    }
}

/* ------------------------------------------------------------------ once an interval */

/* What one replica did in it. */
struct sample {
    struct row *row;
    uint64_t requests, failed; /* failed: without a usable reply, or 5xx */
    uint64_t mean_us;          /* to a reply; 0: none */
};

static struct judged count_now(const struct row *row)
{
    struct replica_totals sum;
    sum_up(row, &sum);
    return (struct judged){ .replica = row->replica,
                            .answered = sum.answered,
                            .failed = sum.failed,
                            .errors = sum.status_5xx,
                            .reply_us = sum.reply_us };
}

/* False: there is nothing to compare it with yet. */
static bool take_sample(struct row *row, struct sample *out)
{
    struct judged before = row->judged, now = count_now(row);
    row->judged = now;
    if (before.replica != now.replica || row->state != SUPERVISOR_READY) {
        return false;
    }
    uint64_t answered = now.answered - before.answered, failed = now.failed - before.failed;
    *out = (struct sample){ .row = row,
                            .requests = answered + failed,
                            .failed = failed + now.errors - before.errors,
                            .mean_us = answered ? (now.reply_us - before.reply_us) / answered : 0 };
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Of those with enough requests; 0: they are too few. */
static uint64_t median_us(const struct sample *samples, size_t n, uint32_t min_requests)
{
    uint64_t *means = mem_zero(n + 1, sizeof *means), median = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (samples[i].requests >= min_requests && samples[i].mean_us) {
            means[count++] = samples[i].mean_us;
        }
    }
    if (count >= FEWEST_TO_COMPARE) {
        qsort(means, count, sizeof *means, compare_numbers);
        median = means[(count - 1) / 2];
    }
    free(means);
    return median;
}

static void judge_one(const struct config *config, const struct sample *sample, uint64_t median)
{
    uint32_t percent = config->outlier.failure_percent, factor = config->outlier.latency_factor;
    char why[128];
    if (percent && sample->failed * 100 >= sample->requests * percent) {
        snprintf(why, sizeof why, "%llu of %llu requests failed", (unsigned long long)sample->failed,
                 (unsigned long long)sample->requests);
        raise_outlier(sample->row, why);
    } else if (factor && median && sample->mean_us > median + LEAST_DIFFERENCE_US &&
               sample->mean_us * 1000 > median * factor) {
        snprintf(why, sizeof why, "%llu us to a reply, and %llu us are usual",
                 (unsigned long long)sample->mean_us, (unsigned long long)median);
        raise_outlier(sample->row, why);
    }
}

static void judge_all(struct supervisor *s)
{
    struct sample *samples = mem_zero(change_count_living(s) + 1, sizeof *samples);
    size_t n = 0;
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        if (!row->is_leaving && row->replica) {
            n += take_sample(row, &samples[n]);
            atomic_store_explicit(&row->replica->failing_told, false, memory_order_relaxed);
        }
    }
    uint64_t median = median_us(samples, n, s->config->outlier.min_requests);
    for (size_t i = 0; i < n; i++) {
        if (samples[i].requests >= s->config->outlier.min_requests) {
            judge_one(s->config, &samples[i], median);
        }
    }
    free(samples);
}

static void on_judge(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    judge_all(arg);
}

/* ------------------------------------------------------------------ from beginning to end */

void outlier_apply(struct supervisor *s)
{
    uint32_t ms = s->config->outlier.window_ms;
    struct timeval wait = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
    event_add(&s->judge, &wait);
}

void outlier_open(struct supervisor *s)
{
    event_assign(&s->judge, s->base, -1, EV_PERSIST, on_judge, s);
    outlier_apply(s);
}

void outlier_close(struct supervisor *s)
{
    event_del(&s->judge);
}
