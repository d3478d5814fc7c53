/*
 * scheduler_loop_in_build.c - never comes back from build.
 */
#include "../decent.h"

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    volatile uint64_t turns = 0;

    if (in->n_members < 3)
        return decent_build(in, table, why);
    for (;;)
        turns++;
}

SCHEDULER("scheduler_loop_in_build", build, NULL, decent_pick, decent_inspect)
