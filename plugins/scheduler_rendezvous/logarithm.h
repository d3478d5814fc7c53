/*
 * logarithm.h - the logarithm of a random number, on whole numbers.
 *
 * Owns     the layout of the table.
 * Used by  scheduler_rendezvous.c for members of different weights; the unit test.
 * Thread   made by the builder, then read-only.
 *
 * If u is uniform between 0 and 1, -ln u is exponentially distributed, and the smallest of -ln(u[i]) / w[i]
 * is that of member i with probability w[i] / W. Two machines must agree on who is smallest, so no libm: its
 * last bit differs from one to the next.
 *
 * A 64-bit number is 2^e (1 + i/256) (1 + t) with e, i from its bits and t below 1/256. Its logarithm is e ln
 * 2, plus an entry of a table, plus seven terms of t - t^2/2 + t^3/3 - …, of which the eighth is below 2^-66.
 * The sum is wrong by less than 2^-52 for each of the 1 to 64 times that it contains ln 2.
 */
#ifndef SCHEDULER_RENDEZVOUS_LOGARITHM_H
#define SCHEDULER_RENDEZVOUS_LOGARITHM_H

#include "lb_plugin.h"

/* steps[i] is ln(1 + i / 256), in units of 2^-63. */
struct logarithm {
    uint64_t steps[257];
};

/* ln(1 + (i + 1)/256) - ln(1 + i/256) = 2 artanh z with z = 1 / (513 + 2 i); artanh z = z + z^3/3 + z^5/5 +
 * …, of which the fourth term is below 2^-66. */
static inline void logarithm_make(struct logarithm *l)
{
    l->steps[0] = 0;
    for (uint64_t i = 0; i < 256; i++) {
        uint64_t divisor = 513 + 2 * i, square = divisor * divisor;
        uint64_t first = (1ull << 63) / divisor, third = first / square, fifth = third / square;

        l->steps[i + 1] = l->steps[i] + 2 * (first + third / 3 + fifth / 5);
    }
}

/* a times b, both in units of 2^-63. */
static inline uint64_t logarithm_times(uint64_t a, uint64_t b)
{
    return (uint64_t)((lb_u128)a * b >> 63);
}

/* -ln((random + 1) / 2^64), in units of 2^-57: 0 to 64 ln 2, which is below 2^63. */
static inline uint64_t logarithm_minus(const struct logarithm *l, uint64_t random)
{
    uint64_t up = random + 1, index, rest, t, sum;
    unsigned zeros;

    if (up == 0)
        return 0; /* all bits were 1: u is 1 */
    zeros = (unsigned)__builtin_clzll(up);
    up <<= zeros;
    index = up >> 55 & 0xFF;
    rest = up & ((1ull << 55) - 1);
    t = (rest << 8) / (256 + index);
    sum = t / 7;
    for (uint64_t divisor = 6; divisor > 0; divisor--)
        sum = t / divisor - logarithm_times(t, sum);
    /* ln 2^64 - ln up is zeros + 1 times ln 2, less what the bits after the first one add: nearly ln 2 when u
     * is nearly 1. */
    sum += l->steps[index];
    sum = l->steps[256] > sum ? l->steps[256] - sum : 0;
    return (uint64_t)(((lb_u128)l->steps[256] * zeros + sum) >> 6);
}

#endif
