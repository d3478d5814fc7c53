/*
 * roster.h - a rotation that outlives the turn of the loop it was taken in.
 *
 * Owns     a reference to each replica of the rotation, and with them the ring names its members point at.
 * Used by  publish.c (what the next view names), reload.c (what a new strategy is tried on).
 * Uses     supervisor.h for struct rotation, strategy.h for members, view.h.
 * Thread   control; while a job builds over the members the builder reads them too.
 */
#ifndef CONTROL_ROSTER_H
#define CONTROL_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

struct replica;
struct rotation;
struct table;
struct view;

/* Takes a reference to each replica of a rotation just taken from the supervisor. */
void roster_hold(struct rotation *r);

/* Gives them back and frees the arrays; *r is empty afterwards. An empty one may be freed again. */
void roster_free(struct rotation *r);

/* How many members have a ring name that the table does not know. */
uint32_t roster_count_newcomers(const struct rotation *r, const struct table *table);

/* Leaves out all newcomers but the first `keep`, in the order of ring names. */
void roster_trim(struct rotation *r, const struct table *table, uint32_t keep);

/* Equal digests: a table over one serves the other (strategy_digest_members). */
uint64_t roster_digest(const struct rotation *r);

/* True when the view names exactly these replicas, in this order. */
bool roster_is_in_view(const struct rotation *r, const struct view *view);

/* Where the replica stands among those of the view's first pool; -1: it is not there. */
int64_t roster_index(const struct view *view, const struct replica *replica);

#endif
