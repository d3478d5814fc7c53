/*
 * settings.h - the instance of a scheduler whose options are whole numbers: these numbers.
 *
 * Owns     the instance.
 * Used by  the schedulers of this house.
 * Uses     lb_plugin.h.
 * Thread   keep: builder thread; drop: control thread; read-only in between.
 */
#ifndef PLUGINS_COMMON_SETTINGS_H
#define PLUGINS_COMMON_SETTINGS_H

#include <stdio.h>
#include <stdlib.h>

#include "lb_plugin.h"

/* create: *self becomes an array of the n values, in the order of the options. */
static inline int settings_keep(const union lb_value *values, unsigned n, void **self, struct lb_error *why)
{
    uint32_t *kept = malloc(n * sizeof *kept);

    if (!kept) {
        snprintf(why->text, sizeof why->text, "no memory for %u options", n);
        return -1;
    }
    for (unsigned i = 0; i < n; i++)
        kept[i] = (uint32_t)values[i].i;
    *self = kept;
    return 0;
}

/* The value of option number `option` of an instance. */
static inline uint32_t settings_value(const void *self, unsigned option)
{
    return ((const uint32_t *)self)[option];
}

/* destroy. */
static inline void settings_drop(void *self)
{
    free(self);
}

#endif
