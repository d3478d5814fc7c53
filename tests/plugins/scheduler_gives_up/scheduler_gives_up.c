/*
 * scheduler_gives_up.c - names nobody when its first choice is tried.
 */
#include "../decent.h"

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    uint32_t member = p->n_members ? (uint32_t)(p->hash % p->n_members) : LB_NONE;

    (void)table;
    (void)scratch;
    return member != LB_NONE && lb_is_tried(p, member) ? LB_NONE : member;
}

SCHEDULER("scheduler_gives_up", decent_build, NULL, pick, decent_inspect)
