/*
 * hash_no_place.c - has no place callback.
 */
#include "lb_plugin.h"

static uint64_t key(const void *self, const struct lb_key *k)
{
    (void)self;
    return k->id;
}

static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = key };

static const struct lb_plugin plugin = LB_PLUGIN(LB_HASH, "hash_no_place", "1.0", "bad", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
