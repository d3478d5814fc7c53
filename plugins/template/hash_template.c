/*
 * hash_template.c - says in one sentence what it computes, and after which source.
 *
 * A hash turns a request key into 64 bits (H), and copy j of a member into 64 bits (PHI). Both must be pure: the same
 * arguments give the same result, for ever, on any thread, on any machine. lb_plugin.h explains every word here.
 *
 *   cc -O2 -fPIC -shared $(pkg-config --cflags ringmaster-plugin) -o hash_template.so hash_template.c
 */
#include "lb_plugin.h"

#include <stdlib.h>
#include <string.h>

/* What an instance keeps of its options. */
struct hash {
    uint64_t seed;
};

static const struct lb_option options[] = {
    { .name = "seed",
      .type = LB_INT,
      .dflt = "0",
      .min = 0,
      .max = 4294967295.0,
      .help = "seed, a 32-bit number" },
    { .name = NULL },
};

/* Builder thread. values[k] belongs to options[k], checked and complete. */
static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    struct hash *h = malloc(sizeof *h);

    if (!h) {
        strcpy(why->text, "no memory for a seed");
        return -1;
    }
    h->seed = (uint64_t)values[0].i;
    *self = h;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

/* H: once a request, on any worker. All 64 bits count. k->id is the number when the key is one, else 64 bits that stand
 * for its bytes. */
static uint64_t key(const void *self, const struct lb_key *k)
{
    const struct hash *h = self;

    return lb_mix64(k->id ^ lb_mix64(h->seed));
}

/* PHI: where copy j of a member goes. From build. */
static uint64_t place(const void *self, const struct lb_member *m, uint32_t j)
{
    const struct hash *h = self;

    return lb_mix64(lb_mix64(m->id ^ lb_mix64(h->seed + 1)) + j);
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops,
    .create = create,
    .destroy = destroy,
    .key = key,
    .place = place,
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_HASH, "hash_template", "1.0", "what ringctl plugin list shows", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
