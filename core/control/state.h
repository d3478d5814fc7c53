/*
 * state.h - /_lb/state: everything there is to know, in one answer.
 *
 * Owns     the shape of the answer.
 * Used by  routes.c.
 * Uses     supervisor.h, publish.h, world/stats.h.
 * Thread   control; counters of workers are read relaxed.
 */
#ifndef CONTROL_STATE_H
#define CONTROL_STATE_H

struct call;

void state_show(struct call *call);

#endif
