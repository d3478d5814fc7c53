/*
 * forwarded.c - who a request comes from: see forwarded.h.
 *
 * Owns     how X-Forwarded-For is read.
 * Used by  exchange.c, exchange_answer.c.
 * Uses     octet.h; config.h for trust_forwarded.
 * Thread   any.
 */
#include "path/forwarded.h"

#include <arpa/inet.h>
#include <string.h>

#include "path/octet.h"
#include "world/config.h"

static bool is_trusted(const struct config *config, const struct sockaddr *who)
{
    return config_networks_hold(config->trust_forwarded, config->n_trust_forwarded, who);
}

/* "10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]", "[fd00::1]:80": some proxies add the port. */
static bool read_address(const char *at, size_t len, union proxy_address *out)
{
    char text[INET6_ADDRSTRLEN + 8];
    if (len == 0 || len >= sizeof text)
        return false;
    memcpy(text, at, len);
    text[len] = '\0';
    char *host = text, *bracket = strchr(text, ']'), *colon = strchr(text, ':');
    if (text[0] == '[' && bracket) {
        if (bracket[1] != '\0' && bracket[1] != ':')
            return false;
        *bracket = '\0';
        host++;
    } else if (colon && !strchr(colon + 1, ':')) {
        *colon = '\0';
    }
    memset(out, 0, sizeof *out);
    out->any.sa_family = AF_INET;
    if (host == text && inet_pton(AF_INET, host, &out->v4.sin_addr) == 1)
        return true;
    memset(out, 0, sizeof *out);
    out->any.sa_family = AF_INET6;
    return inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1;
}

/* The entries of one field, from its end. True: go on with the field before it. */
static bool walk_back(const struct config *config, const char *from, const char *end,
                      union proxy_address *who)
{
    while (end > from) {
        const char *item = end;
        while (item > from && item[-1] != ',')
            item--;
        const char *p = item, *to = end;
        end = item > from ? item - 1 : from;
        while (p < to && octet_is_blank(*p))
            p++;
        while (to > p && octet_is_blank(to[-1]))
            to--;
        if (p == to)
            continue; /* an empty entry is nobody's */
        union proxy_address one;
        if (!read_address(p, (size_t)(to - p), &one))
            return false;
        *who = one;
        if (!is_trusted(config, &one.any))
            return false;
    }
    return true;
}

bool forwarded_from(const struct config *config, const struct head *head, const char *bytes,
                    const struct sockaddr *peer, union proxy_address *from)
{
    if (config->n_trust_forwarded == 0 || !is_trusted(config, peer))
        return false;
    memset(from, 0, sizeof *from);
    memcpy(from, peer, peer->sa_family == AF_INET ? sizeof from->v4 : sizeof from->v6);
    if (!(head->seen & HEAD_SEEN(HEAD_X_FORWARDED_FOR)))
        return true;
    for (uint16_t i = head->n_fields; i-- > 0;) {
        const struct head_field *f = &head->fields[i];
        const char *value = bytes + f->value.at;
        if (f->id == HEAD_X_FORWARDED_FOR && !f->dropped &&
            !walk_back(config, value, value + f->value.len, from))
            break;
    }
    return true;
}
