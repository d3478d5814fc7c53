/*
 * scheduler_refuses.c - builds nothing: with a reason for two members, without one otherwise.
 */
#include "lb_plugin.h"

#include <string.h>

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    (void)table;
    if (in->n_members == 2)
        memcpy(why->text, "two is company", sizeof "two is company");
    return -1;
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)table;
    (void)p;
    (void)scratch;
    return LB_NONE;
}

static int inspect(const void *table, struct lb_inspect *out)
{
    (void)table;
    (void)out;
    return -1;
}

static void destroy_table(void *table)
{
    (void)table;
}

static const struct lb_scheduler_ops ops = { .struct_size = sizeof ops,
                                             .build = build,
                                             .pick = pick,
                                             .inspect = inspect,
                                             .destroy_table = destroy_table };

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_SCHEDULER, "scheduler_refuses", "1.0", "bad", 0, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
