/*
 * explain.c - why a key goes where it goes.
 *
 * Owns     nothing.
 * Used by  the balancer, through the callback explain.
 * Uses     ring.h; the composed hash and probe, to see again how a virtual node came to its slot.
 * Thread   builder thread.
 *
 * The facts stand in the order of the walk: the key's slot, the virtual nodes passed because their member was tried,
 * then the virtual node that answers: its slot, its member, which copy it is, the slot it wanted, and how many probes it
 * took when the ring was built.
 */
#include "ring.h"

/* The copy of the member that stands on the slot. The node is there: slot came from a point of this member. */
static uint32_t find_copy(const struct ring *r, uint32_t member, uint64_t slot)
{
    uint32_t first = r->nodes.first[member], node = first;

    while (node + 1 < r->nodes.first[member + 1] && r->nodes.slot_of[node] != slot)
        node++;
    return node - first;
}

/* The attempt at which the probe names the slot; 0: home itself; RING_ATTEMPTS_MAX + 1: none did. */
static uint32_t count_probes(const struct ring *r, struct lb_probe_try try, uint64_t slot)
{
    if (try.home == slot)
        return 0;
    for (try.attempt = 1; try.attempt <= RING_ATTEMPTS_MAX && try.attempt <= r->slots; try.attempt++)
        if (r->probe.ops->at(r->probe.self, &try) == slot)
            return try.attempt;
    return RING_ATTEMPTS_MAX + 1;
}

static void tell_node(const struct ring *r, uint64_t point, const struct lb_explain *say)
{
    uint64_t slot = point_slot(point);
    uint32_t member = point_member(point), copy = find_copy(r, member, slot);
    struct lb_probe_try try = nodes_try(&r->hash, &r->members[member], copy, r->slots);
    uint32_t probes = count_probes(r, try, slot);

    say->number(say->ctx, "node slot", slot);
    say->member(say->ctx, "node of", member);
    say->number(say->ctx, "virtual node", copy);
    say->number(say->ctx, "home slot", try.home);
    if (probes <= RING_ATTEMPTS_MAX)
        say->number(say->ctx, "probes", probes);
    else
        say->text(say->ctx, "probes", "none found a free slot: the next free one clockwise from home");
}

uint32_t ring_explain(const void *table, const struct lb_pick *p, const void *scratch,
                      const struct lb_explain *say)
{
    const struct ring *r = table;
    uint64_t slot = ring_slot(r->slots, r->mask, p->hash);
    uint32_t steps = r->n_points < RING_WALK_MAX ? r->n_points : RING_WALK_MAX, point;

    (void)scratch;
    say->number(say->ctx, "slots", r->slots);
    say->number(say->ctx, "slot", slot);
    if (r->n_members == 0) {
        say->text(say->ctx, "end", "the ring is empty");
        return LB_NONE;
    }
    point = points_find(r, slot);
    for (uint32_t step = 0; step < steps; step++, point++) {
        if (point >= r->n_points)
            point = 0;
        if (!lb_is_tried(p, point_member(r->points[point]))) {
            say->number(say->ctx, "nodes passed", step);
            tell_node(r, r->points[point], say);
            return point_member(r->points[point]);
        }
    }
    say->number(say->ctx, "nodes passed", steps);
    say->text(say->ctx, "end", "all of these belong to tried members: the key chooses among the rest");
    return ring_any_untried(r, p);
}
