/*
 * tally.h - counting what happens.
 *
 * Owns     which event adds to which counter.
 * Used by  exchange*.c, client.c, accept.c, upstream.c.
 * Uses     world/stats.h.
 * Thread   the worker: each adds to its own lines only.
 */
#ifndef PATH_TALLY_H
#define PATH_TALLY_H

#include <stdint.h>

#include "base/hint.h"
#include "path/exchange.h"
#include "path/worker.h"
#include "world/replica.h"
#include "world/stats.h"

/* One more of a worker's counter. */
#define tally_count(worker_, counter_) STATS_ADD((worker_)->counters.counter_, 1)

/* n more of a replica's counter, on this worker's line. */
#define tally_replica(worker_, replica_, counter_, n_) \
    STATS_ADD((replica_)->lines[(worker_)->number].counters.counter_, n_)

/* A step took this long. */
static inline void tally_step(struct worker *w, enum exchange_step step, uint64_t ns)
{
    durations_add(&w->steps[step], ns);
}

/* A final reply's head came: status class, latency, request id. Before any of it goes to the client, so that
 * a client that has its answer finds it counted. */
void tally_reply(struct exchange *x, struct replica *replica, int status);

/* An attempt ended without a usable reply. At outlier.failures in a row control is told. */
RARELY void tally_failure(struct worker *w, struct replica *replica);

/* What an attempt moved, when it is over. */
void tally_bytes(struct worker *w, struct replica *replica, uint64_t up, uint64_t down);

#endif
