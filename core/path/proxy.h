/*
 * proxy.h - the PROXY protocol: who the client is, said by a proxy before the first byte of its connection. Pure.
 *
 * Owns     the grammar of both versions (The PROXY protocol, versions 1 & 2, W. Tarreau, 2020: "the specification").
 * Used by  client.c (reads one), exchange_attempt.c (writes one).
 * Thread   any.
 *
 * Strict: what the specification calls invalid or reserved is refused, for whoever may say it decides what address
 * a request comes from.
 */
#ifndef PATH_PROXY_H
#define PATH_PROXY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

union proxy_address {
    struct sockaddr any; /* AF_UNSPEC: none */
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

enum proxy_kind {
    PROXY_KNOWN,   /* from and to are the client's */
    PROXY_UNKNOWN, /* a client is relayed, but not whose: UNKNOWN, AF_UNSPEC, AF_UNIX */
    PROXY_LOCAL,   /* the proxy itself speaks: a health check */
};

struct proxy_header {
    enum proxy_kind kind;
    union proxy_address from, to; /* when KNOWN */
    bool tls;                     /* the client came by TLS: version 2 may tell */
};

enum { PROXY_MORE = 0, PROXY_BAD = -1 };

/* bytes[0 .. len) is what has come so far. Returns the length of the header, PROXY_MORE or PROXY_BAD. Version 1 is at
 * most 107 bytes, version 2 at most 16 and 65,535. */
int proxy_parse(const char *bytes, size_t len, struct proxy_header *out);

#define PROXY_WRITE_MAX 52

/* A header of version 2: TCP from one to the other, over IPv4 if both are (v4-mapped counts), else over IPv6. from
 * NULL: of an unknown client. Returns its length, 16, 28 or 52. */
size_t proxy_write(const struct sockaddr *from, const struct sockaddr *to, char out[PROXY_WRITE_MAX]);

#endif
