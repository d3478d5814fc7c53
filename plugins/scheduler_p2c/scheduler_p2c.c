/*
 * scheduler_p2c.c - the power of two choices: two by chance, and the less busy of them.
 *
 * Owns     instances (the option) and tables: the columns of the alias method.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     ../common/alias.h; what the core keeps of each member: its requests in flight; the worker's random
 *          state.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE Transactions on
 *             Parallel and Distributed Systems 12(10), 2001; Azar et al., "Balanced Allocations", 1994.
 * Guarantees  Two different members that are not tried, each drawn in proportion to weight; the one with
 *             fewer requests in flight for its weight is taken, and the first when they are equal. With m
 *             balls in N equal bins the fullest has ln ln N / ln 2 more than the mean, plus a constant,
 *             however large m is (Berenbrink et al., 2000); with one choice it has sqrt(2 (m/N) ln N) more.
 * Cost        Two random numbers and two counters a pick, 5 to 15 ns, whatever N is. 16 bytes a member.
 * Not when    keys are to find their replica again: this knows no keys. For few members and long requests
 *             scheduler_least_request is as good as can be, and N is small enough for it.
 *
 * Because it draws, workers and balancers that see the same numbers do not all run to the same member. More
 * choices bring little: the difference shrinks by a constant factor only, and herding grows.
 */
#include "lb_plugin.h"

#include "../common/alias.h"
#include "../common/settings.h"
#include "../common/telling.h"

static const struct lb_option options[] = {
    { .name = "choices",
      .type = LB_INT,
      .dflt = "2",
      .min = 2,
      .max = 16,
      .help = "members drawn for each request" },
    { .name = NULL },
};

enum { CHOICES, OPTIONS };

struct lottery {
    struct alias alias;
    uint32_t choices;
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
    struct lottery *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    *t = (struct lottery){ .choices = settings_value(in->self, CHOICES),
                           .names = build_digest(in),
                           .alloc = in->alloc };
    if (alias_make(&t->alias, in, what, why)) {
        build_free(in->alloc, t);
        return -1;
    }
    *table = t;
    return 0;
}

static void destroy_table(void *table)
{
    struct lottery *t = table;
    const struct lb_alloc *alloc = t->alloc;

    alias_free(alloc, &t->alias);
    build_free(alloc, t);
}

/* Has a fewer requests in flight for its weight than b? */
static int is_freer(const struct lottery *t, const struct lb_pick *p, uint32_t a, uint32_t b)
{
    return (uint64_t)lb_live_in_flight(p, a) * t->alias.columns[b].weight <
           (uint64_t)lb_live_in_flight(p, b) * t->alias.columns[a].weight;
}

static inline void tell_candidate(const struct lb_pick *p, uint32_t member, const struct lb_explain *say)
{
    tell_member(say, "candidate", member);
    tell_number(say, "in flight", say ? lb_live_in_flight(p, member) : 0);
}

static inline uint32_t choose(const struct lottery *t, const struct lb_pick *p, const struct lb_explain *say)
{
    uint32_t best = alias_draw_any(&t->alias, p, say);

    if (best == LB_NONE)
        return LB_NONE;
    tell_candidate(p, best, say);
    for (uint32_t choice = 1; choice < t->choices; choice++) {
        uint32_t rival = alias_draw_rival(&t->alias, p, best);

        if (rival == LB_NONE)
            continue;
        tell_candidate(p, rival, say);
        if (is_freer(t, p, rival, best))
            best = rival;
    }
    tell_member(say, "chosen", best);
    return best;
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)scratch;
    return choose(table, p, NULL);
}

/* Whom this random state would draw next; the state itself stays. */
static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    uint64_t random = *p->random;
    struct lb_pick question = *p;

    (void)scratch;
    question.random = &random;
    tell_text(say, "order", "the key plays no part: each request draws its candidates anew");
    return choose(table, &question, say);
}

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct lottery *t = table;

    out->bytes = sizeof *t + alias_bytes(&t->alias);
    out->slot_owner = LB_NONE;
    out->digest = lb_mix64(t->names ^ t->choices);
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
    LB_PLUGIN(LB_SCHEDULER, "scheduler_p2c", "1.0", "two by chance, and the less busy of them",
              LB_CAP_WEIGHTS | LB_CAP_LOAD, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
