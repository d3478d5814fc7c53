/*
 * hash_bad_defaults.c - its own option table is wrong, three times.
 */
#include "lb_plugin.h"

static const struct lb_option options[] = {
    { .name = "not_a_number", .type = LB_INT, .dflt = "twelve", .help = "an integer" },
    { .name = "out_of_bounds", .type = LB_FLOAT, .dflt = "2.5", .min = 0, .max = 1, .help = "a share" },
    { .name = "no_default", .type = LB_TEXT, .dflt = NULL, .help = "a text" },
    { .name = "good", .type = LB_BOOL, .dflt = "true", .help = "nothing wrong here" },
    { .name = NULL },
};

static uint64_t key(const void *self, const struct lb_key *k)
{
    (void)self;
    return k->id;
}

static uint64_t place(const void *self, const struct lb_member *m, uint32_t j)
{
    (void)self;
    return lb_mix64(m->id + j);
}

static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = key, .place = place };

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_HASH, "hash_bad_defaults", "1.0", "bad", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
