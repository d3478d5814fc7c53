/*
 * hash_null_entry.c - declines whatever balancer asks.
 */
#include "lb_plugin.h"

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return NULL;
}
