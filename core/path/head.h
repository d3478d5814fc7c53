/*
 * head.h - bytes -> the head of a request or a reply. Pure: no sockets, no allocation, no clock.
 *
 * Owns     nothing: spans point into the caller's buffer by offset, so the buffer may move.
 * Used by  exchange.c (feeds it), key.c, route.c, forward.c (read it).
 * Thread   any.
 *
 * Strict by RFC 9112 and RFC 9110: one framing only, and what is not certainly well-formed is refused.
 * Incremental: call again with more bytes and it goes on at the line where it stopped, so a slow head costs
 * no more than a fast one: a line is read at most twice, when its first byte is there and when its last one
 * is. What comes out depends on the bytes alone, not on the pieces they came in; only a fault in the middle
 * of a line may be told at once or when the line has ended.
 */
#ifndef PATH_HEAD_H
#define PATH_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    uint16_t at, len; /* offset from the first byte of the head */
};

/* Fields that mean something to the balancer.   NAME(enum, "lower-case name") */
#define HEAD_NAMES(NAME)                             \
    NAME(OTHER, "")                                  \
    NAME(CONNECTION, "connection")                   \
    NAME(CONTENT_LENGTH, "content-length")           \
    NAME(COOKIE, "cookie")                           \
    NAME(EXPECT, "expect")                           \
    NAME(HOST, "host")                               \
    NAME(KEEP_ALIVE, "keep-alive")                   \
    NAME(AUTHORIZATION, "authorization")             \
    NAME(PROXY, "proxy")                             \
    NAME(PROXY_AUTHENTICATE, "proxy-authenticate")   \
    NAME(PROXY_AUTHORIZATION, "proxy-authorization") \
    NAME(PROXY_CONNECTION, "proxy-connection")       \
    NAME(TE, "te")                                   \
    NAME(TRAILER, "trailer")                         \
    NAME(TRANSFER_ENCODING, "transfer-encoding")     \
    NAME(UPGRADE, "upgrade")                         \
    NAME(X_FORWARDED_FOR, "x-forwarded-for")         \
    NAME(X_FORWARDED_HOST, "x-forwarded-host")       \
    NAME(X_FORWARDED_PROTO, "x-forwarded-proto")     \
    NAME(X_REQUEST_ID, "x-request-id")               \
    NAME(X_SERVED_BY, "x-served-by")

enum head_name {
#define HEAD_ENUM(name_, text_) HEAD_##name_,
    HEAD_NAMES(HEAD_ENUM)
#undef HEAD_ENUM
        HEAD_NAME_COUNT
};

struct head_field {
    struct span name, value; /* value without surrounding blanks */
    uint8_t id;              /* enum head_name */
    bool dropped;            /* named in Connection: concerns this hop only */
};

enum head_method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_TRACE,
    METHOD_PATCH,
    METHOD_CONNECT
};

/* How a body's end is known. */
enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

/* Why a head was refused: results below 0. HEAD_ERROR(name, value, sentence) */
#define HEAD_ERRORS(HEAD_ERROR)                                     \
    HEAD_ERROR(BAD, -1, "malformed head")                           \
    HEAD_ERROR(TARGET_TOO_LONG, -2, "request target too long")      \
    HEAD_ERROR(TOO_LARGE, -3, "head too large")                     \
    HEAD_ERROR(TOO_MANY_FIELDS, -4, "too many header fields")       \
    HEAD_ERROR(BAD_VERSION, -5, "HTTP version not supported")       \
    HEAD_ERROR(BAD_CODING, -6, "transfer coding not supported")     \
    HEAD_ERROR(BAD_FRAMING, -7, "ambiguous body length")            \
    HEAD_ERROR(BAD_HOST, -8, "missing, repeated or malformed Host") \
    HEAD_ERROR(BAD_METHOD, -9, "malformed method")                  \
    HEAD_ERROR(BAD_TARGET, -10, "malformed request target")         \
    HEAD_ERROR(BAD_FIELD, -11, "malformed header field")

enum head_result {
    HEAD_MORE = 0, /* the head is not complete yet */
#define HEAD_RESULT(name_, value_, text_) HEAD_##name_ = (value_),
    HEAD_ERRORS(HEAD_RESULT)
#undef HEAD_RESULT
};

/* Set by the caller with head_start, filled by head_parse_*. */
struct head {
    /* request line or status line */
    struct span method, target;
    /* Of the target. path is "*" in asterisk-form, and has len 0 in authority-form and in an absolute-form
     * that ends with its authority. query comes without '?'. */
    struct span path, query;
    struct span authority; /* absolute-form, and the whole target of a CONNECT; else len 0 */
    struct span reason;
    uint8_t method_id; /* enum head_method */
    uint8_t minor;     /* HTTP/1.minor, 0 or 1 */
    uint16_t status;   /* 100 .. 599 */
    /* fields */
    struct head_field *fields; /* the caller's array */
    uint16_t n_fields, max_fields;
    /* what they mean */
    uint64_t content_length;
    bool has_length, chunked;
    bool close, keep_alive; /* Connection says so */
    bool upgrade;           /* Connection says so, there is an Upgrade field, and it is not HTTP/1.0 */
    bool expect_continue;   /* "Expect: 100-continue", and it is not HTTP/1.0 */
    bool has_host, has_query;
    bool has_request_id; /* an X-Request-Id that is not empty and not for this hop only */
    uint16_t host;       /* index of the Host field when has_host */
    uint16_t n_options;  /* in Connection, besides close, keep-alive and upgrade */
    uint32_t seen;       /* HEAD_SEEN(id) of each field */
    /* where parsing stands */
    uint16_t limit_target;
    uint32_t limit_head;
    uint32_t line;    /* first byte of the line not yet parsed */
    uint32_t scanned; /* the end of what was looked at; beyond `line` the line was not complete then */
    bool past_first_line;
};

#define HEAD_SEEN(id_) (1u << (id_))

/* Before the first byte of each head. fields has room for max_fields. limit_head is in bytes, 1 to 65,535. */
void head_start(struct head *h, struct head_field *fields, uint16_t max_fields, uint32_t limit_head,
                uint16_t limit_target);

/* bytes[0 .. len) is all that has come of this head so far (and perhaps what follows it). Returns the
 * length of the head, its empty line included; HEAD_MORE; or an error of enum head_result, after which the
 * connection can't be used. Before a request line up to one empty line (CRLF) is passed over (RFC 9112,
 * 2.2): it counts in the length, and spans start behind it correctly. */
int head_parse_request(struct head *h, const char *bytes, size_t len);

/* The same for a reply, without the empty line before it and without rules for Host and Expect. The
 * reason, and the blank before it, may be missing. Interim replies (1xx) are heads like others. */
int head_parse_reply(struct head *h, const char *bytes, size_t len);

/* The sentence for an error. */
const char *head_error_text(int result);

/* How the body of a request ends: NONE, LENGTH or CHUNKED. */
enum framing head_request_framing(const struct head *h);

/* How the body of a reply ends (RFC 9112, 6.3). A reply to HEAD, 1xx, 204 and 304 have none. */
enum framing head_reply_framing(const struct head *h, bool to_head_request);

/* The connection may carry another message after this one: version and Connection field. */
bool head_keeps_alive(const struct head *h);

/* The method may be repeated without harm (RFC 9110, 9.2.2). */
bool head_is_idempotent(const struct head *h);

/* The first field with that id, or NULL. */
const struct head_field *head_find(const struct head *h, enum head_name id);

/* The first field with that name (lower case, any name), or NULL. */
const struct head_field *head_find_text(const struct head *h, const char *bytes, const char *name,
                                        size_t name_len);

#endif
