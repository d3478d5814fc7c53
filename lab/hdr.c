/*
 * hdr.c - log-linear counting: see hdr.h.
 *
 * Owns     nothing.
 * Used by  load.c, cmd_load.c, experiments and tests.
 * Uses     nothing.
 * Thread   whoever holds the histogram.
 */
#include "lab/hdr.h"

#include <math.h>

/* Of 8 significant bits, the first is always set: 128 buckets a power of two. */
static unsigned bucket_of(uint64_t value)
{
    if (value < 256)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - 7u;
    return shift * 128u + (unsigned)(value >> shift);
}

void hdr_bounds(unsigned bucket, uint64_t *from, uint64_t *to)
{
    unsigned shift = bucket < 256 ? 0 : bucket / 128 - 1;
    *from = (uint64_t)(bucket - shift * 128u) << shift;
    *to = *from + (1ull << shift);
}

void hdr_add(struct hdr *h, uint64_t value)
{
    if (value >> HDR_MAX_BITS)
        value = (1ull << HDR_MAX_BITS) - 1;
    if (h->count == 0 || value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    h->count++;
    h->sum += (double)value;
    h->buckets[bucket_of(value)]++;
}

void hdr_merge(struct hdr *into, const struct hdr *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    into->count += from->count;
    into->sum += from->sum;
    for (unsigned i = 0; i < HDR_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t hdr_percentile(const struct hdr *h, double percent)
{
    if (h->count == 0)
        return 0;
    uint64_t rank = (uint64_t)ceil(percent / 100 * (double)h->count), seen = 0, from, to;
    if (rank <= 1)
        return h->min;
    for (unsigned i = 0; i < HDR_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            hdr_bounds(i, &from, &to);
            uint64_t middle = from + (to - from) / 2;
            return middle > h->max ? h->max : middle < h->min ? h->min : middle;
        }
    }
    return h->max;
}

double hdr_mean(const struct hdr *h)
{
    return h->count ? h->sum / (double)h->count : 0;
}
