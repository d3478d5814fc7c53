/*
 * scheduler_wrong_bytes.c - took memory and does not admit to it.
 */
#include "../decent.h"

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct decent_table *t = in->alloc->alloc(in->alloc->ctx, 100000);

    (void)why;
    if (!t)
        return -1;
    t->n_members = in->n_members;
    t->alloc = in->alloc;
    *table = t;
    return 0;
}

SCHEDULER("scheduler_wrong_bytes", build, NULL, decent_pick, decent_inspect)
