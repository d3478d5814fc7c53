/*
 * turns.h - the order of turns among weighted members.
 *
 * Owns     nothing.
 * Used by  scheduler_round_robin.c's build; the unit test.
 * Thread   builder thread.
 *
 * In a cycle of W turns, W being the sum of the weights, member i takes part w[i] times. Spread evenly, its
 * k-th turn (k = 0, 1, …) belongs into the window from floor(k W / w[i]) up to ceil((k + 1) W / w[i]). Giving
 * each turn to the member whose window has opened and closes soonest keeps every window, because it is
 * optimal for jobs of one unit on one machine (Horn, "Some simple scheduling algorithms", 1974), and a
 * schedule that keeps them all exists (Tijdeman, "The chairman assignment problem", 1980). So after any t
 * turns member i has had t w[i] / W of them, rounded down or up: smoother cannot be done. All arithmetic is
 * on whole numbers.
 */
#ifndef SCHEDULER_ROUND_ROBIN_TURNS_H
#define SCHEDULER_ROUND_ROBIN_TURNS_H

#include "lb_plugin.h"

#define TURNS_MAX (1u << 22)

/* Fills turns[0 .. sum - 1] with member numbers. weight[i] is at least 1; sum, their total, is at most
 * TURNS_MAX. Returns 0, or -1 with why when the allocator refuses; frees what it took for the work. O(sum log n). */
int turns_make(const struct lb_alloc *alloc, const uint32_t *weight, uint32_t n, uint32_t sum,
               uint32_t *turns, struct lb_error *why);

#endif
