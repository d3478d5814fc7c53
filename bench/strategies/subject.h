/*
 * subject.h - one strategy under measurement, and pools of replicas that exist only here.
 *
 * Owns     what subject_make and pool_make hand out, until they are given back.
 * Used by  every file of bench/strategies.
 * Uses     world/config.h, world/strategy.h, world/view.h, path/pick.h.
 * Thread   the program's only one.
 *
 * A strategy is written as lb.conf would have it, read by the balancer's own reader, and loaded through world/plugin.c
 * and world/strategy.c from the .so files: nothing here knows a plugin's code.
 */
#ifndef BENCH_STRATEGIES_SUBJECT_H
#define BENCH_STRATEGIES_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "path/pick.h"
#include "world/strategy.h"
#include "world/view.h"

/* Options are libconfig's: "slots = 65537; virtual_nodes = 20;". */
struct subject {
    const char *label, *scheduler, *options, *hash, *hash_options;
    uint32_t most; /* members; 0: any number */
};

/* Where the plugins are; NULL: those that came with the program. */
extern const char *subject_plugins;

/* Ends the program with the problems when there are any. */
struct strategy *subject_make(const struct subject *s);

/* "Server 1" … "Server n", weight 1, sorted by ring name; without one of them (its number, 0: all are there). In one
 * piece: free it. *n_out is how many there are. */
struct lb_member *subject_members(uint32_t n, uint32_t without, uint32_t *n_out);

/* NULL when the scheduler refuses so many members. */
struct table *subject_build(struct strategy *s, uint32_t n, uint32_t without);

/* A pool over a table, everybody ready and idle, and one worker's seat at it. Takes over the reference to the table. */
struct bench_pool {
    struct pool pool;
    struct pick pick;
    struct pick_seat *seat;
    uint64_t random;
};
void pool_make(struct bench_pool *p, struct table *table);
void pool_free(struct bench_pool *p);

/* The index in the pool of "Server number". */
uint32_t pool_index(const struct bench_pool *p, uint32_t number);

/* The question of a request with that key, as exchange.c asks it. */
struct pick_question pool_question(struct bench_pool *p, const struct lb_key *key, uint64_t hash);

#endif
