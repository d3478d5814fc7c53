/*
 * scheduler_wrong_shares.c - gives everybody a half.
 */
#include "../decent.h"

static int inspect(const void *table, struct lb_inspect *out)
{
    int result = decent_inspect(table, out);

    for (uint32_t i = 0; out->shares && i < out->n_members; i++)
        out->shares[i] = 0.5;
    return result;
}

SCHEDULER("scheduler_wrong_shares", decent_build, NULL, decent_pick, inspect)
