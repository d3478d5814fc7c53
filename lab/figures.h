/*
 * figures.h - what counts say: spread, and how even chance alone would be.
 *
 * Owns     nothing; pure.
 * Used by  the experiments, tests.
 * Uses     nothing.
 * Thread   any.
 */
#ifndef LAB_FIGURES_H
#define LAB_FIGURES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct spread {
    size_t n;
    uint64_t total, min, max;
    double mean, stddev;  /* of the n counts; stddev over n, not n - 1: these are all there are */
    double max_over_mean; /* 1: perfectly even; 0 when nothing was counted */
    double min_over_mean;
};

struct spread figures_spread(const uint64_t *counts, size_t n);

/* max/mean of a balancer that gives each of `requests` to one of n by chance alone, every one as likely as another:
 * sampling's floor, which no hash can be expected to beat. The mean of 1,000 such runs, and what 95 of 100 stay below.
 * The same numbers every time. */
struct sampling {
    double mean, p95;
};
struct sampling figures_floor(uint64_t requests, size_t n);

/* The middle one (the mean of the two middle ones); sorts values in place. 0 when there is none. */
double figures_median(double *values, size_t n);

/* n, total, mean, min, max, stddev, max_over_mean, min_over_mean. A new reference. */
json_t *figures_json(const struct spread *s);

#endif
