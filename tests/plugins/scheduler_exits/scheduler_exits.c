/*
 * scheduler_exits.c - leaves, and would take the balancer along.
 */
#include "../decent.h"

#include <stdlib.h>

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    if (p->attempt == 1)
        exit(0);
    return decent_pick(table, p, scratch);
}

SCHEDULER("scheduler_exits", decent_build, NULL, pick, decent_inspect)
