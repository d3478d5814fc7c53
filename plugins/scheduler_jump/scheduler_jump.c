/*
 * scheduler_jump.c - jump consistent hash: balanced buckets out of arithmetic alone.
 *
 * Owns     tables: how many buckets there are and, when weights differ, whose each is.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     jump.h; the composed hash.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", arXiv 1406.2294, 2014.
 * Guarantees  Shares are the weights', but for chance among 2^64 hashes. When the last member (by ring name)
 *             leaves or one joins behind it, only the keys that must move do. Bucket b of the paper is the
 *             b-th member by ring name, so the same members give the same table.
 * Cost        O(log N) a pick, some 30 ns at N = 1,000; no table to speak of. Different weights add a binary
 *             search.
 * Not when    any member but the last may leave: all behind it move up by one bucket, and with them their
 *             keys, half of all on average. That is the algorithm's nature: it numbers buckets and knows no
 *             names. Made for data that is split into numbered shards. (A member that is only unready is no
 *             such case: the table stays.)
 *
 * A member of weight w has w virtual buckets in a row, after division by the weights' common divisor; so a
 * change of the last member's weight is as cheap as its coming and going, and a change of another's is not. A
 * key whose member was tried is hashed again, with a salt, and jumps anew.
 */
#include "lb_plugin.h"

#include "../common/buckets.h"
#include "../common/telling.h"
#include "../common/untried.h"
#include "jump.h"

struct shards {
    struct buckets buckets;
    struct lb_hash hash;
    uint64_t names; /* a digest of who the members are and of some hashed keys */
    const struct lb_alloc *alloc;
};

static const char what[] = "the buckets of jump hash";

static void destroy_table(void *table)
{
    struct shards *t = table;
    const struct lb_alloc *alloc = t->alloc;

    buckets_free(alloc, &t->buckets);
    build_free(alloc, t);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct shards *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    *t = (struct shards){ .hash = in->hash, .names = build_digest(in), .alloc = in->alloc };
    if (in->n_members > 0 && buckets_make(&t->buckets, in, what, why)) {
        destroy_table(t);
        return -1;
    }
    *table = t;
    return 0;
}

static inline uint32_t bucket_of(const struct shards *t, uint64_t hash)
{
    return jump_bucket(hash, t->buckets.n);
}

static inline uint32_t choose(const struct shards *t, const struct lb_pick *p, const struct lb_explain *say)
{
    uint32_t bucket, member;

    if (t->buckets.n == 0) {
        tell_text(say, "end", "there are no members");
        return LB_NONE;
    }
    bucket = bucket_of(t, p->hash);
    member = buckets_member(&t->buckets, bucket);
    tell_number(say, "buckets", t->buckets.n);
    tell_number(say, "bucket", bucket);
    for (uint64_t salt = 1; lb_is_tried(p, member); salt++) {
        tell_member(say, "tried owner", member);
        if (salt > UNTRIED_LOOKS) {
            tell_text(say, "end", "all of these were tried: the key chooses among the rest");
            return untried_any(p->tried, t->buckets.n_members, lb_mix64(p->hash));
        }
        bucket = bucket_of(t, lb_hash_mix(&t->hash, p->hash, salt));
        member = buckets_member(&t->buckets, bucket);
        tell_number(say, "bucket by another salt", bucket);
    }
    tell_member(say, "owner", member);
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
    const struct shards *t = table;

    out->bytes = sizeof *t + buckets_bytes(&t->buckets);
    out->used = t->buckets.n;
    out->slot_owner = LB_NONE;
    out->digest = t->names;
    if (out->shares && t->buckets.n > 0) {
        buckets_share(&t->buckets, out->shares);
        out->exact = 1;
    }
    return 0;
}

static const struct lb_scheduler_ops ops = {
    .struct_size = sizeof ops,
    .build = build,
    .pick = pick,
    .inspect = inspect,
    .destroy_table = destroy_table,
    .explain = explain,
};

static const struct lb_plugin plugin = LB_PLUGIN(
    LB_SCHEDULER, "scheduler_jump", "1.0", "jump consistent hash over members in the order of their names",
    LB_CAP_KEYED | LB_CAP_NEEDS_HASH | LB_CAP_WEIGHTS, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
