/*
 * graph.h - /performancegraph: how many requests each replica was given, and how they ended, as a picture.
 *
 * Owns     nothing.
 * Used by  routes.c.
 * Uses     world/stats.h.
 * Thread   control; it reads what workers write, relaxed.
 */
#ifndef CONTROL_GRAPH_H
#define CONTROL_GRAPH_H

#include <stddef.h>
#include <stdint.h>

struct call;

/* One replica's bars. The name is any text. total is success and failure together. */
struct graph_row {
    const char *name;
    uint64_t success, failure;
};

/* An SVG image of the rows, in their order; subtitle is any text. It is malloced, *len bytes long and terminated. Any
 * thread. */
char *graph_render(const struct graph_row *rows, size_t n, const char *subtitle, size_t *len);

/* GET /performancegraph, GET /performance_graph. */
void graph_show(struct call *call);

#endif
