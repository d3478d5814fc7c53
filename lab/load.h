/*
 * load.h - sends requests and counts who answered, how, and when.
 *
 * Owns     its connections and its event loop while it runs; a result belongs to the caller.
 * Used by  cmd_load.c and the experiments.
 * Uses     libevent, hdr.h, reply.h.
 * Thread   the one that calls load_run, from beginning to end; stop and done may be used by others meanwhile.
 *
 * Closed loop (rate 0): `concurrency` connections, each sends its next request when the last is answered. What waits is
 * then the load itself, so a target that stands still is asked less often just when it is slow.
 * Open loop: request k is due at k / rate seconds, whatever became of the others; latency counts from the due time, not
 * from when a connection was free to send it (no coordinated omission: Tene, "How NOT to measure latency").
 * A failed request is counted and not repeated.
 */
#ifndef LAB_LOAD_H
#define LAB_LOAD_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lab/hdr.h"

/* X(name, text): what can go wrong with a request, besides an answer that is none of the 2xx. */
#define LOAD_ERRORS(X)                            \
    X(NONE, "none")                               \
    X(REFUSED, "connection refused")              \
    X(CONNECT, "no connection")                   \
    X(RESET, "connection reset")                  \
    X(CLOSED, "closed before the reply")          \
    X(CUT, "reply cut short")                     \
    X(GARBLED, "not an HTTP reply")               \
    X(TIMEOUT, "timed out")                       \
    X(DESCRIPTORS, "out of descriptors or ports") \
    X(STOPPED, "not answered when the run was stopped")

#define LOAD_ENUM(name_, text_) LOAD_##name_,
enum load_error { LOAD_ERRORS(LOAD_ENUM) LOAD_N_ERRORS };
#undef LOAD_ENUM

#define LOAD_STATUS_MAX 1000
#define LOAD_NOBODY     0xFFFFu /* a sample without X-Served-By */

struct load_plan {
    struct sockaddr_storage address;
    socklen_t address_len;
    const char *host;    /* for the Host field */
    const char *path;    /* {id} becomes the request's id */
    const uint64_t *ids; /* used in turn, from the first again when they are used up; NULL: 100000 + k */
    size_t n_ids;
    uint64_t requests;    /* 0: until seconds are over */
    double seconds;       /* 0: until requests are sent */
    unsigned concurrency; /* connections; in the open loop the most there may be */
    double rate;          /* requests a second, open loop; 0: closed loop */
    unsigned timeout_ms;  /* of one request, from its sending */
    bool close;           /* one connection a request */
    bool keep_samples;
    atomic_bool *stop;      /* NULL, or: set it to end early */
    _Atomic uint64_t *done; /* NULL, or: counts what ended */
    void (*on_progress)(void *arg, uint64_t done, uint64_t total,
                        double share); /* NULL, or: every 50 ms or so */
    void *progress_arg;
};

/* One request; times are nanoseconds since the start of the run. */
struct load_sample {
    uint64_t id, due_ns, sent_ns, done_ns;
    uint16_t replica; /* index into load_result.replicas, or LOAD_NOBODY */
    uint16_t status;  /* 0: none */
    uint8_t error;    /* enum load_error */
};

struct load_replica {
    char *name;
    uint64_t answers; /* of any status */
};

struct load_result {
    uint64_t sent, good; /* good: answered with 2xx */
    uint64_t statuses[LOAD_STATUS_MAX];
    uint64_t errors[LOAD_N_ERRORS];
    uint64_t nobody; /* answers without X-Served-By: the balancer's own */
    struct load_replica *replicas;
    size_t n_replicas;
    struct hdr latency; /* ns, of good answers: from the due time; in the closed loop from sending */
    struct hdr service; /* ns, of good answers: from sending */
    uint64_t wall_ms;   /* when it started, milliseconds since 1970 */
    uint64_t start_ns;  /* the same on the monotonic clock */
    double seconds, cpu_user_s, cpu_sys_s; /* how long it took; what this thread used */
    uint64_t connects, bytes;              /* connections made; bytes received */
    unsigned connections_most;
    struct load_sample *samples; /* in the order in which they ended */
    size_t n_samples;
    bool ended_early;
    char why[200]; /* ended_early: a sentence */
};

/* Runs the plan to its end. The result must be zeroed; it is filled in also when the run ended early (the target has
 * gone, stop, Ctrl-C). Returns false then. */
bool load_run(const struct load_plan *plan, struct load_result *out);
void load_result_free(struct load_result *r);

/* Requests that failed: with an error, or answered outside of 2xx. */
uint64_t load_failed(const struct load_result *r);

const char *load_error_text(enum load_error e);

/* `count` different six-digit ids in an order that the seed determines; count is at most 900,000. The caller frees
 * them. */
uint64_t *load_make_ids(size_t count, uint64_t seed);

/* Resolves HOST:PORT or http://HOST:PORT[/...] into the plan; false after a complaint. *path is set when the URL has one
 * that is not "/". host lives as long as the plan: the caller frees it. */
bool load_target(struct load_plan *plan, const char *url, char **host, const char **path);

/* From the first call on, Ctrl-C ends runs instead of the program (the second one does). */
void load_catch_interrupt(void);
bool load_is_interrupted(void);

#endif
