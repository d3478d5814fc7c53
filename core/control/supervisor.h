/*
 * supervisor.h - want N, have M.
 *
 * Owns     one row for each replica that is wanted or still leaving: its state, its replica object, its
 *          budgets and timers.
 * Used by  control.c (opens, stops), publish.c (rotation), routes.c (/rep, /add, /rm), state.c (lists).
 * Uses     spawner.h to start and stop, health.h for heartbeats. The only one that decides to start or stop a
 *          replica.
 * Thread   control.
 *
 * The whole behaviour is one table, state x event (supervisor_table.c); a cell without an action means
 * "ignore, and count it".
 */
#ifndef CONTROL_SUPERVISOR_H
#define CONTROL_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lb_plugin.h"

struct config;
struct event_base;
struct membership_file;
struct replica;
struct supervisor;

/* STATE(name, what it means) */
#define SUPERVISOR_STATES(STATE)                                                          \
    STATE(STARTING, "started, no good heartbeat yet")                                     \
    STATE(READY, "in rotation")                                                           \
    STATE(SPARE, "ready, in no rotation: it fills the place of one that dies")            \
    STATE(SUSPECT, "out of rotation after misses, perhaps only busy")                     \
    STATE(EJECTED, "out of rotation for a while: its answers are not as the others' are") \
    STATE(TRIAL, "in rotation with few requests: the next failure ejects it again")       \
    STATE(DRAINING, "leaving: no new requests, the running ones end")                     \
    STATE(STOPPING, "told to exit")                                                       \
    STATE(BACKOFF, "dead; waiting before the next start")                                 \
    STATE(GONE, "left; the row is about to be freed")

/* EVENT(name, when) */
#define SUPERVISOR_EVENTS(EVENT)                                       \
    EVENT(STARTED, "the spawner has started it")                       \
    EVENT(HEARTBEAT_OK, "a heartbeat was answered 200 in time")        \
    EVENT(UNREADY, "health.unready_after misses in a row")             \
    EVENT(DEAD, "health.dead_after misses in a row")                   \
    EVENT(REFUSED, "a connection to it was refused")                   \
    EVENT(CLOSED, "it has closed connections that were idle")          \
    EVENT(IMPOSTOR, "another program has answered in its place")       \
    EVENT(OUTLIER, "too many failures, or far slower than the others") \
    EVENT(EXITED, "it exited, or could not be started")                \
    EVENT(TIMER, "the row's timer ran out")                            \
    EVENT(DRAINED, "no worker uses it any more")                       \
    EVENT(PLACED, "a spare was given the place of a dead one")         \
    EVENT(WANT_LESS, "it is to be removed")

enum supervisor_state {
#define SUPERVISOR_ENUM(name_, text_) SUPERVISOR_##name_,
    SUPERVISOR_STATES(SUPERVISOR_ENUM)
#undef SUPERVISOR_ENUM
        SUPERVISOR_STATE_COUNT
};

struct supervisor_hooks {
    void *ctx;
    /* The rotation differs from the one last taken: build and publish a view. May be called often; coalesce.
     * */
    void (*rotation_changed)(void *ctx);
    /* No published view names it any more: post FORGET to every worker, and call supervisor_forgotten when
     * all answered. */
    void (*forget)(void *ctx, struct replica *replica);
    /* Its row is gone, and some worker still uses it: that has to end now. */
    void (*cut)(void *ctx, struct replica *replica);
    /* It answers no heartbeats, and is dead by them or may only be slow: what waits for it need not wait any longer. */
    void (*move)(void *ctx, struct replica *replica, bool is_dead);
    /* The last row is gone after supervisor_stop. */
    void (*stopped)(void *ctx);
    /* Something happened (events.h). NULL: nobody listens. */
    void (*event)(void *ctx, const char *kind, const char *replica, const char *why);
    struct membership_file
        *file; /* where the membership is kept; NULL: nowhere. Lives longer than the supervisor */
};

/* Starts the wanted replicas at once. config is retained. NULL with a reason in why (engine unreachable). */
struct supervisor *supervisor_open(struct event_base *base, struct config *config, unsigned n_workers,
                                   const struct supervisor_hooks *hooks, char *why, size_t why_size);

/* A new configuration is in force: count, static members, health, back-off. Never fails; what cannot change
 * without a restart was taken out before. */
void supervisor_apply(struct supervisor *s, struct config *next);

/* What the next view must contain, sorted by ring name: every row that has been READY once and is not
 * leaving. stamp rises with each change. replicas are borrowed, valid until control returns to its loop or a
 * view retains them; members' texts belong to the replicas. */
struct rotation {
    struct lb_member *members;
    struct replica **replicas;
    uint32_t n;
    uint64_t stamp;
};
void supervisor_rotation(struct supervisor *s, struct rotation *out);
void rotation_free(struct rotation *r);

/* Every worker runs a view made from the rotation of that stamp (or a later one). Replicas that are in no
 * such view any more are now forgotten (hook). */
void supervisor_published(struct supervisor *s, uint64_t stamp);

/* Every worker has answered FORGOTTEN. */
void supervisor_forgotten(struct supervisor *s, struct replica *replica);

/* A worker was refused a connection. replica may be one that has left already: then nothing happens. */
void supervisor_refused(struct supervisor *s, struct replica *replica);

/* It has closed a connection of a worker that was idle. replica may be one that has left already. */
void supervisor_closed(struct supervisor *s, struct replica *replica);

/* A worker has seen many failures of it in a row. replica may be one that has left already. */
void supervisor_failing(struct supervisor *s, struct replica *replica, uint32_t in_a_row, bool are_errors);

/* ------------------------------------------------------------------ /add and /rm (CONTRACT 3, DECISIONS 20,
 * 27, 29, 30) */

/* Names ends with NULL in each list. Freed by the supervisor after the callback returns. */
struct supervisor_result {
    const char *refused; /* a sentence: the engine would not do it, and nothing has changed; NULL: it did */
    bool timed_out;      /* add_timeout ran out: names lists those that came up, the rest were cancelled */
    char **names;        /* added or removed, in order */
    char **skipped;      /* /add: names that existed already */
    const char
        *reason; /* of timed_out, a sentence: why one of them did not come up; NULL: it was only slow */
};
typedef void (*supervisor_done_fn)(void *arg, const struct supervisor_result *result);

/* n replicas, the first n_names of them called names[]; the rest get random names "S" + 4 digits. weights are those of the
 * first n_weights of them; the others have 1. Returns 0,
 * and done is called once later (never from inside); or -1 with a sentence in why, and nothing has changed. n
 * >= n_names, n > 0. */
int supervisor_add(struct supervisor *s, const char *const *names, size_t n_names, size_t n,
                   const uint32_t *weights, size_t n_weights, supervisor_done_fn done, void *arg, char *why,
                   size_t why_size);

/* The same for removal; the rest are random victims. done is called when every worker has switched; draining
 * goes on. */
int supervisor_remove(struct supervisor *s, const char *const *names, size_t n_names, size_t n,
                      supervisor_done_fn done, void *arg, char *why, size_t why_size);

/* ------------------------------------------------------------------ looking */

struct supervisor_info {
    const char *name, *ring_name;
    enum supervisor_state state;
    const struct replica *replica; /* NULL before it has an address */
    pid_t pid;                     /* 0: not a process */
    const char *label;             /* what its engine calls it; NULL: nothing */
    uint32_t ordinal;              /* 0: none */
    uint32_t restarts, misses;
    uint32_t ejections;                    /* since it was last well for long */
    uint64_t output_lines, output_dropped; /* what it printed: into the log, left out */
    uint64_t since_ns;                     /* in this state since, monotonic */
};

/* All rows, in the order of /rep: oldest first, a stand-in in the place of the dead one. *out is malloced;
 * free it. */
size_t supervisor_list(const struct supervisor *s, struct supervisor_info **out);

/* The spares: they have no ring name. */
size_t supervisor_list_spares(const struct supervisor *s, struct supervisor_info **out);

/* By exact name, else a bare number by ordinal. NULL: nobody. */
const struct replica *supervisor_find(const struct supervisor *s, const char *name);

/* Autoscaling. False: it is off. */
struct supervisor_scaling {
    uint32_t min, max;
    uint32_t target_inflight; /* a replica, in thousandths */
    uint64_t load;            /* requests in flight over the last second, in thousandths */
    uint64_t decisions;
    const char *last; /* a sentence; NULL: there was none. Valid until the next turn of the loop */
};
bool supervisor_scaling(const struct supervisor *s, struct supervisor_scaling *out);

/* Does an engine (Swarm) decide who there is? Then /add and /rm take numbers, no names. */
bool supervisor_is_following(const struct supervisor *s);
uint32_t supervisor_wanted(const struct supervisor *s);
uint64_t supervisor_ignored(const struct supervisor *s); /* events that met an unnamed cell */
bool supervisor_is_serving(enum supervisor_state state); /* READY, or on TRIAL */
const char *supervisor_state_name(enum supervisor_state state);
const char *supervisor_driver(const struct supervisor *s);
/* A sentence: why nothing can be started or stopped just now. NULL: all is well. */
const char *supervisor_trouble(const struct supervisor *s);

/* ------------------------------------------------------------------ leaving */

/* Stops every replica (SIGTERM, then SIGKILL after replicas.stop_timeout_ms); hooks.stopped is called when
 * all are gone. A second call kills at once. */
void supervisor_stop(struct supervisor *s);

/* After stopped. */
void supervisor_close(struct supervisor *s);

#endif
