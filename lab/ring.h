/*
 * ring.h - what a configuration's strategy would do, asked in this process: exact shares, and the ring to be drawn.
 *
 * Owns     nothing.
 * Used by  a4.c, accept.c.
 * Uses     world/asker.h, world/strategy.h; loads the plugins that the file names.
 * Thread   the program's main one.
 *
 * The balancer has tried the plugins out when it took the configuration; here they run unguarded.
 */
#ifndef LAB_RING_H
#define LAB_RING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct out;

struct prediction {
    bool keyed;           /* by key: else nothing below is known */
    double max_over_mean; /* over all 900,000 six-digit ids, each once */
    double shares[64];    /* of "Server 1" ..., sum 1 */
    double bounded_load;  /* strategy.bounded_load: with one, load has a say in live counts; 0: none */
};

/* For the replicas "Server 1" ... "Server n", n at most 64. False after a complaint. */
bool ring_predict(const char *conf, uint32_t n, struct prediction *out);

/* Writes name: position on the circle, slot, its owner ("Server k" is k), how many of 131,072 ids in a row fall on it, and
 * whether a walk ends at a virtual node in it. Returns {slots, drawn, reached, nodes_reached, n, fullest_slot (share of the
 * keys)}, JSON null when the strategy has no slots, NULL after a complaint. */
json_t *ring_draw(const char *conf, uint32_t n, struct out *o, const char *name);

#endif
