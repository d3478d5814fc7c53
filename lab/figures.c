/*
 * figures.c - spread and chance: see figures.h.
 *
 * Owns     nothing; pure.
 * Used by  the experiments, tests.
 * Uses     lb_plugin.h for its random numbers.
 * Thread   any.
 */
#include "lab/figures.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lb_plugin.h"

#define TRIALS 1000

struct spread figures_spread(const uint64_t *counts, size_t n)
{
    struct spread s = { .n = n, .min = n ? counts[0] : 0 };
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        s.total += counts[i];
        s.min = counts[i] < s.min ? counts[i] : s.min;
        s.max = counts[i] > s.max ? counts[i] : s.max;
    }
    s.mean = n ? (double)s.total / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        squares += ((double)counts[i] - s.mean) * ((double)counts[i] - s.mean);
    s.stddev = n ? sqrt(squares / (double)n) : 0;
    s.max_over_mean = s.mean > 0 ? (double)s.max / s.mean : 0;
    s.min_over_mean = s.mean > 0 ? (double)s.min / s.mean : 0;
    return s;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double figures_median(double *values, size_t n)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct sampling figures_floor(uint64_t requests, size_t n)
{
    struct sampling out = { 1, 1 };
    if (n < 2 || requests == 0)
        return out;
    uint64_t state = 1, *counts = mem_alloc(n * sizeof *counts);
    double trials[TRIALS], sum = 0;
    for (size_t t = 0; t < TRIALS; t++) {
        for (size_t i = 0; i < n; i++)
            counts[i] = 0;
        for (uint64_t i = 0; i < requests; i++)
            counts[lb_scale(lb_random(&state), n)]++;
        trials[t] = figures_spread(counts, n).max_over_mean;
        sum += trials[t];
    }
    free(counts);
    qsort(trials, TRIALS, sizeof *trials, compare);
    out.mean = sum / TRIALS;
    out.p95 = trials[TRIALS * 95 / 100];
    return out;
}

json_t *figures_json(const struct spread *s)
{
    return json_pack("{s:I, s:I, s:f, s:I, s:I, s:f, s:f, s:f}", "n", (json_int_t)s->n, "total",
                     (json_int_t)s->total, "mean", s->mean, "min", (json_int_t)s->min, "max",
                     (json_int_t)s->max, "stddev", s->stddev, "max_over_mean", s->max_over_mean,
                     "min_over_mean", s->min_over_mean);
}
