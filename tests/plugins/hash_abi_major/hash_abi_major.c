/*
 * hash_abi_major.c - speaks the ABI after next.
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

static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = key, .place = place };

static const struct lb_plugin plugin = {
    .struct_size = sizeof plugin,
    .abi_major = 2,
    .abi_minor = 1,
    .kind = LB_HASH,
    .name = "hash_raw",
    .version = "1.0",
    .summary = "bad",
    .ops = &ops,
};

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
