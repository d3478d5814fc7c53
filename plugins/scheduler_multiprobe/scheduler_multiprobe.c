/*
 * scheduler_multiprobe.c - one point a member on the circle, and several looks for each key.
 *
 * Owns     instances (the options) and tables: the sorted points.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     ../common/points.h; the composed hash.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Appleton and O'Reilly, "Multi-probe consistent hashing", arXiv 1505.00062, 2015.
 * Guarantees  Whoever leaves moves its own keys and no others; whoever joins takes only what becomes its own.
 *             With 21 probes the largest share is about 1.05 times the mean of a thousand members, and 1.1
 *             times that of fifty, where the k places of a key, being evenly spaced, are less independent.
 *             The same members give the same table, in whatever order they came.
 * Cost        k look-ups a pick, some 8 to 10 ns each. 12 to 20 bytes a member, where a ring as even needs hundreds
 *             of points for each.
 * Not when    pick must be fast: a ring's is ten times as fast. Not for weights that differ much either: a
 *             member of weight w has w points.
 *
 * A key looks at k places, h1 + i h2 modulo 2^64 for i = 0 .. k - 1, h1 being its hash and h2 a re-hash of
 * that; it goes to the member whose point lies nearest behind one of them. Points of tried members are passed
 * over, as if they were not there: so a dead member's keys go where they would go without it.
 */
#include "lb_plugin.h"

#include "../common/points.h"
#include "../common/settings.h"
#include "../common/telling.h"
#include "../common/untried.h"

#define POINTS_MAX (1u << 22)

static const struct lb_option options[] = {
    { .name = "probes",
      .type = LB_INT,
      .dflt = "21",
      .min = 1,
      .max = 1000,
      .help = "places a key looks at; more make shares more even and picks slower" },
    { .name = NULL },
};

enum { PROBES, OPTIONS };

struct circle {
    struct points points;
    uint32_t n_members;
    uint32_t probes;
    struct lb_hash hash;
    uint64_t names; /* a digest of who the members are and of some hashed keys */
    const struct lb_alloc *alloc;
};

static const char what[] = "a circle of points";

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    return settings_keep(values, OPTIONS, self, why);
}

/* ------------------------------------------------------------------ build */

static void destroy_table(void *table)
{
    struct circle *t = table;
    const struct lb_alloc *alloc = t->alloc;

    points_free(alloc, &t->points);
    build_free(alloc, t);
}

/* n is the sum of the weights. */
static int make_points(struct circle *t, const struct lb_build *in, uint32_t n, struct lb_error *why)
{
    struct point *points = build_alloc(in->alloc, n, sizeof *points, what, why);
    struct point *other = build_alloc(in->alloc, n, sizeof *other, what, why);
    int result = -1;
    uint32_t at = 0;

    if (points && other) {
        for (uint32_t m = 0; m < in->n_members; m++) {
            for (uint32_t j = 0; j < in->members[m].weight; j++)
                points[at++] = (struct point){ .at = in->hash.ops->place(in->hash.self, &in->members[m], j),
                                               .member = m };
        }
        result = points_make(&t->points, in->alloc, points, other, n, 0, what, why);
    }
    build_free(in->alloc, points);
    build_free(in->alloc, other);
    return result;
}

static int fill(struct circle *t, const struct lb_build *in, struct lb_error *why)
{
    uint64_t sum = 0;

    if (build_check_weights(in, why))
        return -1;
    for (uint32_t m = 0; m < in->n_members; m++)
        sum += in->members[m].weight;
    if (sum > POINTS_MAX) {
        snprintf(why->text, sizeof why->text,
                 "the weights add up to %llu points, and a circle holds at most %u: use smaller weights",
                 (unsigned long long)sum, POINTS_MAX);
        return -1;
    }
    return make_points(t, in, (uint32_t)sum, why);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct circle *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    *t = (struct circle){ .n_members = in->n_members,
                          .probes = settings_value(in->self, PROBES),
                          .hash = in->hash,
                          .names = build_digest(in),
                          .alloc = in->alloc };
    if (t->n_members > 0 && fill(t, in, why)) {
        destroy_table(t);
        return -1;
    }
    *table = t;
    return 0;
}

/* ------------------------------------------------------------------ pick */

/* The first point behind place; the circle closes. */
static uint32_t next_point(const struct points *points, uint64_t place)
{
    uint32_t point = place == UINT64_MAX ? points->n : points_find(points, place + 1);

    return point == points->n ? 0 : point;
}

/* The first point behind place that is nearer than best and whose member is not tried; points->n when there
 * is none or the walk gets too long. */
static uint32_t next_untried(const struct points *points, const struct lb_pick *p, uint64_t place,
                             uint64_t best)
{
    uint32_t point = next_point(points, place);

    for (unsigned look = 0; look < UNTRIED_LOOKS && points->at[point] - place < best; look++) {
        if (!lb_is_tried(p, points->member[point]))
            return point;
        point = point + 1 == points->n ? 0 : point + 1;
    }
    return points->n;
}

static uint32_t look_further(const struct circle *t, const struct lb_pick *p, uint64_t step,
                             const struct lb_explain *say)
{
    uint64_t place = p->hash, best = UINT64_MAX;
    uint32_t nearest = t->points.n, probe = 0;

    for (uint32_t i = 0; i < t->probes; i++, place += step) {
        uint32_t point = next_untried(&t->points, p, place, best);

        if (point == t->points.n)
            continue;
        nearest = point;
        probe = i;
        best = t->points.at[point] - place;
    }
    if (nearest == t->points.n) {
        tell_text(say, "end",
                  "all points near the probes are tried members': the key chooses among the rest");
        return untried_any(p->tried, t->n_members, lb_mix64(p->hash));
    }
    tell_number(say, "nearest probe", probe);
    tell_number(say, "its place", p->hash + probe * step);
    tell_number(say, "distance", best);
    tell_number(say, "point", t->points.at[nearest]);
    tell_member(say, "point of", t->points.member[nearest]);
    return t->points.member[nearest];
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    const struct circle *t = table;
    uint64_t place = p->hash, best = UINT64_MAX, step;
    uint32_t nearest = 0, member;

    (void)scratch;
    if (t->n_members == 0)
        return LB_NONE;
    step = lb_hash_mix(&t->hash, p->hash, 1);
    for (uint32_t i = 0; i < t->probes; i++, place += step) {
        uint32_t point = next_point(&t->points, place);
        uint64_t distance = t->points.at[point] - place;

        nearest = distance < best ? point : nearest;
        best = distance < best ? distance : best;
    }
    member = t->points.member[nearest];
    return lb_is_tried(p, member) ? look_further(t, p, step, NULL) : member;
}

/* The way past tried members is the one that finds the nearest of all too, a little slower. */
static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    const struct circle *t = table;
    uint64_t step;

    (void)scratch;
    if (t->n_members == 0) {
        tell_text(say, "end", "the circle is empty");
        return LB_NONE;
    }
    step = lb_hash_mix(&t->hash, p->hash, 1);
    tell_number(say, "points", t->points.n);
    tell_number(say, "probes", t->probes);
    tell_number(say, "first place", p->hash);
    tell_number(say, "step", step);
    return look_further(t, p, step, say);
}

/* ------------------------------------------------------------------ inspect */

/* Shares: none. A key's place is one of k on the circle, and no sum over its arcs says how often a member
 * wins. */
static int inspect(const void *table, struct lb_inspect *out)
{
    const struct circle *t = table;

    out->bytes = sizeof *t + points_bytes(&t->points);
    out->used = t->points.n;
    out->slot_owner = LB_NONE;
    out->digest = points_digest(&t->points, lb_mix64(t->names ^ t->probes));
    return 0;
}

static const struct lb_scheduler_ops ops = {
    .struct_size = sizeof ops,
    .create = create,
    .destroy = settings_drop,
    .build = build,
    .pick = pick,
    .inspect = inspect,
    .destroy_table = destroy_table,
    .explain = explain,
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_SCHEDULER, "scheduler_multiprobe", "1.0", "one point a member, several looks for each key",
              LB_CAP_KEYED | LB_CAP_NEEDS_HASH | LB_CAP_WEIGHTS, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
