/*
 * scheduler_crash_in_pick.c - looks into memory that is not there, once in many picks.
 */
#include "../decent.h"

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    volatile const uint32_t *volatile nowhere = (const uint32_t *)(uintptr_t)(p->hash % 97 == 5 ? 8 : 0);

    if (nowhere)
        return *nowhere;
    return decent_pick(table, p, scratch);
}

SCHEDULER("scheduler_crash_in_pick", decent_build, NULL, pick, decent_inspect)
