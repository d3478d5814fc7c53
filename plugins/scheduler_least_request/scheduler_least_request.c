/*
 * scheduler_least_request.c - the one with the fewest requests in flight for its weight.
 *
 * Owns     tables: the weights.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     what the core keeps of each member: its requests in flight; the worker's random state.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      "least connections", as in LVS (Zhang, 2000), HAProxy's leastconn and nginx's least_conn.
 * Guarantees  The member with the smallest in flight / weight among those not tried, as this worker sees it
 *             at this moment; among equals one by chance, in proportion to weights: an idle pool gets
 *             requests by weight, and workers that look at once do not all choose the same.
 * Cost        O(N) a pick, always: each member's counter lies on a cache line of its own, which other workers
 *             write: 1 to 5 ns for each. 4 bytes a member.
 * Not when    there are hundreds of members: scheduler_p2c does nearly as well by looking at two. Not when
 *             replicas differ in speed in ways that in-flight numbers do not show, such as one that answers
 *             errors at once: it has the fewest in flight and gets everything (scheduler_peak_ewma, or health
 *             checks that notice).
 */
#include "lb_plugin.h"

#include "../common/build.h"
#include "../common/telling.h"

struct crowd {
    uint32_t n_members;
    uint32_t *weight;
    uint64_t names;
    const struct lb_alloc *alloc;
};

static const char what[] = "the weights of members";

static void destroy_table(void *table)
{
    struct crowd *t = table;
    const struct lb_alloc *alloc = t->alloc;

    build_free(alloc, t->weight);
    build_free(alloc, t);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct crowd *t;

    if (build_check_weights(in, why))
        return -1;
    t = build_alloc(in->alloc, 1, sizeof *t, what, why);
    if (!t)
        return -1;
    *t = (struct crowd){ .n_members = in->n_members, .names = build_digest(in), .alloc = in->alloc };
    t->weight = build_alloc(in->alloc, in->n_members + 1u, sizeof *t->weight, what, why);
    if (!t->weight) {
        destroy_table(t);
        return -1;
    }
    for (uint32_t m = 0; m < in->n_members; m++)
        t->weight[m] = in->members[m].weight;
    *table = t;
    return 0;
}

/* One pass. Of those that are equal so far, each is the choice with probability weight / weights: the newest
 * replaces the choice with just its own. (Reservoir sampling: Vitter, 1985.) */
static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    const struct crowd *t = table;
    uint32_t best = LB_NONE;
    uint64_t least = 0, weight = 1, equals = 0; /* the choice has least / weight */

    (void)scratch;
    for (uint32_t m = 0; m < t->n_members; m++) {
        uint64_t in_flight, mine, theirs;

        if (lb_is_tried(p, m))
            continue;
        in_flight = lb_live_in_flight(p, m);
        mine = in_flight * weight; /* cross-multiplied */
        theirs = least * t->weight[m];
        if (best != LB_NONE && mine > theirs)
            continue;
        equals = best != LB_NONE && mine == theirs ? equals + t->weight[m] : t->weight[m];
        if (equals > t->weight[m] && lb_scale(lb_random(p->random), equals) >= t->weight[m])
            continue;
        best = m;
        least = in_flight;
        weight = t->weight[m];
    }
    return best;
}

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct crowd *t = table;

    out->bytes = sizeof *t + (t->n_members + 1u) * sizeof *t->weight;
    out->slot_owner = LB_NONE;
    out->digest = t->names;
    return 0;
}

/* The load of those not tried, and what this random state would choose; the state itself stays. */
static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    const struct crowd *t = table;
    uint64_t random = *p->random;
    struct lb_pick question = *p;
    uint32_t told = 0, member;

    (void)scratch;
    question.random = &random;
    member = pick(t, &question, NULL);
    tell_text(say, "order",
              "the key plays no part: the least in flight for its weight, among equals by chance");
    for (uint32_t m = 0; m < t->n_members && told < TOLD_MAX; m++) {
        if (lb_is_tried(p, m))
            continue;
        tell_member(say, "candidate", m);
        tell_number(say, "in flight", lb_live_in_flight(p, m));
        tell_number(say, "weight", t->weight[m]);
        told++;
    }
    if (member == LB_NONE)
        tell_text(say, "end", "there is no candidate");
    else
        tell_member(say, "chosen", member);
    return member;
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
    LB_PLUGIN(LB_SCHEDULER, "scheduler_least_request", "1.0", "the fewest requests in flight for its weight",
              LB_CAP_WEIGHTS | LB_CAP_LOAD, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
