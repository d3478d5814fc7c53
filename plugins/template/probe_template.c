/*
 * probe_template.c - says in one sentence where it looks, and after which source.
 *
 * A probe is asked when a slot is taken: which one is tried next? It must be pure, and stay below slots. lb_plugin.h
 * explains every word here.
 *
 *   cc -O2 -fPIC -shared $(pkg-config --cflags ringmaster-plugin) -o probe_template.so probe_template.c
 */
#include "lb_plugin.h"

#include <stdlib.h>
#include <string.h>

/* What an instance keeps of its options. */
struct probe {
    uint64_t step;
};

static const struct lb_option options[] = {
    { .name = "step",
      .type = LB_INT,
      .dflt = "1",
      .min = 1,
      .max = 65536,
      .help = "from one attempt to the next, in slots" },
    { .name = NULL },
};

/* Builder thread. values[k] belongs to options[k], checked and complete. */
static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    struct probe *p = malloc(sizeof *p);

    if (!p) {
        strcpy(why->text, "no memory for a step");
        return -1;
    }
    p->step = (uint64_t)values[0].i;
    *self = p;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

/* The attempt-th slot to try, attempt being 1, 2, 3, … From build. */
static uint64_t at(const void *self, const struct lb_probe_try *try)
{
    const struct probe *p = self;

    return (try->home + try->attempt * p->step) % try->slots;
}

static const struct lb_probe_ops ops = {
    .struct_size = sizeof ops,
    .create = create,
    .destroy = destroy,
    .at = at,
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_PROBE, "probe_template", "1.0", "what ringctl plugin list shows", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
