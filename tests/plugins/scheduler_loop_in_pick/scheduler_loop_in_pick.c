/*
 * scheduler_loop_in_pick.c - never comes back when a member is tried.
 */
#include "../decent.h"

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    volatile uint64_t turns = 0;

    (void)table;
    (void)scratch;
    if (p->n_members == 0)
        return LB_NONE;
    while (lb_is_tried(p, (uint32_t)(p->hash % p->n_members)))
        turns++;
    return (uint32_t)(p->hash % p->n_members);
}

SCHEDULER("scheduler_loop_in_pick", decent_build, NULL, pick, decent_inspect)
