/*
 * buckets.h - as many buckets a member as it weighs.
 *
 * Owns     the layout; the scheduler that makes it frees it.
 * Used by  numbered.h: algorithms that know only buckets 0 .. n - 1, all alike.
 * Uses     build.h.
 * Thread   made by the builder, then read-only.
 *
 * The buckets lie in blocks in the order of ring names: first[m] is the first one of member m, and first[n]
 * is how many there are. Weights are divided by their greatest common divisor: members that all weigh 100
 * have one bucket each.
 */
#ifndef PLUGINS_COMMON_BUCKETS_H
#define PLUGINS_COMMON_BUCKETS_H

#include "build.h"

#define BUCKETS_MAX 0x7FFFFFFFu

struct buckets {
    uint32_t n_members;
    uint32_t n;      /* buckets in all */
    uint32_t *first; /* n_members + 1; NULL when bucket b is member b's */
};

/* Returns 0, or -1 with why and nothing allocated. O(members). */
static inline int buckets_make(struct buckets *b, const struct lb_build *in, const char *what,
                               struct lb_error *why)
{
    uint32_t divisor = build_divisor(in);
    uint64_t sum = 0;

    *b = (struct buckets){ .n_members = in->n_members };
    if (build_check_weights(in, why))
        return -1;
    for (uint32_t m = 0; m < in->n_members; m++)
        sum += in->members[m].weight / divisor;
    if (sum > BUCKETS_MAX) {
        snprintf(why->text, sizeof why->text,
                 "the weights, divided by %u, add up to %llu buckets, and at most %u can be told apart: use "
                 "coarser weights",
                 divisor, (unsigned long long)sum, BUCKETS_MAX);
        return -1;
    }
    b->n = (uint32_t)sum;
    if (b->n == b->n_members)
        return 0; /* one each */
    b->first = build_alloc(in->alloc, (size_t)b->n_members + 1, sizeof *b->first, what, why);
    if (!b->first)
        return -1;
    b->first[0] = 0;
    for (uint32_t m = 0; m < in->n_members; m++)
        b->first[m + 1] = b->first[m] + in->members[m].weight / divisor;
    return 0;
}

static inline void buckets_free(const struct lb_alloc *alloc, struct buckets *b)
{
    build_free(alloc, b->first);
}

/* Whose bucket this is. bucket is below n. O(1) for equal weights, else O(log members). */
static inline uint32_t buckets_member(const struct buckets *b, uint32_t bucket)
{
    uint32_t low = 0, high = b->n_members;

    if (!b->first)
        return bucket;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (b->first[middle] <= bucket)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static inline size_t buckets_bytes(const struct buckets *b)
{
    return b->first ? ((size_t)b->n_members + 1) * sizeof *b->first : 0;
}

static inline void buckets_share(const struct buckets *b, double *shares)
{
    for (uint32_t m = 0; m < b->n_members; m++)
        shares[m] = (double)(b->first ? b->first[m + 1] - b->first[m] : 1) / (double)b->n;
}

#endif
