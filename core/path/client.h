/*
 * client.h - connections that clients opened.
 *
 * Owns     every client socket of this worker, from accept to close; the first buffer of its request.
 * Used by  accept.c (makes it), upstream.c and worker.c (wake its exchange).
 * Uses     conn.c, exchange.c.
 * Thread   the worker.
 *
 * Behind a listener for the PROXY protocol a client first waits for that header. Then it is idle (no exchange, no buffer), busy (one exchange: pipelined requests wait in `in`), or
 * lingering (answered, reading only so that the answer is not lost to a reset).
 */
#ifndef PATH_CLIENT_H
#define PATH_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hint.h"
#include "base/list.h"
#include "path/buffer.h"
#include "path/conn.h"
#include "path/proxy.h"

struct exchange;
struct worker;

/* What a PROXY header said besides where the client is. */
struct client_relayed {
    union proxy_address to; /* where the client connected to; AF_UNSPEC: not known */
    bool unknown;           /* peer is the proxy: who the client is was not said */
    bool tls;               /* it came by TLS */
};

struct client {
    struct conn conn;
    struct worker *worker;
    struct exchange *exchange; /* NULL: idle or lingering */
    struct buffer *in;         /* NULL: nothing read that was not dealt with */
    struct link link;          /* in worker->clients */
    struct link ready_link;    /* in worker->ready: has work left from this turn */
    uint32_t requests;         /* begun on this connection */
    bool lingering;
    bool turned_away;               /* one too many: its first request is answered 503, unread */
    bool awaits_proxy;              /* nothing counts before its PROXY header */
    uint64_t place;                 /* of its address in worker->quota; 0: not counted there */
    union proxy_address peer;       /* who connected; after a PROXY header: whom that names */
    struct client_relayed *relayed; /* NULL unless a PROXY header came that names a client */
};

/* Takes over a descriptor from accept. Closes it when it can't be had. proxy: a PROXY header must come first. */
void client_open(struct worker *w, int fd, const struct sockaddr *peer, bool proxy);

/* Something its exchange waited for has happened. The client may be gone afterwards. */
void client_run(struct client *c);

/* In the next turn of the loop. */
void client_run_later(struct client *c);

/* The deadline ran out. */
void client_expired(struct client *c, enum deadline_class class);

/* Closes the connection that has been idle between two requests for longest. False: there is none. */
RARELY bool client_drop_idle(struct worker *w);

/* Drain: closes it when it is idle; else it closes after what it does now. */
void client_drain(struct client *c);

/* At once, whatever it was doing. */
void client_close(struct client *c);

#endif
