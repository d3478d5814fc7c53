/*
 * scheduler_loop_in_place.c - asks the hash for ever, looking for a place that it likes.
 */
#include "../decent.h"

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    volatile uint64_t best = 0;

    if (in->n_members > 0)
        for (uint32_t j = 0; best != 12345; j++)
            best = in->hash.ops->place(in->hash.self, &in->members[0], j & 7);
    return decent_build(in, table, why);
}

SCHEDULER("scheduler_loop_in_place", build, NULL, decent_pick, decent_inspect)
