/*
 * message.h - the words control and the workers exchange.
 *
 * Owns     nothing; a letter belongs to whoever holds it, and the receiver frees it (free()).
 * Used by  path/worker.c and control/ alike: this is where they meet.
 * Thread   see base/mailbox.h.
 */
#ifndef WORLD_MESSAGE_H
#define WORLD_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/mailbox.h"

struct view;
struct replica;

enum message {
    /* control -> worker */
    MESSAGE_RUN_VIEW = 1, /* letter_view: new exchanges use this view; answer SWITCHED at once */
    MESSAGE_FORGET, /* letter_replica: no view names it any more; answer FORGOTTEN when nothing here uses it */
    MESSAGE_CUT,    /* letter_replica: it has had its time to drain; end what still uses it */
    MESSAGE_MOVE, /* letter_move: it answers no heartbeats; what waits for it and may be repeated asks another */
    MESSAGE_ANSWER, /* letter_answer: what a parked exchange is to be told */
    MESSAGE_DRAIN,  /* letter: stop accepting, finish what runs, close what idles; answer DRAINED */
    MESSAGE_STOP,   /* letter: leave the loop now */
    /* worker -> control */
    MESSAGE_CALL,      /* letter_call: a request for a control route, with its body */
    MESSAGE_SWITCHED,  /* letter_view, with worker: it runs the view */
    MESSAGE_RELEASED,  /* letter_view, with worker: its last exchange let go of the view */
    MESSAGE_FORGOTTEN, /* letter_replica, with worker */
    MESSAGE_REFUSED, /* letter_replica, with worker: refused a connection; told once until it is READY again */
    MESSAGE_FAILING, /* letter_failing: too many failures in a row; told once until control has looked */
    MESSAGE_CLOSED, /* letter_replica, with worker: closed an idle connection; told once until it was asked */
    MESSAGE_DRAINED, /* letter, with worker */
    /* builder thread -> control */
    MESSAGE_BUILT, /* letter_built of control/builder.h */
};

struct letter_worker { /* DRAINED and, as first member, all that name a worker */
    struct letter letter;
    unsigned worker;
};

struct letter_view {
    struct letter letter;
    unsigned worker;
    struct view *view;
};

struct letter_replica {
    struct letter letter;
    unsigned worker;
    struct replica *replica;
};

struct letter_move {
    struct letter letter;
    struct replica *replica;
    bool is_dead; /* else it may only be slow, and what moves costs from the retry budget */
};

struct letter_failing {
    struct letter letter;
    unsigned worker;
    struct replica *replica;
    uint32_t in_a_row;
    bool are_errors; /* replies 5xx; else attempts without a usable reply */
};

/* Which exchange waits: control gives these three back unchanged. A stale serial is dropped by the worker. */
struct parked {
    unsigned worker;
    uint32_t slot;
    uint64_t serial;
};

/* A control route was called on the traffic port. One allocation: body and texts follow the struct. */
struct letter_call {
    struct letter letter;
    struct parked parked;
    struct sockaddr_storage peer;
    const char *method;        /* "GET" … terminated */
    const char *path;          /* decoded, terminated, without the query */
    const char *query;         /* raw, without '?', terminated; "" when there is none */
    const char *authorization; /* the field's value, or NULL */
    const char *body;          /* body_len bytes, then a 0 */
    size_t body_len;
};

/* The answer. One allocation, body inside. The worker adds Content-Length and the connection fields; a HEAD
 * request gets no body. */
struct letter_answer {
    struct letter letter;
    struct parked parked;
    int status;
    int retry_after_s; /* 0: no Retry-After field */
    char content_type[64];
    char allow[64]; /* "" unless 405 */
    size_t body_len;
    char body[];
};

#endif
