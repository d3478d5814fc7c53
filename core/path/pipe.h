/*
 * pipe.h - kernel pipes for bodies that pass through without being copied (splice).
 *
 * Owns     every pipe of this worker: the idle ones here, the others lent to a relay.
 * Used by  relay.c.
 * Thread   the worker.
 *
 * A pipe that still holds bytes is never handed to anybody else: it is closed.
 */
#ifndef PATH_PIPE_H
#define PATH_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct pipe {
    struct link link; /* in pipe_pool.idle, or alone */
    int out, in;      /* read from out what was written to in */
    uint32_t held;    /* bytes inside */
};

struct pipe_pool {
    struct link idle;
    uint32_t n_idle, n_open;
};

void pipe_pool_open(struct pipe_pool *pool);
void pipe_pool_close(struct pipe_pool *pool);

/* An empty pipe; NULL when `most` are open already or no descriptor is left: then the bytes are copied instead. */
struct pipe *pipe_take(struct pipe_pool *pool, uint32_t most);

/* Gives it back and forgets it; NULL is fine. */
void pipe_give(struct pipe_pool *pool, struct pipe **pipe);

#endif
