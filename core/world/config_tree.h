/*
 * config_tree.h - the settings of a configuration as a tree: what is written, and where.
 *
 * Owns     the names and numbers of the nodes; texts belong to the libconfig object they were parsed by.
 * Used by  config_scan.c (makes it), config_read.c (adds the values), config_types.c and the checks (read
 *          it).
 * Uses     problem.h.
 * Thread   any; nothing is shared.
 */
#ifndef WORLD_CONFIG_TREE_H
#define WORLD_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"

enum config_kind {
    CONFIG_KIND_INTEGER,
    CONFIG_KIND_FLOAT,
    CONFIG_KIND_BOOL,
    CONFIG_KIND_TEXT,
    CONFIG_KIND_LIST, /* [ … ] or ( … ): what may stand inside is the option's business */
    CONFIG_KIND_GROUP
};

/* How an integer is written decides how much of it libconfig keeps. */
enum config_width {
    CONFIG_FITS,    /* libconfig reads the number that is written */
    CONFIG_NEEDS_L, /* it has no L, and without one libconfig keeps its lowest 32 bits */
    CONFIG_TOO_WIDE /* it does not fit 64 bits either */
};

struct config_node {
    char *name; /* NULL: an element of a list, or the file as a whole */
    struct place name_place, value_place;
    enum config_kind kind;

    /* from the scan */
    char *raw; /* CONFIG_KIND_INTEGER: as written, without the L */
    int64_t integer;
    enum config_width width;
    struct config_node *children; /* CONFIG_KIND_LIST, CONFIG_KIND_GROUP: in the order they are written */
    size_t n_children, room;

    /* from libconfig */
    const char *text; /* CONFIG_KIND_TEXT; valid as long as its struct config_file */
    double real;      /* CONFIG_KIND_FLOAT; also set for CONFIG_KIND_INTEGER */
    bool truth;       /* CONFIG_KIND_BOOL */
};

/* Frees what is below node, and its texts; node itself is the caller's. */
void config_tree_free(struct config_node *node);

/* The setting of that name in a group, or NULL. */
const struct config_node *config_tree_child(const struct config_node *group, const char *name);

/* The setting at a dotted path below root ("health.path"), or NULL. */
const struct config_node *config_tree_find(const struct config_node *root, const char *path);

/* "an integer", "text" …: what kind of value node is, for sentences. */
const char *config_tree_kind(const struct config_node *node);

#endif
