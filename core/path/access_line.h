/*
 * access_line.h - one finished request -> one line of the access log. Pure: no clock, no allocation.
 *
 * Owns     the two formats and their escaping.
 * Used by  access.c.
 * Thread   any.
 *
 * json      an object a line; a field that is not known is null. Texts are JSON texts whatever bytes came: what is not
 *           UTF-8 is read as Latin-1.
 * combined  the line of NCSA and nginx: client - - [time] "request" status bytes "referer" "user agent". Quotes,
 *           backslashes and all that is not printable ASCII are \xHH, a text that is not there is -.
 *
 * So no byte of a request can end a line, a text or a field early, nor drive a terminal.
 */
#ifndef PATH_ACCESS_LINE_H
#define PATH_ACCESS_LINE_H

#include <stddef.h>
#include <stdint.h>

struct access_text {
    const char *at; /* NULL: there is none */
    size_t len;
};

#define ACCESS_NO_TIME UINT64_MAX

struct access_line {
    uint64_t when_us; /* since 1970, at the end of the request */
    struct access_text client, method, target, replica, request_id, key, user_agent, referer;
    int minor;            /* of HTTP/1.minor; -1: the request line was not understood */
    int status;           /* 499: the client left before there was an answer */
    const char *end;      /* "done", "client_gone", "timeout", "cut", "stopped" */
    uint64_t bytes_out;   /* sent to the client, head included */
    uint64_t body_out;    /* the same without the head */
    uint64_t bytes_in;    /* of the request, head included, chunk framing not */
    uint64_t duration_us; /* from the first byte noticed to the end */
    uint64_t
        upstream_us; /* from the last pick to the end of that attempt; ACCESS_NO_TIME: nobody was asked */
    uint64_t first_byte_us; /* from the last pick to the reply's head; ACCESS_NO_TIME: there was none */
    uint32_t attempts;      /* replicas that were picked for it, free retries included */
    uint64_t generation;    /* of the configuration that placed it; 0: nothing was placed */
};

/* The second that was printed last. Starts as zeros. */
struct access_stamp {
    uint64_t second;
    char iso[20];      /* "2026-01-31T12:00:00" */
    char combined[27]; /* "31/Jan/2026:12:00:00 +0000" */
};

/* Longer texts are cut, and end with "..." then. In bytes as they are printed. */
#define ACCESS_TEXT_MAX  8192 /* target, user agent, referer */
#define ACCESS_SHORT_MAX 1024 /* the rest */

/* No line is longer: blocks have room for at least one. */
#define ACCESS_LINE_MAX 32768

/* Write the line, line feed included. Return its length; 0 when it does not fit into room. */
size_t access_write_json(const struct access_line *l, struct access_stamp *stamp, char *out, size_t room);
size_t access_write_combined(const struct access_line *l, struct access_stamp *stamp, char *out, size_t room);

#endif
