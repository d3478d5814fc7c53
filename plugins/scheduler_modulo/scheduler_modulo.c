/*
 * scheduler_modulo.c - the hash modulo the number of members: the baseline that shows why the others exist.
 *
 * Owns     the rule; the table is numbered.h's.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     ../common/numbered.h; the composed hash.
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

#include "../common/numbered.h"

static uint32_t residue(uint64_t hash, uint32_t n)
{
    return (uint32_t)(hash % n);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    return numbered_build(in, table, why, "the residues of a modulus");
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)scratch;
    return numbered_choose(table, p, NULL, residue);
}

static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    (void)scratch;
    return numbered_choose(table, p, say, residue);
}

/* A residue is a slot. */
static int inspect(const void *table, struct lb_inspect *out)
{
    const struct numbered *t = table;

    numbered_inspect(t, out);
    out->slots = t->buckets.n;
    if (out->slot < out->slots)
        out->slot_owner = buckets_member(&t->buckets, (uint32_t)out->slot);
    return 0;
}

static const struct lb_scheduler_ops ops = {
    .struct_size = sizeof ops,
    .build = build,
    .pick = pick,
    .inspect = inspect,
    .destroy_table = numbered_destroy,
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
