/*
 * supervisor_inside.h - what the supervisor's own files share; nobody else includes it.
 *
 * Owns     nothing.
 * Used by  supervisor*.c and their tests.
 * Thread   control.
 *
 *     supervisor.c           open, apply, stop; what others ask and tell
 *     supervisor_table.c     state x event, and the driver that follows it
 *     supervisor_row.c       the actions of the table: what happens to one replica
 *     supervisor_outlier.c   passive health: who is ejected for what its answers show, and for how long
 *     supervisor_scale.c     autoscaling: as many as the load wants
 *     supervisor_rotation.c  who is in the rotation, who has left it, index numbers
 *     supervisor_change.c    /add, /rm and changes of the configuration: which rows come and go
 *     supervisor_spare.c     spares: rows without a place, until one dies
 *     supervisor_members.c   rows for replicas that somebody else runs: listed, or found
 *     supervisor_follow.c    the same where an engine decides who there is
 *     supervisor_keep.c      what is written down of the rows, and how they come back
 *     supervisor_name.c      names, ordinals, ring names, ids
 *
 * A row is what fills a place: it is started again and again, and keeps its position in /rep, its ring name, id, ordinal and
 * weight as long as it is wanted, unless a spare comes in for it. Each of those that it starts one after the other is a
 * struct replica of its own:
 *
 *     row.replica   the one that is being started, runs or has just died
 *     place.shown   the one in the rotation, from the moment it was READY until its stand-in is
 *     departed      one that is in the rotation no more, until every worker has forgotten it
 */
#ifndef CONTROL_SUPERVISOR_INSIDE_H
#define CONTROL_SUPERVISOR_INSIDE_H

#include "base/list.h"
#include "control/health.h"
#include "control/membership_file.h"
#include "control/scale.h"
#include "control/spawner.h"
#include "control/supervisor.h"
#include "world/replica.h"

#include <event2/event_struct.h>

#define SUPERVISOR_RING_NAME_SIZE (sizeof((struct replica *)0)->ring_name)

enum supervisor_event {
#define SUPERVISOR_ENUM(name_, text_) ON_##name_,
    SUPERVISOR_EVENTS(SUPERVISOR_ENUM)
#undef SUPERVISOR_ENUM
        SUPERVISOR_EVENT_COUNT
};

struct supervisor {
    struct event_base *base;
    struct config *config;
    unsigned n_workers;
    struct supervisor_hooks hooks;
    const struct spawner_ops *spawner_ops;
    struct spawner *spawner;
    const struct health_ops *health_ops;
    struct health *health;

    struct link rows;     /* row.link, in the order of /rep */
    struct link spares;   /* row.link, without a place; supervisor_spare.c */
    struct link gone;     /* row.link, GONE: freed in the next settling */
    struct link departed; /* departed.link, in the order in which they left */
    struct link asked;    /* asked.link; supervisor_follow.c */
    struct link changes;  /* change.link, in the order in which they were asked for */
    struct link absent;   /* members of the configuration that /rm took out; supervisor_keep.c */
    uint32_t *index_uses; /* [i]: holders of the replica with index i */
    uint32_t n_indices;

    uint64_t stamp;     /* of the rotation */
    uint64_t published; /* the latest stamp that every worker runs */
    bool is_changed;    /* the hook for the rotation is to be called */
    bool is_looking;    /* a place may be filled by a spare; see spare_look */
    bool is_stopping, is_stopped;
    struct event settle; /* see supervisor_settle_later */
    uint64_t random;
    uint64_t positions; /* given to rows so far */
    uint64_t ignored;

    /* Drivers that find their members: those that the rows follow; copies. */
    struct config_member *members;
    size_t n_members;
    bool members_are_known;

    struct event judge; /* outlier.window_ms have passed */

    struct event look; /* SCALE_LOOK_MS have passed; autoscaling only */
    struct scale scale;
    uint64_t scale_decisions;
    char scale_why[160]; /* the last decision; "": there was none */

    struct membership_file *file; /* NULL: membership does not last */
    uint64_t revision;            /* of the membership */
    uint64_t noted,
        saved;          /* the latest revision that was given to the file; that it has, or could not take */
    uint64_t window_ns; /* when the present window for starts opened */
    uint32_t window_starts; /* in it */
};

/* Sums of a replica's counters at some moment. */
struct judged {
    const struct replica *replica; /* whose; only compared */
    uint64_t answered, failed, errors, reply_us;
};

/* What a row keeps whoever fills it, and hands to the spare that comes in for its dead one. */
struct row_place {
    char ring_name[SUPERVISOR_RING_NAME_SIZE]; /* "": none; the row is a spare */
    uint64_t id;
    uint64_t position; /* rises along the rows */
    uint32_t ordinal;  /* 0: none */
    uint32_t weight;
    bool is_weighted;      /* by /add: the configuration does not change it */
    char *address;         /* static: as in lb.conf; else NULL */
    char *member_name;     /* static: the name that lb.conf gives to it; NULL: none */
    struct replica *shown; /* NULL: not in the rotation */
    uint64_t joined;       /* stamp of the rotation that first named shown; 0: none did yet */
    uint32_t starts;       /* and spares that came in */
    uint32_t deaths;       /* since it was last READY for backoff_reset_ms on end */
    uint32_t ejections;    /* in a row */
};

struct row {
    struct link link; /* supervisor.rows, or .spares without a place, or .gone when GONE */
    struct supervisor *owner;
    enum supervisor_state state;
    uint64_t since_ns;
    struct row_place place;
    bool is_leaving; /* want less: it will not be started again */

    /* who fills it */
    char name[REPLICA_NAME_MAX + 1];
    bool is_worn;            /* a spare: its name was in the rotation, the next start gets another */
    struct replica *replica; /* NULL before it has an address */
    struct spawned *spawned; /* NULL: nothing was started */
    const struct spawner_started *started; /* during ON_STARTED: where it is */
    struct heartbeat *heartbeat;
    pid_t pid;
    char *last_end; /* how the last one ended that never was READY; NULL: it was, or there was none */

    /* budgets */
    uint32_t misses;         /* heartbeats missed in a row */
    uint32_t refusals;       /* connections refused since the last good heartbeat */
    uint32_t failed_starts;  /* that never became READY, in a row */
    uint64_t started_ns;     /* the last start */
    bool was_ready;          /* after it */
    struct judged judged;    /* what was counted of it when it was last looked at */
    uint64_t trial_answered; /* replies when its trial began */
    struct event timer;      /* what it means depends on the state */
};

/* The rows in the order of /rep; NULL: no more. A loop whose body may dismiss a row asks for the next one first. */
static inline struct row *row_at(const struct supervisor *s, struct link *at)
{
    return at == &s->rows ? NULL : LIST_OWNER(at, struct row, link);
}
static inline struct row *row_first(const struct supervisor *s)
{
    return row_at(s, s->rows.next);
}
static inline struct row *row_after(const struct row *row)
{
    return row_at(row->owner, row->link.next);
}

/* ------------------------------------------------------------------ supervisor_table.c */

/* Does what the cell of state and event wants; returns whether the row goes to `yes` (true) or to `no`. */
typedef bool (*row_action)(struct row *row, const char *why);
struct cell {
    row_action action; /* NULL: the event is ignored and counted */
    enum supervisor_state yes, no;
};
const struct cell *supervisor_cell(enum supervisor_state state, enum supervisor_event event);
const char *supervisor_event_name(enum supervisor_event event);

/* The only place where a row changes its state. why is for the log. After it the row may be GONE, but not
 * freed. */
void row_event(struct row *row, enum supervisor_event event, const char *why);

/* ------------------------------------------------------------------ supervisor_row.c */

bool row_start(struct row *row,
               const char *why); /* orders the next one's start. No: too many starts at once; later */
bool row_watch(struct row *row, const char *why); /* it has an address: heartbeats begin */
bool row_join(
    struct row *row,
    const char *why); /* ready; in the rotation, in the place of the former one. No: it is a spare */
bool row_go_on(struct row *row, const char *why); /* a good heartbeat of a READY one: misses are forgotten */
bool row_forgive(struct row *row, const char *why); /* it was READY for long enough: deaths are forgotten */
bool row_suspend(struct row *row, const char *why); /* not ready */
bool row_doubt(struct row *row, const char *why);   /* not ready; a heartbeat at once is to confirm it */
bool row_ask(struct row *row, const char *why); /* it may be dead: a heartbeat soon, and until then nothing */
bool row_confirm(struct row *row,
                 const char *why); /* refused again: stopped. No: not refused twice, or nothing to start */
bool row_replace(struct row *row,
                 const char *why); /* stopped, to be started again. No: nothing can be started here */
bool row_eject(struct row *row, const char *why);  /* out of rotation for a time that grows */
bool row_try(struct row *row, const char *why);    /* back for a few requests. No: it misses heartbeats */
bool row_pass(struct row *row, const char *why);   /* so many were answered. No: not yet */
bool row_finish(struct row *row, const char *why); /* drained: says so, and stops */
bool row_drain(struct row *row,
               const char *why); /* waits for DRAINED. No: it never was in the rotation; stopped */
bool row_stop(struct row *row, const char *why); /* asked to exit */
bool row_cut(struct row *row, const char *why);  /* has drained for too long: says so, and asks it to exit */
bool row_kill(struct row *row, const char *why); /* was asked for long enough */
bool row_resign(struct row *row, const char *why); /* stops already, and will not come back */
bool row_bury(struct row *row,
              const char *why); /* it is dead. Yes: comes back after a pause. No: it was leaving */
bool row_leave(struct row *row, const char *why); /* nothing runs: the row ends here */

/* What came from the spawner, from health and from the row's timer; the events of the table come from here.
 * */
extern const struct spawner_hooks row_spawner_hooks;
void row_on_heartbeat(void *row, enum health_result result, const char *why);
void row_on_timer(evutil_socket_t fd, short what, void *row);

/* Ends in GONE: out of the rotation now, drained and stopped on its way. */
void row_dismiss(struct row *row, const char *why);
/* Another weight from now on: a new replica object in the same place, for the same address. */
void row_reweigh(struct row *row, uint32_t weight);
void row_free(struct row *row);

/* The pause after the failures-th failure in a row (from 1), in ms: none after the first, then min, 2 min, 4
 * min … up to max, less up to a quarter at random so that those that died together do not start together. */
uint32_t row_backoff_ms(uint32_t failures, uint32_t min_ms, uint32_t max_ms, uint64_t *random);

/* Sets the row's timer. */
void row_arm(struct row *row, uint32_t ms);
/* Ready from now on, with a share that grows. */
void row_warm_up(struct row *row);

/* ------------------------------------------------------------------ supervisor_outlier.c */

void outlier_open(struct supervisor *s);
void outlier_apply(struct supervisor *s);
void outlier_close(struct supervisor *s);

/* ------------------------------------------------------------------ supervisor_scale.c */

void scaling_open(struct supervisor *s);
void scaling_apply(struct supervisor *s);
void scaling_close(struct supervisor *s);
/* Somebody else has changed how many there are to be. */
void scaling_touch(struct supervisor *s);
/* What the timer does; at_ms in the time of clock_now_ns. */
void scaling_look(struct supervisor *s, uint64_t at_ms);

/* ------------------------------------------------------------------ supervisor_rotation.c */

/* row.replica becomes row.shown; who was shown departs. */
void rotation_join(struct row *row);
/* row.shown departs, if there is one. */
void rotation_leave(struct row *row);
/* Is the row's former replica still used by a worker? */
bool rotation_is_draining(const struct row *row);
/* The row is being freed. */
void rotation_forget_row(struct row *row);
/* Calls the forget hook for those that are in no published view. */
void rotation_tell_departed(struct supervisor *s);
/* Lets go of those that never were forgotten. */
void rotation_close(struct supervisor *s);
/* Makes row.replica for an address; the row's former one is let go. */
void rotation_make_replica(struct row *row, const struct sockaddr_storage *address, socklen_t address_len);
void rotation_drop_replica(struct row *row);

/* ------------------------------------------------------------------ supervisor_change.c */

/* A row in no list and without a place, in BACKOFF. */
struct row *row_make(struct supervisor *s, const char *name);
/* A new row at the end of the order, in BACKOFF; started by the caller with ON_TIMER. name must be free. */
struct row *row_new(struct supervisor *s, const char *name);
/* The weight that the configuration gives to its number. */
uint32_t row_configured_weight(const struct row *row);
/* count rows named by replicas.name, or one for each static member. */
void change_first_rows(struct supervisor *s);
void change_apply(struct supervisor *s, const struct config *old);
/* Answers those that are finished; all of them when the supervisor is stopping. */
void change_settle(struct supervisor *s);
/* The place of a row has gone to another one: who waits for it waits for that one. */
void change_replace_row(const struct row *old, struct row *by);
/* The row is being freed. */
void change_forget_row(struct row *row);
/* Frees what was never answered. */
void change_close(struct supervisor *s);
/* So many are wanted from now on: new ones get the lowest free numbers, the newest leave. */
void change_scale(struct supervisor *s, uint32_t wanted);
uint32_t change_count_living(const struct supervisor *s);

/* ------------------------------------------------------------------ supervisor_spare.c */

/* Has it no place? */
bool spare_is(const struct row *row);
/* The spare that is not leaving and is called so; NULL: none. */
struct row *spare_named(const struct supervisor *s, const char *name);
/* Rows for those spares that ran before us, none started: before any other start. */
void spare_adopt(struct supervisor *s);
/* As many as are wanted are started. */
void spare_start(struct supervisor *s);
/* A spare takes over the place of a row whose replica is dead; it joins the rotation in the next settling, and the row is a
 * spare from now on. False: there is none, or it has no place to fill. */
bool spare_fill(struct row *dead);
/* The next settling is to look which places can be filled. */
void spare_look(struct supervisor *s);
/* As many as are wanted; if it is to look, places of those that are being stopped are filled, and spares with a place join. */
void spare_settle(struct supervisor *s);

/* ------------------------------------------------------------------ supervisor_members.c */

/* The configuration lists others than before; old: NULL, there was none before. */
void members_listed(struct supervisor *s, const struct config *old);
/* The driver has found others, or the first ones. */
void members_found(void *supervisor);
/* Those that there are to be: as the driver has found them, else as the configuration lists them. NULL: nobody knows yet. */
const struct config_member *members_wanted(const struct supervisor *s, size_t *n);
void members_close(struct supervisor *s);

/* ------------------------------------------------------------------ supervisor_follow.c */

/* Does an engine decide who there is? Then rows follow it, and /add and /rm are questions to it. */
bool follow_is_on(const struct supervisor *s);
/* Rows come and go as the engine says. */
void follow_slots(void *supervisor);
void follow_scaled(void *supervisor, void *tag, const char *why);
/* The number in lb.conf was changed. */
void follow_count_changed(struct supervisor *s);
/* n more or fewer; done is called as for supervisor_add. -1 with a sentence: nothing was asked. */
int follow_ask(struct supervisor *s, bool is_add, size_t n_names, size_t n, supervisor_done_fn done,
               void *arg, char *why, size_t why_size);
void follow_settle(struct supervisor *s);
void follow_forget_row(struct row *row);
void follow_close(struct supervisor *s);

/* ------------------------------------------------------------------ supervisor_keep.c */

/* The membership is not what it was: to be written down in the next settling. */
void keep_note(struct supervisor *s);
void keep_settle(struct supervisor *s);
/* Has this revision been written, or failed to be? Always without a file. */
bool keep_is_saved(const struct supervisor *s, uint64_t revision);
void keep_on_saved(void *supervisor, uint64_t revision);
/* Rows as they were written down, none started; *count is what replicas.count was then. False: nothing was. */
bool keep_restore(struct supervisor *s, uint32_t *count);
/* /rm took out a member that the configuration lists (name may be NULL); is it such a one; those that are not listed any
 * more are forgotten. */
void keep_absent(struct supervisor *s, const char *address, const char *name);
bool keep_is_absent(const struct supervisor *s, const char *address, const char *name);
void keep_forget_unlisted(struct supervisor *s);
void keep_close(struct supervisor *s);

/* ------------------------------------------------------------------ supervisor_name.c */

/* True when name is the pattern ("Server {n}") with a number from 1 to 4294967295 in it. */
bool name_has_ordinal(const char *pattern, const char *name, uint32_t *ordinal);
/* The pattern with its number; cut at the longest name. A pattern without {n} gets the number at its end. */
void name_of_ordinal(const char *pattern, uint32_t ordinal, char out[REPLICA_NAME_MAX + 1]);
/* True when name is 0 to 2^63 - 1 in decimal, without leading zeroes. */
bool name_is_number(const char *name, uint64_t *number);
/* What the replica calls itself: the number in "Server 3", else the name. */
void name_of_server(const char *pattern, const char *name, char out[REPLICA_NAME_MAX + 1]);
/* prefix and at least `digits` random digits, one more when all of those are taken. */
void name_random(struct supervisor *s, const char *prefix, unsigned digits, char out[REPLICA_NAME_MAX + 1]);
/* The lowest ordinal that no row has and whose name is free, and that name. */
uint32_t name_next_ordinal(struct supervisor *s, char out[REPLICA_NAME_MAX + 1]);
/* Sets ring_name, id and ordinal of a new row from its name (DECISIONS 20 and 21). */
void name_identify(struct row *row);
/* The row that is not leaving and is called so; row_find also takes a bare number for an ordinal. */
struct row *row_named(const struct supervisor *s, const char *name);
struct row *row_find(const struct supervisor *s, const char *name);

/* ------------------------------------------------------------------ supervisor.c */

/* supervisor_open with other drivers than the configuration's. */
struct supervisor *supervisor_open_with(const struct spawner_ops *spawner, const struct health_ops *health,
                                        struct event_base *base, struct config *config, unsigned n_workers,
                                        const struct supervisor_hooks *hooks, char *why, size_t why_size);

/* Tells what happened to a replica (NULL: to all of them); kind is a constant. */
void supervisor_tell(struct supervisor *s, const char *kind, const char *replica, const char *why);

/* Whatever is to be told to others is told in the next turn of the loop, from outside of every action: hooks
 * and answers never run inside a row's transition. */
void supervisor_settle_later(struct supervisor *s);

#endif
