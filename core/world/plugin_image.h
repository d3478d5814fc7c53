/*
 * plugin_image.h - the bytes of a plugin's file, and the private copy that is mapped instead of it.
 *
 * Owns     the bytes while a plugin is loaded, and each copy until it is dropped.
 * Used by  plugin.c.
 * Uses     libxxhash.
 * Thread   any; nothing is shared.
 *
 * A copy is a memfd, sealed so that nobody can change or shrink it under the running code. Builds that define
 * RM_PLUGIN_COPY_TO_FILE use a file in a private directory under $TMPDIR instead: debuggers and sanitizers
 * find no symbols through a memfd.
 */
#ifndef WORLD_PLUGIN_IMAGE_H
#define WORLD_PLUGIN_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_BYTES_MAX (256ull << 20)

struct image {
    unsigned char *bytes;
    size_t len;
    uint64_t content[2]; /* xxh3-128 of the bytes */
};

/* What dlopen is given. path names it as long as fd is open: no two living copies share a path. */
struct image_copy {
    int fd;
    char *path;
    char *directory; /* of a private file; NULL: a memfd */
};

/* Reads a regular file of 1 byte to 256 MiB that is a whole ELF object: the loader trusts what the file says
 * of itself and would touch missing pages. Returns 0, or -1 and why: a sentence that begins with the path. */
int image_read(const char *path, struct image *image, char *why, size_t why_size);
void image_free(struct image *image);

/* Copies; name (of the plugin) shows up in /proc/PID/maps and in debuggers. path only serves the sentence in
 * why. */
int image_copy(const struct image *image, const char *name, const char *path, struct image_copy *copy,
               char *why, size_t why_size);

/* Removes the private file and closes the descriptor. */
void image_copy_drop(struct image_copy *copy);

#endif
