/*
 * hdr.h - times, counted so that every percentile is known to better than 1 %.
 *
 * Owns     the counts.
 * Used by  load.c, cmd_load.c, experiments and tests.
 * Uses     nothing.
 * Thread   whoever holds it.
 *
 * Buckets are log-linear, as in HdrHistogram: up to 255 each value has its own, above that each power of two is divided
 * into 128 equal parts. A value is reported as the middle of its bucket: the error is at most 0.4 %.
 */
#ifndef LAB_HDR_H
#define LAB_HDR_H

#include <stdint.h>

#define HDR_MAX_BITS 44 /* values above 2^44 (of nanoseconds: 4.9 hours) count as 2^44 - 1 */
#define HDR_BUCKETS  ((HDR_MAX_BITS - 7) * 128 + 128)

struct hdr {
    uint64_t count, min, max; /* min and max are exact; 0 when count is */
    double sum;
    uint64_t buckets[HDR_BUCKETS];
};

void hdr_add(struct hdr *h, uint64_t value);
void hdr_merge(struct hdr *into, const struct hdr *from);

/* The value that `percent` (0 to 100) of all values do not exceed; never above max. 0 when empty. */
uint64_t hdr_percentile(const struct hdr *h, double percent);
double hdr_mean(const struct hdr *h);

/* The first value of a bucket, and the first of the next one: bucket i holds from .. to - 1. */
void hdr_bounds(unsigned bucket, uint64_t *from, uint64_t *to);

#endif
