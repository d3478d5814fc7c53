/*
 * scheduler_no_pick.c - builds, and cannot be asked.
 */
#include "lb_plugin.h"

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    (void)in;
    (void)why;
    *table = NULL;
    return 0;
}

static const struct lb_scheduler_ops ops = { .struct_size = sizeof ops, .build = build };

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_SCHEDULER, "scheduler_no_pick", "1.0", "bad", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
