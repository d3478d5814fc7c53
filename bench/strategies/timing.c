/*
 * timing.c - nanoseconds a turn: see timing.h.
 */
#include "timing.h"

#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

#define TURNS_MAX (UINT64_C(1) << 32)

uint64_t timing_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double timed(void (*run)(void *ctx, uint64_t turns), void *ctx, uint64_t turns)
{
    uint64_t begun = timing_now();

    run(ctx, turns);
    return (double)(timing_now() - begun);
}

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

struct timing timing_sum_up(double *figures, unsigned n)
{
    qsort(figures, n, sizeof *figures, compare);
    return (struct timing){ .least = figures[0], .median = figures[n / 2] };
}

struct timing timing_of(void (*run)(void *ctx, uint64_t turns), void *ctx, unsigned runs, uint64_t run_ns)
{
    double *figures = mem_alloc(runs * sizeof *figures);
    uint64_t turns = 1;

    while (timed(run, ctx, turns) < (double)run_ns && turns < TURNS_MAX)
        turns *= 2;
    for (unsigned i = 0; i < runs; i++)
        figures[i] = timed(run, ctx, turns) / (double)turns;
    struct timing t = timing_sum_up(figures, runs);
    free(figures);
    return t;
}

json_t *timing_render(struct timing t, double unit)
{
    return json_pack("{s:f, s:f}", "least", t.least / unit, "median", t.median / unit);
}
