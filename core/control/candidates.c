/*
 * candidates.c - the candidates of strategy.shadow, built over whatever table is in force.
 *
 * Owns     the set in force, the last shadow, and the job under way.
 * Used by  publish.c.
 * Uses     builder.h, world/shadow.h, world/strategy.h for references to tables.
 * Thread   control; build_work alone runs on the builder thread.
 *
 * What a job builds is seen by nobody else until its last candidate is done: then it is whole, and never written again
 * but for its counters.
 */
#include "control/candidates.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/builder.h"
#include "world/shadow.h"
#include "world/strategy.h"

/* One shadow being built; posted once for each candidate. */
struct build_job {
    struct letter_built built;
    struct candidates *c;
    struct shadow *shadow, *before; /* a reference each; before may be NULL */
    uint32_t next;
};

struct candidates {
    struct builder *builder;
    void (*ready)(void *ctx);
    void *ctx;
    struct shadow_set *set;
    struct shadow *last;  /* NULL: nothing was built yet */
    struct table *wanted; /* in force, as last told; a reference; NULL: none yet */
    unsigned n_workers;
    struct build_job *job; /* NULL: none */
    bool stopped;
};

static void build_next(struct candidates *c);

struct candidates *candidates_new(struct builder *builder, void (*ready)(void *ctx), void *ctx)
{
    struct candidates *c = mem_zero(1, sizeof *c);
    c->builder = builder;
    c->ready = ready;
    c->ctx = ctx;
    c->set = shadow_set_new();
    return c;
}

static void keep(struct candidates *c, struct shadow *shadow)
{
    shadow_retain(shadow);
    shadow_release(c->last);
    c->last = shadow;
}

static void log_refusals(const struct shadow *s)
{
    for (uint32_t i = 0; i < s->set->n; i++)
        if (!s->items[i].table)
            log_warn("candidate %s takes no part while these replicas are the members: %s",
                     s->set->candidates[i].name, s->items[i].why);
}

void candidates_put(struct candidates *c, struct shadow_set *set, struct shadow *built)
{
    shadow_set_retain(set);
    shadow_set_release(c->set);
    c->set = set;
    if (set->n == 0) {
        shadow_release(c->last);
        c->last = NULL;
    }
    if (!built)
        return;
    keep(c, built);
    log_refusals(built);
}

static bool fits(const struct candidates *c, const struct shadow *shadow, const struct table *table)
{
    return shadow && shadow->set == c->set && shadow->force == table;
}

struct shadow *candidates_over(const struct candidates *c, const struct table *table)
{
    return fits(c, c->last, table) ? c->last : NULL;
}

/* ------------------------------------------------------------------ building */

void candidates_want(struct candidates *c, struct table *table, unsigned n_workers)
{
    table_retain(table);
    table_release(c->wanted);
    c->wanted = table;
    c->n_workers = n_workers;
    if (!c->job)
        build_next(c);
}

static void build_work(struct letter_built *built)
{
    struct build_job *job = (struct build_job *)built;
    shadow_build(job->shadow, job->next++, job->before);
}

static void build_drop(struct letter_built *built)
{
    struct build_job *job = (struct build_job *)built;
    job->c->job = NULL;
    shadow_release(job->before);
    shadow_release(job->shadow);
    free(job);
}

static void build_done(struct letter_built *built)
{
    struct build_job *job = (struct build_job *)built;
    struct candidates *c = job->c;
    bool wanted = !c->stopped && fits(c, job->shadow, c->wanted);
    if (wanted && job->next < job->shadow->set->n) {
        builder_post(c->builder, &job->built);
        return;
    }
    if (wanted) {
        keep(c, job->shadow);
        log_refusals(job->shadow);
    }
    build_drop(built);
    if (wanted)
        c->ready(c->ctx);
    else
        build_next(c); /* over what is in force now */
}

/* Builds what a view over the wanted table lacks, if it lacks anything. */
static void build_next(struct candidates *c)
{
    bool none = c->set->n == 0 || !c->wanted || c->wanted->n_members == 0;
    if (c->stopped || none || candidates_over(c, c->wanted))
        return;
    struct build_job *job = mem_zero(1, sizeof *job);
    job->built = (struct letter_built){ .work = build_work, .done = build_done, .drop = build_drop };
    job->c = c;
    job->shadow = shadow_new(c->set, c->wanted, c->n_workers, c->last);
    job->before = c->last;
    if (job->before)
        shadow_retain(job->before);
    c->job = job;
    builder_post(c->builder, &job->built);
}

/* ------------------------------------------------------------------ looking, leaving */

struct shadow_set *candidates_set(const struct candidates *c)
{
    return c->set;
}

struct shadow *candidates_last(const struct candidates *c)
{
    return c->last;
}

void candidates_stop(struct candidates *c)
{
    c->stopped = true;
}

void candidates_free(struct candidates *c)
{
    if (!c)
        return;
    shadow_release(c->last);
    table_release(c->wanted);
    shadow_set_release(c->set);
    free(c);
}
