/*
 * probe_hash2.c - steps by the second hash (double hashing).
 */
#include "lb_plugin.h"

static uint64_t at(const void *self, const struct lb_probe_try *p)
{
    (void)self;
    return (p->home + p->hash2 % p->slots * p->attempt) % p->slots;
}

static const struct lb_probe_ops ops = { .struct_size = sizeof ops, .at = at };

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_PROBE, "probe_hash2", "1.0", "double hashing", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
