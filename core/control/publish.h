/*
 * publish.h - what the workers run: one view after the other.
 *
 * Owns     the views that live, the configuration, strategy and table in force, and the one publication under
 * way.
 * Used by  control.c (letters, leaving), reload.c (a new configuration), routes and state (look at what is in
 * force).
 * Uses     builder.h for tables, roster.h for what a view names, world/view.h, world/message.h.
 * Thread   control.
 *
 * One publication at a time, in order. A publication takes the rotation, finds or builds the table over it,
 * makes a view, posts it to every worker, and ends when all have switched. What changes meanwhile is one more
 * publication afterwards, however often it changed. A stand-in inherits its ring name, so its table is the
 * one in force and its view goes out in the same turn of the loop.
 *
 *   IDLE --rotation or configuration changed--> [BUILDING --built-->] SWITCHING --last SWITCHED--> IDLE
 *
 * Candidates (strategy.shadow) never hold a publication up: a view over a new membership goes out without them, and
 * another one follows when they are built (candidates.h).
 *
 * When the strategy refuses a membership (a ring that is full), the newcomers are left out and the rest goes
 * on; publish_refusal says why, and whoever brought them finds them missing in the view.
 */
#ifndef CONTROL_PUBLISH_H
#define CONTROL_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct builder;
struct candidates;
struct config;
struct control_worker;
struct event_base;
struct letter_replica;
struct letter_view;
struct publish;
struct replica;
struct rotation;
struct shadow;
struct shadow_set;
struct strategy;
struct table;
struct view;

/* Whose rotation is published, and who is told. The supervisor, or a test. */
struct publish_hooks {
    void *ctx;
    void (*rotation)(void *ctx, struct rotation *out);     /* supervisor_rotation */
    void (*published)(void *ctx, uint64_t stamp);          /* supervisor_published */
    void (*forgotten)(void *ctx, struct replica *replica); /* supervisor_forgotten */
};

struct publish *publish_new(struct event_base *base, struct builder *builder);

/* Takes over what is in force from the start, and makes the first view, which names nobody. Every worker
 * counts as running it. References are taken. The table has no members. */
struct view *publish_first(struct publish *p, struct config *config, struct strategy *strategy,
                           struct table *table, unsigned n_workers);

/* The candidates (strategy.shadow) that are in force from the start. Before publish_start. A reference is taken. */
void publish_first_candidates(struct publish *p, struct shadow_set *set);

/* From here on views are posted. workers lives as long as p. */
void publish_start(struct publish *p, const struct publish_hooks *hooks, const struct control_worker *workers,
                   unsigned n_workers);

/* The rotation differs from the one last taken. Nothing happens before the next turn of the loop, so a burst
 * is one. */
void publish_rotation_changed(struct publish *p);

/* A configuration that is to be in force. done is called once, later: refused is NULL when every worker runs
 * it, else the sentence why nothing has changed. table may be NULL; it is used when it still fits the
 * rotation. References are taken. At most one at a time. */
struct publish_change {
    struct config *config;
    struct strategy *strategy;
    struct table *table;
    void (*done)(void *ctx, const char *refused);
    void *ctx;
    struct shadow_set *set; /* candidates; NULL: those in force stay */
    struct shadow *shadow;  /* may be NULL; used when it still fits */
};
void publish_apply(struct publish *p, const struct publish_change *change);

/* No view names the replica any more: asks every worker to forget it, then tells hooks.forgotten. */
void publish_forget(struct publish *p, struct replica *replica);

/* Asks every worker to end what still uses a replica that it was asked to forget. */
void publish_cut(struct publish *p, struct replica *replica);

/* It answers no heartbeats: asks every worker to send to another replica what waits for it and may be repeated. */
void publish_move(struct publish *p, struct replica *replica, bool is_dead);

/* Letters of these kinds came from a worker; they are freed here. */
void publish_switched(struct publish *p, struct letter_view *letter);
void publish_released(struct publish *p, struct letter_view *letter);
void publish_forgotten(struct publish *p, struct letter_replica *letter);

/* What every worker runs, borrowed until the next turn of the loop. */
const struct view *publish_view(const struct publish *p);
struct config *publish_config(const struct publish *p);
struct strategy *publish_strategy(const struct publish *p);
struct table *publish_table(const struct publish *p);
struct candidates *publish_candidates(const struct publish *p);

/* What a view made now would name, with a reference each: free it with roster_free. */
void publish_roster(const struct publish *p, struct rotation *out);

unsigned publish_count_workers(const struct publish *p);

size_t publish_count_views(const struct publish *p); /* that some worker may still look at */

/* Why the last rotation could not be published as a whole; "" when it was. */
const char *publish_refusal(const struct publish *p);

/* Workers are about to stop and answer no more: nothing is published, asked or told from here on. */
void publish_stop(struct publish *p);

/* After the workers and the builder have ended; frees every view. */
void publish_free(struct publish *p);

#endif
