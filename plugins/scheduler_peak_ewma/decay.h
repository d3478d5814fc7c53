/*
 * decay.h - exp(-t / tau) from a table, and the latency average that rises at once and forgets slowly.
 *
 * Owns     the layout of both.
 * Used by  scheduler_peak_ewma.c; the unit test.
 * Uses     lb_plugin.h.
 * Thread   a decay: made by the builder, then read-only. An average: the worker whose it is.
 *
 * exp(-t / tau) is 2^-y with y = t / (tau ln 2): the whole part of y is a shift, and its fraction a place in
 * a table of 256 steps, between which a straight line is good to 10^-6.
 */
#ifndef SCHEDULER_PEAK_EWMA_DECAY_H
#define SCHEDULER_PEAK_EWMA_DECAY_H

#include "lb_plugin.h"

#define DECAY_ONE (1ull << 32)

struct decay {
    uint64_t halvings;   /* a nanosecond's share of tau ln 2, in units of 2^-64 */
    uint64_t steps[257]; /* steps[i] is 2^(-i / 256), in units of 2^-32 */
};

/* tau_ns is at least 1,000,000. */
static inline void decay_make(struct decay *d, uint64_t tau_ns)
{
    const double log2_e = 1.4426950408889634;
    double root = 0.5, step = 1;

    for (unsigned i = 0; i < 8; i++) { /* the 256th root of 1/2: eight square roots, by Newton's rule */
        double square = root;

        for (unsigned round = 0; round < 8; round++)
            root = (root + square / root) / 2;
    }
    for (unsigned i = 0; i < 257; i++, step *= root)
        d->steps[i] = (uint64_t)(step * (double)DECAY_ONE + 0.5);
    d->halvings = (uint64_t)(log2_e / (double)tau_ns * 18446744073709551616.0);
}

/* exp(-ns / tau), in units of 2^-32. */
static inline uint64_t decay_after(const struct decay *d, uint64_t ns)
{
    lb_u128 y = (lb_u128)ns * d->halvings;
    uint64_t whole = (uint64_t)(y >> 64), index = (uint64_t)y >> 56, between = (uint64_t)y >> 32 & 0xFFFFFF;

    if (whole > 32)
        return 0;
    return (d->steps[index] - ((d->steps[index] - d->steps[index + 1]) * between >> 24)) >> whole;
}

/* What one worker knows of one member. */
struct average {
    uint64_t cost_ns;  /* as it was at the stamp */
    uint64_t stamp_ns; /* 0: nothing is known yet */
};

/* x * weight, weight in units of 2^-32. */
static inline uint64_t decay_scaled(uint64_t x, uint64_t weight)
{
    return (uint64_t)((lb_u128)x * weight >> 32);
}

static inline uint64_t average_age(const struct average *a, uint64_t now_ns)
{
    return now_ns > a->stamp_ns ? now_ns - a->stamp_ns : 0;
}

/* The cost now: as long as nothing is heard of a member it is forgiven, until somebody tries it again. */
static inline uint64_t average_now(const struct average *a, const struct decay *d, uint64_t now_ns)
{
    return decay_scaled(a->cost_ns, decay_after(d, average_age(a, now_ns)));
}

/* A latency was seen: a worse one counts at once and whole, a better one as much as time has gone by. */
static inline void average_observe(struct average *a, const struct decay *d, uint64_t latency_ns,
                                   uint64_t now_ns)
{
    uint64_t kept = decay_after(d, average_age(a, now_ns)), cost = decay_scaled(a->cost_ns, kept);

    if (a->stamp_ns == 0 || latency_ns > cost)
        a->cost_ns = latency_ns;
    else
        a->cost_ns = cost + decay_scaled(latency_ns, DECAY_ONE - kept);
    a->stamp_ns = now_ns ? now_ns : 1;
}

#endif
