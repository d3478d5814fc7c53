/*
 * reply.h - where an HTTP/1.1 reply ends, and the little that the lab wants to know of it.
 *
 * Owns     nothing; pure.
 * Used by  load.c, tests.
 * Uses     nothing.
 * Thread   any.
 *
 * A reader of its own, not the balancer's: what is measured must not vouch for itself. Bytes may come in any pieces.
 */
#ifndef LAB_REPLY_H
#define LAB_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_LINE 4096 /* the longest line of a head that came in pieces */
#define REPLY_NAME 128

enum reply_result { REPLY_MORE, REPLY_DONE, REPLY_BAD };

struct reply {
    unsigned status; /* of the final reply; interim ones (1xx) are passed over */
    bool close;      /* the connection ends with this reply */
    char served_by[REPLY_NAME];
    size_t body; /* bytes of the body so far */

    /* inside */
    unsigned state;
    bool chunked, has_length;
    uint64_t left; /* of the body, or of the chunk */
    size_t line_len;
    char line[REPLY_LINE]; /* the beginning of a line whose end has not come yet */
};

void reply_begin(struct reply *r);

/* Reads on. *used: how many bytes belong to this reply (all of them when MORE). */
enum reply_result reply_feed(struct reply *r, const char *bytes, size_t len, size_t *used);

/* The connection was closed: DONE when that is how this reply ends, BAD when it is cut short. */
enum reply_result reply_end(struct reply *r);

/* True while not a byte of it has come. */
bool reply_is_untouched(const struct reply *r);

#endif
