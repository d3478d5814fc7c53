/*
 * forward.h - the head that goes on: a parsed head -> the bytes for the next hop. Pure.
 *
 * Owns     which fields pass, which stop here, and which the balancer adds (CONTRACT 7).
 * Used by  exchange.c.
 * Thread   any.
 *
 * Canonical: exactly one framing, no hop-by-hop field, no field that Connection names.
 */
#ifndef PATH_FORWARD_H
#define PATH_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "path/head.h"

struct forward_request {
    const struct head *head;
    const char *bytes;      /* of the head */
    const char *client_ip;  /* text; appended to X-Forwarded-For */
    const char *proto;      /* "http" or "https" */
    bool trusted;           /* what the head itself says of proto and host goes on, where it says something */
    const char *request_id; /* used when the request has none */
    const char *upgrade;    /* protocols offered to the replica (upgrade.h); NULL: none */
    const char *host;       /* for a request that names none (HTTP/1.0); NULL: the field is empty then */
};

/* Method, origin-form target (absolute-form is rewritten, its authority becomes Host), HTTP/1.1, fields.
 * At most the head's length and 300 bytes, the texts given here and another copy of the host. Returns the
 * bytes written, or 0 when room is too small (32 bytes to spare are always enough). */
size_t forward_write_request(const struct forward_request *f, char *out, size_t room);

struct forward_reply {
    const struct head *head;
    const char *bytes;
    const char *served_by; /* name of the replica */
    enum framing
        framing;         /* towards the client: CLOSE writes no framing field, LENGTH keeps the reply's own */
    bool keep_alive;     /* the client's connection stays open */
    bool client_is_1_0;  /* then "Connection: keep-alive" is said when it stays open */
    const char *upgrade; /* of a 101: the protocols switched to; NULL otherwise */
};

/* HTTP/1.1 status line (also to 1.0 clients, as RFC 9110, 2.5 asks), fields. A reply without body (NONE:
 * to HEAD, 304) keeps its Content-Length, but for 204, which must have none. For an interim reply (1xx)
 * only the replica's own fields are written, but for a 101 that opens a tunnel; served_by may be NULL then. Returns like above. */
size_t forward_write_reply(const struct forward_reply *f, char *out, size_t room);

/* A reply of the balancer itself. */
struct forward_own {
    int status;
    const char *content_type;
    const char *allow; /* "" or NULL: none */
    int retry_after_s; /* 0: none */
    uint64_t body_len; /* written as Content-Length, also for HEAD */
    bool keep_alive, client_is_1_0;
    const char *request_id; /* unused when NULL */
};
size_t forward_write_own(const struct forward_own *f, char *out, size_t room);

/* "Not Found" for 404; "Unknown" for a status without a name here. */
const char *forward_reason(int status);

#endif
