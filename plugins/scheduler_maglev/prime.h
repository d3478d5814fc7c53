/*
 * prime.h - is a number prime, and which is the next one that is.
 *
 * Owns     nothing.
 * Used by  scheduler_maglev.c at create; the unit test.
 * Thread   any.
 */
#ifndef SCHEDULER_MAGLEV_PRIME_H
#define SCHEDULER_MAGLEV_PRIME_H

#include <stdbool.h>
#include <stdint.h>

/* By trial division: at most 65,536 divisions, and 1,280 for the largest table. */
static inline bool prime_is(uint32_t n)
{
    if (n < 4)
        return n > 1;
    if (n % 2 == 0)
        return false;
    for (uint64_t divisor = 3; divisor * divisor <= n; divisor += 2) {
        if (n % divisor == 0)
            return false;
    }
    return true;
}

/* The smallest prime that is at least n. Between n and 2 n there always is one (Chebyshev); n is below 2^31.
 * */
static inline uint32_t prime_at_least(uint32_t n)
{
    while (!prime_is(n))
        n++;
    return n;
}

#endif
