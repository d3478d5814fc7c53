/*
 * forwarded.h - who a request comes from, when proxies that are trusted stand in between. Pure.
 *
 * Owns     how X-Forwarded-For is read.
 * Used by  exchange.c (keys, log), exchange_answer.c (who may call control).
 * Thread   any.
 *
 * Anybody can write the field; only its end was written by those we know. So it is read from its end, as long as the
 * one who must have written an entry is in trust_forwarded.
 */
#ifndef PATH_FORWARDED_H
#define PATH_FORWARDED_H

#include <stdbool.h>

#include "path/head.h"
#include "path/proxy.h"

struct config;

/* True when the peer is in trust_forwarded: what it says of proto and host goes on. Then *from is the rightmost
 * address that is not trusted; the leftmost one when all are; the last that could be read when one is no address. Its
 * port is 0. False: *from is untouched, the request comes from the peer. */
bool forwarded_from(const struct config *config, const struct head *head, const char *bytes,
                    const struct sockaddr *peer, union proxy_address *from);

#endif
