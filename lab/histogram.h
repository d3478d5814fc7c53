/*
 * histogram.h - times, counted so that every percentile is known to better than 1 %.
 *
 * Owns     the counts.
 * Used by  load.c, cmd_load.c, experiments and tests.
 * Uses     nothing.
 * Thread   whoever holds it.
 *
 * Buckets are log-linear, as in HdrHistogram: up to 255 each value has its own, above that each power of two is divided
 * into 128 equal parts. A value is reported as the middle of its bucket: the error is at most 0.4 %.
 */
#ifndef LAB_HISTOGRAM_H
#define LAB_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_MAX_BITS 44 /* values above 2^44 (of nanoseconds: 4.9 hours) count as 2^44 - 1 */
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_MAX_BITS - 7) * 128 + 128)

struct histogram {
    uint64_t count, min, max; /* min and max are exact; 0 when count is */
    double sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that `percent` (0 to 100) of all values do not exceed; never above max. 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
double histogram_mean(const struct histogram *h);

/* The first value of a bucket, and the first of the next one: bucket i holds from .. to - 1. */
void histogram_bounds(unsigned bucket, uint64_t *from, uint64_t *to);

#endif
