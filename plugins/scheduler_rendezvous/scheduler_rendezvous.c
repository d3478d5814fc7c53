/*
 * scheduler_rendezvous.c - highest random weight: every member draws a number for the key, and the best one
 * has it.
 *
 * Owns     instances (the option) and tables: a seed for each member, in ranks of equal weight.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     best.h for the largest of many hashes, logarithm.h for weights; the composed hash.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
 *             Transactions on Networking 6(1), 1998; weights by logarithms: Schindelhauer and Schomaker,
 *             "Weighted distributed hash tables", SPAA 2005.
 * Guarantees  Whoever leaves moves its own keys and no others, and they spread over all the rest by weight;
 *             whoever joins takes what it gets from all others. Shares are the weights', but for chance among
 *             2^64 hashes. The same members give the same table, in whatever order they came; nothing has a
 *             size to choose.
 * Cost        O(N) a pick: 0.3 ns for each member where the processor has AVX-512, 0.7 with AVX2, else 1 ns.
 *             8 bytes a member. Nothing to build.
 * Not when    there are thousands of members and every microsecond counts: Maglev and the ring look up in 5
 *             to 50 ns. A hash plugin with a mix of its own costs a call for each member: some 3 ns each.
 *
 * Members of equal weight need no more than the largest hash: the logarithm that turns hashes into draws
 * keeps their order. So members lie sorted by weight, the best of each weight is found first, and only these
 * winners' logarithms are compared. When the winner was tried, the next best of those not tried is found, one
 * by one.
 */
#include "lb_plugin.h"

#include <stdlib.h>
#include <string.h>

#include "../common/build.h"
#include "../common/settings.h"
#include "../common/telling.h"
#include "best.h"
#include "logarithm.h"

static const struct lb_option options[] = {
    { .name = "lanes",
      .type = LB_INT,
      .dflt = "8",
      .min = 1,
      .max = 8,
      .help = "members looked at at once, at most, as far as the processor can; the answers are the same" },
    { .name = NULL },
};

enum { LANES, OPTIONS };

/* Members of one weight. */
struct rank {
    uint32_t first, n; /* its seeds */
    uint32_t weight;
};

struct rendezvous {
    uint32_t n_members, n_ranks;
    uint64_t *seeds;    /* lb_mix64 of PHI(i, 0), or PHI(i, 0) itself for a hash with a mix of its own */
    uint32_t *member;   /* whose each seed is; NULL when seed i is member i's */
    struct rank *ranks; /* by weight */
    uint64_t sum;       /* of the weights */
    best_fn best;
    struct lb_hash hash;
    uint64_t names; /* a digest of who the members are and of some hashed keys */
    const struct lb_alloc *alloc;
    struct logarithm logarithm; /* filled when there are two ranks or more */
};

static const char what[] = "a rendezvous table";

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    return settings_keep(values, OPTIONS, self, why);
}

/* ------------------------------------------------------------------ build */

static void destroy_table(void *table)
{
    struct rendezvous *t = table;
    const struct lb_alloc *alloc = t->alloc;

    build_free(alloc, t->seeds);
    build_free(alloc, t->member);
    build_free(alloc, t->ranks);
    build_free(alloc, t);
}

/* For qsort: weight in the high half, member in the low. */
static int compare(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

/* Members by weight, and those of a weight by ring name; sorted has room for all. Counts the ranks. */
static void sort_by_weight(struct rendezvous *t, const struct lb_build *in, uint64_t *sorted)
{
    for (uint32_t m = 0; m < t->n_members; m++) {
        sorted[m] = (uint64_t)in->members[m].weight << 32 | m;
        t->sum += in->members[m].weight;
    }
    qsort(sorted, t->n_members, sizeof *sorted, compare);
    t->n_ranks = 1;
    for (uint32_t i = 1; i < t->n_members; i++)
        t->n_ranks += sorted[i] >> 32 != sorted[i - 1] >> 32;
}

static int make_ranks(struct rendezvous *t, const uint64_t *sorted, struct lb_error *why)
{
    struct rank *rank;

    t->ranks = build_alloc(t->alloc, t->n_ranks, sizeof *t->ranks, what, why);
    if (!t->ranks)
        return -1;
    rank = t->ranks;
    *rank = (struct rank){ .weight = (uint32_t)(sorted[0] >> 32) };
    for (uint32_t i = 0; i < t->n_members; i++) {
        if (sorted[i] >> 32 != rank->weight)
            *++rank = (struct rank){ .first = i, .weight = (uint32_t)(sorted[i] >> 32) };
        rank->n++;
    }
    if (t->n_ranks == 1)
        return 0;
    logarithm_make(&t->logarithm);
    t->member = build_alloc(t->alloc, t->n_members, sizeof *t->member, what, why);
    if (!t->member)
        return -1;
    for (uint32_t i = 0; i < t->n_members; i++)
        t->member[i] = (uint32_t)sorted[i];
    return 0;
}

static int fill(struct rendezvous *t, const struct lb_build *in, struct lb_error *why)
{
    uint64_t *seeds = build_alloc(in->alloc, t->n_members, sizeof *seeds, what, why);

    t->seeds = seeds;
    if (!seeds || build_check_weights(in, why))
        return -1;
    sort_by_weight(t, in, seeds); /* lent, until the members' places overwrite it */
    if (make_ranks(t, seeds, why))
        return -1;
    for (uint32_t i = 0; i < t->n_members; i++) {
        uint32_t m = t->member ? t->member[i] : i;
        uint64_t salt = in->hash.ops->place(in->hash.self, &in->members[m], 0);

        seeds[i] = in->hash.ops->mix ? salt : lb_mix64(salt);
    }
    return 0;
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct rendezvous *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    memset(t, 0, sizeof *t);
    t->n_members = in->n_members;
    t->best = best_way(settings_value(in->self, LANES));
    t->hash = in->hash;
    t->names = build_digest(in);
    t->alloc = in->alloc;
    if (t->n_members > 0 && fill(t, in, why)) {
        destroy_table(t);
        return -1;
    }
    *table = t;
    return 0;
}

/* ------------------------------------------------------------------ pick */

static uint32_t member_at(const struct rendezvous *t, uint32_t seed)
{
    return t->member ? t->member[seed] : seed;
}

static uint64_t score_of(const struct rendezvous *t, uint32_t seed, uint64_t hash)
{
    return t->hash.ops->mix ? t->hash.ops->mix(t->hash.self, hash, t->seeds[seed])
                            : lb_mix64(hash ^ t->seeds[seed]);
}

/* The best of a rank; its place counts from the first seed of all. */
static struct best best_of(const struct rendezvous *t, const struct rank *rank, uint64_t hash)
{
    struct best best;

    if (!t->hash.ops->mix) {
        best = t->best(t->seeds + rank->first, rank->n, hash);
        best.at += rank->first;
        return best;
    }
    best = (struct best){ .score = score_of(t, rank->first, hash), .at = rank->first };
    for (uint32_t i = rank->first + 1; i < rank->first + rank->n; i++) {
        uint64_t score = score_of(t, i, hash);

        if (score > best.score)
            best = (struct best){ .score = score, .at = i };
    }
    return best;
}

/* The best of a rank that is not tried; at is LB_NONE when all are. */
static struct best best_untried(const struct rendezvous *t, const struct rank *rank, const struct lb_pick *p)
{
    struct best best = { .at = LB_NONE };

    for (uint32_t i = rank->first; i < rank->first + rank->n; i++) {
        uint64_t score;

        if (lb_is_tried(p, member_at(t, i)))
            continue;
        score = score_of(t, i, p->hash);
        if (best.at == LB_NONE || score > best.score)
            best = (struct best){ .score = score, .at = i };
    }
    return best;
}

/* The winner among the ranks' best, as a place among the seeds; LB_NONE when none has one. */
static uint32_t winner(const struct rendezvous *t, const struct lb_pick *p, int untried)
{
    struct best best = { .at = LB_NONE };
    uint64_t draw = 0;
    uint32_t weight = 1;

    if (t->n_ranks == 1)
        return untried ? best_untried(t, t->ranks, p).at : best_of(t, t->ranks, p->hash).at;
    for (const struct rank *rank = t->ranks; rank < t->ranks + t->n_ranks; rank++) {
        struct best here = untried ? best_untried(t, rank, p) : best_of(t, rank, p->hash);
        uint64_t minus;

        if (here.at == LB_NONE)
            continue;
        minus = logarithm_minus(&t->logarithm, here.score);
        if (best.at != LB_NONE && (lb_u128)minus * weight >= (lb_u128)draw * rank->weight)
            continue;
        best = here;
        draw = minus;
        weight = rank->weight;
    }
    return best.at;
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    const struct rendezvous *t = table;
    uint32_t seed;

    (void)scratch;
    if (t->n_members == 0)
        return LB_NONE;
    seed = winner(t, p, 0);
    if (lb_is_tried(p, member_at(t, seed)))
        seed = winner(t, p, 1);
    return seed == LB_NONE ? LB_NONE : member_at(t, seed);
}

#define RUNNERS_UP 3u

/* The winner and those who would be next, in order, each found as if the ones before were tried. */
static void tell_order(const struct rendezvous *t, const struct lb_pick *p, const struct lb_explain *say)
{
    size_t words = t->n_members / 64 + 1u;
    uint64_t *tried = malloc(words * sizeof *tried);
    struct lb_pick question = *p;

    if (!tried)
        return; /* the answer itself needs none */
    memcpy(tried, p->tried, (t->n_members + 63u) / 64 * sizeof *tried);
    question.tried = tried;
    for (uint32_t place = 0; place <= RUNNERS_UP; place++) {
        uint32_t seed = winner(t, &question, 1), member;

        if (seed == LB_NONE)
            break;
        member = member_at(t, seed);
        tell_member(say, place ? "runner-up" : "winner", member);
        tell_number(say, "hash drawn", score_of(t, seed, p->hash));
        tried[member >> 6] |= 1ull << (member & 63);
    }
    free(tried);
}

static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    const struct rendezvous *t = table;
    uint32_t seed = t->n_members ? winner(t, p, 1) : LB_NONE;

    (void)scratch;
    tell_number(say, "members that draw", t->n_members);
    tell_number(say, "different weights", t->n_ranks);
    if (t->n_ranks > 1)
        tell_text(say, "rule", "the smallest logarithm of a hash, divided by its member's weight, wins");
    if (seed == LB_NONE) {
        tell_text(say, "end", "nobody is left to draw");
        return LB_NONE;
    }
    tell_order(t, p, say);
    return member_at(t, seed);
}

/* ------------------------------------------------------------------ inspect */

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct rendezvous *t = table;

    out->bytes = sizeof *t + t->n_members * sizeof *t->seeds + t->n_ranks * sizeof *t->ranks +
                 (t->member ? t->n_members * sizeof *t->member : 0);
    out->used = t->n_members;
    out->slot_owner = LB_NONE;
    out->digest = t->names;
    for (uint32_t i = 0; i < t->n_members; i++)
        out->digest = lb_mix64(out->digest ^ t->seeds[i]);
    if (!out->shares || t->n_members == 0)
        return 0;
    for (const struct rank *rank = t->ranks; rank < t->ranks + t->n_ranks; rank++) {
        for (uint32_t i = rank->first; i < rank->first + rank->n; i++)
            out->shares[member_at(t, i)] = (double)rank->weight / (double)t->sum;
    }
    out->exact = 1;
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

static const struct lb_plugin plugin = LB_PLUGIN(
    LB_SCHEDULER, "scheduler_rendezvous", "1.0", "highest random weight: nobody's keys move but the leaver's",
    LB_CAP_KEYED | LB_CAP_NEEDS_HASH | LB_CAP_WEIGHTS, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
