/*
 * membership.h - /rep, /add and /rm.
 *
 * Owns     the shape of their answers.
 * Used by  routes.c.
 * Uses     change.h for the bodies, supervisor.h for the deed, publish.h for who is in rotation.
 * Thread   control.
 */
#ifndef CONTROL_MEMBERSHIP_H
#define CONTROL_MEMBERSHIP_H

struct call;

void membership_show(struct call *call);
void membership_add(struct call *call);
void membership_remove(struct call *call);

#endif
