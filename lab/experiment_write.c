/*
 * experiment_write.c - a measured run as JSON and CSV.
 *
 * Owns     the columns.
 * Used by  a1.c ... a4.c.
 * Uses     out.h, load_json.h.
 * Thread   the program's main one.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lab/experiment.h"
#include "lab/load_json.h"

static json_t *known(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

json_t *experiment_strategy(const json_t *state)
{
    json_t *strategy = json_object_get(state, "strategy");
    return strategy ? json_incref(strategy) : json_object();
}

json_t *measured_json(const struct measured *m)
{
    json_t *out = json_object(), *parts = json_array();
    struct sampling floor = figures_floor(m->spread.total, m->n_parts);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part_taken *p = &m->parts[i];
        json_array_append_new(
            parts, json_pack("{s:s, s:I, s:o, s:o, s:o}", "name", p->name, "requests", (json_int_t)p->answers,
                             "cpu_ms", known(p->cpu_ms), "cpu_us_a_request",
                             p->answers ? known(p->cpu_ms * 1e3 / (double)p->answers) : json_null(),
                             "rss_kib", known(p->rss_kib)));
    }
    json_object_set_new(out, "n", json_integer((json_int_t)m->n_parts));
    json_object_set_new(out, "replicas", parts);
    json_object_set_new(out, "spread", figures_json(&m->spread));
    json_object_set_new(out, "floor", json_pack("{s:f, s:f}", "mean", floor.mean, "p95", floor.p95));
    json_object_set_new(out, "balancer_cpu_ms", known(m->balancer_cpu_ms));
    json_object_set_new(out, "balancer_rss_kib", known(m->balancer_rss_kib));
    json_object_set_new(out, "load", load_json(&m->plan, &m->load));
    json_object_set_new(out, "strategy", experiment_strategy(m->state));
    return out;
}

static void print_known(FILE *f, double value, const char *format)
{
    fputc(',', f);
    if (value >= 0)
        fprintf(f, format, value);
}

bool measured_write_counts(const struct measured *m, struct out *o)
{
    static const char name[] = "counts.csv";
    FILE *f = out_file(o, name);
    if (!f)
        return false;
    fputs("replica,requests,fair_share,share_percent,cpu_ms,cpu_us_a_request,rss_kib\n", f);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part_taken *p = &m->parts[i];
        out_csv_text(f, p->name);
        fprintf(f, ",%" PRIu64 ",%.3f,%.3f", p->answers, m->spread.mean,
                m->spread.total ? 100 * (double)p->answers / (double)m->spread.total : 0);
        print_known(f, p->cpu_ms, "%.1f");
        print_known(f, p->answers ? p->cpu_ms * 1e3 / (double)p->answers : -1, "%.2f");
        print_known(f, p->rss_kib, "%.0f");
        fputc('\n', f);
    }
    return out_end(o, f, name);
}

bool measured_write_latency(const struct measured *m, struct out *o)
{
    static const char name[] = "latency.csv";
    static const double percents[] = { 0,  1,  5,  10, 20,   30, 40,   50,   60,    70, 75,
                                       80, 85, 90, 95, 97.5, 99, 99.5, 99.9, 99.99, 100 };
    FILE *f = out_file(o, name);
    if (!f)
        return false;
    fputs("percent,latency_ms\n", f);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        fprintf(
            f, "%g,%.4f\n", percents[i],
            (double)(percents[i] > 0 ? hdr_percentile(&m->load.latency, percents[i]) : m->load.latency.min) /
                1e6);
    return out_end(o, f, name);
}

bool measured_write_requests(const struct measured *m, struct out *o, const char *name)
{
    FILE *f = out_file(o, name);
    if (!f)
        return false;
    fputs("request_id,replica,status,error,due_us,sent_us,done_us\n", f);
    for (size_t i = 0; i < m->load.n_samples && !ferror(f); i++) {
        const struct load_sample *s = &m->load.samples[i];
        fprintf(f, "%" PRIu64 ",", s->id);
        out_csv_text(f, s->replica == LOAD_NOBODY ? "" : m->load.replicas[s->replica].name);
        fprintf(f, ",%u,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", s->status,
                s->error ? load_error_text(s->error) : "", s->due_ns / 1000, s->sent_ns / 1000,
                s->done_ns / 1000);
    }
    return out_end(o, f, name);
}
