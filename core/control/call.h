/*
 * call.h - one request for a control route, until it is answered.
 *
 * Owns     the request's texts, and the duty to answer exactly once.
 * Used by  routes.c and admin.c (make), membership.c, requests.c, state.c, reload (answer).
 * Uses     jansson to render.
 * Thread   control.
 *
 * A call comes by letter from a worker or from the admin port; handlers cannot tell. An answer may come
 * later: until then the call is in routes.open. call_answer_ and call_fail free the call.
 */
#ifndef CONTROL_CALL_H
#define CONTROL_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/list.h"

struct call;
struct routes;

struct answer {
    int status;
    int retry_after_s;        /* 0: no Retry-After field */
    const char *allow;        /* NULL unless 405 */
    const char *content_type; /* NULL: application/json */
    const char *body;         /* not terminated by a newline */
    size_t body_len;
};

/* Where a call came from. */
struct call_port {
    const char *name; /* for the log: "traffic", "admin" */
    /* Sends the answer; answer is NULL when the call ends unanswered, because the balancer leaves or the
     * caller has gone. Then lets go of carrier. */
    void (*end)(void *carrier, const struct answer *answer);
};

struct call {
    struct link link; /* in routes.open */
    struct routes *routes;
    const struct call_port *port;
    void *carrier; /* port's: what the texts below point into */

    const char *method;        /* "GET" …; a HEAD is answered like a GET, its port sends no body */
    const char *path;          /* decoded, without /_lb */
    const char *rest;          /* of a PREFIX route: what follows; else "" */
    const char *query;         /* raw, without '?'; "" when there is none */
    const char *authorization; /* the field's value, or NULL */
    const char *body;
    size_t body_len;
    struct sockaddr_storage peer;

    void *work;                    /* what its handler keeps until the answer; NULL: nothing */
    void (*free_work)(void *work); /* called when the call ends */
};

/* A call for the port to fill in and hand to routes_dispatch. */
struct call *call_new(struct routes *routes, const struct call_port *port, void *carrier);

/* The answer; root is taken. flags are jansson's (JSON_COMPACT, JSON_INDENT(n), …). */
void call_answer(struct call *call, int status, json_t *root, size_t flags);

/* The same with a body that is rendered already. */
void call_answer_text(struct call *call, int status, const char *body, size_t body_len);

/* A body that is not JSON. */
void call_answer_typed(struct call *call, int status, const char *content_type, const char *body,
                       size_t body_len);

/* {"message":"<Error> …","status":"failure"}; the text is given without "<Error> ", or with it. */
void call_fail(struct call *call, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* 405 with the methods that are allowed. */
void call_refuse_method(struct call *call, const char *allow);

/* Ends it without an answer. */
void call_drop(struct call *call);

/* "127.0.0.1:40312", for the log. */
const char *call_peer(const struct call *call, char *text, size_t room);

/* A JSON string of any bytes: what is not UTF-8 becomes '?'. NULL becomes null. */
json_t *json_any_text(const char *text);

/* {"message":"<Error> …"} made of a sentence that may bring its "<Error> " along. */
json_t *json_failure(const char *sentence);

#endif
