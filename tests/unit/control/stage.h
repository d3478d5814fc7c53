/*
 * stage.h - a publisher with everything around it played by the test: workers, a supervisor, a configuration
 * file.
 *
 * Owns     what stage_open makes, until stage_close.
 * Used by  unit/control/test_publish.c, test_reload.c, test_routes.c.
 * Thread   the test's; the builder's thread is real.
 *
 * Workers answer by themselves, or, with is_manual, when the test says so.
 */
#ifndef UNIT_CONTROL_STAGE_H
#define UNIT_CONTROL_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "control/control.h"
#include "world/message.h"
#include "world/stats.h"

#define STAGE_WORKERS  3
#define STAGE_REPLICAS 64

struct builder;
struct config;
struct event;
struct event_base;
struct publish;
struct replica;
struct vetting;

struct stage_worker {
    struct mailbox mailbox;
    struct letter *mail; /* taken and not yet answered, oldest first */
    struct view *runs;
    unsigned n_views;             /* RUN_VIEW letters answered */
    bool releases_first;          /* RELEASED before SWITCHED */
    bool keeps_views;             /* never releases one */
    struct letter_answer *answer; /* the last ANSWER */
    struct worker_counters counters;
};

struct stage {
    char path[64]; /* of the configuration file */
    struct event_base *base;
    struct mailbox box;
    struct event *mail;
    struct vetting *vetting; /* by the program ringmaster */
    struct builder *builder;
    struct publish *publish;
    struct config *config;
    struct stage_worker workers[STAGE_WORKERS];
    struct control_worker reach[STAGE_WORKERS];
    bool is_manual;

    /* the rotation, by ring name */
    struct replica *replicas[STAGE_REPLICAS];
    uint32_t n_replicas, next_index;
    uint64_t stamp;

    /* what the publisher told */
    uint64_t published;
    unsigned n_published;
    struct replica *forgotten;
    void (*on_call)(struct stage *s, struct letter_call *letter);
};

/* conf is the text of an lb.conf; plugin_dir is added, and a command for replicas when it has none. Starts
 * everything. */
struct stage *stage_open(const char *conf);
void stage_close(struct stage *s);
/* Ends the builder and drops what is in the mail, before the test frees what its jobs point to. Part of
 * stage_close. */
void stage_quiet(struct stage *s);

/* Writes the configuration file anew. */
void stage_write(struct stage *s, const char *conf);

/* Puts a replica in the rotation, in the place of the one with this ring name if there is one. */
struct replica *stage_join(struct stage *s, const char *name, const char *ring_name);
/* Takes the one with this ring name out. */
void stage_leave(struct stage *s, const char *ring_name);

/* Runs the loop until is_true(s), or fails the test when that takes 30 seconds. */
void stage_wait(struct stage *s, bool (*is_true)(struct stage *s));
/* Until the current rotation is published. */
void stage_settle(struct stage *s);
/* Lets everything happen that can happen without waiting for the builder. */
void stage_turn(struct stage *s);

/* The next letter of a worker, answered as a worker would. Returns its kind, 0 when there is none. */
int stage_answer(struct stage *s, unsigned worker);

/* "a,b,c": the ring names of the view that a worker runs; "name" where that is not the ring name. */
const char *stage_names(const struct view *view);

#endif
