/*
 * vet_guard.h - memory that notices who reads or writes past its end.
 *
 * Owns     the pages of each block.
 * Used by  vet_*.c: everything a plugin is handed while it is tried out.
 * Uses     mmap.
 * Thread   any; nothing is shared.
 *
 * The block ends where a page begins that nobody may touch, so that reading one byte more is a crash, there
 * and then. A block that a plugin writes to stands free on both sides, with a pattern around it: that tells
 * an overrun of a few bytes from a crash of another kind.
 */
#ifndef WORLD_VET_GUARD_H
#define WORLD_VET_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct guard {
    unsigned char *data; /* size bytes, zeroed */
    size_t size;
    unsigned char *pages;
    size_t pages_size;
    size_t margin; /* bytes of pattern before and behind; 0: the block ends at the forbidden page */
};

/* Flush against the forbidden page, but for what align (a power of two, at most 64) wants: for what is only
 * read. */
void guard_open(struct guard *g, size_t size, size_t align);

/* With a pattern of a page on both sides, aligned to 64: for what is written to. */
void guard_open_framed(struct guard *g, size_t size);

/* True while the pattern is whole. */
bool guard_is_whole(const struct guard *g);

/* Gives the pages back. */
void guard_close(struct guard *g);

/* Forbids the pages for ever: whoever still looks there crashes, whatever is made afterwards. */
void guard_retire(struct guard *g);

#endif
