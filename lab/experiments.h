/*
 * experiments.h - the four experiments, each a function that runs one and leaves its files.
 *
 * Owns     nothing.
 * Used by  cmd_experiments.c, a4.c (which runs for every strategy).
 * Uses     experiment.h.
 * Thread   the program's main one.
 *
 * Each writes into the folder `name` below e->out and prints what it found. It returns what it wrote as result.json (a new
 * reference), or NULL after a complaint; what was measured until then is in the folder.
 */
#ifndef LAB_EXPERIMENTS_H
#define LAB_EXPERIMENTS_H

#include <jansson.h>
#include <stdbool.h>

struct experiment;

/* raw: also one row a request. */
json_t *a1_run(struct experiment *e, const char *name, bool raw);
json_t *a2_run(struct experiment *e, const char *name, bool raw);
json_t *a3_run(struct experiment *e, const char *name);
json_t *a4_run(struct experiment *e, const char *name);

#endif
