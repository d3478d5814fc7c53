/*
 * membership_file.h - membership that lasts: what /add, /rm and deaths have made of it, in a file.
 *
 * Owns     replicas.state_file, its format, and the thread that writes it.
 * Used by  supervisor*.c (load at the start, save at each change), control.c (opens and closes it).
 * Uses     builder.h for the thread, jansson.
 * Thread   control; writing happens on the builder's thread, because a disk may take its time.
 *
 * A file is replaced whole or not at all: written beside it, synced, renamed over it, and the directory synced. What
 * cannot be used (damaged, cut off, somebody else's) is moved aside, never overwritten.
 */
#ifndef CONTROL_MEMBERSHIP_FILE_H
#define CONTROL_MEMBERSHIP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct builder;
struct event_base;
struct membership_file;

/* One place of the rotation: whoever fills it. */
struct membership_place {
    char *name;      /* of the replica that fills it */
    char *ring_name; /* of the place */
    uint64_t id;
    uint32_t ordinal; /* 0: none */
    uint32_t weight;
    bool is_weighted; /* by /add, not by the configuration */
};

/* A member of the configuration that /rm took out. */
struct membership_absent {
    char *address, *name; /* name may be NULL */
};

struct membership {
    char *driver;
    uint32_t count; /* replicas.count when it was written */
    struct membership_place *places;
    size_t n_places;
    struct membership_absent *absent;
    size_t n_absent;
};

/* Frees it with all that it holds. NULL is nothing. */
void membership_free(struct membership *m);

/* The file's text; malloced. */
char *membership_render(const struct membership *m);

/* The text of a file. NULL with a sentence in why: it is none of ours, or damaged. */
struct membership *membership_parse(const char *text, size_t len, char *why, size_t why_size);

/* ------------------------------------------------------------------ the file */

/* path is copied. base and builder live longer. */
struct membership_file *membership_file_open(const char *path, struct event_base *base,
                                             struct builder *builder);

/* What it holds, read at once (before the loop runs). NULL: there is none yet, or none that can be used; then the log
 * says why, and the file is now called PATH.refused. */
struct membership *membership_file_load(struct membership_file *f);

/* Who is told that a revision was written, or that it could not be. Never from inside of a save. */
void membership_file_listen(struct membership_file *f, void (*saved)(void *ctx, uint64_t revision),
                            void *ctx);

/* text is taken. What was to be saved and is not under way yet is left out: the newest one counts. A failure is logged,
 * and tried again until it succeeds or something newer is there. */
void membership_file_save(struct membership_file *f, char *text, uint64_t revision);

/* NULL: the last one was written. Otherwise why not. */
const char *membership_file_trouble(const struct membership_file *f);
const char *membership_file_path(const struct membership_file *f);

/* After builder_free: what was not written yet is written now. NULL is nothing. */
void membership_file_close(struct membership_file *f);

#endif
