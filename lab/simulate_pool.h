/*
 * simulate_pool.h - replicas that are not there, and the balancer's own choice among them.
 *
 * Owns     a table, a replica object for each member, the pool that a worker would see.
 * Used by  simulate_measure.c, simulate_load.c, cmd_replay.c.
 * Uses     path/pick.h (the very code of the data path), world/strategy.h, world/replica.h, world/load.h.
 * Thread   the program's only one.
 */
#ifndef LAB_SIMULATE_POOL_H
#define LAB_SIMULATE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "lb_plugin.h"
#include "path/pick.h"
#include "world/view.h"

struct candidate;

struct sim_pool {
    struct pool pool; /* pool.table->members are in the order of ring names */
    struct pick pick;
    struct pick_seat *seat;
    uint32_t bound;  /* strategy.bounded_load in thousandths */
    uint64_t random; /* the worker's */
    uint64_t now_ns; /* of the simulated clock */
    double weights;  /* sum of those that count */
};

/* Builds a table over n members as candidate_members gives them, without the one at index `without` (LB_NONE: with all).
 * False when the strategy refuses; nothing is to be closed then. */
bool sim_pool_open(struct sim_pool *p, const struct candidate *c, uint32_t n, uint32_t without,
                   struct lb_error *why);
void sim_pool_close(struct sim_pool *p);

/* Whom the balancer would choose; LB_NONE: nobody. Takes no place. */
uint32_t sim_pool_ask(struct sim_pool *p, const struct lb_key *key);

/* The same, and takes a place, within bounds. */
uint32_t sim_pool_place(struct sim_pool *p, const struct lb_key *key);

/* The request that took a place has been answered, so long after it was placed. */
void sim_pool_answer(struct sim_pool *p, uint32_t member, uint64_t took_ns);

/* The share of all requests that each member should have: by weight when the scheduler honours weights. */
double sim_pool_fair(const struct sim_pool *p, uint32_t member);

#endif
