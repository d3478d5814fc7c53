/*
 * buffer.h - where bytes wait between two sockets.
 *
 * Owns     nothing; a worker's slab owns the memory.
 * Used by  client.c, exchange*.c, relay.c.
 * Thread   the worker whose slab it came from.
 *
 * Waiting bytes are bytes[start .. end). Free room is behind end; room before start comes back when the
 * buffer is reset.
 */
#ifndef PATH_BUFFER_H
#define PATH_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

struct buffer {
    uint32_t start, end, size;
    char bytes[];
};

/* A slab of buffers with `size` bytes of room each. */
static inline void buffer_slab_init(struct slab *slab, uint32_t size)
{
    slab_init(slab, sizeof(struct buffer) + size, 16);
}

static inline struct buffer *buffer_take(struct slab *slab)
{
    struct buffer *b = slab_take(slab);
    b->start = b->end = 0;
    b->size = (uint32_t)(slab->size - sizeof *b);
    return b;
}

/* Gives it back and forgets it; NULL is fine. */
static inline void buffer_give(struct slab *slab, struct buffer **b)
{
    if (*b)
        slab_give(slab, *b);
    *b = NULL;
}

static inline uint32_t buffer_used(const struct buffer *b)
{
    return b->end - b->start;
}

static inline uint32_t buffer_room(const struct buffer *b)
{
    return b->size - b->end;
}

static inline const char *buffer_data(const struct buffer *b)
{
    return b->bytes + b->start;
}

#endif
