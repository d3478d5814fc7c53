/*
 * explain.h - /_lb/explain?key=K: why this key goes where it goes.
 *
 * Owns     the shape of the answer, and the questions under way.
 * Used by  routes.c.
 * Uses     builder.h, publish.h, world/asker.h.
 * Thread   control; the strategy is asked on the builder thread.
 */
#ifndef CONTROL_EXPLAIN_H
#define CONTROL_EXPLAIN_H

struct call;

/* 200 with hash, attempts, members and what the scheduler says of each; 400 without a key. Answers later. */
void explain_show(struct call *call);

#endif
