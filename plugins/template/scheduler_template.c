/*
 * scheduler_template.c - says in one sentence whom it chooses, and after which source.
 *
 * A scheduler builds a table from the members, away from the requests, and looks each request up in it. build may take
 * its time; pick may not: no malloc, no lock, no system call, no unbounded loop. The table is never written after build,
 * so that any number of workers may read it. lb_plugin.h explains every word here.
 *
 * This one is rendezvous hashing: each member draws a number from the key and its own name, and the largest wins. Whoever
 * leaves takes only its own keys along. O(members) a pick.
 *
 *   cc -O2 -fPIC -shared $(pkg-config --cflags ringmaster-plugin) -o scheduler_template.so scheduler_template.c
 */
#include "lb_plugin.h"

#include <string.h>

struct table {
    const struct lb_alloc *alloc;
    uint64_t digest;
    uint32_t n_members;
    uint64_t salt[]; /* of each member */
};

/* Builder thread, for each change of membership. Members come sorted by ring name; copy what you need of them. */
static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct table *t = in->alloc->alloc(in->alloc->ctx, sizeof *t + in->n_members * sizeof t->salt[0]);

    if (!t) {
        strcpy(why->text, "no memory for a table");
        return -1;
    }
    t->alloc = in->alloc;
    t->n_members = in->n_members;
    t->digest = in->n_members;
    for (uint32_t m = 0; m < in->n_members; m++) {
        t->salt[m] = in->hash.ops->place(in->hash.self, &in->members[m], 0);
        t->digest = lb_mix64(t->digest ^ t->salt[m]);
    }
    *table = t;
    return 0;
}

/* Once an attempt, on any worker: a member that is not in tried while one is left, else LB_NONE. */
static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    const struct table *t = table;
    uint32_t best = LB_NONE;
    uint64_t largest = 0;

    (void)scratch;
    for (uint32_t m = 0; m < t->n_members; m++) {
        uint64_t drawn = lb_mix64(p->hash ^ t->salt[m]);

        if (!lb_is_tried(p, m) && (best == LB_NONE || drawn > largest)) {
            best = m;
            largest = drawn;
        }
    }
    return best;
}

/* What can be said of the table; equal digests must mean equal answers. Without slots there are no exact shares. */
static int inspect(const void *table, struct lb_inspect *out)
{
    const struct table *t = table;

    out->bytes = sizeof *t + t->n_members * sizeof t->salt[0];
    out->digest = t->digest;
    out->slot_owner = LB_NONE;
    return 0;
}

static void destroy_table(void *table)
{
    struct table *t = table;

    t->alloc->release(t->alloc->ctx, t);
}

/* Optional: why a key goes where it goes, for `ringctl explain`. Changes nothing. */
static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    uint32_t best = pick(table, p, NULL);

    (void)scratch;
    if (best != LB_NONE) {
        say->member(say->ctx, "drew the largest", best);
        say->number(say->ctx, "drawn", lb_mix64(p->hash ^ ((const struct table *)table)->salt[best]));
    }
    return best;
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
    LB_PLUGIN(LB_SCHEDULER, "scheduler_template", "1.0", "what ringctl plugin list shows",
              LB_CAP_KEYED | LB_CAP_NEEDS_HASH, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
