/*
 * key.h - head -> key: what a request is known by. Pure.
 *
 * Owns     the order of sources in strategy.key (CONTRACT 6).
 * Used by  exchange.c.
 * Thread   any.
 */
#ifndef PATH_KEY_H
#define PATH_KEY_H

#include "lb_plugin.h"
#include "path/head.h"

struct config;
struct sockaddr;

#define KEY_TEXT 64 /* room for a key that stands nowhere in the request: an address, a random number */

/* The first source of config's list that the request has. Raw bytes, not decoded; an empty value counts as
 * absent. out->bytes points into bytes or text and lives as long as they do. When no source is present (a
 * list without "random") the key is a random number as well, so that such requests spread. random is the
 * worker's state. */
void key_make(const struct config *config, const struct head *head, const char *bytes,
              const struct sockaddr *peer, uint64_t *random, char text[KEY_TEXT], struct lb_key *out);

#endif
