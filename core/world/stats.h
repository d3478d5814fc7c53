/*
 * stats.h - counters: workers add, control sums.
 *
 * Owns     the layout of counters and of the history of request ids.
 * Used by  path/tally.c (adds), control's state and /requests (sum).
 * Thread   each line is written by one worker with a relaxed load and store; control reads relaxed. No lock,
 *          no fence.
 */
#ifndef WORLD_STATS_H
#define WORLD_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Counters of a replica, one set a worker.   COUNTER(name, help) */
#define REPLICA_COUNTERS(COUNTER)                                           \
    COUNTER(picked, "attempts that chose this replica")                     \
    COUNTER(full, "times passed over at its strategy.bounded_load")         \
    COUNTER(answered, "replies relayed to a client, any status")            \
    COUNTER(failed, "attempts that ended without a usable reply")           \
    COUNTER(reply_us, "microseconds to the heads of its replies, added up") \
    COUNTER(status_1xx, "interim replies, and 101")                         \
    COUNTER(status_2xx, "replies 200 to 299")                               \
    COUNTER(status_3xx, "replies 300 to 399")                               \
    COUNTER(status_4xx, "replies 400 to 499")                               \
    COUNTER(status_5xx, "replies 500 to 599")                               \
    COUNTER(connects, "connections opened")                                 \
    COUNTER(reuses, "requests sent on a kept connection")                   \
    COUNTER(bytes_up, "bytes sent to it")                                   \
    COUNTER(bytes_down, "bytes received from it")

/* Counters of a worker. */
#define WORKER_COUNTERS(COUNTER)                                                                        \
    COUNTER(accepted, "client connections accepted")                                                    \
    COUNTER(closed, "client connections closed")                                                        \
    COUNTER(requests, "requests whose head was read")                                                   \
    COUNTER(control_calls, "requests for a control route")                                              \
    COUNTER(replies, "replies finished")                                                                \
    COUNTER(own_answers, "error answers made by the balancer")                                          \
    COUNTER(retries, "attempts after the first")                                                        \
    COUNTER(no_replica, "requests answered 503: nobody ready")                                          \
    COUNTER(client_gone, "exchanges ended by their client")                                             \
    COUNTER(cut_bodies, "replies cut short by their replica")                                           \
    COUNTER(timeouts, "phases that took too long")                                                      \
    COUNTER(access_lost, "access log lines lost: the disk is too slow")                                 \
    COUNTER(refused_full, "connections answered 503 at limits.connections")                             \
    COUNTER(refused_client, "connections answered 503 at limits.connections_per_client")                \
    COUNTER(refused_rate, "requests answered 503 at limits.rate or limits.rate_total")                  \
    COUNTER(refused_memory, "requests answered 503 at limits.memory_mib")                               \
    COUNTER(untracked, "connections and requests of addresses for which limits.addresses had no place") \
    COUNTER(idle_dropped, "idle connections closed to make room for new ones")                          \
    COUNTER(too_slow, "clients ended below limits.min_rate")                                            \
    COUNTER(tunnels, "connections that switched to another protocol (101)")                             \
    COUNTER(tunnels_closed, "those of them that have ended")                                            \
    COUNTER(proxy_refused, "connections without the PROXY header due, or of a stranger")                \
    COUNTER(refused_clients, "pauses of accepting, for want of descriptors or of room to say 503")

#define STATS_FIELD(name_, help_) _Atomic uint64_t name_;
struct replica_counters {
    REPLICA_COUNTERS(STATS_FIELD)
};
struct worker_counters {
    WORKER_COUNTERS(STATS_FIELD)
};
#undef STATS_FIELD

/* The owner's add. */
#define STATS_ADD(counter_, n_)                                                                     \
    atomic_store_explicit(&(counter_),                                                              \
                          atomic_load_explicit(&(counter_), memory_order_relaxed) + (uint64_t)(n_), \
                          memory_order_relaxed)
#define STATS_READ(counter_) atomic_load_explicit(&(counter_), memory_order_relaxed)

/* How long something took: bucket b counts durations of 2^b .. 2^(b+1) - 1 microseconds, bucket 0 also
 * those below. */
#define DURATIONS_BUCKETS 32
struct durations {
    _Atomic uint64_t count[DURATIONS_BUCKETS];
    _Atomic uint64_t sum_ns;
};
/* Owner only. */
void durations_add_some(struct durations *h, uint64_t ns);

/* Most steps of an exchange end within the event they began in, which is no time: that is counted without arithmetic. */
static inline void durations_add(struct durations *h, uint64_t ns)
{
    if (ns > 0)
        durations_add_some(h, ns);
    else
        STATS_ADD(h->count[0], 1);
}

/* The last request ids of a replica on one worker, in the order they were answered. */
struct history_entry {
    _Atomic uint64_t when_ns, request_id;
};
struct history {
    uint32_t size; /* entries, above 1: one more than are kept, as one may be under the writer's hand */
    _Atomic uint64_t head; /* entries written so far; entry k is at k % size */
    struct history_entry entries[];
};

struct replica_line {
    _Alignas(64) struct replica_counters counters;
    uint32_t failures;                 /* attempts in a row without a usable reply; owner only */
    uint32_t errors;                   /* replies 5xx in a row; owner only */
    _Atomic(struct history *) history; /* made by its worker on first use; freed with the replica */
};

/* Appends; makes the history on first use, for the last history_size ids (0: none are kept). Owner only. */
void stats_note_request(struct replica_line *line, uint32_t history_size, uint64_t when_ns,
                        uint64_t request_id);

/* The last at most `limit` ids over all lines, merged by time, oldest first. *out is malloced by this, the
 * count is returned (0: *out is NULL). Any thread; entries being overwritten meanwhile are left out. */
struct stats_request {
    uint64_t when_ns, request_id;
};
size_t stats_requests(const struct replica_line *lines, unsigned n_lines, size_t limit,
                      struct stats_request **out);

/* Sums one set over all lines. */
struct replica_totals {
#define STATS_TOTAL(name_, help_) uint64_t name_;
    REPLICA_COUNTERS(STATS_TOTAL)
};
struct worker_totals {
    WORKER_COUNTERS(STATS_TOTAL)
#undef STATS_TOTAL
};
void stats_sum_replica(const struct replica_line *lines, unsigned n_lines, struct replica_totals *out);
void stats_add_worker(const struct worker_counters *counters, struct worker_totals *sum);

#endif
