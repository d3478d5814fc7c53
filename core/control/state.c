/*
 * state.c - /_lb/state: everything there is to know, in one answer.
 *
 * Owns     the shape of the answer.
 * Used by  routes.c.
 * Uses     supervisor.h for rows, publish.h for what is in force, world/stats.h for sums, jansson.
 * Thread   control.
 *
 * The functions stand in the order of the answer's members. Shares are exact, from the table; what is not
 * known is null.
 */
#include "control/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/spool.h"
#include "control/call.h"
#include "control/control.h"
#include "control/membership_file.h"
#include "control/publish.h"
#include "control/roster.h"
#include "control/routes.h"
#include "control/supervisor.h"
#include "control/vetting_text.h"
#include "world/config.h"
#include "world/plugin.h"
#include "world/replica.h"
#include "world/stats.h"
#include "world/strategy.h"
#include "world/view.h"

static void put(json_t *out, const char *name, json_t *value)
{
    json_object_set_new(out, name, value);
}

static void put_count(json_t *out, const char *name, uint64_t value)
{
    put(out, name, json_integer((json_int_t)value));
}

/* ------------------------------------------------------------------ strategy */

static json_t *render_plugin(const struct plugin *plugin)
{
    return json_any_text(plugin ? plugin->info->name : NULL);
}

static json_t *render_version(const struct plugin *plugin)
{
    return json_any_text(plugin ? plugin->info->version : NULL);
}

static json_t *render_value(const struct lb_option *option, const union lb_value *value)
{
    switch (option->type) {
    case LB_INT: return json_integer((json_int_t)value->i);
    case LB_FLOAT: return json_real(value->f);
    case LB_BOOL: return json_boolean(value->i != 0);
    default: return json_any_text(value->s);
    }
}

/* The options of a plugin with the values in force; {} when it has none. */
static json_t *render_options(const struct plugin *plugin, const union lb_value *values)
{
    json_t *out = json_object();
    const struct lb_option *options = plugin ? plugin->info->options : NULL;
    for (size_t i = 0; options && values && options[i].name; i++)
        put(out, options[i].name, render_value(&options[i], &values[i]));
    return out;
}

static json_t *render_digest(uint64_t digest)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, digest);
    return json_string(text);
}

static json_t *render_table(const struct table *table)
{
    json_t *out = json_object();
    put_count(out, "members", table->n_members);
    put_count(out, "bytes", table->bytes);
    put(out, "build_ms", json_real((double)table->build_ns / (double)CLOCK_NS_PER_MS));
    put(out, "digest", render_digest(table->digest));
    return out;
}

static json_t *render_strategy(const struct routes *r)
{
    const struct strategy *s = publish_strategy(r->publish);
    json_t *out = json_object();
    put(out, "scheduler", render_plugin(s->scheduler));
    put(out, "hash", render_plugin(s->hash));
    put(out, "probe", render_plugin(s->probe));
    json_t *versions = json_object();
    put(versions, "scheduler", render_version(s->scheduler));
    put(versions, "hash", render_version(s->hash));
    put(versions, "probe", render_version(s->probe));
    put(out, "versions", versions);
    json_t *options = json_object();
    put(options, "scheduler", render_options(s->scheduler, s->values[0]));
    put(options, "hash", render_options(s->hash, s->values[1]));
    put(options, "probe", render_options(s->probe, s->values[2]));
    put(out, "options", options);
    put(out, "keyed", json_boolean((s->caps & LB_CAP_KEYED) != 0));
    put(out, "table", render_table(publish_table(r->publish)));
    json_t *plugins = json_object();
    put_count(plugins, "loaded", plugin_count_loaded());
    put_count(plugins, "stuck", plugin_count_stuck());
    put(out, "plugins", plugins);
    put(out, "vet", vetting_render(s->vet));
    return out;
}

/* The largest share of a replica, over the one it should have: by weight when the scheduler honours weights.
 * */
static json_t *render_largest_share(const struct table *table)
{
    if (!table->shares || table->n_members == 0)
        return json_null();
    bool by_weight = (table->strategy->caps & LB_CAP_WEIGHTS) != 0;
    double total = 0, largest = 0;
    for (uint32_t i = 0; i < table->n_members; i++)
        total += by_weight ? (double)table->members[i].weight : 1;
    for (uint32_t i = 0; i < table->n_members; i++) {
        double weight = by_weight ? (double)table->members[i].weight : 1;
        double ratio = weight > 0 ? table->shares[i] * total / weight : 0;
        if (ratio > largest)
            largest = ratio;
    }
    return json_real(largest);
}

/* ------------------------------------------------------------------ replicas */

static json_t *render_share(const struct view *view, const struct replica *replica)
{
    int64_t index = replica ? roster_index(view, replica) : -1;
    const struct table *table = view->pools[0].table;
    return index < 0 || !table->shares ? json_null() : json_real(table->shares[index]);
}

/* What workers know of it. */
static void put_live(json_t *out, const struct replica *replica)
{
    struct replica_totals sum;
    stats_sum_replica(replica->lines, replica->n_workers, &sum);
    put_count(out, "weight", replica->weight);
    put_count(out, "in_flight", replica_in_flight(replica));
    uint64_t latency_ns = __atomic_load_n(&replica->live.latency_ns, __ATOMIC_RELAXED);
    put(out, "latency_us", json_real((double)latency_ns / 1000));
    put_count(out, "requests", sum.answered);
#define PUT_COUNTER(name_, help_) put_count(out, #name_, sum.name_);
    REPLICA_COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
}

static json_t *render_replica(const struct routes *r, const struct supervisor_info *row)
{
    const struct replica *replica = row->replica;
    json_t *out = json_object();
    put(out, "name", json_any_text(row->name));
    put(out, "ring_name", *row->ring_name ? json_any_text(row->ring_name) : json_null());
    put(out, "state", json_string(supervisor_state_name(row->state)));
    put(out, "state_s", json_real((double)(clock_now_ns() - row->since_ns) / 1e9));
    put(out, "ready", json_boolean(replica && replica_is_ready(replica)));
    put(out, "address", replica ? json_string(replica->address_text) : json_null());
    put(out, "pid", row->pid > 0 ? json_integer(row->pid) : json_null());
    put(out, "container", json_any_text(row->label));
    put(out, "ordinal", row->ordinal ? json_integer(row->ordinal) : json_null());
    put_count(out, "restarts", row->restarts);
    put_count(out, "misses", row->misses);
    put_count(out, "ejections", row->ejections);
    put(out, "warmth", replica ? json_real(replica_warmth(replica, clock_now_ns()) / 1000.0) : json_null());
    put_count(out, "output_lines", row->output_lines);
    put_count(out, "output_dropped", row->output_dropped);
    put(out, "share", render_share(publish_view(r->publish), replica));
    if (replica)
        put_live(out, replica);
    return out;
}

typedef size_t (*list_fn)(const struct supervisor *s, struct supervisor_info **out);

static json_t *render_replicas(const struct routes *r, list_fn list)
{
    struct supervisor_info *rows;
    size_t n = list(r->supervisor, &rows);
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(out, render_replica(r, &rows[i]));
    free(rows);
    return out;
}

/* ------------------------------------------------------------------ workers */

static json_t *render_worker_totals(const struct worker_totals *sum)
{
    json_t *out = json_object();
#define PUT_COUNTER(name_, help_) put_count(out, #name_, sum->name_);
    WORKER_COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
    return out;
}

static json_t *render_totals(const struct routes *r)
{
    struct worker_totals sum = { 0 };
    for (unsigned i = 0; i < r->n_workers; i++)
        stats_add_worker(r->workers[i].counters, &sum);
    return render_worker_totals(&sum);
}

/* Open now. Each worker's pair is read on its own, so a moment may lie between the two. */
static uint64_t count_tunnels(const struct routes *r)
{
    struct worker_totals sum = { 0 };
    for (unsigned i = 0; i < r->n_workers; i++)
        stats_add_worker(r->workers[i].counters, &sum);
    return sum.tunnels > sum.tunnels_closed ? sum.tunnels - sum.tunnels_closed : 0;
}

static json_t *render_workers(const struct routes *r)
{
    json_t *out = json_array();
    for (unsigned i = 0; i < r->n_workers; i++) {
        struct worker_totals one = { 0 };
        stats_add_worker(r->workers[i].counters, &one);
        json_array_append_new(out, render_worker_totals(&one));
    }
    return out;
}

/* The upper bound, in microseconds, of the bucket in which the q-th part of the counts is reached; null
 * without counts. */
static json_t *render_quantile(const uint64_t *buckets, uint64_t count, double q)
{
    uint64_t seen = 0;
    for (unsigned b = 0; b < DURATIONS_BUCKETS; b++) {
        seen += buckets[b];
        if (count && (double)seen >= q * (double)count)
            return json_integer((json_int_t)(UINT64_C(2) << b));
    }
    return json_null();
}

static json_t *render_step(const struct routes *r, size_t step)
{
    uint64_t buckets[DURATIONS_BUCKETS] = { 0 }, count = 0, sum_ns = 0;
    for (unsigned i = 0; i < r->n_workers; i++) {
        const struct durations *h = &r->workers[i].steps[step];
        sum_ns += STATS_READ(h->sum_ns);
        for (unsigned b = 0; b < DURATIONS_BUCKETS; b++)
            buckets[b] += STATS_READ(h->count[b]);
    }
    for (unsigned b = 0; b < DURATIONS_BUCKETS; b++)
        count += buckets[b];
    json_t *out = json_object();
    put(out, "name", json_string(r->step_names[step]));
    put_count(out, "count", count);
    put(out, "mean_us", count ? json_real((double)sum_ns / 1000 / (double)count) : json_null());
    put(out, "p50_us", render_quantile(buckets, count, 0.50));
    put(out, "p99_us", render_quantile(buckets, count, 0.99));
    return out;
}

static json_t *render_steps(const struct routes *r)
{
    json_t *out = json_array();
    for (size_t i = 0; r->step_names[i]; i++)
        json_array_append_new(out, render_step(r, i));
    return out;
}

/* ------------------------------------------------------------------ the access log */

/* Lines in the file, and lost: because the file took no more, because the disk was too slow. */
static json_t *render_access(const struct routes *r)
{
    const struct config *config = publish_config(r->publish);
    struct worker_totals sum = { 0 };
    for (unsigned i = 0; i < r->n_workers; i++)
        stats_add_worker(r->workers[i].counters, &sum);
    json_t *out = json_object();
    put(out, "path", *config->log.access.path ? json_any_text(config->log.access.path) : json_null());
    put(out, "format", json_string(config->log.access.format == ACCESS_JSON ? "json" : "combined"));
    put_count(out, "written", spool_written(r->spool));
    put_count(out, "lost_refused", spool_lost(r->spool));
    put_count(out, "lost_slow", sum.access_lost);
    return out;
}

/* ------------------------------------------------------------------ the whole */

/* null: membership is not kept. */
/* null: it is off. */
static json_t *render_scale(const struct routes *r)
{
    struct supervisor_scaling scale;
    if (!supervisor_scaling(r->supervisor, &scale))
        return json_null();
    json_t *out = json_object();
    put_count(out, "min", scale.min);
    put_count(out, "max", scale.max);
    put(out, "target_inflight", json_real(scale.target_inflight / 1000.0));
    put(out, "in_flight", json_real((double)scale.load / 1000));
    put_count(out, "decisions", scale.decisions);
    put(out, "last", json_any_text(scale.last));
    return out;
}

static json_t *render_state_file(const struct routes *r)
{
    if (!r->file)
        return json_null();
    json_t *out = json_object();
    put(out, "path", json_any_text(membership_file_path(r->file)));
    put(out, "trouble", json_any_text(membership_file_trouble(r->file)));
    return out;
}

void state_show(struct call *call)
{
    const struct routes *r = call->routes;
    const struct view *view = publish_view(r->publish);
    const char *refusal = publish_refusal(r->publish);
    json_t *out = json_object();
    put(out, "version", json_string(RM_VERSION));
    put(out, "pid", json_integer(getpid()));
    put(out, "uptime_s", json_real((double)(clock_now_ns() - r->started_ns) / 1e9));
    put(out, "leaving", json_boolean(r->leaving));
    put_count(out, "generation", view->generation);
    put_count(out, "view", view->serial);
    put_count(out, "live_views", publish_count_views(r->publish));
    put_count(out, "workers", r->n_workers);
    put(out, "driver", json_string(supervisor_driver(r->supervisor)));
    put(out, "trouble", json_any_text(supervisor_trouble(r->supervisor)));
    put_count(out, "wanted", supervisor_wanted(r->supervisor));
    put(out, "scale", render_scale(r));
    put_count(out, "ignored_events", supervisor_ignored(r->supervisor));
    put_count(out, "log_lost", log_lost());
    put(out, "access_log", render_access(r));
    put(out, "state_file", render_state_file(r));
    put_count(out, "tunnels", count_tunnels(r));
    put(out, "strategy", render_strategy(r));
    put(out, "refusal", *refusal ? json_any_text(refusal) : json_null());
    put(out, "largest_share_over_fair", render_largest_share(view->pools[0].table));
    put(out, "replicas", render_replicas(r, supervisor_list));
    put(out, "spares", render_replicas(r, supervisor_list_spares));
    put(out, "totals", render_totals(r));
    put(out, "per_worker", render_workers(r));
    put(out, "steps", render_steps(r));
    call_answer(call, 200, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}
