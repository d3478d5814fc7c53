/*
 * hash_long_ops.c - says its callbacks are more than there are.
 */
#include "../decent.h"

static const struct lb_hash_ops ops = { .struct_size = 4096, .key = decent_key, .place = decent_place };

static const struct lb_plugin plugin = LB_PLUGIN(LB_HASH, "hash_long_ops", "1.0", "bad", 0, 0, &ops);

EXPORT(plugin)
