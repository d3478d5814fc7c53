/*
 * probe_stays.c - always names the slot that is taken.
 */
#include "lb_plugin.h"

static uint64_t at(const void *self, const struct lb_probe_try *p)
{
    (void)self;
    return p->home;
}

static const struct lb_probe_ops ops = { .struct_size = sizeof ops, .at = at };

static const struct lb_plugin plugin = LB_PLUGIN(LB_PROBE, "probe_stays", "1.0", "bad", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
