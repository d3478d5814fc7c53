/*
 * supervisor_table.c - the whole behaviour of a replica's row: state x event.
 *
 * Owns     the table and the driver that follows it; nobody else sets a row's state.
 * Used by  supervisor_row.c, _change.c and supervisor.c (raise events).
 * Uses     the actions of supervisor_row.c.
 * Thread   control.
 *
 * Each cell says what is done and where that leads. GO leads there always; ASK's action answers, and the
 * first state is for yes, the second for no. What has no cell is ignored and counted: it can come late (a
 * worker's refusal after the exit was seen), and then there is nothing to do.
 *
 *            started  good   unready  dead       refused     impostor   exited        timer      drained   want less
 *   STARTING  watch    READY  -        -          -           STOPPING*  BACKOFF       STOPPING*  -         STOPPING
 *   READY     -        go on  SUSPECT  STOPPING*  SUSPECT     STOPPING*  BACKOFF       forgive    -         DRAINING
 *   SPARE     -        go on  SUSPECT  STOPPING*  SUSPECT     -          BACKOFF       forgive    -         STOPPING
 *   SUSPECT   -        READY  -        STOPPING*  STOPPING*+  STOPPING*  BACKOFF       -          -         DRAINING
 *   EJECTED   -        go on  -        STOPPING*  STOPPING*+  -          BACKOFF       TRIAL      -         DRAINING
 *   TRIAL     -        go on  SUSPECT  STOPPING*  SUSPECT     -          BACKOFF       READY      -         DRAINING
 *   DRAINING  -        -      -        -          -           -          GONE          STOPPING   STOPPING  -
 *   STOPPING  -        -      -        -          -           -          BACKOFF/GONE  kill       -         resign
 *   BACKOFF   -        -      -        -          -           -          -             STARTING   -         GONE
 *
 *   Small letters: stays. * with a driver that can start replicas, else SUSPECT until a heartbeat is good.
 *   A spare goes to SPARE where others go to READY, and from there to READY when it is PLACED.
 *   An OUTLIER goes from READY and from TRIAL to EJECTED; elsewhere it says nothing new.
 *   A READY one or one on TRIAL that has CLOSED idle connections is asked at once, and stays what it is until it is found
 *   to be dead; the others are not used, or leave, and then it says nothing.
 *   + at the second one; the first asks for a heartbeat at once.
 */
#include "base/clock.h"
#include "base/log.h"
#include "control/supervisor_inside.h"

/* clang-format off */
#define ROW(state_) [SUPERVISOR_##state_]
#define ON(event_) [ON_##event_]
#define GO(action_, to_) { row_##action_, SUPERVISOR_##to_, SUPERVISOR_##to_ }
#define ASK(action_, yes_, no_) { row_##action_, SUPERVISOR_##yes_, SUPERVISOR_##no_ }

static const struct cell table[SUPERVISOR_STATE_COUNT][SUPERVISOR_EVENT_COUNT] = {
    ROW(STARTING) = {
        ON(STARTED)      = GO(watch, STARTING),
        ON(HEARTBEAT_OK) = ASK(join, READY, SPARE),
        ON(IMPOSTOR)     = ASK(replace, STOPPING, SUSPECT),
        ON(EXITED)       = GO(bury, BACKOFF),
        ON(TIMER)        = ASK(replace, STOPPING, SUSPECT),
        ON(WANT_LESS)    = GO(stop, STOPPING),
    },
    ROW(READY) = {
        ON(HEARTBEAT_OK) = GO(go_on, READY),
        ON(UNREADY)      = GO(suspend, SUSPECT),
        ON(DEAD)         = ASK(replace, STOPPING, SUSPECT),
        ON(REFUSED)      = GO(doubt, SUSPECT),
        ON(CLOSED)       = GO(ask, READY),
        ON(OUTLIER)      = GO(eject, EJECTED),
        ON(IMPOSTOR)     = ASK(replace, STOPPING, SUSPECT),
        ON(EXITED)       = GO(bury, BACKOFF),
        ON(TIMER)        = GO(forgive, READY),
        ON(WANT_LESS)    = GO(drain, DRAINING),
    },
    ROW(SPARE) = {
        ON(HEARTBEAT_OK) = GO(go_on, SPARE),
        ON(UNREADY)      = GO(suspend, SUSPECT),
        ON(DEAD)         = ASK(replace, STOPPING, SUSPECT),
        ON(REFUSED)      = GO(doubt, SUSPECT),
        ON(EXITED)       = GO(bury, BACKOFF),
        ON(TIMER)        = GO(forgive, SPARE),
        ON(PLACED)       = ASK(join, READY, SPARE),
        ON(WANT_LESS)    = GO(stop, STOPPING),
    },
    ROW(SUSPECT) = {
        ON(HEARTBEAT_OK) = ASK(join, READY, SPARE),
        ON(DEAD)         = ASK(replace, STOPPING, SUSPECT),
        ON(REFUSED)      = ASK(confirm, STOPPING, SUSPECT),
        ON(IMPOSTOR)     = ASK(replace, STOPPING, SUSPECT),
        ON(EXITED)       = GO(bury, BACKOFF),
        ON(WANT_LESS)    = ASK(drain, DRAINING, STOPPING),
    },
    ROW(EJECTED) = {
        ON(HEARTBEAT_OK) = GO(go_on, EJECTED),
        ON(DEAD)         = ASK(replace, STOPPING, SUSPECT),
        ON(REFUSED)      = ASK(confirm, STOPPING, EJECTED),
        ON(EXITED)       = GO(bury, BACKOFF),
        ON(TIMER)        = ASK(try, TRIAL, EJECTED),
        ON(WANT_LESS)    = GO(drain, DRAINING),
    },
    ROW(TRIAL) = {
        ON(HEARTBEAT_OK) = GO(go_on, TRIAL),
        ON(UNREADY)      = GO(suspend, SUSPECT),
        ON(DEAD)         = ASK(replace, STOPPING, SUSPECT),
        ON(REFUSED)      = GO(doubt, SUSPECT),
        ON(CLOSED)       = GO(ask, TRIAL),
        ON(OUTLIER)      = GO(eject, EJECTED),
        ON(EXITED)       = GO(bury, BACKOFF),
        ON(TIMER)        = ASK(pass, READY, TRIAL),
        ON(WANT_LESS)    = GO(drain, DRAINING),
    },
    ROW(DRAINING) = {
        ON(EXITED)       = GO(bury, GONE),
        ON(TIMER)        = GO(cut, STOPPING),
        ON(DRAINED)      = GO(finish, STOPPING),
    },
    ROW(STOPPING) = {
        ON(EXITED)       = ASK(bury, BACKOFF, GONE),
        ON(TIMER)        = GO(kill, STOPPING),
        ON(WANT_LESS)    = GO(resign, STOPPING),
    },
    ROW(BACKOFF) = {
        ON(TIMER)        = ASK(start, STARTING, BACKOFF),
        ON(WANT_LESS)    = GO(leave, GONE),
    },
};

static const char *const state_names[] = {
#define STATE_NAME(name_, text_) [SUPERVISOR_##name_] = #name_,
    SUPERVISOR_STATES(STATE_NAME)
};
static const char *const event_names[] = {
#define EVENT_NAME(name_, text_) [ON_##name_] = #name_,
    SUPERVISOR_EVENTS(EVENT_NAME)
};
/* clang-format on */

/* How /_lb/events calls it. */
static const char *const event_kinds[SUPERVISOR_STATE_COUNT] = {
    [SUPERVISOR_STARTING] = "starting", [SUPERVISOR_READY] = "ready",       [SUPERVISOR_SUSPECT] = "suspect",
    [SUPERVISOR_DRAINING] = "draining", [SUPERVISOR_STOPPING] = "stopping", [SUPERVISOR_BACKOFF] = "backoff",
    [SUPERVISOR_GONE] = "gone",         [SUPERVISOR_EJECTED] = "ejected",   [SUPERVISOR_TRIAL] = "trial",
    [SUPERVISOR_SPARE] = "spare",
};

/* The only place where a row changes its state. */
static void enter(struct row *row, enum supervisor_state state, const char *why)
{
    bool is_bad = state == SUPERVISOR_SUSPECT || state == SUPERVISOR_BACKOFF || state == SUPERVISOR_EJECTED;
    log_write(is_bad ? LOG_WARN : LOG_INFO, "replica \"%s\": %s -> %s: %s", row->name,
              state_names[row->state], state_names[state], why);
    supervisor_tell(row->owner, event_kinds[state], row->name, why);
    row->state = state;
    row->since_ns = clock_now_ns();
    if (state == SUPERVISOR_GONE) {
        list_remove(&row->link);
        list_push_back(&row->owner->gone, &row->link);
        supervisor_settle_later(row->owner);
    }
}

void row_event(struct row *row, enum supervisor_event event, const char *why)
{
    const struct cell *cell = &table[row->state][event];
    if (!cell->action) {
        row->owner->ignored++;
        log_debug("replica \"%s\": %s ignored when %s: %s", row->name, event_names[event],
                  state_names[row->state], why);
        return;
    }
    enum supervisor_state next = cell->action(row, why) ? cell->yes : cell->no;
    if (next != row->state) {
        enter(row, next, why);
    }
}

const struct cell *supervisor_cell(enum supervisor_state state, enum supervisor_event event)
{
    return &table[state][event];
}

bool supervisor_is_serving(enum supervisor_state state)
{
    return state == SUPERVISOR_READY || state == SUPERVISOR_TRIAL;
}

const char *supervisor_state_name(enum supervisor_state state)
{
    return state_names[state];
}

const char *supervisor_event_name(enum supervisor_event event)
{
    return event_names[event];
}
