/*
 * probe_yields.c - linear, and whoever has come farther takes the slot (Robin Hood).
 */
#include "lb_plugin.h"

static uint64_t at(const void *self, const struct lb_probe_try *p)
{
    (void)self;
    return (p->home + p->attempt) % p->slots;
}

static int yields(const void *self, uint64_t mine, uint64_t theirs)
{
    (void)self;
    return mine > theirs;
}

static const struct lb_probe_ops ops = { .struct_size = sizeof ops, .at = at, .yields = yields };

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_PROBE, "probe_yields", "1.0", "Robin Hood", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
