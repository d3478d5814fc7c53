/*
 * head_fields.c - what the fields of a head mean to us, and how they are found again.
 *
 * Owns     field names and the rules for Content-Length, Transfer-Encoding, Connection, Host and Expect.
 * Used by  head.c while it reads; head_find and head_find_text by everyone who holds a head.
 * Uses     octet.h, authority.h.
 * Thread   any.
 *
 * Whatever could make two programs disagree about where a message ends is refused here, not repaired: that is
 * all the protection there is against smuggled requests (RFC 9112, 11.2).
 */
#include "path/head_fields.h"

#include "path/authority.h"
#include "path/octet.h"

/* More options than this in the Connection fields of one head are refused: each costs a look at every
 * field. */
#define CONNECTION_OPTIONS_MAX 64

#define NAME_IS(text_) octet_same_token(name, text_, sizeof(text_) - 1)

enum head_name head_name_of(const char *name, size_t len)
{
    switch (len) {
    case 2: return NAME_IS("te") ? HEAD_TE : HEAD_OTHER;
    case 4: return NAME_IS("host") ? HEAD_HOST : HEAD_OTHER;
    case 5: return NAME_IS("proxy") ? HEAD_PROXY : HEAD_OTHER;
    case 6: return NAME_IS("cookie") ? HEAD_COOKIE : NAME_IS("expect") ? HEAD_EXPECT : HEAD_OTHER;
    case 7: return NAME_IS("upgrade") ? HEAD_UPGRADE : NAME_IS("trailer") ? HEAD_TRAILER : HEAD_OTHER;
    case 10:
        return NAME_IS("connection") ? HEAD_CONNECTION : NAME_IS("keep-alive") ? HEAD_KEEP_ALIVE : HEAD_OTHER;
    case 11: return NAME_IS("x-served-by") ? HEAD_X_SERVED_BY : HEAD_OTHER;
    case 12: return NAME_IS("x-request-id") ? HEAD_X_REQUEST_ID : HEAD_OTHER;
    case 13: return NAME_IS("authorization") ? HEAD_AUTHORIZATION : HEAD_OTHER;
    case 14: return NAME_IS("content-length") ? HEAD_CONTENT_LENGTH : HEAD_OTHER;
    case 15: return NAME_IS("x-forwarded-for") ? HEAD_X_FORWARDED_FOR : HEAD_OTHER;
    case 16:
        return NAME_IS("x-forwarded-host")   ? HEAD_X_FORWARDED_HOST
               : NAME_IS("proxy-connection") ? HEAD_PROXY_CONNECTION
                                             : HEAD_OTHER;
    case 17:
        return NAME_IS("transfer-encoding")   ? HEAD_TRANSFER_ENCODING
               : NAME_IS("x-forwarded-proto") ? HEAD_X_FORWARDED_PROTO
                                              : HEAD_OTHER;
    case 18: return NAME_IS("proxy-authenticate") ? HEAD_PROXY_AUTHENTICATE : HEAD_OTHER;
    case 19: return NAME_IS("proxy-authorization") ? HEAD_PROXY_AUTHORIZATION : HEAD_OTHER;
    default: return HEAD_OTHER;
    }
}

static bool is_token(const char *text, size_t len)
{
    return len > 0 && octet_skip_token(text, text + len) == text + len;
}

#define ITEM_IS(text_) (len == sizeof(text_) - 1 && octet_same_token(item, text_, sizeof(text_) - 1))

/* ---- one field */

/* Digits only, one field only, at most 2^63 - 1. A list of equal numbers ("5, 5"), which RFC 9110, 8.6
 * would let us repair, is refused: who sends one was confused by somebody. */
static int note_length(struct head *h, const char *value, size_t len)
{
    uint64_t n = 0;
    if (h->has_length || len == 0)
        return HEAD_BAD_FRAMING;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)value[i] - '0';
        if (digit > 9 || n > ((uint64_t)INT64_MAX - digit) / 10)
            return HEAD_BAD_FRAMING;
        n = n * 10 + digit;
    }
    h->has_length = true;
    h->content_length = n;
    return 0;
}

/* "name" or "name;a=b;c=d", all tokens. *name_len becomes the length of the name, or 0 when it is
 * malformed. */
static void split_coding(const char *item, size_t len, size_t *name_len)
{
    const char *end = item + len;
    const char *p = octet_skip_token(item, end);
    *name_len = (size_t)(p - item);
    while (p < end) {
        const char *from;
        while (p < end && (octet_is_blank(*p) || *p == ';' || *p == '='))
            p++;
        from = p;
        p = octet_skip_token(p, end);
        if (p == from) {
            *name_len = 0;
            return;
        }
    }
}

/* Exactly "chunked". Another list of codings is well-formed but beyond us, unless chunked stands in it
 * twice, not last, or with parameters, or it is not a list of codings at all: then nobody can say where
 * the body ends (RFC 9112, 6.1 and 7). */
static int note_coding(struct head *h, const char *value, size_t value_len)
{
    const char *p = value, *end = value + value_len, *item;
    size_t len;
    bool after_chunked = false, other = false;
    if (h->chunked || h->minor == 0)
        return HEAD_BAD_FRAMING;
    while (octet_next_item(&p, end, &item, &len)) {
        size_t whole = len;
        split_coding(item, whole, &len);
        if (len == 0 || after_chunked)
            return HEAD_BAD_FRAMING;
        if (!ITEM_IS("chunked"))
            other = true;
        else if (len == whole)
            after_chunked = true;
        else
            return HEAD_BAD_FRAMING;
    }
    if (other)
        return HEAD_BAD_CODING;
    h->chunked = true;
    return 0;
}

/* An option that is no token names no field and asks for nothing: it is passed over. */
static int note_connection(struct head *h, const char *value, size_t value_len)
{
    const char *p = value, *end = value + value_len, *item;
    size_t len;
    while (octet_next_item(&p, end, &item, &len)) {
        if (ITEM_IS("keep-alive"))
            h->keep_alive = true;
        else if (ITEM_IS("close"))
            h->close = true;
        else if (ITEM_IS("upgrade"))
            h->upgrade = true;
        else if (!is_token(item, len))
            continue;
        else if (++h->n_options > CONNECTION_OPTIONS_MAX)
            return HEAD_BAD_FIELD;
    }
    return 0;
}

/* One Host field. An empty one is grammatical (RFC 9110, 7.2), but means a URI without authority, and an
 * http URI without a host is invalid (4.2.1), so it is refused. */
static int note_host(struct head *h, const char *value, size_t len)
{
    if (h->has_host || !authority_is_valid(value, len, false))
        return HEAD_BAD_HOST;
    h->has_host = true;
    h->host = h->n_fields;
    return 0;
}

/* Tabs around what says where the message ends: grammatical (RFC 9110, 5.6.3), never sent in earnest, and
 * read otherwise by enough programs: some see no "chunked" in "chunked" HTAB. */
static bool has_tab_around(const char *bytes, const struct head_field *field)
{
    const char *p = bytes + field->name.at + field->name.len + 1, *value = bytes + field->value.at;
    for (; p < value; p++)
        if (*p == '\t')
            return true;
    for (p = value + field->value.len; octet_is_blank(*p); p++)
        if (*p == '\t')
            return true;
    return false;
}

int head_note_field(struct head *h, const char *bytes, const struct head_field *field, bool is_reply)
{
    const char *item = bytes + field->value.at;
    size_t len = field->value.len;
    switch (field->id) {
    case HEAD_CONTENT_LENGTH:
        return has_tab_around(bytes, field) ? HEAD_BAD_FRAMING : note_length(h, item, len);
    case HEAD_TRANSFER_ENCODING:
        return has_tab_around(bytes, field) ? HEAD_BAD_FRAMING : note_coding(h, item, len);
    case HEAD_CONNECTION: return note_connection(h, item, len);
    case HEAD_HOST: return is_reply ? 0 : note_host(h, item, len);
    case HEAD_EXPECT: /* a request of 1.0 can't wait for an answer to it (RFC 9110, 10.1.1) */
        if (!is_reply && h->minor > 0 && len == sizeof "100-continue" - 1 && is_token(item, len))
            h->expect_continue = h->expect_continue || ITEM_IS("100-continue");
        return 0;
    default: return 0;
    }
}

/* ---- the whole head */

/* What every hop needs to read the message or to know whom it is for is never dropped, whatever Connection
 * says. */
static bool may_drop(enum head_name id)
{
    return id != HEAD_HOST && id != HEAD_CONTENT_LENGTH && id != HEAD_TRANSFER_ENCODING;
}

static void drop_named(struct head *h, const char *bytes, const char *item, size_t len)
{
    for (uint16_t i = 0; i < h->n_fields; i++) {
        struct head_field *f = &h->fields[i];
        if (f->name.len != len || !may_drop((enum head_name)f->id))
            continue;
        size_t k = 0;
        while (k < len && octet_lower(bytes[f->name.at + k]) == octet_lower(item[k]))
            k++;
        if (k == len)
            f->dropped = true;
    }
}

/* Marks the fields that Connection names (RFC 9110, 7.6.1). */
static void drop_options(struct head *h, const char *bytes)
{
    for (uint16_t i = 0; i < h->n_fields; i++) {
        const struct head_field *f = &h->fields[i];
        const char *p = bytes + f->value.at, *end = p + f->value.len, *item;
        size_t len;
        if (f->id != HEAD_CONNECTION)
            continue;
        while (octet_next_item(&p, end, &item, &len))
            if (is_token(item, len))
                drop_named(h, bytes, item, len);
    }
}

/* A request id counts when it says something and is not for this hop only. */
static bool find_request_id(const struct head *h)
{
    for (uint16_t i = 0; i < h->n_fields; i++) {
        const struct head_field *f = &h->fields[i];
        if (f->id == HEAD_X_REQUEST_ID && f->value.len > 0 && !f->dropped)
            return true;
    }
    return false;
}

int head_settle(struct head *h, const char *bytes, bool is_reply)
{
    if (h->has_length && h->chunked)
        return HEAD_BAD_FRAMING;
    if (!is_reply && !h->has_host && h->minor > 0)
        return HEAD_BAD_HOST;
    if (h->n_options > 0)
        drop_options(h, bytes);
    h->upgrade = h->upgrade && h->minor > 0 && (h->seen & HEAD_SEEN(HEAD_UPGRADE)); /* 1.0: RFC 9110, 7.8 */
    h->has_request_id = (h->seen & HEAD_SEEN(HEAD_X_REQUEST_ID)) && find_request_id(h);
    return 0;
}

/* ---- for those who hold a head */

const struct head_field *head_find(const struct head *h, enum head_name id)
{
    if (id != HEAD_OTHER && !(h->seen & HEAD_SEEN(id)))
        return NULL;
    for (uint16_t i = 0; i < h->n_fields; i++)
        if (h->fields[i].id == id)
            return &h->fields[i];
    return NULL;
}

const struct head_field *head_find_text(const struct head *h, const char *bytes, const char *name,
                                        size_t name_len)
{
    for (uint16_t i = 0; i < h->n_fields; i++) {
        const struct head_field *f = &h->fields[i];
        if (f->name.len == name_len && octet_same_name(bytes + f->name.at, name, name_len))
            return f;
    }
    return NULL;
}
