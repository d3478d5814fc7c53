/*
 * relay.h - a body on its way from one socket to another.
 *
 * Owns     the position in the body and, while bytes wait, one buffer on each side.
 * Used by  exchange_attempt.c: one relay upward (request body), one downward (reply body). The only one that
 *          moves bodies.
 * Uses     conn.h, chunk.h, buffer.h. Knows nothing of replicas or status codes.
 * Thread   the worker.
 *
 * Back-pressure: bytes are read only when all earlier ones have been written, so a body of any size needs two
 * buffers at most. What must go first (a rewritten head) waits in `out`; bodies that pass unchanged are
 * written straight from `in`, in the same system call as what is left of `out`; chunked ones are framed anew
 * into `out`. A long body that passes unchanged goes through a pipe
 * (splice) once its first bytes are written: it never enters our memory.
 */
#ifndef PATH_RELAY_H
#define PATH_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "path/buffer.h"
#include "path/chunk.h"
#include "path/conn.h"
#include "path/head.h"
#include "path/pipe.h"

/* What relays of a worker take from. */
struct relay_means {
    struct slab *buffers;
    struct pipe_pool *pipes;
    uint32_t most_pipes; /* open at once on this worker */
    uint64_t splice_min; /* bytes still to come from which on a body is spliced; 0: never */
};

struct relay {
    struct conn *from, *to;
    const struct relay_means *means;
    struct pipe *pipe; /* NULL: the body is being copied */
    bool spliced;      /* some of it never was in our memory */
    bool bulk; /* the last read filled its buffer: of a body without a length more is likely to be there */
    struct buffer *in;  /* bytes of the source; the body begins at start */
    struct buffer *out; /* bytes for the sink; NULL when nothing waits */
    struct buffer
        *kept; /* the first `in`, when it must stay whole: a request's head, and what may be sent again */
    enum framing decode, encode; /* of the source; towards the sink (LENGTH and CLOSE: as it is) */
    bool ended;                  /* the body's last byte has been taken from `in` */
    struct chunk chunk;
    uint64_t left;    /* decode LENGTH: bytes not yet taken */
    uint32_t direct;  /* bytes at in->start that go to the sink as they are */
    uint64_t body;    /* body bytes taken so far */
    uint64_t limit;   /* of body; 0: none */
    uint64_t written; /* bytes the sink took, framing and head included */
};

enum relay_result {
    RELAY_DONE,       /* the whole body, and all before it, has been written */
    RELAY_READ,       /* waits for the source */
    RELAY_WRITE,      /* waits for the sink */
    RELAY_TURN,       /* has moved its share of this turn; call again in the next */
    RELAY_SOURCE_END, /* the source ended too early */
    RELAY_SOURCE_FAILED,
    RELAY_SINK_FAILED,
    RELAY_MALFORMED, /* bad chunk */
    RELAY_TOO_LARGE, /* above limit */
};

/* Both ends are known; no body yet. from may be NULL until relay_body. */
void relay_start(struct relay *r, struct conn *from, struct conn *to, const struct relay_means *means);

/* The body to move. in (NULL: nothing read yet) becomes the relay's, unless keep_in: then it stays the
 * caller's and is never overwritten. length counts for decode LENGTH. What waits in `out` goes first. */
struct relay_body {
    struct buffer *in;
    enum framing decode, encode;
    bool keep_in;
    uint64_t length, limit;
};
void relay_body(struct relay *r, const struct relay_body *body);

/* A buffer for bytes that go first; made when there is none. */
struct buffer *relay_out(struct relay *r);

/* Moves what can be moved, at most about `budget` bytes. */
enum relay_result relay_pump(struct relay *r, uint32_t budget);

/* Going on may take buffers that it does not have yet: two at most. */
bool relay_needs_buffer(const struct relay *r);

/* Writes what waits in out, nothing else (an interim reply). DONE, WRITE or SINK_FAILED. */
enum relay_result relay_flush(struct relay *r);

/* Bytes read from the source that are not part of this body. */
uint32_t relay_surplus(const struct relay *r);

/* Gives its buffers back. The first `in` of a keep_in relay stays with its owner. */
void relay_stop(struct relay *r);

#endif
