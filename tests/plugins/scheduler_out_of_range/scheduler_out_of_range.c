/*
 * scheduler_out_of_range.c - picks one more than there are.
 */
#include "../decent.h"

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    uint32_t member = decent_pick(table, p, scratch);

    return member == LB_NONE || p->hash % 50 ? member : p->n_members;
}

SCHEDULER("scheduler_out_of_range", decent_build, NULL, pick, decent_inspect)
