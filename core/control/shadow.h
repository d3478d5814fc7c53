/*
 * shadow.h - /_lb/shadow: what each candidate would do, beside what the strategy in force does.
 *
 * Owns     the shape of the answer.
 * Used by  routes.c.
 * Uses     world/shadow.h for the figures.
 * Thread   control.
 */
#ifndef CONTROL_SHADOW_H
#define CONTROL_SHADOW_H

struct call;

/* The handler of GET /_lb/shadow. */
void shadow_show(struct call *call);

#endif
