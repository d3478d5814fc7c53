/*
 * probe_quadratic.c - steps that grow.
 *
 * Owns     which of the two rules an instance follows.
 * Used by  the balancer, through lb_plugin_entry.
 * Thread   any: an instance is never written after create.
 *
 * Source   Maurer, "An improved hash code for scatter storage", 1968; the step of each copy is one founding
 *          program's.
 * Gives    steps away from a crowd instead of along it, and the places of that founding program's ring.
 * Cost     two products and a division an attempt. Only nodes that collide pay, and only while a ring is built.
 * Not for  nearly full rings with per_copy = false: the squares do not reach every slot.
 *
 *   per_copy = false   at(t) = home + t^2         the textbook's: the steps between attempts are 1, 3, 5, …
 *   per_copy = true    at(t) = home + (2j + 1) t  one founding program's: copy j keeps the step 2j + 1
 *
 * Reach. home + t^2 sees only the squares: half of the slots when their number is an odd prime, about a sixth
 * when it is a power of two (87 of 512). The scheduler gives up after a bounded number of attempts and takes
 * the next free slot, so a crowded ring still finds room. home + (2j + 1) t reaches every slot of a power of
 * two, since the step is odd; elsewhere the slots divided by their common divisor with the step.
 */
#include "lb_plugin.h"

static const struct lb_option options[] = {
    { .name = "per_copy",
      .type = LB_BOOL,
      .dflt = "false",
      .help = "true: copy j steps by 2j + 1 slots each time; false: attempt t lands t^2 slots from home" },
    { .name = NULL },
};

/* The two instances there can be: nothing to allocate, and their addresses tell them apart. */
static const int squares = 0, by_copy = 1;

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    (void)why;
    *self = (void *)(uintptr_t)(values[0].i ? &by_copy : &squares);
    return 0;
}

static uint64_t at(const void *self, const struct lb_probe_try *p)
{
    uint64_t t = p->attempt;
    uint64_t step = *(const int *)self ? 2 * (uint64_t)p->copy + 1 : t;

    /* Reduced before and after the product: t and slots are at most 2^32, so nothing wraps. */
    return (p->home + step % p->slots * (t % p->slots)) % p->slots;
}

static const struct lb_probe_ops ops = { .struct_size = sizeof ops, .create = create, .at = at };

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_PROBE, "probe_quadratic", "1.0",
              "squares from the taken slot, or a constant step of each copy", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
