/*
 * view.h - what the data path may see: immutable from the moment it is published.
 *
 * Owns     a reference to the configuration, to each pool's table and to each replica.
 * Used by  control (builds, publishes, frees), workers and exchanges (read).
 * Uses     replica.h, strategy.h, config.h.
 * Thread   built on control; read by all; freed on control when every worker has posted RELEASED.
 *
 * A view names pools (today one, "default"); member i of a pool's table is replicas[i].
 */
#ifndef WORLD_VIEW_H
#define WORLD_VIEW_H

#include <stdint.h>

#include "lb_plugin.h"

struct config;
struct load;
struct replica;
struct shadow;
struct table;

struct pool {
    char name[32];
    uint32_t n_replicas;
    struct replica **replicas;   /* in the order of the table's members */
    const struct lb_live **live; /* live[i] is &replicas[i]->live: what lb_pick shows */
    struct table *table;         /* holds a reference */
    struct shadow *shadow;       /* candidates over these members; holds a reference; NULL: none */
    struct load *load;           /* requests in flight; borrowed, outlives every view */
};

struct view {
    uint64_t serial;       /* every view has its own, rising */
    uint64_t generation;   /* counts applied configurations */
    struct config *config; /* limits, timeouts, key; holds a reference */
    uint32_t n_pools;
    struct pool *pools;
    unsigned unreleased; /* workers that may still look at it; control thread */
};

/* One pool named "default". Takes references to config, table and the replicas; copies the array.
 * replicas[i] belongs to member i. */
struct view *view_new(uint64_t serial, uint64_t generation, struct config *config, struct table *table,
                      struct replica *const *replicas, uint32_t n_replicas);

/* Before it is posted: the candidates that its default pool carries (a reference is taken; NULL: none), and where requests
 * are counted. */
void view_equip(struct view *view, struct shadow *shadow, struct load *load);

/* Lets go of everything. Control thread, and only when unreleased is 0. */
void view_free(struct view *view);

#endif
