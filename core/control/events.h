/*
 * events.h - what happened lately: GET /_lb/events.
 *
 * Owns     the last EVENTS_KEPT events, each with a number, a time, a kind, a replica and a reason.
 * Used by  control.c (makes it, passes on what the supervisor tells), routes.c (shows it).
 * Uses     call.h for the answer.
 * Thread   control.
 *
 * Numbers rise by one; who asks again with ?after=N gets what is new, and sees by "dropped" whether something was lost in
 * between.
 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include <stdint.h>

struct call;
struct events;

#define EVENTS_KEPT 2048

struct events *events_new(void);
void events_free(struct events *e);

/* kind is a constant; replica may be NULL. Both texts are copied, and cut when they are very long. */
void events_note(struct events *e, const char *kind, const char *replica, const char *why);

/* /_lb/events?after=NUMBER&limit=COUNT&replica=NAME&kind=KIND, oldest first. */
void events_show(struct call *call);

#endif
