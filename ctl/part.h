/*
 * part.h - one plugin, found, loaded and created with options from the command line; and whole strategies of them.
 *
 * Owns     the instance of a part, and what is needed to give its name and options to a strategy.
 * Used by  plugin_*.c, in the child alone.
 * Uses     world/plugin.h, world/strategy.h, world/strategy_options.h; control/vetting.h.
 * Thread   the program's only one.
 */
#ifndef CTL_PART_H
#define CTL_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb_plugin.h"
#include "world/config.h"

struct args;
struct plugin;
struct strategy;

struct part {
    struct plugin *plugin;
    struct config_plugin written; /* as lb.conf would hold it */
    union lb_value *values;
    void *self;
};

/* The folder of installed plugins: --dir, or the one beside the program. The caller frees it. */
char *part_directory(const struct args *a);

/* X as a path: as it is when it has a slash, else the file of that name here, else the installed plugin. The caller frees
 * it. */
char *part_path(const struct args *a, const char *x);

/* The plugin at path, of whatever kind, with one reference; NULL after a complaint. */
struct plugin *part_load(const char *path);

/* Loads and creates what stands at path, of whatever kind, with options "name=value". False after all complaints. */
bool part_open(struct part *p, const char *path, char *const *options, size_t n_options);
void part_close(struct part *p);

/* A strategy with x in its place and installed plugins beside it: scheduler_ring with so many slots and virtual nodes,
 * --hash or hash_murmur, --probe or probe_linear. NULL after all complaints. */
struct strategy *part_compose(const struct args *a, const struct part *x, int64_t slots,
                              int64_t virtual_nodes);

/* What the balancer would say to that strategy: the same trial, in one more process. True when it passes; else all
 * complaints. *ms: what it took. */
bool part_vet(const struct args *a, const struct part *x, int64_t slots, int64_t virtual_nodes, double *ms);

/* "Server 1" … "Server n", sorted by ring name as the balancer sorts them. The caller frees it, in one piece. */
struct lb_member *part_members(uint32_t n);

#endif
