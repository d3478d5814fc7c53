/*
 * history.h - which member holds which bucket, from one build to the next.
 *
 * Owns     the anchor that changes, and the names of who holds or last held its buckets.
 * Used by  scheduler_anchor.c: created and destroyed with the instance, followed at each build.
 * Uses     anchor.h.
 * Thread   builder thread; destroy: control thread, after the last build.
 */
#ifndef SCHEDULER_ANCHOR_HISTORY_H
#define SCHEDULER_ANCHOR_HISTORY_H

#include "anchor.h"

struct history;

/* capacity: buckets, or 0 for twice as many as are needed. NULL when there is no memory. */
struct history *history_make(uint32_t capacity);
void history_free(struct history *h);

/* Who holds what after the members became those of in, at least one. */
struct holdings {
    uint32_t size, n;          /* buckets, and how many of them work */
    struct anchor_cell *cells; /* size of them */
    uint32_t *owner;           /* of each working bucket: its member */
};

/* Takes away the buckets of those that are gone, gives the last ones taken to those that are new, and copies
 * the result into memory of in->alloc, which is the caller's. Returns 0; or -1 with why, nothing allocated
 * and the history as before. */
int history_follow(struct history *h, const struct lb_build *in, struct holdings *out, struct lb_error *why);

#endif
