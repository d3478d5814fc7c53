/*
 * scheduler_inspect_overrun.c - fills in a struct lb_inspect of a later version.
 */
#include "../decent.h"

static int inspect(const void *table, struct lb_inspect *out)
{
    ((volatile uint64_t *)(void *)out)[sizeof *out / sizeof(uint64_t)] = 7;
    return decent_inspect(table, out);
}

SCHEDULER("scheduler_inspect_overrun", decent_build, NULL, decent_pick, inspect)
