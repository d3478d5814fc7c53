/*
 * shadow.c - candidate strategies: asked beside the one in force, never obeyed.
 *
 * Owns     sets, shadows and their counters, by counted references.
 * Used by  control's reload and publish, view.c, path/shadow.c.
 * Uses     strategy.h to make and build, config_shadow.h for what a candidate consists of, mem.h.
 * Thread   see shadow.h.
 */
#include "world/shadow.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lb_plugin.h"
#include "world/config.h"
#include "world/config_shadow.h"
#include "world/strategy.h"

#define LINE         64
#define CELLS_A_LINE (LINE / sizeof(uint64_t))

/* ------------------------------------------------------------------ counters */

static struct shadow_counts *counts_new(unsigned n_workers, uint32_t n)
{
    struct shadow_counts *c = mem_zero(1, sizeof *c);
    atomic_init(&c->refs, 1);
    c->n_workers = n_workers;
    c->n = n;
    c->stride = (n + CELLS_A_LINE - 1) / CELLS_A_LINE * CELLS_A_LINE;
    c->since_ns = clock_now_ns();
    c->cells = mem_aligned(LINE, n_workers * c->stride * sizeof *c->cells);
    return c;
}

static struct shadow_counts *counts_retain(struct shadow_counts *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void counts_release(struct shadow_counts *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    free(c->cells);
    free(c);
}

uint64_t shadow_sum(const struct shadow_counts *c, uint32_t k)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < c->n_workers; i++)
        sum += STATS_READ(c->cells[i * c->stride + k]);
    return sum;
}

/* ------------------------------------------------------------------ sets */

struct shadow_set *shadow_set_new(void)
{
    struct shadow_set *set = mem_zero(1, sizeof *set);
    atomic_init(&set->refs, 1);
    return set;
}

void shadow_set_retain(struct shadow_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
}

void shadow_set_release(struct shadow_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < set->n; i++) {
        free(set->candidates[i].name);
        strategy_release(set->candidates[i].strategy);
    }
    free(set);
}

static void set_add(struct shadow_set *set, const char *name, struct strategy *strategy)
{
    set->candidates[set->n++] = (struct shadow_candidate){ .name = mem_text(name), .strategy = strategy };
}

static bool is_known(const struct problems *problems, const struct problem *p)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *known = &problems->items[i];
        bool same_file = known->file && p->file ? strcmp(known->file, p->file) == 0 : known->file == p->file;
        if (same_file && known->line == p->line && known->column == p->column &&
            strcmp(known->message, p->message) == 0)
            return true;
    }
    return false;
}

static void add_unknown(struct problems *problems, const struct problems *more)
{
    for (size_t i = 0; i < more->count; i++) {
        const struct problem *p = &more->items[i];
        struct place place = { .file = p->file, .line = p->line, .column = p->column };
        if (!is_known(problems, p))
            problem_add(problems, place, p->hint, "%s", p->message);
    }
}

struct shadow_set *shadow_set_make(const struct config *config, shadow_make_fn make, void *ctx,
                                   struct problems *problems)
{
    struct shadow_set *set = shadow_set_new();
    bool good = true;
    for (size_t i = 0; i < config->strategy.n_shadows; i++) {
        const struct config_shadow *written = &config->strategy.shadows[i];
        struct problems own = { 0 };
        struct config stand_in = config_shadow_stand_in(config, written);
        struct strategy *strategy = make ? make(ctx, &stand_in, &own) : strategy_make(&stand_in, &own);
        add_unknown(problems, &own);
        problems_free(&own);
        if (strategy)
            set_add(set, written->name, strategy);
        good = good && strategy;
    }
    if (good)
        return set;
    shadow_set_release(set);
    return NULL;
}

static struct strategy *find_same(const struct shadow_set *before, const struct shadow_candidate *c)
{
    for (uint32_t i = 0; i < before->n; i++) {
        const struct shadow_candidate *b = &before->candidates[i];
        if (strcmp(b->name, c->name) == 0 &&
            memcmp(b->strategy->fingerprint, c->strategy->fingerprint, sizeof c->strategy->fingerprint) == 0)
            return b->strategy;
    }
    return c->strategy;
}

static bool is_same_set(const struct shadow_set *fresh, const struct shadow_set *before)
{
    bool same = before->n == fresh->n;
    for (uint32_t i = 0; same && i < fresh->n; i++)
        same = strcmp(before->candidates[i].name, fresh->candidates[i].name) == 0 &&
               find_same(before, &fresh->candidates[i]) == before->candidates[i].strategy;
    return same;
}

struct shadow_set *shadow_set_adopt(struct shadow_set *fresh, struct shadow_set *before)
{
    if (is_same_set(fresh, before)) {
        shadow_set_retain(before);
        return before;
    }
    struct shadow_set *set = shadow_set_new();
    for (uint32_t i = 0; i < fresh->n; i++) {
        struct strategy *strategy = find_same(before, &fresh->candidates[i]);
        strategy_retain(strategy);
        set_add(set, fresh->candidates[i].name, strategy);
    }
    return set;
}

/* ------------------------------------------------------------------ shadows */

static bool same_members(const struct shadow *s, const struct shadow *before)
{
    return before && before->force->members_digest == s->force->members_digest &&
           before->n_workers == s->n_workers;
}

static bool same_force(const struct shadow *s, const struct shadow *before)
{
    return same_members(s, before) && before->force->strategy == s->force->strategy;
}

struct shadow *shadow_new(struct shadow_set *set, struct table *force, unsigned n_workers,
                          const struct shadow *before)
{
    struct shadow *s = mem_zero(1, sizeof *s);
    atomic_init(&s->refs, 1);
    s->n_workers = n_workers;
    shadow_set_retain(set);
    s->set = set;
    table_retain(force);
    s->force = force;
    s->force_picks = same_force(s, before) ? counts_retain(before->force_picks)
                                           : counts_new(n_workers, force->n_members + 2);
    return s;
}

/* What the same candidate has in before, or NULL. */
static const struct shadow_item *find_kept(const struct shadow *s, uint32_t k, const struct shadow *before)
{
    if (!same_members(s, before))
        return NULL;
    for (uint32_t i = 0; i < before->set->n; i++) {
        const struct shadow_candidate *b = &before->set->candidates[i], *mine = &s->set->candidates[k];
        if (before->items[i].built && b->strategy == mine->strategy && strcmp(b->name, mine->name) == 0)
            return &before->items[i];
    }
    return NULL;
}

static void keep(struct shadow *s, struct shadow_item *item, const struct shadow_item *kept, bool versus_too)
{
    memcpy(item->why, kept->why, sizeof item->why);
    if (!kept->table)
        return;
    table_retain(kept->table);
    item->table = kept->table;
    item->picks = counts_retain(kept->picks);
    item->versus = versus_too ? counts_retain(kept->versus) : counts_new(s->n_workers, SHADOW_VERSUS);
}

static void build(struct shadow *s, struct shadow_item *item, struct strategy *strategy)
{
    struct lb_error why = { "" };
    uint32_t n = s->force->n_members;
    item->table = strategy_build(strategy, s->force->members, n, &why);
    _Static_assert(sizeof item->why == sizeof why.text, "a refusal fits");
    memcpy(item->why, why.text, sizeof item->why);
    if (!item->table)
        return;
    item->why[0] = '\0';
    item->picks = counts_new(s->n_workers, n + 2);
    item->versus = counts_new(s->n_workers, SHADOW_VERSUS);
}

void shadow_build(struct shadow *s, uint32_t k, const struct shadow *before)
{
    struct shadow_item *item = &s->items[k];
    const struct shadow_item *kept = find_kept(s, k, before);
    if (kept)
        keep(s, item, kept, same_force(s, before));
    else
        build(s, item, s->set->candidates[k].strategy);
    if (kept && before->force == s->force)
        item->moved = kept->moved;
    else
        item->moved = item->table ? strategy_moved_keys(s->force, item->table, SHADOW_KEYS) : -1;
    item->built = true;
}

void shadow_retain(struct shadow *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void shadow_release(struct shadow *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < s->set->n; i++) {
        table_release(s->items[i].table);
        counts_release(s->items[i].picks);
        counts_release(s->items[i].versus);
    }
    counts_release(s->force_picks);
    table_release(s->force);
    shadow_set_release(s->set);
    free(s);
}
