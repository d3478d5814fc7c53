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
#include "world/plugin_image.h"

/* What a name stands for: the bytes of a file, read and found whole, and not yet mapped. */
struct plugin_file {
    char *path;          /* where the bytes came from; what sentences begin with */
    enum lb_kind kind;   /* what is wanted there */
    uint64_t content[2]; /* xxh3-128 of the bytes */
    /* the rest is plugin.c's */
    struct image image;     /* until there is a copy */
    struct image_copy copy; /* what dlopen is given; fd is -1 and path NULL until there is one */
};

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

/* The same in two steps, for who wants the bytes tried out in between. plugin_file_read finds and reads; nothing of
 * the file's code runs. Returns NULL and why: a whole sentence. Any thread. */
struct plugin_file *plugin_file_read(const char *dir, const char *name, enum lb_kind kind, char *why,
                                     size_t why_size);

/* Makes the private copy, unless there is one: file->copy. Returns 0, or -1 and why. */
int plugin_file_copy(struct plugin_file *file, char *why, size_t why_size);

/* The file that another process read and copied: copy_path is what this one can reach the copy by. */
struct plugin_file *plugin_file_inherit(const char *path, const char *copy_path, enum lb_kind kind,
                                        const uint64_t content[2]);

/* Maps exactly the bytes that were read, or finds them mapped already. Like plugin_load. */
struct plugin *plugin_map(struct plugin_file *file, char *why, size_t why_size);
void plugin_file_free(struct plugin_file *file);

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
