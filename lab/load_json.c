/*
 * load_json.c - a load's result as JSON: see load_json.h.
 *
 * Owns     nothing.
 * Used by  cmd_load.c, the experiments.
 * Uses     jansson.
 * Thread   whoever holds the result.
 */
#include "lab/load_json.h"

#include <stdio.h>

static void put_count(json_t *out, const char *name, uint64_t value)
{
    json_object_set_new(out, name, json_integer((json_int_t)value));
}

static void put_real(json_t *out, const char *name, double value)
{
    json_object_set_new(out, name, json_real(value));
}

json_t *load_json_times(const struct hdr *h)
{
    static const struct {
        const char *name;
        double percent;
    } rows[] = { { "p50", 50 }, { "p75", 75 },     { "p90", 90 },      { "p95", 95 },
                 { "p99", 99 }, { "p99_9", 99.9 }, { "p99_99", 99.99 } };
    json_t *out = json_object();
    put_count(out, "count", h->count);
    put_real(out, "mean", hdr_mean(h) / 1e6);
    put_real(out, "min", (double)h->min / 1e6);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        put_real(out, rows[i].name, (double)hdr_percentile(h, rows[i].percent) / 1e6);
    put_real(out, "max", (double)h->max / 1e6);
    return out;
}

static json_t *render_generator(const struct load_plan *plan, const struct load_result *r)
{
    json_t *out = json_object();
    double cpu = r->cpu_user_s + r->cpu_sys_s;
    json_object_set_new(out, "loop", json_string(plan->rate > 0 ? "open" : "closed"));
    put_count(out, "connections", r->connections_most);
    put_count(out, "connects", r->connects);
    put_real(out, "intended_rate", plan->rate);
    put_real(out, "cpu_user_s", r->cpu_user_s);
    put_real(out, "cpu_system_s", r->cpu_sys_s);
    put_real(out, "cpu_us_a_request", r->sent ? cpu * 1e6 / (double)r->sent : 0);
    put_real(out, "share_of_a_core", r->seconds > 0 ? cpu / r->seconds : 0);
    return out;
}

json_t *load_json(const struct load_plan *plan, const struct load_result *r)
{
    json_t *out = json_object(), *replicas = json_object(), *statuses = json_object(),
           *errors = json_object();
    for (size_t i = 0; i < r->n_replicas; i++)
        put_count(replicas, r->replicas[i].name, r->replicas[i].answers);
    for (unsigned s = 0; s < LOAD_STATUS_MAX; s++) {
        char name[8];
        snprintf(name, sizeof name, "%u", s);
        if (r->statuses[s])
            put_count(statuses, name, r->statuses[s]);
    }
    for (unsigned e = 1; e < LOAD_N_ERRORS; e++)
        if (r->errors[e])
            put_count(errors, load_error_text(e), r->errors[e]);
    put_count(out, "requests", r->sent);
    put_count(out, "good", r->good);
    put_count(out, "failed", load_failed(r));
    put_real(out, "seconds", r->seconds);
    put_real(out, "rate", r->seconds > 0 ? (double)r->sent / r->seconds : 0);
    json_object_set_new(out, "replicas", replicas);
    put_count(out, "nobody", r->nobody);
    json_object_set_new(out, "statuses", statuses);
    json_object_set_new(out, "errors", errors);
    json_object_set_new(out, "latency_ms", load_json_times(&r->latency));
    if (plan->rate > 0)
        json_object_set_new(out, "service_ms", load_json_times(&r->service));
    json_object_set_new(out, "generator", render_generator(plan, r));
    json_object_set_new(out, "ended_early", r->ended_early ? json_string(r->why) : json_null());
    return out;
}
