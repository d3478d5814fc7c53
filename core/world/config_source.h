/*
 * config_source.h - the text of a configuration, its @includes put in place.
 *
 * Owns     the text, and the names of the files it came from.
 * Used by  config_read.c alone.
 * Uses     problem.h.
 * Thread   any; nothing is shared.
 *
 * libconfig resolves an include from the working directory and tells lines only. So the includes are put in
 * place here, where each is relative to the file that names it, and every byte of the text remembers where it
 * stands.
 */
#ifndef WORLD_CONFIG_SOURCE_H
#define WORLD_CONFIG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"

struct config_line {
    size_t start;     /* where this line of the whole text begins */
    const char *file; /* the file it came from; one of files, or NULL for a text that is no file */
    int line;         /* its number there */
    int shift;        /* columns it lost on its left: the rest of a line after an @include */
};

struct config_source {
    char *text; /* ends with a newline and a 0 */
    size_t len, room;
    struct config_line *lines;
    size_t n_lines, lines_room;
    char **files; /* names as given, in the order they were read; ends with NULL */
    size_t n_files;
};

/* Reads the file and what it includes. False with problems: what cannot be read, a text or comment that is
 * not closed. Fill a zeroed struct; free it in any case. */
bool config_source_read(struct config_source *source, const char *path, struct problems *problems);

/* The same for a text that comes from no file; nothing in it has a place. */
bool config_source_take(struct config_source *source, const char *text, struct problems *problems);

/* Where a byte of the text stands. */
struct place config_source_place(const struct config_source *source, size_t offset);

void config_source_free(struct config_source *source);

#endif
