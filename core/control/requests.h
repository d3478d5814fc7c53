/*
 * requests.h - /requests/NAME: which requests a replica answered.
 *
 * Owns     the shape of the answer.
 * Used by  routes.c.
 * Uses     world/stats.h.
 * Thread   control; it reads what workers write, relaxed.
 */
#ifndef CONTROL_REQUESTS_H
#define CONTROL_REQUESTS_H

struct call;

void requests_show(struct call *call);

#endif
