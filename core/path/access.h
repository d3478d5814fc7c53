/*
 * access.h - the access log: a line for every request that had a head or an answer.
 *
 * Owns     a worker's block of lines until it is handed to the spool, and how many it may have out.
 * Used by  exchange.c (a finished exchange), worker.c (the tick, a new view, the end).
 * Uses     access_line.h, base/spool.h.
 * Thread   the worker.
 *
 * A line is formatted where it will be written from: no lock, no allocation and no system call a request. A full block is
 * handed over, and so is one that has waited for log.access.flush_ms. A worker's blocks hold log.access.queue_kib; while
 * the disk has all of them, lines are lost and counted.
 *
 * What a line says stands in the exchange until its end: the request's head is never overwritten, and the few things that
 * are let go earlier are noted by the functions below.
 */
#ifndef PATH_ACCESS_H
#define PATH_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/spool.h"
#include "path/access_line.h"

struct config;
struct exchange;
struct replica;
struct worker;

struct access_log {
    bool on;
    struct spool *spool;
    struct spool_block *block; /* being filled; NULL: no line waits */
    uint64_t since_ns;         /* its first line's time */
    struct spool_home home;
    struct spool_block *spare; /* empty, chained by next */
    uint32_t n_blocks;         /* made and not freed, wherever they are */
    int64_t wall_ns; /* from the monotonic clock to that of the calendar; looked up for each block */
    struct access_stamp stamp;
};

/* What an exchange keeps for its line, besides what it has anyway. Starts as zeros. */
struct access_note {
    uint64_t reply_ns, released_ns; /* the reply's head came; the last attempt was over; 0: never */
    uint64_t generation;            /* of the view that placed it; 0: nobody was asked */
    uint32_t reply_head;            /* bytes to the client before the reply's body */
    uint16_t status;                /* sent; 0: nothing was */
    uint8_t attempts;               /* replicas that were picked */
    bool timed_out, cut; /* the connection was closed for a deadline; for a body that is not whole */
    char replica[64];    /* of the last attempt; "" */
};

/* spool outlives it. */
void access_open(struct access_log *a, struct spool *spool);

/* The worker runs this configuration from now on. Lines that wait go where they were to go. */
void access_apply(struct access_log *a, const struct config *config);

/* The replica of an attempt is about to be let go. */
void access_note_replica(struct exchange *x, const struct replica *replica);

/* The exchange is over, and everything it names is still there. */
void access_finish(struct exchange *x);

/* Hands over what has waited long enough. True while something waits. */
bool access_tick(struct access_log *a, const struct config *config, uint64_t now_ns);

/* Hands over what there is. */
void access_flush(struct access_log *a);

/* After spool_stop: frees the blocks. */
void access_close(struct access_log *a);

#endif
