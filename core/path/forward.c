/*
 * forward.c - the head that goes on: a parsed head -> the bytes for the next hop.
 *
 * Owns     which fields pass, which stop here, and which the balancer adds (CONTRACT 7).
 * Used by  exchange.c.
 * Uses     head.h.
 * Thread   any.
 *
 * Most of a head passes as it came: neighbouring fields that stay are copied in one piece. What says where
 * the message ends is never copied but written anew from what the parser understood, so the next hop can't
 * understand it otherwise.
 */
#include "path/forward.h"

#include <string.h>

/* ---- writing */

/* A cursor. Each writer asks for room once, then puts without looking; too small a room sticks. */
struct out {
    char *at, *end;
    bool full;
};

static inline bool has_room(struct out *o, size_t n)
{
    if ((size_t)(o->end - o->at) >= n)
        return true;
    o->full = true;
    return false;
}

static inline void put(struct out *o, const char *text, size_t len)
{
    memcpy(o->at, text, len);
    o->at += len;
}

#define PUT(o_, literal_) put(o_, literal_, sizeof(literal_) - 1)

#define NUMBER_MAX 20 /* digits of 2^64 - 1 */

static void put_number(struct out *o, uint64_t n)
{
    char digits[NUMBER_MAX];
    size_t i = NUMBER_MAX;
    do
        digits[--i] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    put(o, digits + i, NUMBER_MAX - i);
}

/* "Name: value" CRLF; name holds the colon and the blank. Inlined, because the name's length is known then and it is copied
 * without a call. */
static inline __attribute__((always_inline)) void write_field(struct out *o, const char *name,
                                                              size_t name_len, const char *value, size_t len)
{
    if (!has_room(o, name_len + len + 2))
        return;
    put(o, name, name_len);
    if (len > 0) /* value may be NULL */
        put(o, value, len);
    PUT(o, "\r\n");
}

#define WRITE_FIELD(o_, name_, value_, len_) write_field(o_, name_ ": ", sizeof(name_ ": ") - 1, value_, len_)

static inline void write_literal(struct out *o, const char *text, size_t len)
{
    if (has_room(o, len))
        put(o, text, len);
}

#define WRITE(o_, literal_) write_literal(o_, literal_, sizeof(literal_) - 1)

static void write_length(struct out *o, uint64_t n)
{
    if (!has_room(o, sizeof "Content-Length: " + NUMBER_MAX + 2))
        return;
    PUT(o, "Content-Length: ");
    put_number(o, n);
    PUT(o, "\r\n");
}

#define WRITE_CHUNKED(o_) WRITE(o_, "Transfer-Encoding: chunked\r\n")

/* ---- fields that pass */

#define BIT(name_) HEAD_SEEN(HEAD_##name_)

/* RFC 9110, 7.6.1 and 11.7; "Proxy" would become HTTP_PROXY in a CGI behind us. Content-Length is written
 * anew, trailers are dropped with the chunks. */
#define STAYS_HERE                                                                                        \
    (BIT(CONNECTION) | BIT(CONTENT_LENGTH) | BIT(KEEP_ALIVE) | BIT(PROXY) | BIT(PROXY_AUTHENTICATE) |     \
     BIT(PROXY_AUTHORIZATION) | BIT(PROXY_CONNECTION) | BIT(TE) | BIT(TRAILER) | BIT(TRANSFER_ENCODING) | \
     BIT(UPGRADE))

#define STAYS_OF_REQUEST (STAYS_HERE | BIT(X_FORWARDED_FOR) | BIT(X_FORWARDED_HOST) | BIT(X_FORWARDED_PROTO))
#define STAYS_OF_REPLY   (STAYS_HERE | BIT(X_SERVED_BY))

static inline bool stays(const struct head_field *f, uint32_t ids)
{
    return f->dropped || (ids >> f->id & 1u);
}

/* Written "Name: value" CRLF just as we would, and the next line begins right behind it. */
static inline bool is_canonical(const struct head_field *f, const char *bytes)
{
    const char *value_end = bytes + f->value.at + f->value.len;
    return f->value.at == f->name.at + f->name.len + 2 && bytes[f->value.at - 1] == ' ' && *value_end == '\r';
}

/* Fields but those of `ids` and those that Connection names. */
static void write_passing(struct out *o, const struct head *h, const char *bytes, uint32_t ids)
{
    const struct head_field *f = h->fields, *end = f + h->n_fields;
    while (f < end) {
        if (stays(f, ids)) {
            f++;
            continue;
        }
        if (!is_canonical(f, bytes)) {
            if (has_room(o, (size_t)f->name.len + f->value.len + 4)) {
                put(o, bytes + f->name.at, f->name.len);
                PUT(o, ": ");
                put(o, bytes + f->value.at, f->value.len);
                PUT(o, "\r\n");
            }
            f++;
            continue;
        }
        const struct head_field *first = f, *last = f;
        while (++f < end && !stays(f, ids) && is_canonical(f, bytes))
            last = f;
        write_literal(o, bytes + first->name.at,
                      (size_t)(last->value.at + last->value.len + 2 - first->name.at));
    }
}

/* ---- a request */

/* Method, target in origin-form (or "*"), version. */
static void write_request_line(struct out *o, const struct head *h, const char *bytes)
{
    const struct span *target = &h->target;
    bool rewrite = h->authority.len > 0 && h->method_id != METHOD_CONNECT;
    if (!has_room(o, (size_t)h->method.len + target->len + sizeof " / HTTP/1.1\r\n"))
        return;
    put(o, bytes + h->method.at, h->method.len);
    PUT(o, " ");
    if (!rewrite) {
        put(o, bytes + target->at, target->len);
    } else {
        /* An empty path is "/", but OPTIONS of a whole server is "*" (RFC 9112, 3.2.4). */
        bool whole_server = h->method_id == METHOD_OPTIONS && !h->has_query;
        if (h->path.len == 0)
            put(o, whole_server ? "*" : "/", 1);
        put(o, bytes + h->path.at, (size_t)(target->at + target->len - h->path.at));
    }
    PUT(o, " HTTP/1.1\r\n");
}

/* All the hops before us, in one field, and the one that came to us. */
static void write_forwarded_for(struct out *o, const struct head *h, const char *bytes, const char *client_ip)
{
    size_t ip_len = strlen(client_ip);
    if (!has_room(o, sizeof "X-Forwarded-For: " + ip_len + 2))
        return;
    PUT(o, "X-Forwarded-For: ");
    if (h->seen & BIT(X_FORWARDED_FOR))
        for (uint16_t i = 0; i < h->n_fields; i++) {
            const struct head_field *f = &h->fields[i];
            if (f->id != HEAD_X_FORWARDED_FOR || f->dropped || f->value.len == 0)
                continue;
            if (!has_room(o, (size_t)f->value.len + 2 + ip_len + 2))
                return;
            put(o, bytes + f->value.at, f->value.len);
            PUT(o, ", ");
        }
    put(o, client_ip, ip_len);
    PUT(o, "\r\n");
}

/* The one exception from what concerns this hop only: an offer, or its acceptance (RFC 9110, 7.8). */
static void write_upgrade(struct out *o, const char *protocols)
{
    WRITE(o, "Connection: Upgrade\r\n");
    WRITE_FIELD(o, "Upgrade", protocols, strlen(protocols));
}

/* Says something that goes on. */
static bool has_value(const struct head *h, enum head_name id)
{
    for (uint16_t i = 0; h->seen & HEAD_SEEN(id) && i < h->n_fields; i++)
        if (h->fields[i].id == id && !h->fields[i].dropped && h->fields[i].value.len > 0)
            return true;
    return false;
}

size_t forward_write_request(const struct forward_request *f, char *out, size_t room)
{
    const struct head *h = f->head;
    struct out o = { .at = out, .end = out + room };
    bool by_authority = h->authority.len > 0;
    uint32_t ids = STAYS_OF_REQUEST;
    if (by_authority)
        ids |= BIT(HOST);
    if (!h->has_request_id)
        ids |= BIT(X_REQUEST_ID);
    bool says_proto = f->trusted && has_value(h, HEAD_X_FORWARDED_PROTO);
    bool says_host = f->trusted && has_value(h, HEAD_X_FORWARDED_HOST);
    if (says_proto)
        ids &= ~BIT(X_FORWARDED_PROTO);
    if (says_host)
        ids &= ~BIT(X_FORWARDED_HOST);
    if (h->minor == 0) /* such a client does not wait for an answer to it: RFC 9110, 10.1.1 */
        ids |= BIT(EXPECT);
    struct span named = by_authority  ? h->authority
                        : h->has_host ? h->fields[h->host].value
                                      : (struct span){ 0 };

    write_request_line(&o, h, f->bytes);
    if (named.len == 0)
        WRITE_FIELD(&o, "Host", f->host, f->host ? strlen(f->host) : 0);
    else if (by_authority)
        WRITE_FIELD(&o, "Host", f->bytes + named.at,
                    named.len); /* in place of the one it came with: RFC 9112, 3.2.2 */
    write_passing(&o, h, f->bytes, ids);
    if (h->chunked)
        WRITE_CHUNKED(&o);
    else if (h->has_length)
        write_length(&o, h->content_length);
    if (f->upgrade)
        write_upgrade(&o, f->upgrade);
    write_forwarded_for(&o, h, f->bytes, f->client_ip);
    if (!says_proto)
        WRITE_FIELD(&o, "X-Forwarded-Proto", f->proto, strlen(f->proto));
    if (named.len > 0 && !says_host)
        WRITE_FIELD(&o, "X-Forwarded-Host", f->bytes + named.at, named.len);
    if (!h->has_request_id)
        WRITE_FIELD(&o, "X-Request-Id", f->request_id, strlen(f->request_id));
    WRITE(&o, "\r\n");
    return o.full ? 0 : (size_t)(o.at - out);
}

/* ---- a reply */

static void put_status(struct out *o, int status)
{
    unsigned n = (unsigned)status;
    PUT(o, "HTTP/1.1 ");
    o->at[0] = (char)('0' + n / 100 % 10);
    o->at[1] = (char)('0' + n / 10 % 10);
    o->at[2] = (char)('0' + n % 10);
    o->at[3] = ' ';
    o->at += 4;
}

static void write_status_line(struct out *o, int status, const char *reason, size_t len)
{
    if (!has_room(o, sizeof "HTTP/1.1 000 \r\n" + len))
        return;
    put_status(o, status);
    put(o, reason, len);
    PUT(o, "\r\n");
}

static void write_connection(struct out *o, bool keep_alive, bool client_is_1_0)
{
    if (!keep_alive)
        WRITE(o, "Connection: close\r\n");
    else if (client_is_1_0)
        WRITE(o, "Connection: keep-alive\r\n");
}

/* A reply without a body may still tell how long it would be, but for 204 (RFC 9110, 8.6). */
static void write_reply_framing(struct out *o, const struct head *h, enum framing framing)
{
    if (framing == FRAMING_CHUNKED)
        WRITE_CHUNKED(o);
    else if (framing == FRAMING_LENGTH || (framing == FRAMING_NONE && h->has_length && h->status != 204))
        write_length(o, h->content_length);
}

size_t forward_write_reply(const struct forward_reply *f, char *out, size_t room)
{
    const struct head *h = f->head;
    struct out o = { .at = out, .end = out + room };
    write_status_line(&o, h->status, f->bytes + h->reason.at, h->reason.len);
    write_passing(&o, h, f->bytes, STAYS_OF_REPLY);
    if (f->upgrade) {
        write_upgrade(&o, f->upgrade);
        WRITE_FIELD(&o, "X-Served-By", f->served_by, strlen(f->served_by));
    } else if (h->status >= 200) {
        write_reply_framing(&o, h, f->framing);
        WRITE_FIELD(&o, "X-Served-By", f->served_by, strlen(f->served_by));
        write_connection(&o, f->keep_alive, f->client_is_1_0);
    }
    WRITE(&o, "\r\n");
    return o.full ? 0 : (size_t)(o.at - out);
}

/* ---- a reply of the balancer itself */

size_t forward_write_own(const struct forward_own *f, char *out, size_t room)
{
    struct out o = { .at = out, .end = out + room };
    const char *reason = forward_reason(f->status);
    write_status_line(&o, f->status, reason, strlen(reason));
    if (f->content_type && *f->content_type)
        WRITE_FIELD(&o, "Content-Type", f->content_type, strlen(f->content_type));
    write_length(&o, f->body_len);
    if (f->allow && *f->allow)
        WRITE_FIELD(&o, "Allow", f->allow, strlen(f->allow));
    if (f->retry_after_s > 0 && has_room(&o, sizeof "Retry-After: \r\n" + NUMBER_MAX)) {
        PUT(&o, "Retry-After: ");
        put_number(&o, (uint64_t)f->retry_after_s);
        PUT(&o, "\r\n");
    }
    if (f->request_id && *f->request_id)
        WRITE_FIELD(&o, "X-Request-Id", f->request_id, strlen(f->request_id));
    write_connection(&o, f->keep_alive, f->client_is_1_0);
    WRITE(&o, "\r\n");
    return o.full ? 0 : (size_t)(o.at - out);
}

const char *forward_reason(int status)
{
    switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}
