/*
 * health.h - heartbeats: is a replica there, and does it answer?
 *
 * Owns     one heartbeat for each watched replica, and the kept connections they use.
 * Used by  supervisor.c. What a miss means is decided there; here it is only told.
 * Thread   control. Nothing waits: libcurl's sockets and timers are events of the control loop.
 *
 * A heartbeat is GET http://ADDRESS/health.path; 200 within health.timeout_ms is good, everything else is a
 * miss. A miss is probed again at once until health.unready_after of them are together, so a hiccup and a
 * death are told apart quickly; after that the next one comes at the interval again.
 *
 * That we have no descriptor or port left says nothing about a replica: it is UNASKED, and stays what it was. Who floods us with
 * connections must not have our replicas taken for dead.
 */
#ifndef CONTROL_HEALTH_H
#define CONTROL_HEALTH_H

struct config;
struct event_base;
struct health;
struct heartbeat;

enum health_result {
    HEALTH_GOOD,
    HEALTH_MISS,    /* another status, too slow, cut off */
    HEALTH_REFUSED, /* nobody listens there */
    HEALTH_UNASKED, /* we had no socket to ask with */
};

enum health_pace {
    HEALTH_STARTING, /* every health.start_interval_ms, each on a new connection: the first good one counts */
    HEALTH_STEADY,   /* every health.interval_ms, up to a tenth less so that replicas spread out */
};

/* why: "heartbeat refused", "heartbeat answered 500"; valid during the call. May unwatch, kick or watch. */
typedef void (*health_fn)(void *ctx, enum health_result result, const char *why);

struct health_ops {
    /* NULL when libcurl can't be set up. config is read, not kept. */
    struct health *(*open)(struct event_base *base, const struct config *config);
    /* Path, times and budgets of the next heartbeats. */
    void (*apply)(struct health *h, const struct config *next);
    /* address is "HOST:PORT" or "[V6]:PORT" and copied. fn is called from the loop, never from inside. */
    struct heartbeat *(*watch)(struct health *h, const char *address, enum health_pace pace, health_fn fn,
                               void *ctx);
    void (*set_pace)(struct heartbeat *b, enum health_pace pace);
    /* The next heartbeat is now, on a new connection; one under way is dropped without a word. */
    void (*kick)(struct heartbeat *b);
    /* There is reason to ask before the interval is over: a heartbeat soon, begun after this call and on a new connection.
     * Now, if the last one with such a reason was an interval ago (or a second, if that is less); one under way ends first. */
    void (*prompt)(struct heartbeat *b);
    /* fn is not called any more. */
    void (*unwatch)(struct heartbeat *b);
    /* Unwatches all. */
    void (*close)(struct health *h);
};

extern const struct health_ops health_http;

#endif
