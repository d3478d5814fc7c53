/*
 * probe_linear.c - the next slot, and the next.
 *
 * Owns     the step of an instance.
 * Used by  the balancer, through lb_plugin_entry.
 * Thread   any: an instance is never written after create.
 *
 * Source   Knuth, TAOCP 3, section 6.4, algorithm L ("linear probing": Amdahl, Boehme, Rochester, Samuel, 1954).
 * Gives    the nearest free slot: a node stays as close to its home as can be.
 * Cost     an addition and a division an attempt. Only nodes that collide pay, and only while a ring is built.
 * Not for  rings that are more than half full: taken slots grow into crowds, which the next nodes make longer
 *          still, and whoever stands behind one owns next to nothing (probe_double).
 *
 * at(t) = home + step t, modulo the slots. Reaches every slot when step and the number of slots have no
 * common divisor (step = 1 always; any odd step on a power of two), otherwise slots / gcd of them.
 */
#include "lb_plugin.h"

#include <stdlib.h>
#include <string.h>

static const struct lb_option options[] = {
    { .name = "step",
      .type = LB_INT,
      .dflt = "1",
      .min = 1,
      .max = 4294967295.0,
      .help = "how far one attempt goes, in slots" },
    { .name = NULL },
};

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    static const char no_memory[] = "no memory for a step";
    uint64_t *step = malloc(sizeof *step);

    if (!step) {
        memcpy(why->text, no_memory, sizeof no_memory);
        return -1;
    }
    *step = (uint64_t)values[0].i;
    *self = step;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static uint64_t at(const void *self, const struct lb_probe_try *p)
{
    const uint64_t *step = self;

    /* Below 2^64: home, step and attempt are all below 2^32. */
    return (p->home + *step * p->attempt) % p->slots;
}

static const struct lb_probe_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .at = at
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_PROBE, "probe_linear", "1.0", "a fixed step from the taken slot", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
