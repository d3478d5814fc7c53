/*
 * cost.h - what a table costs: nanoseconds a pick, milliseconds a build, bytes.
 *
 * Owns     nothing that lasts.
 * Used by  main.c.
 * Thread   the program's only one.
 */
#ifndef BENCH_STRATEGIES_COST_H
#define BENCH_STRATEGIES_COST_H

#include <jansson.h>
#include <stdint.h>

struct bench_pool;
struct keys;
struct strategy;

struct cost_effort {
    unsigned runs; /* of each figure */
    uint64_t run_ns;
};

/* A call through a pointer that does nothing, in the same loop: what no pick can be below. */
json_t *cost_floor(const struct keys *keys, struct cost_effort effort);

/* Adds pick_ns, live_ns, full_ns and whole_ns to out. keys are hashed by the pool's strategy. */
void cost_pick(json_t *out, struct bench_pool *p, const struct keys *keys, struct cost_effort effort);

/* Adds build_ms to out: the plugin's build alone, over members "Server 1" … "Server n". */
void cost_build(json_t *out, struct strategy *s, uint32_t n, struct cost_effort effort);

#endif
