/*
 * simulate_measure.c - balance, moves and cost of one strategy: see simulate.h.
 *
 * Owns     nothing that lasts.
 * Used by  cmd_simulate.c, cmd_replay.c.
 * Uses     simulate_pool.h, keys.h, candidate.h.
 * Thread   the program's only one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lab/candidate.h"
#include "lab/keys.h"
#include "lab/simulate.h"
#include "lab/simulate_pool.h"
#include "world/replica.h"
#include "world/strategy.h"

#define FLOOR_DRAWS    9u
#define FLOOR_FEW      2u       /* draws for very many keys: each is as good then */
#define FLOOR_MANY     4000000u /* keys */
#define VICTIMS        8u       /* replicas whose leaving is tried, unless there are fewer */
#define VICTIMS_OF_BIG 2u
#define BIG            1000u

static uint64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ------------------------------------------------------------------ balance */

struct sim_balance sim_balance_of(const struct sim_pool *p, const uint64_t *counts)
{
    struct sim_balance b = { .smallest = INFINITY };
    uint32_t n = p->pool.n_replicas;
    double total = 0, squares = 0;
    for (uint32_t i = 0; i < n; i++)
        total += (double)counts[i];
    for (uint32_t i = 0; i < n; i++) {
        double ratio = (double)counts[i] / (total * sim_pool_fair(p, i));
        b.largest = fmax(b.largest, ratio);
        b.smallest = fmin(b.smallest, ratio);
        squares += (ratio - 1) * (ratio - 1);
    }
    b.deviation = sqrt(squares / n);
    return b;
}

static double exact_of(const struct sim_pool *p)
{
    const struct table *t = p->pool.table;
    double largest = NAN;
    for (uint32_t i = 0; t->shares && i < t->n_members; i++)
        largest = fmax(largest, t->shares[i] / sim_pool_fair(p, i)); /* fmax ignores a NAN */
    return largest;
}

static void ask_all(const struct keys *keys, struct sim_pool *p, struct sim_figures *out, uint32_t *owners)
{
    struct keys_batch *batch = mem_alloc(sizeof *batch);
    uint32_t n = p->pool.n_replicas, *members = mem_alloc(KEYS_BATCH * sizeof *members);
    uint64_t *counts = mem_zero(n, sizeof *counts), spent = 0;
    for (uint64_t first = 0; first < keys->count; first += batch->n) {
        keys_fill(keys, first, batch);
        uint64_t begun = processor_ns();
        for (uint32_t i = 0; i < batch->n; i++)
            members[i] = sim_pool_ask(p, &batch->keys[i]);
        spent += processor_ns() - begun;
        for (uint32_t i = 0; i < batch->n; i++)
            counts[members[i]]++;
        if (owners)
            memcpy(owners + first, members, batch->n * sizeof *members);
    }
    struct sim_balance b = sim_balance_of(p, counts);
    out->max_over_mean = b.largest;
    out->min_over_mean = b.smallest;
    out->deviation = b.deviation;
    out->pick_ns = (double)spent / (double)keys->count;
    free(counts);
    free(members);
    free(batch);
}

double sim_floor(const struct keys *keys, uint32_t n)
{
    uint32_t draws = keys->count > FLOOR_MANY ? FLOOR_FEW : FLOOR_DRAWS;
    struct keys_batch *batch = mem_alloc(sizeof *batch);
    uint64_t *counts = mem_zero((size_t)draws * n, sizeof *counts);
    for (uint64_t first = 0; first < keys->count; first += batch->n) {
        keys_fill(keys, first, batch);
        for (uint32_t i = 0; i < batch->n; i++)
            for (uint32_t d = 0; d < draws; d++)
                counts[(size_t)d * n + lb_scale(lb_mix64(batch->keys[i].id ^ lb_mix64(d + 1)), n)]++;
    }
    double sum = 0;
    for (uint32_t d = 0; d < draws; d++) {
        uint64_t largest = 0;
        for (uint32_t i = 0; i < n; i++)
            largest = counts[(size_t)d * n + i] > largest ? counts[(size_t)d * n + i] : largest;
        sum += (double)largest * n / (double)keys->count;
    }
    free(counts);
    free(batch);
    return sum / draws;
}

/* ------------------------------------------------------------------ moves */

/* The member of each of the first so many keys. */
static void ask_owners(const struct sim_plan *plan, struct sim_pool *p, uint32_t *owners)
{
    struct keys_batch *batch = mem_alloc(sizeof *batch);
    for (uint64_t first = 0; first < plan->moves; first += batch->n) {
        keys_fill(plan->keys, first, batch);
        for (uint32_t i = 0; i < batch->n && first + i < plan->moves; i++)
            owners[first + i] = sim_pool_ask(p, &batch->keys[i]);
    }
    free(batch);
}

struct moves {
    double moved, least, excess; /* shares of plan->moves */
};

/* special is the member that came (an index of `after`) or went (of `before`). */
static struct moves compare(const struct sim_plan *plan, const struct table *before, const uint32_t *had,
                            const struct table *after, const uint32_t *has, uint32_t special)
{
    bool came = after->n_members > before->n_members;
    struct moves m = { 0 };
    for (uint64_t i = 0; i < plan->moves; i++) {
        bool is_special = came ? has[i] == special : had[i] == special;
        bool same = strategy_compare_members(&before->members[had[i]], &after->members[has[i]]) == 0;
        m.moved += !same;
        m.least += is_special;
        m.excess += same == is_special; /* a key that must move and does not would be as wrong */
    }
    m.moved /= (double)plan->moves;
    m.least /= (double)plan->moves;
    m.excess /= (double)plan->moves;
    return m;
}

/* The member of the larger table that the smaller one has not. */
static uint32_t find_odd(const struct table *larger, const struct table *smaller)
{
    uint32_t i = 0;
    while (i < smaller->n_members && strategy_compare_members(&larger->members[i], &smaller->members[i]) == 0)
        i++;
    return i;
}

static void try_add(const struct sim_plan *plan, const struct candidate *c, struct sim_pool *p,
                    const uint32_t *had, uint32_t *has, struct sim_figures *out)
{
    struct sim_pool more;
    struct lb_error why;
    if (!sim_pool_open(&more, c, p->pool.n_replicas + 1, LB_NONE, &why))
        return;
    ask_owners(plan, &more, has);
    struct moves m =
        compare(plan, p->pool.table, had, more.pool.table, has, find_odd(more.pool.table, p->pool.table));
    out->add_moved = m.moved;
    out->add_least = m.least;
    out->add_excess = m.excess;
    sim_pool_close(&more);
}

/* Builds the whole table again first: a strategy that remembers the order of events must see one leave, not one leave and
 * another one come back. */
static bool try_remove(const struct sim_plan *plan, const struct candidate *c, struct sim_pool *p,
                       uint32_t victim, const uint32_t *had, uint32_t *has, struct moves *out)
{
    struct sim_pool whole, fewer;
    struct lb_error why;
    if (!sim_pool_open(&whole, c, p->pool.n_replicas, LB_NONE, &why))
        return false;
    bool good = sim_pool_open(&fewer, c, p->pool.n_replicas, victim, &why);
    if (good) {
        ask_owners(plan, &fewer, has);
        *out = compare(plan, p->pool.table, had, fewer.pool.table, has, victim);
        sim_pool_close(&fewer);
    }
    sim_pool_close(&whole);
    return good;
}

static void try_die(const struct sim_plan *plan, struct sim_pool *p, uint32_t victim, const uint32_t *had,
                    uint32_t *has, struct moves *out)
{
    replica_set_ready(p->pool.replicas[victim], false);
    ask_owners(plan, p, has);
    *out = compare(plan, p->pool.table, had, p->pool.table, has, victim);
    replica_set_ready(p->pool.replicas[victim], true);
}

static void measure_moves(const struct sim_plan *plan, const struct candidate *c, struct sim_pool *p,
                          struct sim_figures *out)
{
    uint32_t *had = mem_alloc(plan->moves * sizeof *had), *has = mem_alloc(plan->moves * sizeof *has);
    uint32_t n = p->pool.n_replicas,
             victims = n > BIG       ? VICTIMS_OF_BIG
                       : n < VICTIMS ? n
                                     : VICTIMS,
             tried = 0;
    struct moves removed = { 0 }, died = { 0 };
    ask_owners(plan, p, had);
    for (uint32_t v = 0; v < victims && n > 1; v++) {
        uint32_t victim = (uint32_t)((uint64_t)n * v / victims);
        struct moves r, d;
        if (!try_remove(plan, c, p, victim, had, has, &r))
            continue;
        try_die(plan, p, victim, had, has, &d);
        removed.moved += r.moved;
        removed.least += r.least;
        removed.excess += r.excess;
        died.excess += d.excess;
        tried++;
    }
    if (tried) {
        out->remove_moved = removed.moved / tried;
        out->remove_least = removed.least / tried;
        out->remove_excess = removed.excess / tried;
        out->die_excess = died.excess / tried;
    }
    try_add(plan, c, p, had, has, out);
    free(had);
    free(has);
}

/* ------------------------------------------------------------------ the whole */

void sim_measure(const struct sim_plan *plan, const struct candidate *c, struct sim_row *row,
                 uint32_t *owners)
{
    struct sim_pool p;
    struct lb_error why = { "" };
    row->is = (struct sim_figures){
#define SIM_NONE(name_, heading_, decimals_, factor_, text_) .name_ = NAN,
        SIM_FIGURES(SIM_NONE)
#undef SIM_NONE
    };
    row->keyed = candidate_is_keyed(c);
    if (!sim_pool_open(&p, c, row->n, LB_NONE, &why)) {
        memcpy(row->refused, why.text, sizeof row->refused);
        return;
    }
    row->is.build_ms = (double)p.pool.table->build_ns / (double)CLOCK_NS_PER_MS;
    row->is.table_kib = (double)p.pool.table->bytes / 1024;
    row->is.exact = exact_of(&p);
    ask_all(plan->keys, &p, &row->is, owners);
    if (plan->arrivals)
        sim_run_load(plan, &p, &row->is);
    if (row->keyed && plan->moves)
        measure_moves(plan, c, &p, &row->is);
    sim_pool_close(&p);
}
