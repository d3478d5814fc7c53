/*
 * bench.h - nanoseconds a call of one plugin.
 *
 * Owns     nothing.
 * Used by  plugin_bench.c, plugin_check.c.
 * Thread   the program's only one.
 */
#ifndef CTL_BENCH_H
#define CTL_BENCH_H

#include <stdbool.h>

#include <jansson.h>

struct args;
struct part;

/* Measures, and prints one line a figure, or fills in out when that is not NULL. False after a complaint. In the child. */
bool bench_part(const struct args *a, const struct part *p, json_t *out);

#endif
