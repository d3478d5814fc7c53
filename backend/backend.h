/*
 * backend.h - the demo replica as one object.
 *
 * Owns     nothing; names what main.c owns, so that answer.c and routes.c can reach it.
 * Used by  main.c, answer.c, routes.c.
 * Thread   the only one there is: one event loop.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct evbuffer;

struct backend {
    struct options options;
    struct event_base *base;
    struct evbuffer *scratch; /* a reply's body is put together here; evhttp takes the bytes over */
    char *home;               /* the answer to /home, made once */
    size_t home_length;
    char *numbered; /* the answer to /request?request_id=N, made once */
    size_t numbered_length;
    size_t open;       /* answers that have been begun and not finished */
    uint64_t answered; /* answers finished, heartbeats aside */
    bool hanging;      /* from now on nothing is answered */
    bool draining;     /* no new connection is taken; leaves when open is 0 */
};

/* Leaves the loop when it is draining and nothing is left to finish. Called after each answer and by the
 * signal. */
void backend_leave_if_done(struct backend *backend);

#endif
