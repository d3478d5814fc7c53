/*
 * clock.h - monotonic and wall time.
 *
 * Owns     nothing.
 * Used by  everyone.
 * Thread   any.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_MS 1000000ull

/* Nanoseconds on the monotonic clock; only differences mean something. */
uint64_t clock_now_ns(void);

/* Since 1970, for people and for log lines. */
uint64_t clock_wall_ms(void);
uint64_t clock_wall_ns(void);

#endif
