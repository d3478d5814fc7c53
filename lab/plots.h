/*
 * plots.h - the gnuplot scripts of lab/plots/, and running them.
 *
 * Owns     the scripts' bytes, as they were when this program was built.
 * Used by  report.c.
 * Uses     gnuplot, if it is installed.
 * Thread   the program's main one.
 */
#ifndef LAB_PLOTS_H
#define LAB_PLOTS_H

#include <jansson.h>
#include <stdbool.h>

#include "lab/out.h"

struct results {
    json_t *setup, *a1, *a2, *a3, *a4, *accept, *simulate; /* NULL: that was not run */
};

/* Writes the scripts for what there is into plots/ (o), with what they need to know in their first lines, and runs each.
 * False after a complaint: no gnuplot, or one that did not like a script; the others are made. */
bool plots_make(struct out *o, const struct results *r);

#endif
