/*
 * points.c - virtual nodes, sorted and indexed for the look-up.
 *
 * Owns     nothing: it fills in a ring.
 * Used by  scheduler_ring.c's build.
 * Thread   builder thread.
 */
#include "ring.h"

#include <string.h>

#define RADIX_BITS   11u
#define RADIX_SIZE   (1u << RADIX_BITS)
#define RADIX_PASSES 3u /* enough for the 32 bits of a slot */

/* Bits that a slot can have. */
static unsigned slot_bits(uint64_t slots)
{
    return 64 - (unsigned)__builtin_clzll(slots - 1);
}

/* One pass by eleven bits of the slot: from `from` to `to`, keeping the order of equals. */
static void radix_pass(const uint64_t *from, uint64_t *to, uint32_t n, unsigned shift, uint32_t *starts)
{
    uint32_t sum = 0;

    for (unsigned digit = 0; digit < RADIX_SIZE; digit++) {
        uint32_t many = starts[digit];

        starts[digit] = sum;
        sum += many;
    }
    for (uint32_t i = 0; i < n; i++)
        to[starts[(from[i] >> shift) & (RADIX_SIZE - 1)]++] = from[i];
}

/* Sorts by slot; returns the one of the two arrays that holds the result. A comparison sort of a million
 * points takes longer than all the rest of the build; three passes over them take a few milliseconds. */
static uint64_t *sort(uint64_t *points, uint64_t *other, uint32_t n, unsigned bits)
{
    uint32_t counts[RADIX_PASSES][RADIX_SIZE];

    memset(counts, 0, sizeof counts);
    for (uint32_t i = 0; i < n; i++) {
        for (unsigned pass = 0; pass < RADIX_PASSES; pass++)
            counts[pass][(points[i] >> (32 + pass * RADIX_BITS)) & (RADIX_SIZE - 1)]++;
    }
    for (unsigned pass = 0; pass * RADIX_BITS < bits; pass++) {
        uint64_t *sorted = other;

        radix_pass(points, other, n, 32 + pass * RADIX_BITS, counts[pass]);
        other = points;
        points = sorted;
    }
    return points;
}

static int make_points(struct ring *r, const struct nodes *nodes, struct lb_error *why)
{
    uint64_t *points = build_alloc(r->alloc, (size_t)nodes->n + 1, sizeof *points, RING_WHAT, why);
    uint64_t *other = build_alloc(r->alloc, (size_t)nodes->n + 1, sizeof *other, RING_WHAT, why);
    uint32_t node = 0;

    if (!points || !other) {
        build_free(r->alloc, points);
        build_free(r->alloc, other);
        return -1;
    }
    for (uint32_t m = 0; m < nodes->n_members; m++) {
        for (; node < nodes->first[m + 1]; node++)
            points[node] = (uint64_t)nodes->slot_of[node] << 32 | m;
    }
    r->n_points = nodes->n;
    r->points = sort(points, other, nodes->n, slot_bits(r->slots));
    build_free(r->alloc, r->points == points ? other : points);
    /* The search stops here at the latest: a real point in the last slot sorts before it or is as good. */
    r->points[r->n_points] = 0xFFFFFFFFull << 32 | point_member(r->points[0]);
    return 0;
}

static int make_buckets(struct ring *r, struct lb_error *why)
{
    uint32_t point = 0;

    r->shift = 0;
    while ((r->slots - 1) >> r->shift >= 2ull * r->n_points)
        r->shift++;
    r->n_buckets = (uint32_t)((r->slots - 1) >> r->shift) + 1;
    r->buckets = build_alloc(r->alloc, (size_t)r->n_buckets + 1, sizeof *r->buckets, RING_WHAT, why);
    if (!r->buckets)
        return -1;
    for (uint64_t b = 0; b <= r->n_buckets; b++) {
        while (point < r->n_points && point_slot(r->points[point]) < b << r->shift)
            point++;
        r->buckets[b] = point;
    }
    return 0;
}

static int make_owners(struct ring *r, struct lb_error *why)
{
    uint64_t slot = 0;

    r->owners = build_alloc(r->alloc, r->slots, sizeof *r->owners, RING_WHAT, why);
    if (!r->owners)
        return -1;
    for (uint32_t i = 0; i < r->n_points; i++) {
        for (; slot <= point_slot(r->points[i]); slot++)
            r->owners[slot] = (uint16_t)point_member(r->points[i]);
    }
    for (; slot < r->slots; slot++)
        r->owners[slot] = (uint16_t)point_member(r->points[0]);
    return 0;
}

int points_make(struct ring *r, const struct nodes *nodes, bool dense, struct lb_error *why)
{
    if (make_points(r, nodes, why) || make_buckets(r, why))
        return -1;
    return dense ? make_owners(r, why) : 0;
}
