/*
 * scheduler_allocation_bomb.c - takes all the memory it is given.
 */
#include "../decent.h"

#include <string.h>

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    const size_t piece = 1 << 20;

    for (int i = 0; in->n_members > 0 && i < 4096; i++) {
        void *memory = in->alloc->alloc(in->alloc->ctx, piece);

        if (!memory)
            break;
        memset(memory, 1, piece);
    }
    return decent_build(in, table, why);
}

SCHEDULER("scheduler_allocation_bomb", build, NULL, decent_pick, decent_inspect)
