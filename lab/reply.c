/*
 * reply.c - reading replies line by line: see reply.h.
 *
 * Owns     nothing; pure.
 * Used by  load.c, tests.
 * Uses     nothing.
 * Thread   any.
 */
#include "lab/reply.h"

#include <string.h>
#include <strings.h>

enum state { STATUS_LINE, FIELDS, BODY, BODY_TO_CLOSE, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, ENDED };

void reply_begin(struct reply *r)
{
    memset(r, 0, offsetof(struct reply, line));
}

bool reply_is_untouched(const struct reply *r)
{
    return r->state == STATUS_LINE && r->line_len == 0;
}

/* ------------------------------------------------------------------ lines */

static enum reply_result read_status_line(struct reply *r, const char *line, size_t len)
{
    if (len < 12 || strncmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
        return REPLY_BAD;
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return REPLY_BAD;
        status = status * 10 + (unsigned)(line[i] - '0');
    }
    if (status < 100)
        return REPLY_BAD;
    r->status = status;
    r->close = line[7] == '0';
    r->state = FIELDS;
    return REPLY_MORE;
}

static bool is_named(const char *line, size_t name_len, const char *name)
{
    return strlen(name) == name_len && strncasecmp(line, name, name_len) == 0;
}

static bool has_word(const char *value, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    for (size_t i = 0; i + word_len <= len; i++)
        if (strncasecmp(value + i, word, word_len) == 0)
            return true;
    return false;
}

static enum reply_result read_length(struct reply *r, const char *value, size_t len)
{
    uint64_t n = 0;
    if (len == 0 || len > 18)
        return REPLY_BAD;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return REPLY_BAD;
        n = n * 10 + (uint64_t)(value[i] - '0');
    }
    r->left = n;
    r->has_length = true;
    return REPLY_MORE;
}

static enum reply_result read_field(struct reply *r, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return REPLY_BAD;
    size_t name_len = (size_t)(colon - line), value_len = len - name_len - 1;
    const char *value = colon + 1;
    while (value_len > 0 && (*value == ' ' || *value == '\t'))
        value++, value_len--;
    while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value_len--;
    if (is_named(line, name_len, "content-length"))
        return read_length(r, value, value_len);
    if (is_named(line, name_len, "transfer-encoding")) {
        r->chunked = has_word(value, value_len, "chunked");
    } else if (is_named(line, name_len, "connection")) {
        if (has_word(value, value_len, "close"))
            r->close = true;
        else if (has_word(value, value_len, "keep-alive"))
            r->close = false;
    } else if (is_named(line, name_len, "x-served-by")) {
        size_t kept = value_len < REPLY_NAME - 1 ? value_len : REPLY_NAME - 1;
        memcpy(r->served_by, value, kept);
        r->served_by[kept] = '\0';
    }
    return REPLY_MORE;
}

/* The head is over: what follows it (RFC 9112, section 6.3; the lab asks with GET and POST alone). */
static enum reply_result end_head(struct reply *r)
{
    if (r->status < 200) {
        if (r->status == 101)
            return REPLY_BAD; /* nobody asked for another protocol */
        reply_begin(r);
        return REPLY_MORE;
    }
    if (r->status == 204 || r->status == 304)
        r->state = ENDED;
    else if (r->chunked)
        r->state = CHUNK_SIZE;
    else if (r->has_length)
        r->state = r->left ? BODY : ENDED;
    else
        r->state = BODY_TO_CLOSE, r->close = true;
    return r->state == ENDED ? REPLY_DONE : REPLY_MORE;
}

static enum reply_result read_chunk_size(struct reply *r, const char *line, size_t len)
{
    uint64_t n = 0;
    size_t digits = 0;
    for (; digits < len; digits++) {
        char c = line[digits];
        unsigned value = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16;
        if (value == 16)
            break;
        if (digits == 15)
            return REPLY_BAD;
        n = n * 16 + value;
    }
    if (digits == 0 || (digits < len && line[digits] != ';' && line[digits] != ' '))
        return REPLY_BAD;
    r->left = n;
    r->state = n ? CHUNK : TRAILER;
    return REPLY_MORE;
}

static enum reply_result read_line(struct reply *r, const char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    switch (r->state) {
    case STATUS_LINE: return read_status_line(r, line, len);
    case FIELDS: return len ? read_field(r, line, len) : end_head(r);
    case CHUNK_SIZE: return read_chunk_size(r, line, len);
    case CHUNK_END: r->state = CHUNK_SIZE; return len ? REPLY_BAD : REPLY_MORE;
    default: /* TRAILER */
        if (len == 0)
            r->state = ENDED;
        return len ? REPLY_MORE : REPLY_DONE;
    }
}

/* ------------------------------------------------------------------ bytes */

/* Takes bytes up to the end of a line; a line that came whole is not copied. */
static enum reply_result feed_line(struct reply *r, const char *bytes, size_t len, size_t *used)
{
    const char *end = memchr(bytes, '\n', len);
    size_t piece = end ? (size_t)(end - bytes) : len;
    *used = end ? piece + 1 : piece;
    if (end && r->line_len == 0)
        return read_line(r, bytes, piece);
    if (r->line_len + piece > REPLY_LINE)
        return REPLY_BAD;
    memcpy(r->line + r->line_len, bytes, piece);
    r->line_len += piece;
    if (!end)
        return REPLY_MORE;
    size_t line_len = r->line_len;
    r->line_len = 0;
    return read_line(r, r->line, line_len);
}

static enum reply_result feed_body(struct reply *r, size_t len, size_t *used)
{
    size_t part = r->state == BODY_TO_CLOSE || len < r->left ? len : (size_t)r->left;
    *used = part;
    r->body += part;
    if (r->state == BODY_TO_CLOSE)
        return REPLY_MORE;
    r->left -= part;
    if (r->left > 0)
        return REPLY_MORE;
    r->state = r->state == CHUNK ? CHUNK_END : ENDED;
    return r->state == ENDED ? REPLY_DONE : REPLY_MORE;
}

enum reply_result reply_feed(struct reply *r, const char *bytes, size_t len, size_t *used)
{
    *used = 0;
    while (*used < len && r->state != ENDED) {
        size_t part;
        bool in_body = r->state == BODY || r->state == BODY_TO_CLOSE || r->state == CHUNK;
        enum reply_result got =
            in_body ? feed_body(r, len - *used, &part) : feed_line(r, bytes + *used, len - *used, &part);
        *used += part;
        if (got != REPLY_MORE)
            return got;
    }
    return r->state == ENDED ? REPLY_DONE : REPLY_MORE;
}

enum reply_result reply_end(struct reply *r)
{
    if (r->state != BODY_TO_CLOSE)
        return REPLY_BAD;
    r->state = ENDED;
    return REPLY_DONE;
}
