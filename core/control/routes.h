/*
 * routes.h - the control routes: who may call which, and who answers.
 *
 * Owns     the calls that wait for their answer.
 * Used by  control.c (letters, leaving), admin.c (requests).
 * Uses     world/routes.h for the list; membership.c, requests.c, state.c, explain.c and reload.c answer.
 * Thread   control.
 */
#ifndef CONTROL_ROUTES_H
#define CONTROL_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "world/routes.h"

struct builder;
struct call;
struct control_worker;
struct event_base;
struct events;
struct letter_call;
struct membership_file;
struct publish;
struct reload;
struct supervisor;

/* What handlers look at. All borrowed. */
struct routes {
    struct event_base *base;
    struct builder *builder;
    struct events *events;
    const struct membership_file *file; /* NULL: membership is not kept */
    struct publish *publish;
    struct reload *reload;
    struct supervisor *supervisor;
    const struct spool *spool; /* of the access log */
    const struct control_worker *workers;
    unsigned n_workers;
    const char *const *step_names; /* ends with NULL */
    uint64_t started_ns;           /* monotonic */

    bool leaving;     /* routes that change something answer 503 */
    struct link open; /* calls that wait for their answer */
};

void routes_init(struct routes *r);

/* A letter from a worker: taken. */
void routes_letter(struct routes *r, struct letter_call *letter);

/* Checks the route, the method and the caller's right, and hands the call to its handler. where is the
 * port's. */
void routes_dispatch(struct routes *r, struct call *call, enum route_where where);

/* Ends every open call without an answer: nobody is there any more to hear it. */
void routes_close(struct routes *r);

/* True when the Authorization value is "Bearer TOKEN". The time it takes says nothing of where they differ.
 * */
bool routes_token_matches(const char *authorization, const char *token);

#endif
