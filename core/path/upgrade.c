/*
 * upgrade.c - which protocols a connection may switch to: see upgrade.h.
 *
 * Owns     the rules of Upgrade.
 * Used by  exchange_attempt.c, exchange_tunnel.c.
 * Uses     octet.h; config.h for the list of option upgrade.
 * Thread   any.
 */
#include "path/upgrade.h"

#include <string.h>
#include <strings.h>

#include "path/octet.h"
#include "world/config.h"

/* One name, with its version if it has one: "websocket", "HTTP/2.0". len 0: malformed. */
struct protocol {
    const char *at;
    size_t len, name_len;
};

static bool is_same(const char *text, const char *at, size_t len)
{
    return strlen(text) == len && strncasecmp(text, at, len) == 0;
}

/* name ["/" version], tokens both. */
static struct protocol read_protocol(const char *at, size_t len)
{
    const char *end = at + len, *name_end = octet_skip_token(at, end);
    struct protocol p = { .at = at, .len = len, .name_len = (size_t)(name_end - at) };
    bool whole = name_end == end;
    if (!whole && *name_end == '/' && name_end + 1 < end)
        whole = octet_skip_token(name_end + 1, end) == end;
    if (!whole || p.name_len == 0)
        p.len = 0;
    return p;
}

/* Those that carry HTTP once more, where nobody looks: only by their name. */
static bool carries_http(const struct protocol *p)
{
    static const char *const names[] = { "h2c", "h2", "http", "https", "tls" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_same(names[i], p->at, p->name_len))
            return true;
    return false;
}

/* "websocket" in the list stands for every version of it. */
static bool is_allowed(const struct config_list *allowed, const struct protocol *p)
{
    for (size_t i = 0; i < allowed->count; i++) {
        const char *item = allowed->items[i];
        if (is_same(item, p->at, p->len) || is_same(item, p->at, p->name_len))
            return true;
        if (strcmp(item, "*") == 0 && !carries_http(p))
            return true;
    }
    return false;
}

static bool is_offered(const char *offer, const struct protocol *p)
{
    const char *at = offer, *end = offer + strlen(offer), *item;
    size_t len;
    while (octet_next_item(&at, end, &item, &len))
        if (len == p->len && strncasecmp(item, p->at, len) == 0)
            return true;
    return false;
}

/* Appends ", NAME". False: no room. */
static bool append(char out[UPGRADE_TEXT], size_t *len, const struct protocol *p)
{
    size_t comma = *len > 0 ? 2 : 0;
    if (*len + comma + p->len >= UPGRADE_TEXT)
        return false;
    memcpy(out + *len, ", ", comma);
    memcpy(out + *len + comma, p->at, p->len);
    *len += comma + p->len;
    out[*len] = '\0';
    return true;
}

/* Who offers a body would have to be told where it ends in a protocol that may not be HTTP any more. */
static bool has_body(const struct head *h)
{
    return h->chunked || (h->has_length && h->content_length > 0);
}

size_t upgrade_offer(const struct config_list *allowed, const struct head *request, const char *bytes,
                     char out[UPGRADE_TEXT])
{
    size_t written = 0;
    out[0] = '\0';
    if (!request->upgrade || has_body(request))
        return 0;
    for (uint16_t i = 0; i < request->n_fields; i++) {
        const struct head_field *f = &request->fields[i];
        const char *p = bytes + f->value.at, *end = p + f->value.len, *item;
        size_t len;
        while (f->id == HEAD_UPGRADE && octet_next_item(&p, end, &item, &len)) {
            struct protocol one = read_protocol(item, len);
            if (one.len > 0 && is_allowed(allowed, &one) && !append(out, &written, &one)) {
                out[0] = '\0';
                return 0;
            }
        }
    }
    return written;
}

bool upgrade_is_taken_up(const char *offer, const struct head *reply, const char *bytes,
                         char out[UPGRADE_TEXT])
{
    size_t written = 0;
    out[0] = '\0';
    for (uint16_t i = 0; reply->upgrade && i < reply->n_fields; i++) {
        const struct head_field *f = &reply->fields[i];
        const char *p = bytes + f->value.at, *end = p + f->value.len, *item;
        size_t len;
        while (f->id == HEAD_UPGRADE && octet_next_item(&p, end, &item, &len)) {
            struct protocol one = read_protocol(item, len);
            if (len == 0)
                continue;
            if (one.len == 0 || !is_offered(offer, &one) || !append(out, &written, &one))
                return false;
        }
    }
    return written > 0;
}
