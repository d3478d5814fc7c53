/*
 * scheduler_modulo.c - the hash modulo the number of members: the baseline that shows why the others exist.
 *
 * Owns     tables: how many buckets there are and, when weights differ, whose each is.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     the composed hash.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      none is needed; Karger et al., "Consistent Hashing and Random Trees", STOC 1997, begins with
 *             what is wrong with it.
 * Guarantees  Exactly equal shares of the hash (by weight), as long as nobody comes or goes.
 * Cost        One division a pick; no table.
 * Not when    members ever change: from N to N - 1 members about (N - 1)/N of all keys move, where 1/N would
 *             do. (A member that is only unready is no such change: the table stays, and its keys are hashed
 *             again.)
 *
 * A member of weight w has w residues in a row, after division by the weights' common divisor.
 */
#include "lb_plugin.h"

#include "../common/buckets.h"
#include "../common/telling.h"
#include "../common/untried.h"

struct residues {
    struct buckets buckets;
    struct lb_hash hash;
    uint64_t names; /* a digest of who the members are and of some hashed keys */
    const struct lb_alloc *alloc;
};

static const char what[] = "the residues of a modulus";

static void destroy_table(void *table)
{
    struct residues *t = table;
    const struct lb_alloc *alloc = t->alloc;

    buckets_free(alloc, &t->buckets);
    build_free(alloc, t);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct residues *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    *t = (struct residues){ .hash = in->hash, .names = build_digest(in), .alloc = in->alloc };
    if (in->n_members > 0 && buckets_make(&t->buckets, in, what, why)) {
        destroy_table(t);
        return -1;
    }
    *table = t;
    return 0;
}

static inline uint32_t bucket_of(const struct residues *t, uint64_t hash)
{
    return (uint32_t)(hash % t->buckets.n);
}

static inline uint32_t choose(const struct residues *t, const struct lb_pick *p, const struct lb_explain *say)
{
    uint32_t bucket, member;

    if (t->buckets.n == 0) {
        tell_text(say, "end", "there are no members");
        return LB_NONE;
    }
    bucket = bucket_of(t, p->hash);
    member = buckets_member(&t->buckets, bucket);
    tell_number(say, "residues", t->buckets.n);
    tell_number(say, "residue", bucket);
    for (uint64_t salt = 1; lb_is_tried(p, member); salt++) {
        tell_member(say, "tried owner", member);
        if (salt > UNTRIED_LOOKS) {
            tell_text(say, "end", "all of these were tried: the key chooses among the rest");
            return untried_any(p->tried, t->buckets.n_members, lb_mix64(p->hash));
        }
        bucket = bucket_of(t, lb_hash_mix(&t->hash, p->hash, salt));
        member = buckets_member(&t->buckets, bucket);
        tell_number(say, "residue by another salt", bucket);
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
    const struct residues *t = table;

    out->bytes = sizeof *t + buckets_bytes(&t->buckets);
    out->slots = out->used = t->buckets.n;
    out->slot_owner = LB_NONE;
    out->digest = t->names;
    if (t->buckets.n == 0)
        return 0;
    if (out->slot < out->slots)
        out->slot_owner = buckets_member(&t->buckets, (uint32_t)out->slot);
    if (out->shares) {
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

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_SCHEDULER, "scheduler_modulo", "1.0", "the hash modulo the members: a baseline, not for use",
              LB_CAP_KEYED | LB_CAP_NEEDS_HASH | LB_CAP_WEIGHTS, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
