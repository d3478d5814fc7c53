/*
 * probe_double.c - double hashing: every virtual node has a step of its own.
 *
 * Owns     nothing: it has no options.
 * Used by  the balancer, through lb_plugin_entry.
 * Thread   any; there is no state.
 *
 * Source   Guy de Balbine, "Computational analysis of the random components induced by a binary equivalence
 *          relation", 1968; Knuth, TAOCP 3, section 6.4, algorithm D.
 * Gives    at(t) = home + step t, modulo the slots, with a step made from the node's second hash that has
 *          no common divisor with the number of slots: so attempts 1 to slots - 1 see every other slot
 *          once. Nodes that collide at home part ways at once, and crowds do not grow as they do with
 *          probe_linear.
 * Cost     a product and a division an attempt; where slots is no power of two also Euclid's algorithm, a
 *          few dozen divisions. Only nodes that collide pay, and only while a ring is built.
 * Not for  rings whose places must be checked by hand. On a large ring, where next to nothing collides, it
 *          gives the same as any other.
 */
#include "lb_plugin.h"

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* A step in 1 .. slots - 1 that has no divisor in common with slots. */
static uint64_t step_of(uint64_t hash2, uint64_t slots)
{
    uint64_t step;

    if ((slots & (slots - 1)) == 0)
        return (hash2 & (slots - 1)) | 1;
    /* The next that fits. Ends soon, and at slots - 1 at the latest: a number up to 2^32 has at most nine
     * primes, and then one of any 40 numbers in a row has no divisor in common with it (Jacobsthal's
     * function). */
    step = 1 + hash2 % (slots - 1);
    while (common_divisor(slots, step) != 1)
        step++;
    return step;
}

static uint64_t at(const void *self, const struct lb_probe_try *p)
{
    (void)self;
    /* Below 2^64: home, attempt and step are all below 2^32. */
    return (p->home + p->attempt * step_of(p->hash2, p->slots)) % p->slots;
}

static const struct lb_probe_ops ops = { .struct_size = sizeof ops, .at = at };

static const struct lb_plugin plugin = LB_PLUGIN(
    LB_PROBE, "probe_double", "1.0", "double hashing: each node steps by its second hash", 0, 0, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
