/*
 * config_read.h - one file, or one text, as a tree of settings with their values and places.
 *
 * Owns     the text, the tree, and the libconfig object behind its values.
 * Used by  config.c.
 * Uses     libconfig (alone), config_source.h, config_scan.h.
 * Thread   any; nothing is shared.
 */
#ifndef WORLD_CONFIG_READ_H
#define WORLD_CONFIG_READ_H

#include <stdbool.h>

#include "base/problem.h"
#include "world/config_source.h"
#include "world/config_tree.h"

struct config_file {
    struct config_source source;
    struct config_node root; /* a group */
    void *parsed;            /* config_t */
};

/* Reads path. False: it cannot be read, or has a syntax error; problems says what. Problems may be added also
 * when it returns true (settings that stand twice). Call config_file_close in any case. */
bool config_file_open(struct config_file *file, const char *path, struct problems *problems);

/* The same for a text. */
bool config_file_open_text(struct config_file *file, const char *text, struct problems *problems);

void config_file_close(struct config_file *file);

#endif
