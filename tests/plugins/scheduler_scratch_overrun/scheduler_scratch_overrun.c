/*
 * scheduler_scratch_overrun.c - asks for 24 bytes of scratch and writes to the 25th.
 */
#include "../decent.h"

static size_t scratch_size(const void *table)
{
    (void)table;
    return 24;
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    unsigned char *bytes = scratch;

    bytes[24] = (unsigned char)p->hash;
    return decent_pick(table, p, scratch);
}

SCHEDULER("scheduler_scratch_overrun", decent_build, scratch_size, pick, decent_inspect)
