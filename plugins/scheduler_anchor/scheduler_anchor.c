/*
 * scheduler_anchor.c - AnchorHash: a few loads a look-up, and keys that move only when they must.
 *
 * Owns     instances (the option and the history) and tables: a copy of the anchor and whose each bucket is.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     anchor.h, history.h; the composed hash.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build; the instance's history is written by build alone.
 *
 * Source      Mendelson, Vargaftik, Barabash, Lorenz, Keslassy, Orda, "AnchorHash: A Scalable Consistent
 *             Hash", IEEE/ACM Transactions on Networking 29(2), 2021 (arXiv 1812.09674).
 * Guarantees  Whoever leaves moves its own keys and no others; whoever joins takes only what becomes its own.
 *             Who left last and comes back first finds all as it was. Shares are the weights', but for chance
 *             among 2^64 hashes.
 * Cost        On average 1 + ln(capacity / buckets) hashes a pick: 1.7 with capacity twice the buckets. 12
 *             bytes for each bucket of the capacity.
 * Not when    several balancers must agree, or one with itself after a restart: where a key goes depends on
 *             the order in which members came and went, and that is remembered by this instance alone. It
 *             starts anew (in the order of ring names) with the balancer, with a change of the strategy's
 *             options, when all members are replaced at once, and when they outgrow the capacity that was
 *             chosen for them; then most keys move. Ring, rendezvous and multiprobe know no order.
 *
 * A member of weight w holds w buckets. A key whose member was tried is hashed again, with a salt.
 */
#include "lb_plugin.h"

#include "../common/build.h"
#include "../common/telling.h"
#include "../common/untried.h"
#include "history.h"

#define GOLDEN 0x9e3779b97f4a7c15ull /* 2^64 divided by the golden ratio: far steps for near buckets */

static const struct lb_option options[] = {
    { .name = "capacity",
      .type = LB_INT,
      .dflt = "0",
      .min = 0,
      .max = 4194304,
      .help =
          "buckets, at least the sum of the weights that will ever be; 0: twice what is needed at first" },
    { .name = NULL },
};

struct table {
    struct holdings holdings;
    uint32_t n_members;
    struct lb_hash hash;
    uint64_t names; /* a digest of who the members are and of some hashed keys */
    const struct lb_alloc *alloc;
};

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    *self = history_make((uint32_t)values[0].i);
    if (*self)
        return 0;
    snprintf(why->text, sizeof why->text, "no memory for the history of an anchor");
    return -1;
}

static void destroy(void *self)
{
    history_free(self);
}

static void destroy_table(void *table)
{
    struct table *t = table;
    const struct lb_alloc *alloc = t->alloc;

    build_free(alloc, t->holdings.cells);
    build_free(alloc, t->holdings.owner);
    build_free(alloc, t);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct table *t = build_alloc(in->alloc, 1, sizeof *t, "an anchor", why);

    if (!t)
        return -1;
    *t = (struct table){
        .n_members = in->n_members, .hash = in->hash, .names = build_digest(in), .alloc = in->alloc
    };
    if (in->n_members > 0 && history_follow(in->self, in, &t->holdings, why)) {
        build_free(in->alloc, t);
        return -1;
    }
    *table = t;
    return 0;
}

/* A number for key and bucket, as good as random. */
static inline uint64_t throw_again(const struct table *t, uint64_t key, uint32_t bucket)
{
    return t->hash.ops->mix ? t->hash.ops->mix(t->hash.self, key, bucket) : lb_mix64(key + bucket * GOLDEN);
}

/* So often a key is thrown whether it must be or not. With capacity twice the buckets that is enough for 84 of 100 keys;
 * how often one must be thrown is as good as random, so a branch for it is guessed wrongly about once a pick, which costs
 * more than the throws. */
#define THROWS_BLIND 2u

static inline uint32_t find_bucket(const struct table *t, uint64_t hash, const struct lb_explain *say)
{
    const struct anchor_cell *cells = t->holdings.cells;
    uint64_t key = lb_mix64(hash);
    uint32_t bucket = (uint32_t)lb_scale(key, t->holdings.size);

    if (!say && !t->hash.ops->mix)
        for (unsigned i = 0; i < THROWS_BLIND; i++)
            bucket = anchor_next_blind(cells, bucket, lb_mix64(key + bucket * GOLDEN));
    while (cells[bucket].left > 0) {
        tell_number(say, "removed bucket", bucket);
        bucket = anchor_next(cells, bucket, throw_again(t, key, bucket));
    }
    tell_number(say, "bucket", bucket);
    return bucket;
}

static inline uint32_t choose(const struct table *t, const struct lb_pick *p, const struct lb_explain *say)
{
    uint32_t member;

    if (t->n_members == 0) {
        tell_text(say, "end", "the anchor is empty");
        return LB_NONE;
    }
    tell_number(say, "capacity", t->holdings.size);
    tell_number(say, "working buckets", t->holdings.n);
    member = t->holdings.owner[find_bucket(t, p->hash, say)];
    for (uint64_t salt = 1; lb_is_tried(p, member); salt++) {
        const struct lb_explain *told = salt <= TOLD_MAX ? say : NULL;

        tell_member(told, "tried holder", member);
        if (salt > UNTRIED_LOOKS) {
            tell_text(say, "end", "all of these were tried: the key chooses among the rest");
            return untried_any(p->tried, t->n_members, lb_mix64(p->hash));
        }
        tell_number(told, "salt", salt);
        member = t->holdings.owner[find_bucket(t, lb_hash_mix(&t->hash, p->hash, salt), told)];
    }
    tell_member(say, "holder", member);
    return member;
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

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct table *t = table;
    const struct holdings *h = &t->holdings;

    out->bytes = sizeof *t + h->size * (sizeof *h->cells + sizeof *h->owner);
    out->used = h->n;
    out->slot_owner = LB_NONE;
    out->digest = t->names;
    if (t->n_members == 0)
        return 0;
    for (uint32_t b = 0; b < h->size; b++) {
        uint64_t cell = (uint64_t)h->cells[b].left << 32 | h->cells[b].successor;

        out->digest += lb_mix64(cell ^ lb_mix64(((uint64_t)b << 32 | h->owner[b]) ^ t->names));
    }
    if (!out->shares)
        return 0;
    for (uint32_t m = 0; m < t->n_members; m++)
        out->shares[m] = 0;
    for (uint32_t b = 0; b < h->size; b++) {
        if (h->owner[b] != LB_NONE)
            out->shares[h->owner[b]] += 1;
    }
    for (uint32_t m = 0; m < t->n_members; m++)
        out->shares[m] /= (double)h->n;
    out->exact = 1;
    return 0;
}

static const struct lb_scheduler_ops ops = {
    .struct_size = sizeof ops,
    .create = create,
    .destroy = destroy,
    .build = build,
    .pick = pick,
    .inspect = inspect,
    .destroy_table = destroy_table,
    .explain = explain,
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_SCHEDULER, "scheduler_anchor", "1.0", "AnchorHash: minimal moves, in the order of events",
              LB_CAP_KEYED | LB_CAP_NEEDS_HASH | LB_CAP_WEIGHTS, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
