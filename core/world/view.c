/*
 * view.c - what the data path may see: immutable from the moment it is published.
 *
 * Owns     a reference to the configuration, to each pool's table and to each replica.
 * Used by  control (builds, publishes, frees), workers and exchanges (read).
 * Uses     replica.h, strategy.h, shadow.h, config.h.
 * Thread   made and freed on control, where all those references are counted.
 */
#include "world/view.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "world/config.h"
#include "world/replica.h"
#include "world/shadow.h"
#include "world/strategy.h"

static void fill_pool(struct pool *pool, const char *name, struct table *table,
                      struct replica *const *replicas, uint32_t n_replicas)
{
    snprintf(pool->name, sizeof pool->name, "%s", name);
    pool->n_replicas = n_replicas;
    pool->replicas = mem_alloc(n_replicas * sizeof(struct replica *));
    pool->live = mem_alloc(n_replicas * sizeof(const struct lb_live *));
    for (uint32_t i = 0; i < n_replicas; i++) {
        replica_retain(replicas[i]);
        pool->replicas[i] = replicas[i];
        pool->live[i] = &replicas[i]->live;
    }
    table_retain(table);
    pool->table = table;
}

struct view *view_new(uint64_t serial, uint64_t generation, struct config *config, struct table *table,
                      struct replica *const *replicas, uint32_t n_replicas)
{
    assert(table->n_members == n_replicas);
    struct view *view = mem_zero(1, sizeof *view);
    view->serial = serial;
    view->generation = generation;
    config_retain(config);
    view->config = config;
    view->n_pools = 1;
    view->pools = mem_zero(view->n_pools, sizeof *view->pools);
    fill_pool(&view->pools[0], "default", table, replicas, n_replicas);
    return view;
}

void view_equip(struct view *view, struct shadow *shadow, struct load *load)
{
    struct pool *pool = &view->pools[0];
    assert(!pool->shadow);
    if (shadow)
        shadow_retain(shadow);
    pool->shadow = shadow;
    pool->load = load;
}

void view_free(struct view *view)
{
    assert(view->unreleased == 0);
    for (uint32_t p = 0; p < view->n_pools; p++) {
        struct pool *pool = &view->pools[p];
        for (uint32_t i = 0; i < pool->n_replicas; i++)
            replica_release(pool->replicas[i]);
        table_release(pool->table);
        shadow_release(pool->shadow);
        free(pool->replicas);
        free(pool->live);
    }
    free(view->pools);
    config_release(view->config);
    free(view);
}
