/*
 * probe_robin_hood.c - the next slot, and who has come farther may have it.
 *
 * Owns     nothing: it has no options.
 * Used by  the balancer, through lb_plugin_entry.
 * Thread   any; there is no state.
 *
 * Source   Pedro Celis, "Robin Hood Hashing", PhD thesis, University of Waterloo, 1986.
 * Gives    at(t) = home + t, modulo the slots, as probe_linear; but a node that has come farther from its
 *          home than the one in the slot takes the slot, and the other moves on. The same slots are taken
 *          in the end, and the nodes have gone as far altogether; but nobody much farther than the others,
 *          and those who are placed late, by the order of ring names, no farther than those placed early.
 * Cost     that of probe_linear, and a comparison for each taken slot on the way. Only while a ring is
 *          built.
 * Not for  crowded rings whose members come and go: when one leaves, everybody behind its nodes moves up,
 *          and about twice as many keys change hands for nothing as with probe_linear. On a large ring,
 *          where next to nothing collides, it gives the same as any other.
 */
#include "lb_plugin.h"

static uint64_t at(const void *self, const struct lb_probe_try *p)
{
    (void)self;
    return (p->home + p->attempt) % p->slots;
}

/* Strictly farther: of two that have come as far, the one that is there stays, so that placing ends. */
static int yields(const void *self, uint64_t mine, uint64_t theirs)
{
    (void)self;
    return mine > theirs;
}

static const struct lb_probe_ops ops = { .struct_size = sizeof ops, .at = at, .yields = yields };

static const struct lb_plugin plugin = LB_PLUGIN(
    LB_PROBE, "probe_robin_hood", "1.0", "the next slot; the one farther from home takes it", 0, 0, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
