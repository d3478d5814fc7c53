/*
 * hash_options.c - has an option of each type, and answers with their values: key 0, 1, 2 or 3, place with
 * the text.
 */
#include "lb_plugin.h"

#include <stdlib.h>
#include <string.h>

static const struct lb_option options[] = {
    { .name = "whole",
      .type = LB_INT,
      .dflt = "0x10",
      .min = -5,
      .max = 100,
      .help = "a whole number, in sheep" },
    { .name = "fraction", .type = LB_FLOAT, .dflt = "0.5", .min = 0, .max = 1, .help = "a share of one" },
    { .name = "flag", .type = LB_BOOL, .dflt = "TRUE", .help = "yes or no" },
    { .name = "text",
      .type = LB_TEXT,
      .dflt = "abc",
      .min = 1,
      .max = 8,
      .help = "what is digested, in bytes" },
    { .name = "free", .type = LB_INT, .dflt = "4294967296L", .help = "any number" },
    { .name = NULL },
};

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    union lb_value *kept;

    if (values[0].i == 13) {
        memcpy(why->text, "thirteen sheep are too many", sizeof "thirteen sheep are too many");
        return -1;
    }
    if (values[0].i == 14)
        return -1;
    kept = malloc(5 * sizeof *kept);
    if (!kept)
        return -1;
    memcpy(kept, values, 5 * sizeof *kept);
    *self = kept;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static uint64_t key(const void *self, const struct lb_key *k)
{
    const union lb_value *kept = self;

    return k->id == 1 ? (uint64_t)(kept[1].f * 1000) : (uint64_t)kept[k->id].i;
}

/* The j-th byte of the text. */
static uint64_t place(const void *self, const struct lb_member *m, uint32_t j)
{
    const union lb_value *kept = self;

    (void)m;
    return j < strlen(kept[3].s) ? (unsigned char)kept[3].s[j] : 0;
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .key = key, .place = place
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_HASH, "hash_options", "1.0", "shows its options", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
