/*
 * head.c - bytes -> the head of a request or a reply: lines and their grammar.
 *
 * Owns     nothing but the position in struct head.
 * Used by  exchange.c (feeds it), key.c, route.c, forward.c (read what came out).
 * Uses     octet.h, authority.h; head_fields.c says what the fields mean.
 * Thread   any.
 *
 * One pass: a line is checked octet by octet from its start, and what stops the scan decides: the delimiter,
 * the end of the bytes (then the answer is MORE), or an octet that may not stand there. Only when the same
 * line comes a second time is its end looked for first, so that bytes that drip in one by one are not read
 * again for each of them. Every function that reads a part returns the bytes it took, 0 for MORE, or an
 * error.
 */
#include "path/head.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "path/authority.h"
#include "path/head_fields.h"
#include "path/octet.h"

/* RFC 9110 names no limit; the longest registered method has 17 letters (IANA, UPDATEREDIRECTREF). */
#define METHOD_MAX 64

#define VERSION     "HTTP/1.1"
#define VERSION_LEN (sizeof VERSION - 1)

static inline struct span span_of(const char *bytes, const char *from, const char *to)
{
    return (struct span){ .at = (uint16_t)(from - bytes), .len = (uint16_t)(to - from) };
}

void head_start(struct head *h, struct head_field *fields, uint16_t max_fields, uint32_t limit_head,
                uint16_t limit_target)
{
    assert(limit_head > 0 && limit_head <= UINT16_MAX);
    mem_clear(h, sizeof *h);
    h->fields = fields;
    h->max_fields = max_fields;
    h->limit_head = limit_head;
    h->limit_target = limit_target;
}

/* ---- the request line */

static enum head_method method_of(const char *m, size_t len)
{
#define METHOD_IS(text_) (memcmp(m, text_, sizeof(text_) - 1) == 0)
    switch (len) {
    case 3: return METHOD_IS("GET") ? METHOD_GET : METHOD_IS("PUT") ? METHOD_PUT : METHOD_OTHER;
    case 4: return METHOD_IS("POST") ? METHOD_POST : METHOD_IS("HEAD") ? METHOD_HEAD : METHOD_OTHER;
    case 5: return METHOD_IS("PATCH") ? METHOD_PATCH : METHOD_IS("TRACE") ? METHOD_TRACE : METHOD_OTHER;
    case 6: return METHOD_IS("DELETE") ? METHOD_DELETE : METHOD_OTHER;
    case 7:
        return METHOD_IS("OPTIONS") ? METHOD_OPTIONS : METHOD_IS("CONNECT") ? METHOD_CONNECT : METHOD_OTHER;
    default: return METHOD_OTHER;
    }
#undef METHOD_IS
}

static int read_method(struct head *h, const char *bytes, const char *p, const char *end)
{
    const char *most = end - p > METHOD_MAX ? p + METHOD_MAX + 1 : end;
    const char *to = octet_skip_token(p, most);
    if (to - p > METHOD_MAX)
        return HEAD_BAD_METHOD;
    if (to == end)
        return HEAD_MORE;
    if (*to != ' ' || to == p)
        return HEAD_BAD_METHOD;
    h->method = span_of(bytes, p, to);
    h->method_id = (uint8_t)method_of(p, (size_t)(to - p));
    return (int)(to - p) + 1;
}

static int read_target(struct head *h, const char *bytes, const char *p, const char *end)
{
    const char *most = end - p > h->limit_target ? p + h->limit_target + 1 : end;
    const char *to = octet_skip_target(p, most);
    if (to - p > h->limit_target)
        return HEAD_TARGET_TOO_LONG;
    if (to == end)
        return HEAD_MORE;
    if (*to != ' ' || to == p)
        return HEAD_BAD_TARGET;
    h->target = span_of(bytes, p, to);
    return (int)(to - p) + 1;
}

/* "HTTP/" DIGIT "." DIGIT, and what follows it. A higher minor version is read as 1.1, as RFC 9110, 2.5
 * has it. */
static int read_version(struct head *h, const char *p, const char *end)
{
    static const char shape[] = "HTTP/0.0";
    if (end - p >= (int)VERSION_LEN && memcmp(p, VERSION, VERSION_LEN) == 0) {
        h->minor = 1;
        return (int)VERSION_LEN;
    }
    for (size_t i = 0; i < VERSION_LEN; i++) {
        if (p + i == end)
            return HEAD_MORE;
        if (shape[i] == '0' ? !octet_is_digit(p[i]) : p[i] != shape[i])
            return HEAD_BAD;
    }
    if (p[5] != '1')
        return HEAD_BAD_VERSION;
    h->minor = p[7] != '0';
    return (int)VERSION_LEN;
}

static int read_line_end(const char *p, const char *end, int error)
{
    if (p == end)
        return HEAD_MORE;
    if (*p != '\r')
        return error;
    if (p + 1 == end)
        return HEAD_MORE;
    return p[1] == '\n' ? 2 : error;
}

/* The usual case in one comparison. */
static int read_version_and_end(struct head *h, const char *p, const char *end)
{
    if (end - p >= (int)VERSION_LEN + 2 && memcmp(p, VERSION "\r\n", VERSION_LEN + 2) == 0) {
        h->minor = 1;
        return (int)VERSION_LEN + 2;
    }
    int n = read_version(h, p, end);
    if (n <= 0)
        return n;
    int e = read_line_end(p + n, end, HEAD_BAD);
    return e <= 0 ? e : n + e;
}

static int split_path(struct head *h, const char *bytes, const char *p, const char *end)
{
    const char *mark = memchr(p, '?', (size_t)(end - p));
    h->path = span_of(bytes, p, mark ? mark : end);
    if (mark) {
        h->has_query = true;
        h->query = span_of(bytes, mark + 1, end);
    }
    return 0;
}

static size_t scheme_len(const char *t, size_t len)
{
    if (len > 7 && (octet_word(t) | OCTET_EACH * 0x20) == octet_word("https://"))
        return 8;
    return len >= 7 && octet_same_name(t, "http://", 7) ? 7 : 0;
}

/* The four forms of RFC 9112, 3.2, each where it belongs. Returns 0 or an error. */
static int split_target(struct head *h, const char *bytes)
{
    const char *t = bytes + h->target.at, *end = t + h->target.len;
    if (h->method_id == METHOD_CONNECT) {
        h->authority = h->target;
        return authority_is_valid(t, h->target.len, true) ? 0 : HEAD_BAD_TARGET;
    }
    if (*t == '/')
        return split_path(h, bytes, t, end);
    if (*t == '*' && h->target.len == 1 && h->method_id == METHOD_OPTIONS) {
        h->path = h->target;
        return 0;
    }
    size_t scheme = scheme_len(t, h->target.len);
    if (scheme == 0)
        return HEAD_BAD_TARGET;
    const char *from = t + scheme, *to = from;
    while (to < end && *to != '/' && *to != '?')
        to++;
    if (!authority_is_valid(from, (size_t)(to - from), false))
        return HEAD_BAD_TARGET;
    h->authority = span_of(bytes, from, to);
    return split_path(h, bytes, to, end);
}

/* The empty line that some old clients send behind a body. */
static int skip_empty_line(struct head *h, const char *bytes, const char *end)
{
    if (h->line > 0 || bytes[0] != '\r')
        return 0;
    int n = read_line_end(bytes, end, HEAD_BAD);
    if (n > 0)
        h->line = (uint32_t)n;
    return n < 0 ? n : 0;
}

static int read_request_line(struct head *h, const char *bytes, const char *end)
{
    int n = skip_empty_line(h, bytes, end);
    const char *start = bytes + h->line, *p = start;
    if (n < 0 || p == end || (h->line == 0 && *p == '\r'))
        return n;
    if ((n = read_method(h, bytes, p, end)) <= 0)
        return n;
    p += n;
    if ((n = read_target(h, bytes, p, end)) <= 0)
        return n;
    p += n;
    if ((n = read_version_and_end(h, p, end)) <= 0)
        return n;
    p += n;
    n = split_target(h, bytes);
    return n < 0 ? n : (int)(p - start);
}

/* ---- the status line */

static int read_status(struct head *h, const char *p, const char *end)
{
    unsigned status = 0;
    if (p == end)
        return HEAD_MORE;
    if (*p != ' ')
        return HEAD_BAD;
    for (int i = 1; i <= 3; i++) {
        if (p + i == end)
            return HEAD_MORE;
        if (!octet_is_digit(p[i]))
            return HEAD_BAD;
        status = status * 10 + (unsigned)(p[i] - '0');
    }
    if (status < 100 || status > 599)
        return HEAD_BAD;
    h->status = (uint16_t)status;
    return 4;
}

/* [ SP reason ] CRLF. RFC 9112, 4 wants the SP even without a reason; enough servers forget it. */
static int read_reason(struct head *h, const char *bytes, const char *p, const char *end)
{
    const char *start = p;
    if (p == end)
        return HEAD_MORE;
    if (*p == ' ')
        p++;
    else if (*p != '\r')
        return HEAD_BAD;
    const char *to = octet_skip_value(p, end);
    int n = read_line_end(to, end, HEAD_BAD);
    if (n <= 0)
        return n;
    h->reason = span_of(bytes, p, to);
    return (int)(to - start) + n;
}

static int read_status_line(struct head *h, const char *bytes, const char *end)
{
    const char *start = bytes + h->line, *p = start;
    int n = read_version(h, p, end);
    if (n <= 0)
        return n;
    p += n;
    if ((n = read_status(h, p, end)) <= 0)
        return n;
    p += n;
    if ((n = read_reason(h, bytes, p, end)) <= 0)
        return n;
    return (int)(p - start) + n;
}

/* ---- fields */

/* name ":" OWS value OWS CRLF. A blank before the colon or before the name (obs-fold) stops the name and
 * is refused there. */
static int read_field(struct head *h, const char *bytes, const char *end, bool is_reply)
{
    const char *name = bytes + h->line;
    const char *colon = octet_skip_token(name, end);
    if (colon == end)
        return HEAD_MORE;
    if (*colon != ':' || colon == name)
        return HEAD_BAD_FIELD;
    const char *value = colon + 1;
    while (value < end && octet_is_blank(*value))
        value++;
    const char *stop = octet_skip_value(value, end);
    int n = read_line_end(stop, end, HEAD_BAD_FIELD);
    if (n <= 0)
        return n;
    const char *value_end = stop;
    while (value_end > value && octet_is_blank(value_end[-1]))
        value_end--;

    struct head_field *field = &h->fields[h->n_fields];
    field->name = span_of(bytes, name, colon);
    field->value = span_of(bytes, value, value_end);
    field->id = (uint8_t)head_name_of(name, (size_t)(colon - name));
    field->dropped = false;
    h->seen |= HEAD_SEEN(field->id);
    if (HEAD_SEEN(field->id) & HEAD_MEANINGFUL) {
        int bad = head_note_field(h, bytes, field, is_reply);
        if (bad)
            return bad;
    }
    h->n_fields++;
    return (int)(stop - name) + n;
}

/* Fields up to the empty line. */
static int read_fields(struct head *h, const char *bytes, const char *end, bool is_reply)
{
    for (;;) {
        const char *p = bytes + h->line;
        if (p == end)
            return HEAD_MORE;
        if (*p == '\r') {
            int n = read_line_end(p, end, HEAD_BAD);
            if (n <= 0)
                return n;
            int bad = head_settle(h, bytes, is_reply);
            return bad ? bad : (int)(p - bytes) + n;
        }
        if (h->n_fields == h->max_fields)
            return HEAD_TOO_MANY_FIELDS;
        int n = read_field(h, bytes, end, is_reply);
        if (n <= 0)
            return n;
        h->line += (uint32_t)n;
    }
}

/* ---- the whole head */

/* Is it worth reading on? Not in the middle of a line that was found incomplete before, unless its end has
 * come or never will, or unless it is a request line that may now be known to be too long. */
static bool has_news(const struct head *h, const char *bytes, uint32_t seen, bool is_reply)
{
    if (h->scanned <= h->line || seen == h->limit_head)
        return true;
    if (memchr(bytes + h->scanned, '\n', seen - h->scanned))
        return true;
    return !h->past_first_line && !is_reply && seen - h->line > h->limit_target;
}

static int parse_lines(struct head *h, const char *bytes, uint32_t seen, bool is_reply)
{
    const char *end = bytes + seen;
    if (!h->past_first_line) {
        int n = is_reply ? read_status_line(h, bytes, end) : read_request_line(h, bytes, end);
        if (n <= 0)
            return n;
        h->past_first_line = true;
        h->line += (uint32_t)n;
    }
    return read_fields(h, bytes, end, is_reply);
}

/* Nothing behind limit_head is ever looked at: so a head that is too large and malformed behind the limit
 * is too large, whatever pieces it comes in. */
static int parse(struct head *h, const char *bytes, size_t len, bool is_reply)
{
    uint32_t seen = len < h->limit_head ? (uint32_t)len : h->limit_head;
    int result = HEAD_MORE;
    if (seen > 0 && has_news(h, bytes, seen, is_reply))
        result = parse_lines(h, bytes, seen, is_reply);
    h->scanned = seen;
    return result == HEAD_MORE && seen == h->limit_head ? HEAD_TOO_LARGE : result;
}

int head_parse_request(struct head *h, const char *bytes, size_t len)
{
    return parse(h, bytes, len, false);
}

int head_parse_reply(struct head *h, const char *bytes, size_t len)
{
    return parse(h, bytes, len, true);
}

const char *head_error_text(int result)
{
    switch (result) {
#define ERROR_TEXT(name_, value_, text_) \
    case HEAD_##name_: return text_;
        HEAD_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
    default: return "";
    }
}

/* ---- what follows from it */

enum framing head_request_framing(const struct head *h)
{
    return h->chunked ? FRAMING_CHUNKED : h->has_length ? FRAMING_LENGTH : FRAMING_NONE;
}

enum framing head_reply_framing(const struct head *h, bool to_head_request)
{
    if (to_head_request || h->status < 200 || h->status == 204 || h->status == 304)
        return FRAMING_NONE;
    return h->chunked ? FRAMING_CHUNKED : h->has_length ? FRAMING_LENGTH : FRAMING_CLOSE;
}

bool head_keeps_alive(const struct head *h)
{
    return !h->close && (h->minor > 0 || h->keep_alive);
}

bool head_is_idempotent(const struct head *h)
{
    switch (h->method_id) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
    case METHOD_TRACE: return true;
    default: return false;
    }
}
