/*
 * inflight.h - how evenly the requests that run are spread, while many run.
 *
 * Owns     the thread that sends them.
 * Used by  a4.c, accept.c.
 * Uses     experiment.h, /_lb/state.
 * Thread   the program's main one.
 */
#ifndef LAB_INFLIGHT_H
#define LAB_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

struct experiment;
struct target;

/* Means over the looks at /_lb/state. */
struct inflight {
    uint64_t looks;
    double max_over_mean; /* of the replicas' requests in flight */
    double above_mean;    /* the busiest one's, less the mean */
    double mean;
    uint64_t failed;
};

/* `concurrency` connections for so many seconds. False after a complaint. */
bool inflight_measure(struct experiment *e, struct target *t, unsigned concurrency, double seconds,
                      struct inflight *out);

/* A balancer of its own over n replicas that take delay_ms for each answer; strategies are then a matter of
 * target_reload. False after a complaint. */
bool inflight_spawn(struct experiment *e, struct target *t, int n, int delay_ms);

#endif
