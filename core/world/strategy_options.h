/*
 * strategy_options.h - from options as written in lb.conf to the values a plugin is created with.
 *
 * Owns     nothing that lasts: the caller keeps the values.
 * Used by  strategy.c.
 * Uses     config.h for what was written, the plugin's own option table for what it must be.
 * Thread   builder thread.
 */
#ifndef WORLD_STRATEGY_OPTIONS_H
#define WORLD_STRATEGY_OPTIONS_H

#include <stddef.h>

#include "base/problem.h"
#include "lb_plugin.h"

struct config_plugin;

/* How many options a plugin has. */
size_t options_count(const struct lb_plugin *info);

/* The value of each option of info, in the order of its table: as written, or the default. Every mistake goes
 * to problems with its place. Returns the values (of which options_free frees the texts, too), or NULL when
 * there was a mistake. */
union lb_value *options_fill(const struct lb_plugin *info, const struct config_plugin *written,
                             struct problems *problems);
void options_free(const struct lb_plugin *info, union lb_value *values);

#endif
