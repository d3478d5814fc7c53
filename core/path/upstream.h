/*
 * upstream.h - sockets that point at a replica.
 *
 * Owns     every connected replica socket of this worker, and the idle ones waiting for reuse; one seat a
 *          replica.
 * Used by  exchange_attempt.c (borrow, give back), worker.c (FORGET, expiry, stop).
 * Uses     conn.h, world/replica.h. Knows nothing of HTTP.
 * Thread   the worker; nothing here is shared, so nothing here is locked.
 *
 * A request borrows one socket, and hands it back clean or not at all. A socket that saw an error, an early
 * close, an unread or an over-long body is never handed back; that one sentence is what keeps replies from
 * crossing over.
 *
 * A replica that dies closes its sockets before anybody else can say so. When an idle one is closed by a replica in
 * rotation, control is told (CLOSED), which asks the replica at once: it may only have had enough of idling.
 */
#ifndef PATH_UPSTREAM_H
#define PATH_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "path/conn.h"
#include "path/proxy.h"

struct exchange;
struct replica;
struct worker;

/* This worker's side of a replica. Lives from the first use to FORGOTTEN. */
struct seat {
    struct replica *replica;
    struct link idle; /* of upstream.link, the last used first */
    uint32_t n_idle;
    uint32_t users;  /* exchanges that picked the replica and have not let go */
    bool forgetting; /* FORGET came: answered when users is 0 */
};

/* What the connections of one client begin with, with upstream.proxy_protocol: a PROXY header. */
struct upstream_origin {
    uint8_t len;
    char bytes[PROXY_WRITE_MAX];
};

struct upstream {
    struct conn conn;
    struct link link; /* in seat->idle while idle, else alone */
    struct worker *worker;
    struct seat *seat;
    struct exchange *exchange; /* who borrowed it; NULL while idle */
    uint64_t idle_since_ns;
    struct upstream_origin *origin; /* whose requests alone it may carry; NULL: anybody's */
    bool reused;                    /* it has carried a request before this one */
    bool connecting;
};

/* The seat of a replica, made on first use. */
struct seat *upstream_seat(struct worker *w, struct replica *replica);

/* A picked replica gets one user more, or one fewer. The last one to leave a forgotten seat answers FORGOTTEN
 * and frees it. */
void upstream_enter(struct seat *seat);
void upstream_leave(struct worker *w, struct seat *seat);

/* An idle socket of that origin (NULL: of none) not idle for longer than max_idle_ms (0: none of them will do), else a
 * new one with its connect under way (->connecting), whose first bytes are to be those of its origin. NULL with errno when there can be none: ECONNREFUSED, EMFILE, … */
struct upstream *upstream_borrow(struct worker *w, struct seat *seat, struct exchange *for_whom,
                                 uint32_t max_idle_ms, const struct upstream_origin *origin);

/* Hands it back. clean: its last reply was read to the very end and both sides keep it alive. */
void upstream_return(struct upstream *u, bool clean);

/* Idle for upstream.idle_ms: closed. */
void upstream_expired(struct upstream *u);

/* FORGET: closes idle sockets; answers FORGOTTEN now or when the last user leaves. */
void upstream_forget(struct worker *w, struct replica *replica);

/* At the descriptor limit: closes the idle socket that has been idle for longest, whoever its replica is. False: there is none. */
bool upstream_drop_idle(struct worker *w);

/* Closes all idle sockets and frees the seats nobody uses. At stop. */
void upstream_close_all(struct worker *w);

#endif
