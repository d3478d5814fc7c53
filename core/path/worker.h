/*
 * worker.h - one thread, one event loop, one share of the clients.
 *
 * Owns     its event base, listeners, mailbox, slabs, the views it still looks at, its counters.
 * Used by  main.c (makes and joins it); everything in path/ is handed its worker.
 * Uses     libevent; world/message.h to talk with control.
 * Thread   worker_new, worker_start, worker_join, worker_free: main. All else: its own.
 */
#ifndef PATH_WORKER_H
#define PATH_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/spool.h"
#include "path/access.h"
#include "path/deadline.h"
#include "path/exchange.h"
#include "path/pick.h"
#include "path/shadow.h"
#include "world/config.h"
#include "world/message.h"
#include "world/stats.h"
#include "world/view.h"

struct listener;

/* A view this worker looks at: the one in force, and older ones that exchanges still hold. */
struct held_view {
    struct link link;
    struct view *view;
    uint32_t refs;                   /* exchanges, and one while it is in force */
    struct pick_seat **seats;        /* one a pool */
    struct shadow_seats *candidates; /* one a pool */
};

/* An exchange that waits for control. */
struct parked_slot {
    struct exchange *exchange; /* NULL: free */
    uint64_t serial;
    uint32_t next_free;
};

struct worker {
    unsigned number, n_workers;
    struct event_base *base;
    struct mailbox mailbox;
    struct mailbox *control;
    struct event mail_event, tick_event;
    bool ticking, draining, drained_told, stopping;
    bool overdue;          /* more deadlines have passed than one turn deals with */
    uint64_t told_full_ns; /* when the log last said that accepting pauses */
    bool stranger_told;    /* the log has said that somebody outside of proxy_from connects */

    /* the world */
    struct held_view *now; /* in force */
    struct link views;     /* of held_view.link, now included */
    struct pick pick;
    struct shadow_sampler sampler;
    const struct config *config; /* of now: limits and timeouts */

    /* clients */
    struct listener *listeners;
    unsigned n_listeners;
    struct link clients;               /* of client.link */
    uint32_t n_clients, n_turned_away; /* the latter are among the former */
    struct quota *quota;
    struct link ready; /* of client.ready_link: have work left from this turn */

    /* replicas */
    struct seat **seats; /* by replica.index */
    uint32_t n_seats;

    /* exchanges */
    uint32_t n_exchanges, n_retrying;
    struct parked_slot *parked;
    uint32_t n_parked, free_parked;
    uint64_t parked_serial;

    struct deadlines deadlines;
    struct slab client_slab, exchange_slab, upstream_slab, buffer_slab;
    uint64_t kept_bytes;  /* for the bodies of control calls and the heads of tunnels */
    uint64_t memory_most; /* of limits.memory_mib: see memory.h */
    struct pipe_pool pipes;
    struct relay_means relay_means; /* the limits are those of now */
    uint16_t max_fields;            /* limits.headers at start */
    uint64_t random;                /* state for lb_random */
    uint64_t now_ns;                /* when the current event was noticed */

    struct access_log access;
    struct worker_counters counters;
    struct durations steps[STEP_COUNT];
    pthread_t thread;
};

struct worker_setup {
    unsigned number, n_workers;
    struct mailbox *control;
    struct view *view;    /* the first one: counts as switched */
    const int *listeners; /* one descriptor for each entry of listen, in its order; the worker closes them */
    unsigned n_listeners;
    uint64_t seed;       /* of its random state */
    struct spool *spool; /* of the access log; outlives the worker */
    struct quota *quota; /* what client addresses take; outlives it too */
};

/* NULL with errno. The thread does not run yet. */
struct worker *worker_new(const struct worker_setup *setup);
int worker_start(struct worker *w);
void worker_join(struct worker *w);
void worker_free(struct worker *w);

/* ------------------------------------------------------------------ for the rest of path/ */

/* One more exchange looks at the view in force. */
struct held_view *worker_hold_view(struct worker *w);
/* One fewer. The last one of an old view posts RELEASED. */
void worker_release_view(struct worker *w, struct held_view *held);

/* Parks an exchange for control; control's answer finds it by what is filled in here. */
void worker_park(struct worker *w, struct exchange *x, struct parked *out);
void worker_unpark(struct worker *w, uint32_t slot);

/* Arms a deadline and makes sure the tick runs. */
void worker_wait(struct worker *w, struct deadline *d, enum deadline_class class);

/* Makes sure the tick runs, though no deadline is armed: a paused listener waits for it. */
void worker_need_tick(struct worker *w);

/* Asks the clock; called at the start of every callback. */
void worker_wake(struct worker *w);

/* After a client is gone: accepts again when that had been paused, says DRAINED when it was the last. */
void worker_client_gone(struct worker *w);

#endif
