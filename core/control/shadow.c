/*
 * shadow.c - /_lb/shadow: what each candidate would do, beside what the strategy in force does.
 *
 * Owns     the shape of the answer.
 * Used by  routes.c.
 * Uses     publish.h and candidates.h for what is in force, world/shadow.h for the figures, jansson.
 * Thread   control.
 *
 * Every figure comes twice where it can: exact, from the table, and observed, from the sampled requests. What is not known
 * is null. Shares are held against the fair one, which goes by weight for a scheduler that honours weights.
 *
 *   state                   "asked"; "refused": it will not have these members, refusal says why; "building"
 *   sampled, nobody         requests it was asked about, and those it named no member for
 *   max_over_mean           the largest share of a member over its fair share; observed_… of the sampled requests
 *   moved_keys              the part of 10,000 sample keys it sends elsewhere than the strategy in force; observed_… of
 *                           `compared` requests. 0 for the one in force, null without keys
 */
#include "control/shadow.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/clock.h"
#include "control/call.h"
#include "control/candidates.h"
#include "control/publish.h"
#include "control/routes.h"
#include "world/config.h"
#include "world/plugin.h"
#include "world/replica.h"
#include "world/shadow.h"
#include "world/strategy.h"
#include "world/view.h"

/* One strategy as it is shown. */
struct shown {
    const char *name; /* NULL: the one in force */
    const char *state, *refusal;
    const struct strategy *strategy;
    const struct table *table;          /* NULL: none */
    const struct shadow_counts *picks;  /* NULL: none */
    const struct shadow_counts *versus; /* NULL: none, or the one in force */
    double moved;                       /* negative: not known */
};

static void put(json_t *out, const char *name, json_t *value)
{
    json_object_set_new(out, name, value);
}

static void put_count(json_t *out, const char *name, uint64_t value)
{
    put(out, name, json_integer((json_int_t)value));
}

/* Six decimals: more would be noise. Negative: not known. */
static void put_ratio(json_t *out, const char *name, double x)
{
    put(out, name, x < 0 ? json_null() : json_real((double)(int64_t)(x * 1e6 + 0.5) / 1e6));
}

static void put_plugin(json_t *out, const char *name, const struct plugin *plugin)
{
    put(out, name, json_any_text(plugin ? plugin->info->name : NULL));
}

/* ------------------------------------------------------------------ shares */

static uint64_t count_picks(const struct shown *s)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; s->picks && i < s->table->n_members; i++)
        sum += shadow_sum(s->picks, i);
    return sum;
}

static double exact_share(const struct shown *s, uint32_t member)
{
    return s->table->shares ? s->table->shares[member] : -1;
}

static double observed_share(const struct shown *s, uint32_t member, uint64_t all)
{
    return all ? (double)shadow_sum(s->picks, member) / (double)all : -1;
}

static double weight_of(const struct shown *s, uint32_t member)
{
    return s->strategy->caps & LB_CAP_WEIGHTS ? s->table->members[member].weight : 1;
}

/* The largest over the fair one, exact and observed; negative where nothing is known. */
static void find_largest(const struct shown *s, uint64_t all, double *exact, double *observed)
{
    double total = 0;
    for (uint32_t i = 0; i < s->table->n_members; i++)
        total += weight_of(s, i);
    *exact = *observed = -1;
    for (uint32_t i = 0; i < s->table->n_members; i++) {
        double fair = weight_of(s, i) / total;
        double e = exact_share(s, i), o = observed_share(s, i, all);
        if (e >= 0 && e / fair > *exact)
            *exact = e / fair;
        if (o >= 0 && o / fair > *observed)
            *observed = o / fair;
    }
}

static json_t *render_replicas(const struct shown *s, const struct pool *pool, uint64_t all)
{
    json_t *out = json_array();
    for (uint32_t i = 0; s->table && i < pool->n_replicas; i++) {
        json_t *row = json_object();
        put(row, "name", json_any_text(pool->replicas[i]->name));
        put_count(row, "weight", s->table->members[i].weight);
        put_ratio(row, "share", exact_share(s, i));
        put_ratio(row, "observed_share", observed_share(s, i, all));
        put_count(row, "picked", s->picks ? shadow_sum(s->picks, i) : 0);
        json_array_append_new(out, row);
    }
    return out;
}

/* ------------------------------------------------------------------ a strategy */

static void put_table(json_t *out, const struct table *t)
{
    char digest[17] = "";
    if (t)
        snprintf(digest, sizeof digest, "%016" PRIx64, t->digest);
    put(out, "build_ms", t ? json_real((double)t->build_ns / (double)CLOCK_NS_PER_MS) : json_null());
    put(out, "bytes", t ? json_integer((json_int_t)t->bytes) : json_null());
    put(out, "digest", t ? json_string(digest) : json_null());
}

static void put_counts(json_t *out, const struct shown *s)
{
    uint32_t n = s->table ? s->table->n_members : 0;
    put_count(out, "sampled", s->picks ? shadow_sum(s->picks, SHADOW_SAMPLED(n)) : 0);
    put_count(out, "nobody", s->picks ? shadow_sum(s->picks, SHADOW_NOBODY(n)) : 0);
    put(out, "since_s",
        s->picks ? json_real((double)(clock_now_ns() - s->picks->since_ns) / 1e9) : json_null());
}

static void put_moved(json_t *out, const struct shown *s)
{
    bool keyed = (s->strategy->caps & LB_CAP_KEYED) != 0;
    uint64_t compared = s->versus ? shadow_sum(s->versus, SHADOW_COMPARED) : 0;
    double observed = compared ? (double)shadow_sum(s->versus, SHADOW_MOVED) / (double)compared : -1;
    if (!s->name) {
        put_ratio(out, "moved_keys", keyed ? 0 : -1);
        return;
    }
    put_ratio(out, "moved_keys", s->moved);
    put_ratio(out, "observed_moved_keys", observed);
    put_count(out, "compared", compared);
}

static json_t *render(const struct shown *s, const struct pool *pool)
{
    json_t *out = json_object();
    uint64_t all = count_picks(s);
    double exact = -1, observed = -1;
    if (s->table)
        find_largest(s, all, &exact, &observed);
    if (s->name) {
        put(out, "name", json_any_text(s->name));
        put(out, "state", json_string(s->state));
        put(out, "refusal", json_any_text(s->refusal));
    }
    put_plugin(out, "scheduler", s->strategy->scheduler);
    put_plugin(out, "hash", s->strategy->hash);
    put_plugin(out, "probe", s->strategy->probe);
    put(out, "keyed", json_boolean((s->strategy->caps & LB_CAP_KEYED) != 0));
    put_table(out, s->table);
    put_counts(out, s);
    put_ratio(out, "max_over_mean", exact);
    put_ratio(out, "observed_max_over_mean", observed);
    put_moved(out, s);
    put(out, "replicas", render_replicas(s, pool, all));
    return out;
}

/* ------------------------------------------------------------------ the whole */

static json_t *render_in_force(const struct pool *pool)
{
    struct shown s = { .strategy = pool->table->strategy,
                       .table = pool->table,
                       .picks = pool->shadow ? pool->shadow->force_picks : NULL };
    return render(&s, pool);
}

static json_t *render_candidate(const struct pool *pool, const struct shadow_set *set, uint32_t k)
{
    const struct shadow_item *item = pool->shadow ? &pool->shadow->items[k] : NULL;
    struct shown s = { .name = set->candidates[k].name,
                       .state = "building",
                       .strategy = set->candidates[k].strategy,
                       .moved = -1 };
    if (item) {
        s.state = item->table ? "asked" : "refused";
        s.refusal = item->table ? NULL : item->why;
        s.table = item->table;
        s.picks = item->picks;
        s.versus = item->versus;
        s.moved = item->moved;
    }
    return render(&s, pool);
}

void shadow_show(struct call *call)
{
    const struct publish *publish = call->routes->publish;
    const struct view *view = publish_view(publish);
    const struct pool *pool = &view->pools[0];
    const struct shadow_set *set =
        pool->shadow ? pool->shadow->set : candidates_set(publish_candidates(publish));
    json_t *candidates = json_array();
    for (uint32_t k = 0; k < set->n; k++)
        json_array_append_new(candidates, render_candidate(pool, set, k));
    json_t *out = json_object();
    put_count(out, "generation", view->generation);
    put_count(out, "view", view->serial);
    put_count(out, "sample", view->config->strategy.shadow_sample);
    put_count(out, "sample_keys", SHADOW_KEYS);
    put(out, "in_force", render_in_force(pool));
    put(out, "candidates", candidates);
    call_answer(call, 200, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}
