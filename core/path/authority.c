/*
 * authority.c - is this "host", "host:port" or "[v6]:port"?
 *
 * Owns     the grammar of Host fields and of the authority in a request target.
 * Used by  head.c, head_fields.c.
 * Uses     inet_pton(3) for what stands in brackets.
 * Thread   any.
 */
#include "path/authority.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "path/octet.h"

/* The end of a reg-name (an IPv4 address is one too), or NULL when a % is not followed by two hex digits. */
static const char *skip_name(const char *p, const char *end)
{
    for (;;) {
        while (p < end && octet_is(*p, OCTET_NAME))
            p++;
        if (p == end || *p != '%')
            return p;
        if (end - p < 3 || !octet_is(p[1], OCTET_HEX) || !octet_is(p[2], OCTET_HEX))
            return NULL;
        p += 3;
    }
}

/* Behind the closing bracket, or NULL. */
static const char *skip_literal(const char *p, const char *end)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *close = memchr(p, ']', (size_t)(end - p));
    size_t len = close ? (size_t)(close - p - 1) : 0;
    if (len == 0 || len >= sizeof text)
        return NULL;
    memcpy(text, p + 1, len);
    text[len] = '\0';
    if (strlen(text) != len || inet_pton(AF_INET6, text, &address) != 1)
        return NULL;
    return close + 1;
}

static bool port_is_valid(const char *p, const char *end, bool needs_port)
{
    unsigned port = 0;
    if (p == end)
        return !needs_port;
    for (; p < end; p++) {
        if (!octet_is_digit(*p))
            return false;
        port = port * 10 + (unsigned)(*p - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

bool authority_is_valid(const char *text, size_t len, bool needs_port)
{
    const char *end = text + len;
    if (len == 0)
        return false;
    const char *p = *text == '[' ? skip_literal(text, end) : skip_name(text, end);
    if (!p || p == text)
        return false;
    if (p == end)
        return !needs_port;
    return *p == ':' && port_is_valid(p + 1, end, needs_port);
}
