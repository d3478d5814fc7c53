/*
 * anchor.h - the anchor: buckets that can be taken away and given back, and keys that hardly notice.
 *
 * Owns     the layout; history.c makes and frees the one that changes, scheduler_anchor.c the copies that are
 *          looked up.
 * Used by  history.c, scheduler_anchor.c.
 * Uses     lb_plugin.h.
 * Thread   an anchor that changes: the builder's. Its copies: read-only, any.
 *
 * There are size buckets; n of them work and the others are removed. A key is thrown into one of all buckets.
 * If that one is removed, it is thrown again, into the buckets that still worked when that one was removed;
 * and so on. What must be remembered for this is the past:
 *
 *   left       of a removed bucket: how many worked after its removal. 0: it works
 *   successor  of a removed bucket: the one that took its place among the working ones
 *   working    the working buckets, in places 0 .. n - 1
 *   place      where each working bucket is among them
 *   removed    the removed buckets, a stack: only the last one can be given back, and then all is as it was
 *              before
 *
 * Names in the paper: A, K, W, L, R.
 */
#ifndef SCHEDULER_ANCHOR_ANCHOR_H
#define SCHEDULER_ANCHOR_ANCHOR_H

#include "lb_plugin.h"

struct anchor_cell {
    uint32_t left, successor;
};

struct anchor {
    uint32_t size, n;
    struct anchor_cell *cells; /* each array has size entries */
    uint32_t *working, *place, *removed;
};

/* bucket works, and is not the only one. */
static inline void anchor_remove(struct anchor *a, uint32_t bucket)
{
    uint32_t last = a->working[a->n - 1];

    a->removed[a->size - a->n] = bucket;
    a->n--;
    a->cells[bucket] = (struct anchor_cell){ .left = a->n, .successor = last };
    a->working[a->place[bucket]] = last;
    a->place[last] = a->place[bucket];
}

/* Gives the last removed bucket back, and returns it. There is one. */
static inline uint32_t anchor_add(struct anchor *a)
{
    uint32_t bucket = a->removed[a->size - a->n - 1];

    a->cells[bucket] = (struct anchor_cell){ .left = 0, .successor = bucket };
    a->place[a->working[a->n]] = a->n;
    a->working[a->place[bucket]] = bucket;
    a->n++;
    return bucket;
}

/* All buckets, of which the first n work; the others have been removed from the last one on. */
static inline void anchor_start(struct anchor *a, uint32_t n)
{
    a->n = a->size;
    for (uint32_t b = 0; b < a->size; b++) {
        a->cells[b] = (struct anchor_cell){ .left = 0, .successor = b };
        a->working[b] = a->place[b] = b;
    }
    while (a->n > n)
        anchor_remove(a, a->n - 1);
}

/* The bucket after bucket, into which a key is thrown by random, a hash of key and bucket. bucket is removed.
 * */
static inline uint32_t anchor_next(const struct anchor_cell *cells, uint32_t bucket, uint64_t random)
{
    uint32_t left = cells[bucket].left, next = (uint32_t)lb_scale(random, left);

    /* Of the buckets by number, those removed before have had their places taken: follow to who is there. */
    while (cells[next].left >= left)
        next = cells[next].successor;
    return next;
}

/* The same, and bucket itself when it works; which of the two it is decides no branch. */
static inline uint32_t anchor_next_blind(const struct anchor_cell *cells, uint32_t bucket, uint64_t random)
{
    uint32_t left = cells[bucket].left, removed = -(uint32_t)(left > 0); /* all bits, or none */
    uint32_t next = (uint32_t)lb_scale(random, left), bound = left | ~removed;

    while (cells[next].left >= bound) /* never, when bucket works */
        next = cells[next].successor;
    return (next & removed) | (bucket & ~removed);
}

#endif
