/*
 * route.h - is this a control route?
 *
 * Owns     the comparison of a decoded path with the list of world/routes.h.
 * Used by  exchange.c.
 * Thread   any. Pure.
 */
#ifndef PATH_ROUTE_H
#define PATH_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes %XX in path[0 .. len) into out (terminated). False when it does not fit or an escape is
 * malformed or is %00; then out holds what came before. len + 1 is always room enough. */
bool route_decode(const char *path, size_t len, char *out, size_t room);

/* True when the decoded path is a control route of the traffic port (any method: control answers 405
 * itself). */
bool route_is_control(const char *decoded);

/* The same for a raw path: quick, and without decoding when it has no '%'. A malformed escape makes an
 * exact route none, but leaves one that was matched by its prefix to control, which refuses it. */
bool route_path_is_control(const char *path, size_t len);

#endif
