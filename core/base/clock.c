/*
 * clock.c - monotonic and wall time.
 *
 * Owns     nothing.
 * Used by  everyone.
 * Uses     clock_gettime(2), which the vDSO answers without a system call.
 * Thread   any.
 */
#include "base/clock.h"

#include <time.h>

uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

uint64_t clock_wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

uint64_t clock_wall_ms(void)
{
    return clock_wall_ns() / CLOCK_NS_PER_MS;
}
