/*
 * scheduler_keeps_members.c - keeps what it was to copy.
 */
#include "../decent.h"

struct keeper {
    struct decent_table decent;
    const struct lb_member *members;
};

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct keeper *k = in->alloc->alloc(in->alloc->ctx, sizeof *k);

    (void)why;
    if (!k)
        return -1;
    *k = (struct keeper){ .decent = { in->n_members, in->alloc }, .members = in->members };
    *table = k;
    return 0;
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    const struct keeper *k = table;

    if (p->n_members && k->members[0].weight == 0)
        return LB_NONE;
    return decent_pick(table, p, scratch);
}

SCHEDULER("scheduler_keeps_members", build, NULL, pick, decent_inspect)
