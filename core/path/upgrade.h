/*
 * upgrade.h - which protocols a connection may switch to. Pure.
 *
 * Owns     the rules of Upgrade (RFC 9110, 7.8): what of a request's offer goes on to the replica, and whether a
 *          101 takes up something that was offered.
 * Used by  exchange_attempt.c, exchange_tunnel.c.
 * Thread   any.
 *
 * Whatever is spoken in a tunnel passes unseen. So what is not wanted there must not be offered to the replica in
 * the first place: a replica that switched to HTTP/2 (h2c) would serve requests that no rule of ours has seen.
 */
#ifndef PATH_UPGRADE_H
#define PATH_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "path/head.h"

struct config_list;

#define UPGRADE_TEXT 256 /* room for the protocols of one message; who offers more is not understood */

/* Writes into out, terminated, what goes on as the value of Upgrade: what the request offers and `allowed`
 * (option upgrade) has. Returns its length; 0 when the request is no valid upgrade (HTTP/1.1, named in
 * Connection, without a body), or when nothing of it may go on. */
size_t upgrade_offer(const struct config_list *allowed, const struct head *request, const char *bytes,
                     char out[UPGRADE_TEXT]);

/* True when the reply, a 101, names in its Upgrade nothing but protocols of that offer, at least one; they are
 * written into out, terminated. */
bool upgrade_is_taken_up(const char *offer, const struct head *reply, const char *bytes,
                         char out[UPGRADE_TEXT]);

#endif
