/*
 * scheduler_sleeps.c - waits in build for something that does not come.
 */
#include "../decent.h"

#include <unistd.h>

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    if (in->n_members > 0)
        for (;;)
            pause();
    return decent_build(in, table, why);
}

SCHEDULER("scheduler_sleeps", build, NULL, decent_pick, decent_inspect)
