/*
 * decent.h - callbacks that keep every rule, for plugins that break one.
 *
 * A bad plugin writes the callback that makes it bad and takes the others from here, so that its file shows what is wrong
 * and nothing else.
 */
#ifndef TESTS_PLUGINS_DECENT_H
#define TESTS_PLUGINS_DECENT_H

#include "lb_plugin.h"

#define MAYBE_UNUSED __attribute__((unused))

#define EXPORT(plugin_)                                                   \
    LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi); \
    LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)  \
    {                                                                     \
        (void)host_abi;                                                   \
        return &(plugin_);                                                \
    }

/* ------------------------------------------------------------------ hash */

MAYBE_UNUSED static uint64_t decent_key(const void *self, const struct lb_key *k)
{
    (void)self;
    return lb_mix64(k->id);
}

MAYBE_UNUSED static uint64_t decent_place(const void *self, const struct lb_member *m, uint32_t j)
{
    (void)self;
    return lb_mix64(m->id * 1000003 + j);
}

#define HASH(name_, key_, place_)                                                                          \
    static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = (key_), .place = (place_) }; \
    static const struct lb_plugin plugin = LB_PLUGIN(LB_HASH, name_, "1.0", "bad", 0, 0, &ops);            \
    EXPORT(plugin)

/* ------------------------------------------------------------------ scheduler: the key modulo the members */

struct decent_table {
    uint32_t n_members;
    const struct lb_alloc *alloc;
};

MAYBE_UNUSED static int decent_build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct decent_table *t = in->alloc->alloc(in->alloc->ctx, sizeof *t);

    (void)why;
    if (!t)
        return -1;
    t->n_members = in->n_members;
    t->alloc = in->alloc;
    *table = t;
    return 0;
}

MAYBE_UNUSED static void decent_destroy_table(void *table)
{
    struct decent_table *t = table;

    t->alloc->release(t->alloc->ctx, t);
}

MAYBE_UNUSED static uint32_t decent_pick(const void *table, const struct lb_pick *p, void *scratch)
{
    uint32_t n = p->n_members;

    (void)table;
    (void)scratch;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t member = (uint32_t)((p->hash + i) % n);

        if (!lb_is_tried(p, member))
            return member;
    }
    return LB_NONE;
}

MAYBE_UNUSED static int decent_inspect(const void *table, struct lb_inspect *out)
{
    const struct decent_table *t = table;

    out->bytes = sizeof *t;
    out->digest = lb_mix64(t->n_members);
    out->slot_owner = LB_NONE;
    for (uint32_t i = 0; out->shares && i < t->n_members; i++)
        out->shares[i] = 1.0 / t->n_members;
    out->exact = out->shares != NULL;
    return 0;
}

#define SCHEDULER(name_, build_, scratch_size_, pick_, inspect_)                                 \
    static const struct lb_scheduler_ops ops = { .struct_size = sizeof ops,                      \
                                                 .build = (build_),                              \
                                                 .scratch_size = (scratch_size_),                \
                                                 .pick = (pick_),                                \
                                                 .inspect = (inspect_),                          \
                                                 .destroy_table = decent_destroy_table };        \
    static const struct lb_plugin plugin =                                                       \
        LB_PLUGIN(LB_SCHEDULER, name_, "1.0", "bad", LB_CAP_KEYED | LB_CAP_NEEDS_HASH, 0, &ops); \
    EXPORT(plugin)

#endif
