/*
 * fuzz_llhttp.c - our reading of a message against llhttp's: whatever we accept, it accepts, with the same
 * fields, the same body and the same end.
 *
 * llhttp is the strict build of the sources that Debian's node-llhttp brings along; without them this target
 * is not built. The first octet chooses: bit 0 a reply, bit 1 to a HEAD request. The rest is a message and
 * whatever follows it.
 *
 * Where the two may differ, and why that is no fault:
 *   - llhttp knows a list of methods, we take any token (RFC 9110, 9.1): ours is replaced by one it knows;
 *   - it knows the versions 1.0 and 1.1, we read 1.2 to 1.9 as 1.1 (RFC 9110, 2.5): replaced likewise;
 *   - CONNECT turns it into a tunnel; we refuse it whatever it says;
 *   - a trailer may say anything to us, for none is passed on: those that llhttp holds against the head's
 *     framing are left out;
 *   - chunk extensions may have blanks and quoted values (RFC 9112, 7.1.1), and we drop them unread: llhttp
 *     may refuse a size line that has more than its number, but never find another end behind it.
 */
#include <llhttp/llhttp.h>
#include <stdbool.h>
#include <strings.h>

#include "fuzz/fuzz.h"
#include "path/chunk.h"
#include "path/head.h"

#define FIELDS 64
#define METHOD "POST" /* for methods it does not know */

struct digest {
    uint64_t hash;
    size_t len;
};

static void add(struct digest *d, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        d->hash = (d->hash ^ (uint8_t)bytes[i]) * 0x100000001b3ull;
    d->len += len;
}

static bool is_equal(const struct digest *a, const struct digest *b)
{
    return a->hash == b->hash && a->len == b->len;
}

/* ---- our reading */

enum whole { REFUSED, UNFINISHED, WHOLE };

struct ours {
    struct head head;
    struct head_field fields[FIELDS];
    size_t head_len, end; /* of the message */
    enum framing framing;
    enum whole whole;
    bool has_extension; /* or blanks behind a size */
    struct digest body;
};

/* The gap before data, or before the trailers: CRLF of the chunk before, and a size line. */
static bool is_extended(const char *gap, size_t len)
{
    size_t at = 0;
    while (at < len && (gap[at] == '\r' || gap[at] == '\n'))
        at++;
    const char *end = memchr(gap + at, '\r', len - at);
    size_t line = end ? (size_t)(end - gap) - at : len - at;
    return memchr(gap + at, ';', line) || memchr(gap + at, ' ', line) || memchr(gap + at, '\t', line);
}

static enum whole read_chunks(struct ours *o, const char *bytes, size_t len)
{
    struct chunk chunk;
    chunk_start(&chunk);
    o->end = o->head_len;
    for (;;) {
        size_t used = 0, n = 0;
        const char *data = NULL;
        enum chunk_result result = chunk_decode(&chunk, bytes + o->end, len - o->end, &used, &data, &n);
        if (result != CHUNK_BAD && is_extended(bytes + o->end, used - n))
            o->has_extension = true;
        o->end += used;
        if (result == CHUNK_BAD)
            return REFUSED;
        if (result == CHUNK_MORE)
            return UNFINISHED;
        if (result == CHUNK_END)
            return WHOLE;
        add(&o->body, data, n);
    }
}

static enum whole read_body(struct ours *o, const char *bytes, size_t len)
{
    size_t rest = len - o->head_len;
    switch (o->framing) {
    case FRAMING_CHUNKED: return read_chunks(o, bytes, len);
    case FRAMING_NONE: rest = 0; break;
    case FRAMING_LENGTH:
        if (o->head.content_length > rest)
            return UNFINISHED;
        rest = (size_t)o->head.content_length;
        break;
    case FRAMING_CLOSE: break;
    }
    add(&o->body, bytes + o->head_len, rest);
    o->end = o->head_len + rest;
    return WHOLE;
}

static bool read_ours(struct ours *o, const char *bytes, size_t len, bool is_reply, bool to_head)
{
    memset(o, 0, sizeof *o);
    head_start(&o->head, o->fields, FIELDS, 65535, 65535);
    int n = is_reply ? head_parse_reply(&o->head, bytes, len) : head_parse_request(&o->head, bytes, len);
    if (n <= 0)
        return false;
    o->head_len = (size_t)n;
    o->framing = is_reply ? head_reply_framing(&o->head, to_head) : head_request_framing(&o->head);
    o->whole = read_body(o, bytes, len);
    return true;
}

/* ---- llhttp's reading */

struct theirs {
    llhttp_t parser; /* the callbacks find the rest behind it */
    bool no_body;
    bool head_done, done;
    bool chunked, has_length; /* when the head was done: it counts trailers in */
    unsigned n_fields;
    struct digest fields, body;
    size_t end;
    llhttp_errno_t result;
};

static struct theirs *behind(llhttp_t *parser)
{
    return (struct theirs *)(void *)parser;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct theirs *t = behind(parser);
    if (!t->head_done)
        add(&t->fields, at, len);
    return 0;
}

static int on_field_complete(llhttp_t *parser)
{
    struct theirs *t = behind(parser);
    if (!t->head_done)
        add(&t->fields, ":", 1);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct theirs *t = behind(parser);
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--; /* the input comes in one piece, so a value does too */
    if (!t->head_done)
        add(&t->fields, at, len);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct theirs *t = behind(parser);
    if (!t->head_done) {
        add(&t->fields, "\n", 1);
        t->n_fields++;
    }
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct theirs *t = behind(parser);
    t->head_done = true;
    t->chunked = parser->flags & F_CHUNKED;
    t->has_length = parser->flags & F_CONTENT_LENGTH;
    return t->no_body ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    add(&behind(parser)->body, at, len);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    behind(parser)->done = true;
    return HPE_PAUSED;
}

static void read_theirs(struct theirs *t, const char *bytes, size_t len, bool is_reply, bool no_body)
{
    static llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_header_field = on_field;
    settings.on_header_field_complete = on_field_complete;
    settings.on_header_value = on_value;
    settings.on_header_value_complete = on_value_complete;
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    memset(t, 0, sizeof *t);
    llhttp_init(&t->parser, is_reply ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    t->no_body = no_body;
    t->result = llhttp_execute(&t->parser, bytes, len);
    const char *stop = llhttp_get_error_pos(&t->parser);
    t->end = t->result == HPE_OK || !stop ? len : (size_t)(stop - bytes);
    if (t->result == HPE_OK && llhttp_message_needs_eof(&t->parser))
        t->result = llhttp_finish(&t->parser);
}

/* ---- the comparison */

static bool is_known(const struct head *h)
{
    return h->method_id != METHOD_OTHER;
}

/* The bytes with what llhttp does not know replaced. *shift is by how much all behind the method moved. */
static char *translate(const struct ours *o, const char *bytes, size_t *len, bool is_reply, long *shift)
{
    const struct head *h = &o->head;
    size_t version = h->target.at + h->target.len + sizeof " HTTP/1." - 1; /* of its last digit */
    *shift = 0;
    char *copy = malloc(*len + sizeof METHOD);
    demand(copy != NULL);
    memcpy(copy, bytes, *len);
    if (is_reply) {
        version = sizeof "HTTP/1." - 1;
    } else if (!is_known(h)) {
        size_t behind_method = (size_t)h->method.at + h->method.len;
        *shift = (long)sizeof METHOD - 1 - h->method.len;
        memcpy(copy + h->method.at, METHOD, sizeof METHOD - 1);
        memcpy(copy + h->method.at + sizeof METHOD - 1, bytes + behind_method, *len - behind_method);
    }
    version = (size_t)((long)version + *shift);
    *len = (size_t)((long)*len + *shift);
    if (copy[version] > '1')
        copy[version] = '1';
    return copy;
}

static struct digest fields_of(const struct ours *o, const char *bytes)
{
    struct digest d = { 0 };
    for (uint16_t i = 0; i < o->head.n_fields; i++) {
        const struct head_field *f = &o->fields[i];
        add(&d, bytes + f->name.at, f->name.len);
        add(&d, ":", 1);
        add(&d, bytes + f->value.at, f->value.len);
        add(&d, "\n", 1);
    }
    return d;
}

/* llhttp reads trailers as it reads fields: a framing among them is refused. */
static bool has_framing_trailer(const struct ours *o, const char *bytes)
{
    static const char *const names[] = { "content-length", "transfer-encoding", "connection", "upgrade",
                                         "proxy-connection" };
    for (size_t at = o->head_len; at < o->end; at++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            size_t len = strlen(names[i]);
            if (o->end - at > len && bytes[at - 1] == '\n' && strncasecmp(bytes + at, names[i], len) == 0)
                return true;
        }
    return false;
}

static void compare(const struct ours *o, const struct theirs *t, const char *bytes, long shift,
                    bool is_reply)
{
    struct digest fields = fields_of(o, bytes);
    if (!t->head_done)
        fprintf(stderr, "llhttp: %s: %s\n", llhttp_errno_name(t->result),
                llhttp_get_error_reason(&t->parser));
    demand(t->head_done);
    demand(t->n_fields == o->head.n_fields && is_equal(&fields, &t->fields));
    demand(t->parser.http_major == 1 && t->parser.http_minor == o->head.minor);
    if (is_reply)
        demand(t->parser.status_code == o->head.status);
    demand(t->chunked == o->head.chunked && t->has_length == o->head.has_length);
    if (o->whole == REFUSED || (o->framing == FRAMING_CHUNKED && has_framing_trailer(o, bytes)))
        return;
    if (o->has_extension && !t->done && t->result != HPE_OK)
        return;
    demand(t->done == (o->whole == WHOLE));
    demand(t->result == (t->done ? HPE_PAUSED : HPE_OK));
    if (!t->done)
        return;
    demand(is_equal(&o->body, &t->body));
    demand((long)t->end == (long)o->end + shift);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ours ours;
    static struct theirs theirs;
    if (size < 1)
        return 0;
    bool is_reply = data[0] & 1, to_head = is_reply && (data[0] & 2);
    size_t len = size - 1;
    char *bytes = fuzz_copy(data + 1, len);
    if (read_ours(&ours, bytes, len, is_reply, to_head) && ours.head.method_id != METHOD_CONNECT) {
        long shift;
        char *copy = translate(&ours, bytes, &len, is_reply, &shift);
        read_theirs(&theirs, copy, len, is_reply, is_reply && ours.framing == FRAMING_NONE);
        compare(&ours, &theirs, bytes, shift, is_reply);
        free(copy);
    }
    free(bytes);
    return 0;
}
