/*
 * hash_crash_in_entry.c - crashes before it has said what it is.
 */
#include "../decent.h"

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    volatile uint32_t *volatile nowhere = NULL;

    return *nowhere == host_abi ? (const struct lb_plugin *)(uintptr_t)1 : NULL;
}
