/*
 * jump.h - from a 64-bit key to one of n buckets.
 *
 * Owns     nothing.
 * Used by  scheduler_jump.c; the unit test.
 * Thread   any.
 *
 * As n grows by one, a key that lies in bucket b jumps to the new bucket with probability 1 / n. Instead of
 * asking at each n, one draws how long the key stays: its next jump goes to floor((b + 1) / r), with r
 * uniform between 0 and 1. The last jump that is still below n is the bucket. The numbers come from a
 * generator that the key seeds (Knuth's 64-bit linear congruential one), of which the upper 31 bits are used.
 *
 * IEEE doubles: one division, one multiplication, one truncation, the same on every machine. The division
 * does not wait for the jump before it, so the processor does several at once.
 */
#ifndef SCHEDULER_JUMP_JUMP_H
#define SCHEDULER_JUMP_JUMP_H

#include <stdint.h>

/* n is 1 to 2^31 - 1. */
static inline uint32_t jump_bucket(uint64_t key, uint32_t n)
{
    int64_t bucket, next = 0;

    do {
        double stretch;

        bucket = next;
        key = key * 2862933555777941757ull + 1;
        stretch = (double)(1ll << 31) / (double)((int64_t)(key >> 33) + 1);
        next = (int64_t)((double)(bucket + 1) * stretch);
    } while (next < (int64_t)n);
    return (uint32_t)bucket;
}

#endif
