/*
 * candidates.h - the candidates of strategy.shadow, built over whatever table is in force.
 *
 * Owns     the set of candidates in force, what was last built of them, and the job that builds.
 * Used by  publish.c.
 * Uses     builder.h, world/shadow.h.
 * Thread   control; build_work alone runs on the builder thread.
 *
 * A change of membership is never held up by candidates: its view goes out without them, they are built afterwards, one
 * job a candidate so that a table in force waits for one of them at most, and a view that carries them follows.
 */
#ifndef CONTROL_CANDIDATES_H
#define CONTROL_CANDIDATES_H

struct builder;
struct candidates;
struct shadow;
struct shadow_set;
struct table;

/* ready is called when something was built that a view may carry. No candidates yet. */
struct candidates *candidates_new(struct builder *builder, void (*ready)(void *ctx), void *ctx);

/* These are in force from now on. built may be NULL, or already be over the table that comes with them. Takes references. */
void candidates_put(struct candidates *c, struct shadow_set *set, struct shadow *built);

/* This table is in force: what is missing over it is built. */
void candidates_want(struct candidates *c, struct table *table, unsigned n_workers);

/* What a view with this table may carry now; NULL: nothing. Borrowed. */
struct shadow *candidates_over(const struct candidates *c, const struct table *table);

/* Borrowed: the candidates in force, and what was last built of them (perhaps over an older table; NULL: nothing). */
struct shadow_set *candidates_set(const struct candidates *c);
struct shadow *candidates_last(const struct candidates *c);

/* Nothing more is built, and ready is not called any more. */
void candidates_stop(struct candidates *c);

/* After the builder has ended. */
void candidates_free(struct candidates *c);

#endif
