/*
 * scheduler_peak_ewma.c - two by chance, and the one that will answer sooner.
 *
 * Owns     instances (the options) and tables: the columns of the alias method and a table of exp. What each
 *          worker has learnt of each member is in its scratch.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     ../common/alias.h, decay.h; what the core keeps of each member: its requests in flight and its
 *          latency.
 * Thread   build: builder thread. pick, on_reply: any worker, on its own scratch. destroy: control thread. A
 *          table is never written after build.
 *
 * Source      Finagle's "Peak EWMA" load metric with its power-of-two-choices balancer (Twitter, 2015).
 * Guarantees  Of two different members that are not tried, drawn in proportion to weight, the one with the
 *             smaller latency * (in flight + 1) / weight. A latency above the average becomes the average at
 *             once; it then decays with time. So a member that stalls is left within one reply, and is tried
 *             again by and by.
 * Cost        Two random numbers, four cache lines and a little arithmetic a pick, 15 to 30 ns, whatever N
 *             is. 16 bytes a member in the table and 16 in each worker.
 * Not when    requests differ much in cost by themselves: then a slow answer says little of the replica, and
 *             in-flight numbers alone (scheduler_p2c) are steadier. Not when errors come faster than answers:
 *             a quick 500 counts as quick. With many workers each learns by itself, from its own requests.
 *
 * A try that failed or timed out counts as a latency of penalty_ms, however quickly it failed. A member of
 * which a worker knows nothing is taken to be as slow as the core's average says; if the core knows nothing
 * either, it gets one request to show what it can, and while that runs it is taken to be slow.
 */
#include "lb_plugin.h"

#include "../common/alias.h"
#include "../common/settings.h"
#include "../common/telling.h"
#include "decay.h"

#define MS 1000000ull

static const struct lb_option options[] = {
    { .name = "decay_ms",
      .type = LB_INT,
      .dflt = "10000",
      .min = 1,
      .max = 3600000,
      .help = "after so long a latency counts 1/e of what it did, in milliseconds" },
    { .name = "penalty_ms",
      .type = LB_INT,
      .dflt = "1000",
      .min = 1,
      .max = 3600000,
      .help = "latency that a failed try counts as, in milliseconds" },
    { .name = NULL },
};

enum { DECAY_MS, PENALTY_MS, OPTIONS };

struct watch {
    struct alias alias;
    struct decay decay;
    uint64_t penalty_ns;
    uint64_t names;
    const struct lb_alloc *alloc;
};

static const char what[] = "the columns of a random choice";

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    return settings_keep(values, OPTIONS, self, why);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    const uint64_t decay_ns = settings_value(in->self, DECAY_MS) * MS;
    const uint64_t penalty_ns = settings_value(in->self, PENALTY_MS) * MS;
    struct watch *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    *t = (struct watch){ .penalty_ns = penalty_ns, .alloc = in->alloc };
    t->names = lb_mix64(build_digest(in) ^ decay_ns) ^ penalty_ns;
    decay_make(&t->decay, decay_ns);
    if (alias_make(&t->alias, in, what, why)) {
        build_free(in->alloc, t);
        return -1;
    }
    *table = t;
    return 0;
}

static void destroy_table(void *table)
{
    struct watch *t = table;
    const struct lb_alloc *alloc = t->alloc;

    alias_free(alloc, &t->alias);
    build_free(alloc, t);
}

/* One average a member; at least one, for a scratch of no bytes would be none. */
static size_t scratch_size(const void *table)
{
    const struct watch *t = table;

    return (t->alias.n + 1u) * sizeof(struct average);
}

/* The latency to reckon with; 0 when nobody knows anything. */
static inline uint64_t cost_of(const struct watch *t, const struct lb_pick *p, const struct average *averages,
                               uint32_t m)
{
    const struct average *a = &averages[m];

    return a->stamp_ns ? average_now(a, &t->decay, p->now_ns) : lb_live_latency_ns(p, m);
}

/* How long a request to this member would take, in its weight's units: the larger the worse. */
static inline lb_u128 load_of(const struct watch *t, const struct lb_pick *p, const struct average *averages,
                              uint32_t m)
{
    uint64_t in_flight = lb_live_in_flight(p, m), cost = cost_of(t, p, averages, m);

    if (cost == 0 && in_flight > 0)
        return t->penalty_ns + in_flight;
    return (lb_u128)cost * (in_flight + 1);
}

static void tell_candidate(const struct watch *t, const struct lb_pick *p, const struct average *averages,
                           uint32_t member, const struct lb_explain *say)
{
    tell_member(say, "candidate", member);
    tell_number(say, "latency, ns", cost_of(t, p, averages, member));
    tell_number(say, "in flight", lb_live_in_flight(p, member));
    tell_number(say, "weight", t->alias.columns[member].weight);
}

static inline uint32_t choose(const struct watch *t, const struct lb_pick *p, const struct average *averages,
                              const struct lb_explain *say)
{
    uint32_t one, other;
    uint64_t weight_one, weight_other;

    one = alias_draw_any(&t->alias, p, say);
    if (one == LB_NONE)
        return LB_NONE;
    if (say)
        tell_candidate(t, p, averages, one, say);
    other = alias_draw_rival(&t->alias, p, one);
    if (other == LB_NONE)
        return one;
    if (say)
        tell_candidate(t, p, averages, other, say);
    weight_one = t->alias.columns[one].weight;
    weight_other = t->alias.columns[other].weight;
    return load_of(t, p, averages, other) * weight_one < load_of(t, p, averages, one) * weight_other ? other
                                                                                                     : one;
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    return choose(table, p, scratch, NULL);
}

/* Whom this random state would draw next, and what this worker knows of them; state and scratch stay. */
static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    uint64_t random = *p->random;
    struct lb_pick question = *p;
    uint32_t member;

    question.random = &random;
    tell_text(say, "order", "the key plays no part: each request draws its candidates anew");
    member = choose(table, &question, scratch, say);
    if (member != LB_NONE)
        tell_member(say, "chosen", member);
    return member;
}

static void on_reply(const void *table, const struct lb_reply *r, void *scratch)
{
    const struct watch *t = table;
    struct average *a = (struct average *)scratch + r->member;

    if (r->outcome == LB_ANSWERED)
        average_observe(a, &t->decay, r->first_byte_ns, r->now_ns);
    else if (r->outcome == LB_FAILED || r->outcome == LB_TIMED_OUT)
        average_observe(a, &t->decay, t->penalty_ns, r->now_ns);
}

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct watch *t = table;

    out->bytes = sizeof *t + alias_bytes(&t->alias);
    out->slot_owner = LB_NONE;
    out->digest = t->names;
    return 0;
}

static const struct lb_scheduler_ops ops = {
    .struct_size = sizeof ops,
    .create = create,
    .destroy = settings_drop,
    .build = build,
    .scratch_size = scratch_size,
    .pick = pick,
    .on_reply = on_reply,
    .inspect = inspect,
    .destroy_table = destroy_table,
    .explain = explain,
};

static const struct lb_plugin plugin = LB_PLUGIN(LB_SCHEDULER, "scheduler_peak_ewma", "1.0",
                                                 "two by chance, and the one that will answer sooner",
                                                 LB_CAP_WEIGHTS | LB_CAP_LOAD, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
