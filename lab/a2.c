/*
 * a2.c - A-2: N from 2 to 6 through /add, and back to 5 through /rm; how even is each, and which keys move?
 *
 * Owns     the folder's files: steps.csv, counts.csv, requests_N.csv, result.json.
 * Used by  cmd_experiments.c, a4.c.
 * Uses     experiment.h.
 * Thread   the program's main one.
 *
 * Every step sends the same ids, so a key has moved when another replica answers it than in the step before. Where the
 * newcomer takes its fair share, 1/N of all keys have to move: that is the minimum. A key that went from one old replica
 * to another moved in vain.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/experiment.h"
#include "lab/experiments.h"
#include "lab/lab.h"

enum { FROM = 2, TO = 6, STEPS = TO - FROM + 2, IDS = 900000, FIRST_ID = 100000 };
#define UNKNOWN 0xFFu

/* Who answered each id, as an index into names. */
struct placing {
    uint8_t *owner; /* by id - FIRST_ID */
};

struct step {
    unsigned n;
    bool removal;
    struct spread spread;
    struct sampling floor;
    uint64_t failed, compared, moved, to_new, in_vain;
    double minimum; /* of keys that have to move, as a share */
};

struct a2 {
    struct experiment *e;
    const char *name;
    struct out out;
    FILE *steps_csv, *counts_csv;
    char *names[TO];
    struct step steps[STEPS];
    size_t n_steps;
    struct placing before, now;
    bool keyed, raw;
    json_t *runs;
};

/* ------------------------------------------------------------------ replicas */

static bool is_taken(const struct names *rep, const char *name)
{
    for (size_t i = 0; i < rep->count; i++)
        if (strcmp(rep->items[i], name) == 0)
            return true;
    return false;
}

/* Those that run, then "Server N" or, where somebody is called so already, "lab N". */
static void choose_names(struct a2 *a, const struct names *rep)
{
    for (size_t i = 0; i < TO; i++) {
        if (i < rep->count) {
            a->names[i] = mem_text(rep->items[i]);
            continue;
        }
        a->names[i] = mem_format("Server %zu", i + 1);
        if (is_taken(rep, a->names[i])) {
            free(a->names[i]);
            a->names[i] = mem_format("lab %zu", i + 1);
        }
    }
}

static uint8_t index_of(const struct a2 *a, const char *name)
{
    for (size_t i = 0; i < TO; i++)
        if (strcmp(a->names[i], name) == 0)
            return (uint8_t)i;
    return UNKNOWN;
}

/* ------------------------------------------------------------------ moved keys */

static void place(struct a2 *a, const struct measured *m)
{
    memset(a->now.owner, UNKNOWN, IDS);
    for (size_t i = 0; i < m->load.n_samples; i++) {
        const struct load_sample *s = &m->load.samples[i];
        if (s->replica != LOAD_NOBODY && s->error == LOAD_NONE)
            a->now.owner[s->id - FIRST_ID] = index_of(a, m->load.replicas[s->replica].name);
    }
}

static void compare(struct a2 *a, struct step *s)
{
    unsigned changed = s->removal ? s->n : s->n - 1; /* index of who came or went */
    for (size_t i = 0; i < IDS; i++) {
        uint8_t was = a->before.owner[i], is = a->now.owner[i];
        if (was == UNKNOWN || is == UNKNOWN)
            continue;
        s->compared++;
        if (was == is)
            continue;
        s->moved++;
        if ((s->removal ? was : is) == changed)
            s->to_new++;
        else
            s->in_vain++;
    }
    s->minimum = s->removal ? 1.0 / (s->n + 1) : 1.0 / s->n;
}

/* ------------------------------------------------------------------ steps */

static void write_step(struct a2 *a, const struct step *s, const struct measured *m)
{
    const struct spread *p = &s->spread;
    fprintf(a->steps_csv, "%u,%s,%" PRIu64 ",%.3f,%" PRIu64 ",%" PRIu64 ",%.3f,%.5f,%.5f,%.5f,%.5f,", s->n,
            s->removal ? "rm" : "add", p->total, p->mean, p->min, p->max, p->stddev, p->max_over_mean,
            p->min_over_mean, s->floor.mean, s->floor.p95);
    if (a->keyed && s->compared)
        fprintf(a->steps_csv, "%.5f,%.5f,%.5f", (double)s->moved / (double)s->compared, s->minimum,
                (double)s->in_vain / (double)s->compared);
    else
        fputs(",,", a->steps_csv);
    fprintf(a->steps_csv, ",%" PRIu64 "\n", s->failed);
    out_flush(&a->out, a->steps_csv, "steps.csv");
    for (size_t i = 0; i < m->n_parts; i++) {
        fprintf(a->counts_csv, "%u,%s,", s->n, s->removal ? "rm" : "add");
        out_csv_text(a->counts_csv, m->parts[i].name);
        fprintf(a->counts_csv, ",%" PRIu64 ",%.1f,%.0f\n", m->parts[i].answers, m->parts[i].cpu_ms,
                m->parts[i].rss_kib);
    }
    out_flush(&a->out, a->counts_csv, "counts.csv");
}

static json_t *step_json(const struct a2 *a, const struct step *s, const struct measured *m)
{
    json_t *out = measured_json(m);
    bool known = a->keyed && s->compared;
    double all = (double)(s->compared ? s->compared : 1);
    json_object_set_new(out, "n", json_integer(s->n));
    json_object_set_new(out, "by", json_string(s->removal ? "rm" : "add"));
    json_object_set_new(out, "moved", known ? json_real((double)s->moved / all) : json_null());
    json_object_set_new(out, "moved_minimum", known ? json_real(s->minimum) : json_null());
    json_object_set_new(out, "moved_to_or_from_it", known ? json_real((double)s->to_new / all) : json_null());
    json_object_set_new(out, "moved_in_vain", known ? json_real((double)s->in_vain / all) : json_null());
    json_object_del(out, "strategy");
    return out;
}

static void print_step(const struct a2 *a, const struct step *s)
{
    printf("  N = %u%s  mean %8.1f  max/mean %.3f (chance %.3f)  stddev %7.1f  min %5" PRIu64
           " max %5" PRIu64,
           s->n, s->removal ? " again" : "", s->spread.mean, s->spread.max_over_mean, s->floor.mean,
           s->spread.stddev, s->spread.min, s->spread.max);
    if (a->keyed && s->compared)
        printf("  moved %5.2f %% (needed %5.2f %%, in vain %5.2f %%)",
               100 * (double)s->moved / (double)s->compared, 100 * s->minimum,
               100 * (double)s->in_vain / (double)s->compared);
    putchar('\n');
    fflush(stdout);
}

static bool do_step(struct a2 *a, unsigned n, bool removal)
{
    struct step *s = &a->steps[a->n_steps];
    struct measured m;
    *s = (struct step){ .n = n, .removal = removal };
    if (!target_set(&a->e->target, a->names, n))
        return false;
    char *title = mem_format("%s, N = %u", a->name, n),
         *file = mem_format("requests_%zu_N%u.csv", a->n_steps + 1, n);
    bool whole = experiment_measure(a->e, &m, true, title);
    a->keyed = json_is_true(json_object_get(json_object_get(m.state, "strategy"), "keyed"));
    place(a, &m);
    if (a->n_steps > 0)
        compare(a, s);
    s->spread = m.spread;
    s->floor = figures_floor(m.spread.total, n);
    s->failed = load_failed(&m.load);
    if (m.load.sent) {
        write_step(a, s, &m);
        print_step(a, s);
        json_array_append_new(a->runs, step_json(a, s, &m));
        if (a->raw)
            measured_write_requests(&m, &a->out, file);
    }
    if (whole)
        whole = measured_is_clean(&m, title);
    struct placing swap = a->before;
    a->before = a->now;
    a->now = swap;
    a->n_steps++;
    measured_free(&m);
    free(title);
    free(file);
    return whole;
}

static bool do_steps(struct a2 *a)
{
    for (unsigned n = FROM; n <= TO; n++)
        if (!do_step(a, n, false))
            return false;
    return do_step(a, TO - 1, true);
}

/* ------------------------------------------------------------------ the experiment */

static bool open_files(struct a2 *a, const char *name)
{
    if (!out_open(&a->out, a->e->out, name))
        return false;
    a->steps_csv = out_file(&a->out, "steps.csv");
    a->counts_csv = out_file(&a->out, "counts.csv");
    if (!a->steps_csv || !a->counts_csv)
        return false;
    fputs("n,by,requests,mean,min,max,stddev,max_over_mean,min_over_mean,floor,floor_p95,moved,moved_minimum,"
          "moved_in_vain,failed\n",
          a->steps_csv);
    fputs("n,by,replica,requests,cpu_ms,rss_kib\n", a->counts_csv);
    return true;
}

static void close_files(struct a2 *a)
{
    if (a->steps_csv)
        out_end(&a->out, a->steps_csv, "steps.csv");
    if (a->counts_csv)
        out_end(&a->out, a->counts_csv, "counts.csv");
}

json_t *a2_run(struct experiment *e, const char *name, bool raw)
{
    struct a2 a = { .e = e, .name = name, .runs = json_array(), .raw = raw };
    struct names rep = { 0 };
    json_t *result = NULL;
    a.before.owner = mem_alloc(IDS);
    a.now.owner = mem_alloc(IDS);
    bool whole = target_rep(&e->target, &rep) && open_files(&a, name);
    if (whole) {
        choose_names(&a, &rep);
        printf("%s: %" PRIu64
               " requests at each N; the mean is requests/N for any balancer, what it makes of it is "
               "max/mean\n",
               name, e->requests);
        whole = do_steps(&a);
        if (!load_is_interrupted() || whole)
            whole &= target_set(&e->target, rep.items, rep.count); /* as it was */
        json_t *state = target_state(&e->target);
        result = json_pack("{s:s, s:s, s:b, s:O, s:o}", "experiment", "A-2", "command", e->command, "keyed",
                           a.keyed, "steps", a.runs, "strategy", experiment_strategy(state));
        json_decref(state);
        whole &= out_json(&a.out, "result.json", json_incref(result));
    }
    close_files(&a);
    whole &= !a.out.failed;
    out_close(&a.out);
    names_free(&rep);
    for (size_t i = 0; i < TO; i++)
        free(a.names[i]);
    free(a.before.owner);
    free(a.now.owner);
    json_decref(a.runs);
    if (whole)
        return result;
    json_decref(result);
    return NULL;
}
