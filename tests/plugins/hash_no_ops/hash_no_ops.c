/*
 * hash_no_ops.c - has no callbacks at all.
 */
#include "lb_plugin.h"

static const struct lb_plugin plugin = {
    .struct_size = sizeof plugin,
    .abi_major = LB_ABI_MAJOR,
    .abi_minor = LB_ABI_MINOR,
    .kind = LB_HASH,
    .name = "hash_raw",
    .version = "1.0",
    .summary = "bad",
    .ops = NULL,
};

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
