/*
 * scheduler_ketama.c - the circle that memcached clients agree on.
 *
 * Owns     instances (the options) and tables: the sorted points.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     ../common/points.h; digest.h for md5. The composed hash is not asked: md5 of the key is part of
 *          ketama.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Jones, "libketama: a consistent hashing algo for memcache clients", 2007. Server s of weight w
 *             among n servers of weight W together has floor(40 n w / W) digests md5("NAME-k"), k = 0, 1, …,
 *             and each digest is four points, its little-endian 32-bit words. A key goes to the first point
 *             at or after the first word of its own md5, and after the last point to the first. NAME is the
 *             ring name.
 * Guarantees  The same points as libketama, and as libmemcached and its relatives where those use its names;
 *             so a balancer and memcached clients send a key to the same place. With equal weights whoever
 *             leaves moves its own keys and no others.
 * Cost        An md5 of the key and a look-up a pick, some 150 to 250 ns; about 160 points of 16 to 20 bytes
 *             a member.
 * Not when    nobody else speaks ketama: scheduler_ring with 1,000 points of any good hash is more even (160
 *             points leave members 8 % apart, one standard deviation) and faster. Not with weights that come
 *             and go: each member's points depend on the mean weight, so that a heavy newcomer takes points
 *             from all. And md5 is no protection: who can choose keys can aim at a member.
 *
 * Two departures. libketama computes floor(40 n w / W) in single precision, and may lose a digest to
 * rounding; here it is exact. A member too light for a digest gets one all the same; libketama would never
 * ask it. Points of two members that coincide belong to the first by ring name.
 */
#include "lb_plugin.h"

#include "../common/points.h"
#include "../common/settings.h"
#include "../common/telling.h"
#include "../common/untried.h"
#include "digest.h"

#define POINTS_MAX   (1u << 24)
#define NAME_LEN_MAX 512u /* longer ring names are refused; those of replicas are much shorter */
#define WALK_MAX     256u /* points a pick walks past before it stops caring about their order */

static const struct lb_option options[] = {
    { .name = "digests",
      .type = LB_INT,
      .dflt = "40",
      .min = 1,
      .max = 10000,
      .help = "digests of a member of mean weight, of four points each; all who are to agree need the same" },
    { .name = NULL },
};

enum { DIGESTS, OPTIONS };

struct circle {
    struct points points; /* a point is in the upper half of its place */
    uint32_t n_members;
    uint64_t names; /* a digest of who the members are */
    const struct lb_alloc *alloc;
};

static const char what[] = "a ketama circle";

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

/* How many digests the member has; sum is that of all weights. */
static uint64_t digests_of(const struct lb_build *in, uint32_t member, uint64_t sum)
{
    uint64_t digests =
        (uint64_t)settings_value(in->self, DIGESTS) * in->n_members * in->members[member].weight / sum;

    return digests > 0 ? digests : 1;
}

/* Adds the points of the k-th digest. */
static void add_digest(const struct lb_member *member, uint32_t index, uint64_t k, struct point *points)
{
    char text[NAME_LEN_MAX + 24];
    uint32_t words[4];
    int tail;

    memcpy(text, member->key, member->key_len);
    tail = snprintf(text + member->key_len, 24, "-%llu", (unsigned long long)k);
    digest_words(text, member->key_len + (size_t)tail, words);
    for (unsigned i = 0; i < 4; i++)
        points[i] = (struct point){ .at = (uint64_t)words[i] << 32, .member = index };
}

static int make_points(struct circle *t, const struct lb_build *in, uint64_t sum, uint32_t n,
                       struct lb_error *why)
{
    struct point *points = build_alloc(in->alloc, n, sizeof *points, what, why);
    struct point *other = build_alloc(in->alloc, n, sizeof *other, what, why);
    int result = -1;
    uint32_t at = 0;

    if (points && other) {
        for (uint32_t m = 0; m < in->n_members; m++) {
            uint64_t digests = digests_of(in, m, sum);

            for (uint64_t k = 0; k < digests; k++, at += 4)
                add_digest(&in->members[m], m, k, points + at);
        }
        result = points_make(&t->points, in->alloc, points, other, n, 4, what, why);
    }
    build_free(in->alloc, points);
    build_free(in->alloc, other);
    return result;
}

static int fill(struct circle *t, const struct lb_build *in, struct lb_error *why)
{
    uint64_t sum = 0, points = 0;

    if (build_check_weights(in, why))
        return -1;
    for (uint32_t m = 0; m < in->n_members; m++)
        sum += in->members[m].weight;
    for (uint32_t m = 0; m < in->n_members; m++) {
        points += 4 * digests_of(in, m, sum);
        if (in->members[m].key_len > NAME_LEN_MAX) {
            snprintf(why->text, sizeof why->text,
                     "a ring name has %u bytes, and at most %u can be digested: use a "
                     "shorter one",
                     in->members[m].key_len, NAME_LEN_MAX);
            return -1;
        }
    }
    if (points > POINTS_MAX) {
        snprintf(why->text, sizeof why->text,
                 "%u members make %llu points, and a circle holds at most %u: lower digests", in->n_members,
                 (unsigned long long)points, POINTS_MAX);
        return -1;
    }
    return make_points(t, in, sum, (uint32_t)points, why);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct circle *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    *t = (struct circle){ .n_members = in->n_members, .names = build_digest(in), .alloc = in->alloc };
    if (t->n_members > 0 && fill(t, in, why)) {
        destroy_table(t);
        return -1;
    }
    *table = t;
    return 0;
}

/* ------------------------------------------------------------------ pick */

/* The first point at or after a 32-bit place; the circle closes. */
static uint32_t first_point(const struct circle *t, uint32_t place)
{
    uint32_t point = points_find(&t->points, (uint64_t)place << 32);

    return point == t->points.n ? 0 : point;
}

static inline uint32_t choose(const struct circle *t, const struct lb_pick *p, const struct lb_explain *say)
{
    uint32_t words[4], point;

    if (t->n_members == 0) {
        tell_text(say, "end", "the circle is empty");
        return LB_NONE;
    }
    digest_words(p->key->bytes, p->key->len, words);
    point = first_point(t, words[0]);
    tell_number(say, "points", t->points.n);
    tell_number(say, "md5 of the key, first word", words[0]);
    /* On clockwise, over the points of tried members: where the key would go without them. */
    for (uint32_t step = 0; step < WALK_MAX; step++) {
        uint32_t member = t->points.member[point];

        if (!lb_is_tried(p, member)) {
            tell_number(say, "points passed", step);
            tell_number(say, "point", t->points.at[point] >> 32);
            tell_member(say, "point of", member);
            return member;
        }
        point = point + 1 == t->points.n ? 0 : point + 1;
    }
    tell_text(say, "end", "all points passed are tried members': the key chooses among the rest");
    return untried_any(p->tried, t->n_members, lb_mix64(words[0]));
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)scratch;
    return choose(table, p, NULL);
}

static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    (void)scratch;
    return choose(table, p, say);
}

/* ------------------------------------------------------------------ inspect */

/* A point owns the places behind the point before it, up to its own. The sums are whole numbers below 2^53:
 * exact. */
static void share(const struct circle *t, double *shares)
{
    const double places = 4294967296.0;
    uint64_t before = 0;

    for (uint32_t m = 0; m < t->n_members; m++)
        shares[m] = 0;
    for (uint32_t i = 0; i < t->points.n; i++) {
        uint64_t end = (t->points.at[i] >> 32) + 1;

        shares[t->points.member[i]] += (double)(end - before);
        before = end;
    }
    shares[t->points.member[0]] += places - (double)before;
    for (uint32_t m = 0; m < t->n_members; m++)
        shares[m] /= places;
}

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct circle *t = table;

    out->bytes = sizeof *t + points_bytes(&t->points);
    out->slots = 1ull << 32;
    out->used = t->points.n;
    out->slot_owner = LB_NONE;
    out->digest = points_digest(&t->points, t->names);
    if (t->n_members == 0)
        return 0;
    if (out->slot < out->slots)
        out->slot_owner = t->points.member[first_point(t, (uint32_t)out->slot)];
    if (out->shares) {
        share(t, out->shares);
        out->exact = 1;
    }
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

static const struct lb_plugin plugin = LB_PLUGIN(LB_SCHEDULER, "scheduler_ketama", "1.0",
                                                 "libketama's circle: where memcached clients send a key",
                                                 LB_CAP_KEYED | LB_CAP_WEIGHTS, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
