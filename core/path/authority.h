/*
 * authority.h - is this "host", "host:port" or "[v6]:port"? Pure.
 *
 * Owns     the grammar of Host fields and of the authority in a request target.
 * Used by  head.c, head_fields.c.
 * Thread   any.
 */
#ifndef PATH_AUTHORITY_H
#define PATH_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>

/* text[0 .. len) is uri-host [ ":" port ] of RFC 9110, 4.2 and RFC 3986, 3.2.2, with a host that is not
 * empty. User information ("user@"), zone ids and the IPvFuture form are refused. The port is up to
 * 65,535; it may be empty ("host:") unless needs_port, when the colon has to be there too. */
bool authority_is_valid(const char *text, size_t len, bool needs_port);

#endif
