/*
 * scheduler_jump.c - jump consistent hash: balanced buckets out of arithmetic alone.
 *
 * Owns     the rule; the table is numbered.h's.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     jump.h; ../common/numbered.h; the composed hash.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", arXiv 1406.2294, 2014.
 * Guarantees  Shares are the weights', but for chance among 2^64 hashes. When the last member (by ring name)
 *             leaves or one joins behind it, only the keys that must move do. Bucket b of the paper is the
 *             b-th member by ring name, so the same members give the same table.
 * Cost        O(log N) a pick, some 45 ns at N = 1,000 (half of it for one branch that nobody can guess); no table to speak of. Different weights add a binary
 *             search.
 * Not when    any member but the last may leave: all behind it move up by one bucket, and with them their
 *             keys, half of all on average. That is the algorithm's nature: it numbers buckets and knows no
 *             names. Made for data that is split into numbered shards. (A member that is only unready is no
 *             such case: the table stays.)
 *
 * A member of weight w has w virtual buckets in a row, after division by the weights' common divisor; so a
 * change of the last member's weight is as cheap as its coming and going, and a change of another's is not.
 */
#include "lb_plugin.h"

#include "../common/numbered.h"
#include "jump.h"

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    return numbered_build(in, table, why, "the buckets of jump hash");
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)scratch;
    return numbered_choose(table, p, NULL, jump_bucket);
}

static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    (void)scratch;
    return numbered_choose(table, p, say, jump_bucket);
}

/* No slots: no hash can be told to fall into a given bucket. */
static int inspect(const void *table, struct lb_inspect *out)
{
    numbered_inspect(table, out);
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

static const struct lb_plugin plugin = LB_PLUGIN(
    LB_SCHEDULER, "scheduler_jump", "1.0", "jump consistent hash over members in the order of their names",
    LB_CAP_KEYED | LB_CAP_NEEDS_HASH | LB_CAP_WEIGHTS, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
