/*
 * scheduler_not_deterministic.c - takes turns although it says that the key decides.
 */
#include "../decent.h"

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    static uint32_t turn;

    (void)table;
    (void)scratch;
    for (uint32_t i = 0; i < p->n_members; i++) {
        uint32_t member = ++turn % p->n_members;

        if (!lb_is_tried(p, member))
            return member;
    }
    return decent_pick(table, p, scratch);
}

SCHEDULER("scheduler_not_deterministic", decent_build, NULL, pick, decent_inspect)
