/*
 * load_result.h - what load.c tells of each request, on its way into the result.
 *
 * Owns     nothing.
 * Used by  load.c.
 * Uses     load.h.
 * Thread   the one that runs the load.
 */
#ifndef LAB_LOAD_RESULT_H
#define LAB_LOAD_RESULT_H

#include "lab/load.h"

struct reply;

/* Counts one request that has ended; s has id and times, and gets the rest here. */
void load_result_add(struct load_result *out, const struct load_plan *plan, struct load_sample *s,
                     enum load_error error, const struct reply *reply);

#endif
