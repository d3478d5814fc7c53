/*
 * scheduler_returns_tried.c - does not look at what was tried.
 */
#include "../decent.h"

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)table;
    (void)scratch;
    return p->n_members ? (uint32_t)(p->hash % p->n_members) : LB_NONE;
}

SCHEDULER("scheduler_returns_tried", decent_build, NULL, pick, decent_inspect)
