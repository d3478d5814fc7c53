/*
 * experiment.c - the common part of the experiments: see experiment.h.
 *
 * Owns     nothing beyond struct experiment.
 * Used by  a1.c ... a4.c, cmd_experiments.c.
 * Uses     target.h, load.h, cost.h, setup.h.
 * Thread   the program's main one.
 */
#include "lab/experiment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/conf.h"
#include "lab/cost.h"
#include "lab/lab.h"
#include "lab/setup.h"

#define PATH "/request?request_id={id}"

static bool reach(struct experiment *e)
{
    if (!e->spawn)
        return target_attach(&e->target, e->url, e->admin, e->conf);
    const struct conf_edit edit = { .own_replicas = true, .count = 3 };
    struct out o;
    char *shipped = e->conf ? mem_text(e->conf) : target_shipped_conf();
    if (!shipped) {
        lab_complain("there is no conf/lb.conf to start with: name one with --conf");
        return false;
    }
    bool done = out_open(&o, e->out, "balancer") && target_spawn(&e->target, shipped, &edit, o.folder);
    out_close(&o);
    free(shipped);
    return done;
}

bool experiment_begin(struct experiment *e)
{
    struct out o;
    load_catch_interrupt();
    e->ids = load_make_ids((size_t)e->requests, e->seed);
    if (!out_open(&o, e->out, NULL))
        return false;
    bool done = reach(e);
    if (done && !e->keep_setup) {
        json_t *state = target_state(&e->target);
        done = out_json(&o, "setup.json", setup_json(e, state));
        json_decref(state);
    }
    out_close(&o);
    return done;
}

void experiment_end(struct experiment *e)
{
    target_close(&e->target);
    option_list_free(&e->strategies);
    free(e->ids);
    e->ids = NULL;
}

/* ------------------------------------------------------------------ costs */

static pid_t pid_in(const json_t *object)
{
    return (pid_t)json_integer_value(json_object_get(object, "pid"));
}

static pid_t pid_of(const json_t *state, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(state, "replicas"), i, row) {
        const char *text = json_string_value(json_object_get(row, "name"));
        if (text && strcmp(text, name) == 0)
            return pid_in(row);
    }
    return 0;
}

/* Their processor time until now is subtracted here and the one after the run added there. */
static void note_costs(struct measured *m, const json_t *state, double sign)
{
    struct cost now;
    for (size_t i = 0; i < m->n_parts; i++) {
        struct part_taken *p = &m->parts[i];
        if (sign < 0)
            p->pid = pid_of(state, p->name);
        bool known = cost_read(p->pid, &now);
        p->cpu_ms = !known ? -1 : sign < 0 ? -now.cpu_s * 1e3 : p->cpu_ms + now.cpu_s * 1e3;
        p->rss_kib = known ? (double)now.rss_kib : -1;
    }
    bool known = cost_read(pid_in(state), &now);
    m->balancer_cpu_ms = !known ? -1 : sign < 0 ? -now.cpu_s * 1e3 : m->balancer_cpu_ms + now.cpu_s * 1e3;
    m->balancer_rss_kib = known ? (double)now.rss_kib : -1;
}

/* ------------------------------------------------------------------ one run */

static struct part_taken *part_of(struct measured *m, const char *name)
{
    for (size_t i = 0; i < m->n_parts; i++)
        if (strcmp(m->parts[i].name, name) == 0)
            return &m->parts[i];
    m->parts = mem_grow(m->parts, (m->n_parts + 1) * sizeof *m->parts);
    m->parts[m->n_parts] = (struct part_taken){ .name = mem_text(name), .cpu_ms = -1, .rss_kib = -1 };
    return &m->parts[m->n_parts++];
}

static void add_up(struct measured *m)
{
    for (size_t i = 0; i < m->load.n_replicas; i++)
        part_of(m, m->load.replicas[i].name)->answers = m->load.replicas[i].answers;
    uint64_t *counts = mem_zero(m->n_parts + 1, sizeof *counts);
    for (size_t i = 0; i < m->n_parts; i++)
        counts[i] = m->parts[i].answers;
    m->spread = figures_spread(counts, m->n_parts);
    free(counts);
}

bool experiment_measure(struct experiment *e, struct measured *m, bool keep_samples, const char *title)
{
    struct names rep;
    *m = (struct measured){ .plan = { .path = PATH,
                                      .ids = e->ids,
                                      .n_ids = (size_t)e->requests,
                                      .requests = e->requests,
                                      .concurrency = (unsigned)e->concurrency,
                                      .timeout_ms = (unsigned)e->timeout_ms,
                                      .keep_samples = keep_samples,
                                      .on_progress = progress_show,
                                      .progress_arg = &e->progress } };
    if (!target_rep(&e->target, &rep))
        return false;
    for (size_t i = 0; i < rep.count; i++)
        part_of(m, rep.items[i]);
    names_free(&rep);
    char *host = NULL;
    json_t *before = target_state(&e->target);
    note_costs(m, before, -1);
    progress_begin(&e->progress, e->quiet, "%s", title);
    bool whole = load_target(&m->plan, e->target.url, &host, NULL) && load_run(&m->plan, &m->load);
    note_costs(m, before, 1);
    json_decref(before);
    add_up(m);
    m->state = m->load.ended_early ? NULL : target_state(&e->target);
    if (m->load.ended_early)
        lab_complain("%s: %s", title, m->load.why);
    m->plan.host = NULL;
    free(host);
    return whole;
}

void measured_free(struct measured *m)
{
    for (size_t i = 0; i < m->n_parts; i++)
        free(m->parts[i].name);
    free(m->parts);
    load_result_free(&m->load);
    json_decref(m->state);
    *m = (struct measured){ 0 };
}

bool measured_is_clean(const struct measured *m, const char *title)
{
    uint64_t failed = load_failed(&m->load);
    if (failed == 0)
        return true;
    for (unsigned s = 0; s < LOAD_STATUS_MAX; s++)
        if (m->load.statuses[s] && s / 100 != 2)
            lab_complain("%s: %" PRIu64 " requests were answered %u", title, m->load.statuses[s], s);
    for (unsigned n = 1; n < LOAD_N_ERRORS; n++)
        if (m->load.errors[n] && n != LOAD_STOPPED)
            lab_complain("%s: %" PRIu64 " requests failed: %s", title, m->load.errors[n], load_error_text(n));
    return false;
}
