/*
 * measure.h - what a strategy does with keys, and how long a call takes.
 *
 * Owns     nothing that lasts.
 * Used by  plugin_check.c, plugin_bench.c.
 * Uses     world/asker.h, world/strategy.h.
 * Thread   the program's only one.
 */
#ifndef CTL_MEASURE_H
#define CTL_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "lb_plugin.h"

struct strategy;
struct table;

#define MEASURE_KEYS 100000u

/* Over "Server 1" … "Server n", of which the one at index without is left out (LB_NONE: none is). NULL after a
 * complaint. */
struct table *measure_build(struct strategy *s, uint32_t n, uint32_t without);

struct measure_balance {
    double keys;  /* the largest share of MEASURE_KEYS sample keys, over the mean */
    double exact; /* the same of the table's slots; negative: it has no exact shares */
};

/* Asks each sample key. False after a complaint: it named nobody, or a member that is not there. */
bool measure_balance(const struct table *t, struct measure_balance *out);

/* What chance alone shows: the largest of n over the mean when each sample key is given to one at random. */
double measure_floor(uint32_t n);

struct measure_moves {
    double
        moved; /* share of the sample keys that changed their member when one of n was removed, mean of all n */
    double excess; /* of those, keys that had not been the removed member's */
};
bool measure_moves(struct strategy *s, uint32_t n, struct measure_moves *out);

/* Nanoseconds a turn of run(ctx, turns): the fastest of five runs of 20 ms or more. */
double measure_ns(void (*run)(void *ctx, uint64_t turns), void *ctx);

/* Keeps a result from being optimised away. */
void measure_sink(uint64_t value);

#endif
