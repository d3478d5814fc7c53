/*
 * untried.h - who is left when a scheduler's own order has been followed for long enough.
 *
 * Owns     nothing.
 * Used by  the schedulers of this house, from pick.
 * Uses     lb_plugin.h.
 * Thread   any worker; nothing is written.
 *
 * A scheduler first looks further by its own rule (the next point, another salt, another turn), because that
 * spreads a dead member's requests as the rule spreads all others. The look is bounded by UNTRIED_LOOKS. It
 * comes to its end only when most members are tried, and then one of the others is as good as any.
 */
#ifndef PLUGINS_COMMON_UNTRIED_H
#define PLUGINS_COMMON_UNTRIED_H

#include "lb_plugin.h"

/* With three of four members tried, 64 looks miss all untried ones once in 10^8 requests. */
#define UNTRIED_LOOKS 64u

/* The members of this word of the bitmap that are not tried. */
static inline uint64_t untried_word(const uint64_t *tried, uint32_t n, uint32_t word)
{
    uint64_t left = ~tried[word];

    return word == n / 64 ? left & ((1ull << n % 64) - 1) : left;
}

/* One of the members 0 .. n - 1 that are not tried, each as likely as the others when random is; LB_NONE when
 * all are. Two looks at each 64 members. */
static inline uint32_t untried_any(const uint64_t *tried, uint32_t n, uint64_t random)
{
    uint32_t words = n / 64 + (n % 64 > 0), count = 0, skip;

    for (uint32_t w = 0; w < words; w++)
        count += (uint32_t)__builtin_popcountll(untried_word(tried, n, w));
    if (count == 0)
        return LB_NONE;
    skip = (uint32_t)lb_scale(random, count);
    for (uint32_t w = 0;; w++) {
        uint64_t left = untried_word(tried, n, w);
        uint32_t here = (uint32_t)__builtin_popcountll(left);

        if (skip >= here) {
            skip -= here;
            continue;
        }
        for (; skip > 0; skip--)
            left &= left - 1;
        return w * 64 + (uint32_t)__builtin_ctzll(left);
    }
}

#endif
