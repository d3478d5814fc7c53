/*
 * memory.h - what a worker's connections and requests take, and whether more may begin.
 *
 * Owns     the sum (limits.memory_mib).
 * Used by  client.c (the first bytes of a request), exchange_attempt.c and exchange_answer.c (a body that needs a buffer).
 * Uses     the worker's slabs, which know how much of them is in use.
 * Thread   the worker.
 *
 * The ceiling is a promise, not a guess: whoever is let in may later need two buffers for a reply or for an answer of ours,
 * so these are kept free for each exchange, and only what goes beyond them is asked for: the first buffer of a request, the
 * buffers of its body, the body of a control call. The head that a tunnel keeps takes the place of its first buffer. Who asks in vain
 * is answered 503. Slabs never shrink, so the most that was ever in use is what the worker keeps.
 */
#ifndef PATH_MEMORY_H
#define PATH_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "path/worker.h"

#define MEMORY_RESERVE \
    2 /* buffers kept free for each exchange: its reply's bytes, and what goes to its client */

static inline uint64_t memory_used(const struct worker *w)
{
    return w->client_slab.used * w->client_slab.size + w->exchange_slab.used * w->exchange_slab.size +
           w->upstream_slab.used * w->upstream_slab.size + w->buffer_slab.used * w->buffer_slab.size +
           w->kept_bytes;
}

/* Room for so many bytes and buffers more, beside what is kept free. */
static inline bool memory_has_room(const struct worker *w, uint64_t bytes, uint32_t buffers)
{
    uint64_t kept = (buffers + (uint64_t)MEMORY_RESERVE * w->n_exchanges) * w->buffer_slab.size;
    return memory_used(w) + kept + bytes <= w->memory_most;
}

/* Room for one exchange more, with its first buffer. */
static inline bool memory_has_room_for_exchange(const struct worker *w)
{
    return memory_has_room(w, w->exchange_slab.size, 1 + MEMORY_RESERVE);
}

#endif
