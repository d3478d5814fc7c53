/*
 * hash_short_ops.c - its callbacks end before place.
 */
#include "lb_plugin.h"

static uint64_t key(const void *self, const struct lb_key *k)
{
    (void)self;
    return k->id;
}

static uint64_t place(const void *self, const struct lb_member *m, uint32_t j)
{
    (void)self;
    return lb_mix64(m->id + j);
}

static const struct lb_hash_ops ops = { .struct_size = offsetof(struct lb_hash_ops, place),
                                        .key = key,
                                        .place = place };

static const struct lb_plugin plugin = LB_PLUGIN(LB_HASH, "hash_short_ops", "1.0", "bad", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
