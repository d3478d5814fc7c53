/*
 * points.h - members' points on a circle of 2^64 places, sorted, and an index that finds the next one at
 * once.
 *
 * Owns     the layout; the scheduler that makes it frees it.
 * Used by  scheduler_ketama, scheduler_multiprobe.
 * Uses     build.h.
 * Thread   made by the builder, then read-only.
 *
 *   at       a0 <= a1 <= … : places. Equal ones are in the order of members
 *   member   whose point each is
 *   buckets  buckets[b] is the first point whose place is at least b << shift. There are one to two buckets a
 *            point, so a look-up reads one pair of buckets and on average less than one point too many
 */
#ifndef PLUGINS_COMMON_POINTS_H
#define PLUGINS_COMMON_POINTS_H

#include <string.h>

#include "build.h"

struct point {
    uint64_t at;
    uint32_t member;
    uint32_t reserved;
};

struct points {
    uint64_t *at;
    uint32_t *member;
    uint32_t *buckets; /* (1 << bits) + 1 of them */
    uint32_t n;
    unsigned shift; /* 64 - bits */
};

/* Sorts by place, stably, one byte at a time from the low_byte-th on (the lower ones are all 0); other is as
 * long as points. Returns where the sorted ones are. */
static inline struct point *points_sort(struct point *points, struct point *other, uint32_t n,
                                        unsigned low_byte)
{
    for (unsigned shift = 8 * low_byte; shift < 64; shift += 8) {
        uint32_t start[257] = { 0 };
        struct point *sorted = other;

        for (uint32_t i = 0; i < n; i++)
            start[(points[i].at >> shift & 0xFF) + 1]++;
        for (unsigned digit = 1; digit < 256; digit++)
            start[digit] += start[digit - 1];
        for (uint32_t i = 0; i < n; i++)
            sorted[start[points[i].at >> shift & 0xFF]++] = points[i];
        other = points;
        points = sorted;
    }
    return points;
}

static inline void points_index(struct points *p)
{
    uint32_t point = 0;

    for (uint64_t b = 0; b < 1ull << (64 - p->shift); b++) {
        while (point < p->n && p->at[point] < b << p->shift)
            point++;
        p->buckets[b] = point;
    }
    p->buckets[1ull << (64 - p->shift)] = p->n;
}

static inline void points_free(const struct lb_alloc *alloc, struct points *p)
{
    build_free(alloc, p->at);
    build_free(alloc, p->member);
    build_free(alloc, p->buckets);
    *p = (struct points){ .n = 0 };
}

/* Makes p of n >= 1 points in the order of members. unsorted and other have room for n and are used up, but
 * stay the caller's. Returns 0, or -1 with why and nothing allocated. O(n). */
static inline int points_make(struct points *p, const struct lb_alloc *alloc, struct point *unsorted,
                              struct point *other, uint32_t n, unsigned low_byte, const char *what,
                              struct lb_error *why)
{
    unsigned bits = 1;
    struct point *sorted;

    while (1ull << bits < n)
        bits++;
    *p = (struct points){ .n = n, .shift = 64 - bits };
    p->at = build_alloc(alloc, n, sizeof *p->at, what, why);
    p->member = build_alloc(alloc, n, sizeof *p->member, what, why);
    p->buckets = build_alloc(alloc, ((size_t)1 << bits) + 1, sizeof *p->buckets, what, why);
    if (!p->at || !p->member || !p->buckets) {
        points_free(alloc, p);
        return -1;
    }
    sorted = points_sort(unsorted, other, n, low_byte);
    for (uint32_t i = 0; i < n; i++) {
        p->at[i] = sorted[i].at;
        p->member[i] = sorted[i].member;
    }
    points_index(p);
    return 0;
}

/* The first point at or after place; n when there is none before the circle closes. */
static inline uint32_t points_find(const struct points *p, uint64_t place)
{
    uint64_t bucket = place >> p->shift;
    uint32_t low = p->buckets[bucket], high = p->buckets[bucket + 1];

    /* Points that crowd fill few buckets: halving keeps even that look-up short. */
    while (high - low > 8) {
        uint32_t middle = low + (high - low) / 2;

        if (p->at[middle] < place)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < high && p->at[low] < place)
        low++;
    return low;
}

static inline size_t points_bytes(const struct points *p)
{
    size_t buckets = p->n ? ((size_t)1 << (64 - p->shift)) + 1 : 0;

    return p->n * (sizeof *p->at + sizeof *p->member) + buckets * sizeof *p->buckets;
}

/* A sum, so that the multiplications need not wait for each other; a point's rank is in it, for points may be
 * equal. */
static inline uint64_t points_digest(const struct points *p, uint64_t names)
{
    uint64_t digest = lb_mix64(names ^ p->n);

    for (uint32_t i = 0; i < p->n; i++)
        digest += lb_mix64(p->at[i] ^ lb_mix64(((uint64_t)i << 32 | p->member[i]) ^ names));
    return digest;
}

#endif
