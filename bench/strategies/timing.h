/*
 * timing.h - nanoseconds a turn, on a machine that does other things too.
 *
 * Owns     nothing.
 * Used by  cost.c, figures.c.
 * Thread   the program's only one.
 *
 * The clock is the thread's own processor time, so that being put aside costs nothing; what others do to the caches is
 * still in it. A figure is the fastest of many runs, with the median beside it.
 */
#ifndef BENCH_STRATEGIES_TIMING_H
#define BENCH_STRATEGIES_TIMING_H

#include <jansson.h>
#include <stdint.h>

struct timing {
    double least, median; /* of a turn, in nanoseconds */
};

/* Processor time of this thread, in nanoseconds. */
uint64_t timing_now(void);

/* So many runs of run(ctx, turns), each of about run_ns. Fewer when one turn takes longer than that. */
struct timing timing_of(void (*run)(void *ctx, uint64_t turns), void *ctx, unsigned runs, uint64_t run_ns);

/* The least and the median of n figures, which are sorted. */
struct timing timing_sum_up(double *figures, unsigned n);

/* {"least": …, "median": …}, both divided by unit. */
json_t *timing_render(struct timing t, double unit);

/* Keeps a result from being optimised away. */
static inline void timing_sink(uint64_t value)
{
    __asm__ volatile("" : : "r"(value));
}

#endif
