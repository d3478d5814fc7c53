/*
 * hash_no_entry.c - a shared object, but no plugin: it exports another function.
 */
#include "lb_plugin.h"

LB_EXPORT uint64_t some_function(uint64_t x);

LB_EXPORT uint64_t some_function(uint64_t x)
{
    return lb_mix64(x);
}
