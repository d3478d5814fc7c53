/*
 * a3_timeline.c - samples sorted into tenths of a second: see a3_timeline.h.
 *
 * Owns     nothing.
 * Used by  a3_incident.c.
 * Uses     load.h, out.h.
 * Thread   the program's main one.
 */
#include "lab/a3_timeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/figures.h"
#include "lab/load.h"
#include "lab/out.h"

#define BUCKET_NS 100000000ull
#define SLOW_MS   100

static double took_ms(const struct load_sample *s)
{
    return (double)(s->done_ns - s->due_ns) / 1e6;
}

static bool is_good(const struct load_sample *s)
{
    return s->error == LOAD_NONE && s->status / 100 == 2;
}

/* ------------------------------------------------------------------ facts */

static void find_facts(const struct load_result *r, uint64_t incident_ns, const char *victim,
                       struct timeline_facts *f)
{
    bool *known = mem_zero(r->n_replicas + 1, sizeof *known);
    *f = (struct timeline_facts){ .last_of_victim_ms = -1, .first_of_stand_in_ms = -1 };
    for (size_t i = 0; i < r->n_samples; i++) { /* in the order of their ends */
        const struct load_sample *s = &r->samples[i];
        double at_ms = ((double)s->done_ns - (double)(incident_ns - r->start_ns)) / 1e6;
        if (took_ms(s) > f->slowest_ms)
            f->slowest_ms = took_ms(s);
        f->slow += took_ms(s) > SLOW_MS;
        if (s->replica == LOAD_NOBODY)
            continue;
        const char *name = r->replicas[s->replica].name;
        if (at_ms < 0) {
            known[s->replica] = true;
        } else if (strcmp(name, victim) == 0) {
            f->last_of_victim_ms = at_ms;
        } else if (!known[s->replica] && f->first_of_stand_in_ms < 0) {
            f->first_of_stand_in_ms = at_ms;
            snprintf(f->stand_in, sizeof f->stand_in, "%s", name);
        }
    }
    free(known);
}

/* ------------------------------------------------------------------ the timeline */

static void write_row(FILE *f, const struct load_result *r, uint64_t from, double zero_s, double *times)
{
    uint64_t to = from + BUCKET_NS, due = 0, failed = 0;
    uint64_t *answers = mem_zero(r->n_replicas + 1, sizeof *answers);
    double slowest = 0;
    size_t n = 0;
    for (size_t i = 0; i < r->n_samples; i++) {
        const struct load_sample *s = &r->samples[i];
        if (s->due_ns >= from && s->due_ns < to) {
            due++;
            failed += !is_good(s);
            times[n++] = took_ms(s);
            slowest = took_ms(s) > slowest ? took_ms(s) : slowest;
        }
        if (s->done_ns >= from && s->done_ns < to && s->replica != LOAD_NOBODY)
            answers[s->replica]++;
    }
    fprintf(f, "%.3f,%" PRIu64 ",%" PRIu64 ",%.3f,%.3f", (double)from / 1e9 - zero_s, due, failed,
            figures_median(times, n), slowest);
    for (size_t i = 0; i < r->n_replicas; i++)
        fprintf(f, ",%" PRIu64, answers[i]);
    fputc('\n', f);
    free(answers);
}

static bool write_timeline(struct out *o, const char *name, const struct load_result *r, uint64_t incident_ns)
{
    FILE *f = out_file(o, name);
    if (!f)
        return false;
    uint64_t offset = incident_ns - r->start_ns, last = 0;
    for (size_t i = 0; i < r->n_samples; i++)
        last = r->samples[i].done_ns > last ? r->samples[i].done_ns : last;
    double *times = mem_alloc((r->n_samples + 1) * sizeof *times);
    fputs("t_s,due,failed,p50_ms,max_ms", f);
    for (size_t i = 0; i < r->n_replicas; i++) {
        fputc(',', f);
        out_csv_text(f, r->replicas[i].name);
    }
    fputc('\n', f);
    for (uint64_t from = offset % BUCKET_NS; from + BUCKET_NS <= last; from += BUCKET_NS)
        write_row(f, r, from, (double)offset / 1e9, times);
    free(times);
    return out_end(o, f, name);
}

static bool write_requests(struct out *o, const char *name, const struct load_result *r, uint64_t incident_ns)
{
    FILE *f = out_file(o, name);
    if (!f)
        return false;
    double zero = (double)(incident_ns - r->start_ns);
    fputs("request_id,due_ms,took_ms,replica,status,error\n", f);
    for (size_t i = 0; i < r->n_samples && !ferror(f); i++) {
        const struct load_sample *s = &r->samples[i];
        fprintf(f, "%" PRIu64 ",%.3f,%.3f,", s->id, ((double)s->due_ns - zero) / 1e6, took_ms(s));
        out_csv_text(f, s->replica == LOAD_NOBODY ? "" : r->replicas[s->replica].name);
        fprintf(f, ",%u,%s\n", s->status, s->error ? load_error_text(s->error) : "");
    }
    return out_end(o, f, name);
}

bool timeline_write(struct out *o, const char *name, const struct load_result *r, uint64_t incident_ns,
                    const char *victim, struct timeline_facts *facts)
{
    char *timeline = mem_format("%s.csv", name), *requests = mem_format("%s_requests.csv", name);
    if (incident_ns == 0)
        incident_ns = r->start_ns; /* it ended before there was one */
    find_facts(r, incident_ns, victim, facts);
    bool written = write_timeline(o, timeline, r, incident_ns);
    written &= write_requests(o, requests, r, incident_ns);
    free(timeline);
    free(requests);
    return written;
}
