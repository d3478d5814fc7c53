/*
 * probe_no_at.c - has no at callback.
 */
#include "lb_plugin.h"

static const struct lb_probe_ops ops = { .struct_size = sizeof ops };

static const struct lb_plugin plugin = LB_PLUGIN(LB_PROBE, "probe_no_at", "1.0", "bad", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
