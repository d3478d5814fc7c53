/*
 * a1.c - A-1: so many requests over the replicas there are; who answers how many?
 *
 * Owns     the folder's files: counts.csv, latency.csv, requests.csv, result.json.
 * Used by  cmd_experiments.c, a4.c.
 * Uses     experiment.h.
 * Thread   the program's main one.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lab/experiment.h"
#include "lab/experiments.h"

static void print_counts(const struct measured *m)
{
    struct sampling floor = figures_floor(m->spread.total, m->n_parts);
    printf("  %-24s %8s %8s %10s %12s %9s\n", "replica", "requests", "share", "CPU ms", "CPU us/req.",
           "RSS KiB");
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part_taken *p = &m->parts[i];
        printf("  %-24s %8" PRIu64 " %6.2f %% %10.0f %12.1f %9.0f\n", p->name, p->answers,
               m->spread.total ? 100 * (double)p->answers / (double)m->spread.total : 0, p->cpu_ms,
               p->answers ? p->cpu_ms * 1e3 / (double)p->answers : 0, p->rss_kib);
    }
    printf(
        "  fair share %.1f; max/mean %.3f, standard deviation %.1f; chance alone: max/mean %.3f (95 of 100 below "
        "%.3f)\n",
        m->spread.mean, m->spread.max_over_mean, m->spread.stddev, floor.mean, floor.p95);
    printf("  %" PRIu64 " failed; %.0f requests a second; p50 %.2f ms, p99 %.2f ms\n", load_failed(&m->load),
           (double)m->load.sent / m->load.seconds, (double)hdr_percentile(&m->load.latency, 50) / 1e6,
           (double)hdr_percentile(&m->load.latency, 99) / 1e6);
}

json_t *a1_run(struct experiment *e, const char *name, bool raw)
{
    struct measured m;
    struct out o;
    if (!out_open(&o, e->out, name))
        return NULL;
    bool whole = experiment_measure(e, &m, raw, name);
    json_t *result = NULL;
    if (m.load.sent) {
        printf("%s: %" PRIu64 " requests, N = %zu\n", name, m.load.sent, m.n_parts);
        print_counts(&m);
        result = measured_json(&m);
        json_object_set_new(result, "experiment", json_string("A-1"));
        json_object_set_new(result, "command", json_string(e->command));
        bool written = measured_write_counts(&m, &o);
        written &= measured_write_latency(&m, &o);
        if (raw)
            written &= measured_write_requests(&m, &o, "requests.csv");
        written &= out_json(&o, "result.json", json_incref(result));
        whole &= written & measured_is_clean(&m, name);
    }
    measured_free(&m);
    out_close(&o);
    if (whole)
        return result;
    json_decref(result);
    return NULL;
}
