/*
 * hash_bad_type.c - has an option of a type that nobody knows.
 */
#include "lb_plugin.h"

static const struct lb_option options[] = {
    { .name = "odd", .type = 7, .dflt = "1", .help = "an integer" },
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

static const struct lb_plugin plugin = LB_PLUGIN(LB_HASH, "hash_bad_type", "1.0", "bad", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
