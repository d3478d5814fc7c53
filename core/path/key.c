/*
 * key.c - head -> key: what a request is known by.
 *
 * Owns     the order of sources in strategy.key (CONTRACT 6).
 * Used by  exchange.c.
 * Uses     head.h, config.h, strategy_key_finish.
 * Thread   any.
 */
#include "path/key.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "path/octet.h"
#include "world/config.h"
#include "world/strategy.h"

/* A piece of the request; len 0: it has none. */
struct piece {
    const char *at;
    size_t len;
};

/* The value of the first "name=value" that has one, between separators; in cookies a blank follows them. */
static struct piece find_pair(const char *p, const char *end, char separator, const struct config_key *source)
{
    while (p < end) {
        const char *to = memchr(p, separator, (size_t)(end - p));
        if (!to)
            to = end;
        while (p < to && octet_is_blank(*p))
            p++;
        if ((size_t)(to - p) > source->name_len + 1 && p[source->name_len] == '=' &&
            memcmp(p, source->name, source->name_len) == 0)
            return (struct piece){ .at = p + source->name_len + 1,
                                   .len = (size_t)(to - p) - source->name_len - 1 };
        p = to + 1;
    }
    return (struct piece){ 0 };
}

static struct piece find_query(const struct head *h, const char *bytes, const struct config_key *source)
{
    const char *query = bytes + h->query.at;
    return find_pair(query, query + h->query.len, '&', source);
}

static struct piece find_cookie(const struct head *h, const char *bytes, const struct config_key *source)
{
    struct piece found = { 0 };
    if (!(h->seen & HEAD_SEEN(HEAD_COOKIE)))
        return found;
    for (uint16_t i = 0; i < h->n_fields && found.len == 0; i++) {
        const struct head_field *f = &h->fields[i];
        const char *value = bytes + f->value.at;
        if (f->id == HEAD_COOKIE)
            found = find_pair(value, value + f->value.len, ';', source);
    }
    while (found.len > 0 && octet_is_blank(found.at[found.len - 1]))
        found.len--;
    return found;
}

static struct piece find_header(const struct head *h, const char *bytes, const struct config_key *source)
{
    for (uint16_t i = 0; i < h->n_fields; i++) {
        const struct head_field *f = &h->fields[i];
        if (f->name.len == source->name_len && f->value.len > 0 &&
            octet_same_name(bytes + f->name.at, source->name, source->name_len))
            return (struct piece){ .at = bytes + f->value.at, .len = f->value.len };
    }
    return (struct piece){ 0 };
}

static struct piece find_path(const struct head *h, const char *bytes)
{
    if (h->path.len == 0 && h->authority.len > 0 && h->method_id != METHOD_CONNECT)
        return (struct piece){ .at = "/", .len = 1 }; /* "http://host": so it is sent on */
    return (struct piece){ .at = bytes + h->path.at, .len = h->path.len };
}

/* An IPv4 client is the same one whether it came to a v4 or to a dual-stack listener. */
static struct piece write_client(const struct sockaddr *peer, char text[KEY_TEXT])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    const char *written = NULL;
    if (peer && peer->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, peer, sizeof v4);
        written = inet_ntop(AF_INET, &v4.sin_addr, text, KEY_TEXT);
    } else if (peer && peer->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, peer, sizeof v6);
        bool is_v4 = memcmp(v6.sin6_addr.s6_addr, mapped, sizeof mapped) == 0;
        written = is_v4 ? inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, KEY_TEXT)
                        : inet_ntop(AF_INET6, &v6.sin6_addr, text, KEY_TEXT);
    }
    return (struct piece){ .at = text, .len = written ? strlen(text) : 0 };
}

/* Six digits, 100000 to 999999, as the assignment's own request ids are. */
static struct piece write_random(uint64_t *random, char text[KEY_TEXT])
{
    uint64_t n = 100000 + lb_scale(lb_random(random), 900000);
    for (size_t i = 6; i-- > 0; n /= 10)
        text[i] = (char)('0' + n % 10);
    return (struct piece){ .at = text, .len = 6 };
}

void key_make(const struct config *config, const struct head *head, const char *bytes,
              const struct sockaddr *peer, uint64_t *random, char text[KEY_TEXT], struct lb_key *out)
{
    struct piece found = { 0 };
    for (size_t i = 0; i < config->strategy.n_keys && found.len == 0; i++) {
        const struct config_key *source = &config->strategy.keys[i];
        switch (source->source) {
        case KEY_QUERY: found = find_query(head, bytes, source); break;
        case KEY_HEADER: found = find_header(head, bytes, source); break;
        case KEY_COOKIE: found = find_cookie(head, bytes, source); break;
        case KEY_PATH: found = find_path(head, bytes); break;
        case KEY_URI: found = (struct piece){ .at = bytes + head->target.at, .len = head->target.len }; break;
        case KEY_CLIENT_IP: found = write_client(peer, text); break;
        case KEY_RANDOM: found = write_random(random, text); break;
        }
    }
    if (found.len == 0)
        found = write_random(random, text);
    *out = (struct lb_key){ .bytes = found.at, .len = found.len };
    strategy_key_finish(out);
}
