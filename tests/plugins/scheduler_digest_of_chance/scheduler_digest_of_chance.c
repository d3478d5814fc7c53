/*
 * scheduler_digest_of_chance.c - builds another table each time, and its digest says so.
 */
#include "../decent.h"

static int inspect(const void *table, struct lb_inspect *out)
{
    static uint64_t built;
    int result = decent_inspect(table, out);

    out->digest += built++;
    return result;
}

SCHEDULER("scheduler_digest_of_chance", decent_build, NULL, decent_pick, inspect)
