/*
 * scale.h - how many replicas a load wants. Pure.
 *
 * Owns     what was seen of the load lately, and when the number was last changed.
 * Used by  supervisor_scale.c, which looks SCALE_LOOK_MS apart and follows.
 * Uses     nothing.
 * Thread   any; time is an argument.
 *
 * The load is the mean of the requests in flight over the last second. The rules:
 *
 *     out   it was above 1.1 times the target for two seconds, and cooldown_ms have passed since the last change:
 *           as many as carry it at the target, at most twice as many as there are.
 *     in    for 2 * cooldown_ms on end it would have fitted into fewer at 0.8 times the target: as many as the highest
 *           load of that time needs at 0.8, at least half of those there are.
 *
 * Between 0.8 and 1.1 nothing happens. A constant load therefore needs one change for each doubling, and then none:
 * n = ceil(load / target) is above neither bound. What leaves and is missed at once (out again before the next "in" could
 * have come) doubles the patience for the next one, up to sixteen times; it is forgotten when an "out" comes later than that.
 */
#ifndef CONTROL_SCALE_H
#define CONTROL_SCALE_H

#include <stddef.h>
#include <stdint.h>

#define SCALE_LOOK_MS 100
#define SCALE_LOOKS   10 /* that the mean is made of: a second */

struct scale_rules {
    uint32_t min, max;        /* 1 <= min <= max */
    uint32_t target_inflight; /* requests in flight a replica, in thousandths; above 0 */
    uint32_t cooldown_ms;
};

/* All zero, and then scale_touch: nothing was seen yet. */
struct scale {
    uint32_t looks[SCALE_LOOKS]; /* requests in flight, the latest ones */
    uint64_t n_looks;
    uint64_t sum;        /* of looks */
    uint64_t changed_ms; /* the number of replicas was changed, by us or by somebody else */
    uint64_t in_ms;      /* the last time that we took some out; 0: never */
    uint64_t high_ms;    /* the load has been too high since; 0: it is not */
    uint64_t low_ms;     /* it has fitted into fewer since; 0: it does not */
    uint32_t low_need;   /* the most that it needed since then */
    unsigned regrets;    /* in a row: the patience is doubled so often */
};

/* Somebody else has changed the number: the cool-down begins again. */
void scale_touch(struct scale *s, uint64_t now_ms);

/* One look at a pool of n replicas (wanted, ready or not) that hold so many requests. Returns how many there should be: n
 * most of the time, else with a sentence in why. */
uint32_t scale_look(struct scale *s, const struct scale_rules *rules, uint64_t now_ms, uint32_t n,
                    uint32_t in_flight, char *why, size_t why_size);

/* Nothing can be said now (some are not ready, no engine): what was seen so far says nothing of what comes. */
void scale_skip(struct scale *s);

/* The mean over the last second, in thousandths of a request. */
uint64_t scale_load(const struct scale *s);

#endif
