/*
 * figures.h - the figures that are not one of each strategy's: bounds, balls in bins, chosen keys, orders of events.
 *
 * Owns     nothing that lasts.
 * Used by  main.c.
 * Thread   the program's only one.
 */
#ifndef BENCH_STRATEGIES_FIGURES_H
#define BENCH_STRATEGIES_FIGURES_H

#include <jansson.h>
#include <stdint.h>

struct subject;

/* Bounded load 1.25 around a ring, with n members that hold `load` requests each on average: each turn one ends, a random
 * one, and one begins. Keys are all different, or (zipf) 100,000 of which the k-th comes with a frequency of 1/k. Returns
 * {members, load, zipf, picks, checks (mean members asked a pick), bound, most (that one ever held), exceeded, allocations,
 * hot_members, turn_ns}. allocations is null where they cannot be counted. hot_members: how many members the hottest key alone
 * fills. turn_ns: of one end and one beginning, with the draw of its key. */
json_t *figure_bounded(const struct subject *s, uint32_t n, uint32_t load, int zipf);

/* m requests that never end, over n members. Returns {members, balls, apart: [most - mean of each trial, sorted]}. */
json_t *figure_balls(const struct subject *s, uint32_t n, uint32_t m, unsigned trials);

/* Keys that open has chosen to fall all on one of n members, asked of both: the one whose hash they were chosen for, and
 * the one whose hash has a secret. Returns {members, keys, open_over_mean, keyed_over_mean, chance_over_mean}. */
json_t *figure_chosen(const struct subject *open, const struct subject *keyed, uint32_t n, uint32_t n_keys);

/* Three instances see n members come about in an order of their own, with others that come and go meanwhile; rounds
 * times. Returns {rounds, same}: how often all three digests were equal in the end. */
json_t *figure_orders(const struct subject *s, uint32_t n, unsigned rounds);

#endif
