/*
 * scheduler_random.c - by chance, the heavier ones more often.
 *
 * Owns     tables: the columns of the alias method.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     ../common/alias.h; the worker's random state.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Walker's alias method, 1977; see alias.h.
 * Guarantees  Each pick is independent of all others, with probability exactly weight / sum of weights (but
 *             for 2^-64). Workers and balancers need not know of each other: no herd forms.
 * Cost        A random number and a load a pick; 16 bytes a member.
 * Not when    requests differ much in length or replicas are near their limits: by chance alone, the fullest
 *             of N members has sqrt(2 m ln N) more than the mean m. Two choices (scheduler_p2c) cost as
 *             little and leave a difference of 3.
 */
#include "lb_plugin.h"

#include "../common/alias.h"
#include "../common/telling.h"

struct lottery {
    struct alias alias;
    uint64_t names;
    const struct lb_alloc *alloc;
};

static const char what[] = "the columns of a random choice";

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct lottery *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    *t = (struct lottery){ .names = build_digest(in), .alloc = in->alloc };
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

/* Draws again when a tried one is drawn: what is left keeps its proportions. */
static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)scratch;
    return alias_draw_any(&((const struct lottery *)table)->alias, p, NULL);
}

/* What this random state would draw next; the state itself stays. */
static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    const struct lottery *t = table;
    uint64_t random = *p->random;
    struct lb_pick question = *p;
    uint32_t member;

    (void)scratch;
    question.random = &random;
    tell_text(say, "order", "the key plays no part: each request draws anew, and this is one draw");
    tell_number(say, "sum of weights", t->alias.sum);
    member = alias_draw_any(&t->alias, &question, say);
    if (member == LB_NONE)
        return LB_NONE;
    tell_member(say, "drawn", member);
    tell_number(say, "its weight", t->alias.columns[member].weight);
    return member;
}

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct lottery *t = table;

    out->bytes = sizeof *t + alias_bytes(&t->alias);
    out->slot_owner = LB_NONE;
    out->digest = t->names;
    if (out->shares && t->alias.n > 0) {
        alias_share(&t->alias, out->shares);
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
    LB_PLUGIN(LB_SCHEDULER, "scheduler_random", "1.0", "by chance, in proportion to weights", LB_CAP_WEIGHTS,
              NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
