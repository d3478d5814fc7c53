/*
 * hash_short_info.c - leaves the last field of its description away.
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
    .struct_size = sizeof plugin - sizeof(void *),
    .abi_major = LB_ABI_MAJOR,
    .abi_minor = LB_ABI_MINOR,
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
