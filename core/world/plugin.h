/*
 * plugin.h - shared objects in and out of the process.
 *
 * Owns     every mapping of a plugin, and the sealed copy it was loaded from.
 * Used by  strategy.c; control's builder for lists. The only file that calls dlopen.
 * Uses     lb_plugin.h. Knows nothing of views.
 * Thread   load and retain: the builder thread. release: the control thread. A lock guards the list of loaded
 *          ones.
 *
 * The user's path is never mapped: the bytes are copied into a sealed memfd first, so the file may be
 * overwritten in place while its old code serves. Equal bytes are mapped once.
 */
#ifndef WORLD_PLUGIN_H
#define WORLD_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lb_plugin.h"

struct plugin {
    const struct lb_plugin *info; /* inside the mapping */
    char *path;                   /* where the bytes came from */
    uint64_t content[2];          /* xxh3-128 of the bytes */
    /* the rest is plugin.c's */
    void *handle;
    int fd;
    unsigned refs;
    struct plugin *next;
};

/* Finds NAME.so in dir (or takes NAME as a path when it has a slash), copies it, maps it, checks ABI, kind,
 * sizes and that its name and callbacks are there. Returns it with one reference, or NULL and why: a whole
 * sentence, naming the path. */
struct plugin *plugin_load(const char *dir, const char *name, enum lb_kind kind, char *why, size_t why_size);

/* Lets go; the last one unmaps it. Control thread. */
void plugin_release(struct plugin *p);

/* Names of what lies in dir with the given prefix ("hash_"), without ".so", sorted, ending with NULL. Free
 * with plugin_names_free. NULL when dir cannot be read. */
char **plugin_names(const char *dir, const char *prefix);
void plugin_names_free(char **names);

/* "hash", "probe", "scheduler". */
const char *plugin_kind_name(enum lb_kind kind);

/* Mappings in force, and descriptors kept because the code could not be unloaded. Any thread. */
unsigned plugin_count_loaded(void);
unsigned plugin_count_stuck(void);

#endif
