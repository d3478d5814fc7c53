/*
 * route.c - is this a control route?
 *
 * Owns     the comparison of a decoded path with the list of world/routes.h.
 * Used by  exchange.c.
 * Uses     routes.h, octet.h.
 * Thread   any. Pure.
 *
 * Every request comes through here, and nearly none is for control: a path without escapes is told apart by
 * length and a comparison or two.
 */
#include "path/route.h"

#include <string.h>

#include "path/octet.h"
#include "world/routes.h"

/* Room for any route; of a longer path only its beginning can matter, for a prefix. */
#define ROUTE_LONGEST 64

bool route_decode(const char *path, size_t len, char *out, size_t room)
{
    size_t at = 0;
    if (room == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char octet = (unsigned char)path[i];
        bool good = at + 1 < room;
        if (octet == '%') {
            good =
                good && len - i > 2 && octet_is(path[i + 1], OCTET_HEX) && octet_is(path[i + 2], OCTET_HEX);
            octet = good ? (unsigned char)(octet_hex(path[i + 1]) << 4 | octet_hex(path[i + 2])) : 0;
            i += 2;
        }
        if (!good || octet == 0) {
            out[at] = '\0';
            return false;
        }
        out[at++] = (char)octet;
    }
    out[at] = '\0';
    return true;
}

/* cut: something follows the path that can't be compared, so only a prefix can be found in it. */
static bool is_control(const char *path, size_t len, bool cut)
{
#define ROUTE_IS(name_, route_, match_, methods_, changes_, where_)                         \
    _Static_assert(sizeof(route_) <= ROUTE_LONGEST, "ROUTE_LONGEST");                       \
    if ((where_)&ROUTE_TRAFFIC) {                                                           \
        size_t route_len = sizeof(route_) - 1;                                              \
        bool fits = (match_) == ROUTE_PREFIX ? len >= route_len : len == route_len && !cut; \
        if (fits && memcmp(path, route_, route_len) == 0)                                   \
            return true;                                                                    \
    }
    ROUTES(ROUTE_IS)
#undef ROUTE_IS
    return false;
}

bool route_is_control(const char *decoded)
{
    return is_control(decoded, strlen(decoded), false);
}

bool route_path_is_control(const char *path, size_t len)
{
    if (!memchr(path, '%', len))
        return is_control(path, len, false);
    char decoded[ROUTE_LONGEST];
    bool whole = route_decode(path, len, decoded, sizeof decoded);
    return is_control(decoded, strlen(decoded), !whole);
}
