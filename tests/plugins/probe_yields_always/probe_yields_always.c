/*
 * probe_yields_always.c - whoever comes takes the slot, whatever it cost the other.
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
    (void)mine;
    (void)theirs;
    return 1;
}

static const struct lb_probe_ops ops = { .struct_size = sizeof ops, .at = at, .yields = yields };

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_PROBE, "probe_yields_always", "1.0", "bad", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
