/*
 * hint.h - what the compiler can't know about how often code runs.
 *
 * Owns     RARELY.
 * Used by  path/, log.h and mem.c: functions for failures.
 * Thread   any; constants.
 *
 * Between two system calls the kernel has evicted most of the first-level cache, so a request pays for every line of code it
 * touches. Whatever only runs when something fails is kept apart from what every request runs, and so are the branches that
 * lead there.
 */
#ifndef BASE_HINT_H
#define BASE_HINT_H

#define RARELY __attribute__((cold))

#endif
