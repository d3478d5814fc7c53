/*
 * test_forward.c - what goes on to the next hop, byte for byte, and what stays here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path/forward.h"
#include "unit/path/heads.h"

#define ROOM 4096

static struct heads heads;

static void parse(const char *bytes, bool is_reply)
{
    int result =
        heads_parse(&heads, &(struct heads_feed){ .is_reply = is_reply }, bytes, strlen(bytes), NULL, 0);
    if (result != (int)strlen(bytes))
        print_error("%d: %s\n", result, bytes);
    assert_int_equal(result, strlen(bytes));
}

typedef size_t write_fn(const void *what, char *out, size_t room);

/* Writes `want` into just as much room, and nothing into less. */
static void assert_written(write_fn *write, const void *what, const char *want)
{
    char roomy[ROOM + 1];
    size_t len = write(what, roomy, ROOM);
    roomy[len] = '\0';
    assert_string_equal(roomy, want);
    for (size_t room = 0; room <= len; room++) {
        char *out = malloc(room ? room : 1); /* a sanitizer sees a byte too many */
        size_t n = write(what, out, room);
        assert_true(n == 0 || (n == len && memcmp(out, want, len) == 0));
        free(out);
    }
    char *out = malloc(len + 32);
    assert_int_equal(write(what, out, len + 32), len); /* a little more than needed is always enough */
    free(out);
}

static size_t write_request(const void *what, char *out, size_t room)
{
    return forward_write_request(what, out, room);
}

static size_t write_reply(const void *what, char *out, size_t room)
{
    return forward_write_reply(what, out, room);
}

static size_t write_own(const void *what, char *out, size_t room)
{
    return forward_write_own(what, out, room);
}

/* ---- requests */

#define L     "\r\n"
#define FOR   "X-Forwarded-For: 10.0.0.9" L "X-Forwarded-Proto: http" L
#define ADDED FOR "X-Forwarded-Host: h" L
#define ID    "X-Request-Id: new" L

/* What comes in over what goes out: laid out by hand. */
// clang-format off
static const struct {
    const char *label, *in, *out;
} requests[] = {
    { "added",
      "GET /a?b HTTP/1.1" L "Host: h" L L,
      "GET /a?b HTTP/1.1" L "Host: h" L ADDED ID L },
    { "fields pass in order, as they were written",
      "GET / HTTP/1.1" L "B: 1" L "hOST: h" L "a: 2" L "B:   3  " L "C:" L "D:4" L "e:  \t5\t 6 \t" L
      "f:\t7" L L,
      "GET / HTTP/1.1" L "B: 1" L "hOST: h" L "a: 2" L "B: 3" L "C: " L "D: 4" L "e: 5\t 6" L
      "f: 7" L ADDED ID L },
    { "a request id is kept",
      "GET / HTTP/1.1" L "Host: h" L "X-Request-ID: old" L L,
      "GET / HTTP/1.1" L "Host: h" L "X-Request-ID: old" L ADDED L },
    { "but not an empty one",
      "GET / HTTP/1.1" L "Host: h" L "X-Request-ID:" L L,
      "GET / HTTP/1.1" L "Host: h" L ADDED ID L },
    { "nor one for this hop only",
      "GET / HTTP/1.1" L "Host: h" L "X-Request-ID: old" L "Connection: x-request-id" L L,
      "GET / HTTP/1.1" L "Host: h" L ADDED ID L },
    { "hop-by-hop",
      "GET / HTTP/1.1" L "Connection: keep-alive" L "Host: h" L "Keep-Alive: timeout=5" L "A: 1" L
      "Proxy-Connection: close" L "Proxy: http://evil" L "Proxy-Authenticate: x" L
      "Proxy-Authorization: y" L "TE: trailers" L
      "Trailer: z" L "Upgrade: h2c" L "B: 2" L L,
      "GET / HTTP/1.1" L "Host: h" L "A: 1" L "B: 2" L ADDED ID L },
    { "fields that Connection names",
      "GET / HTTP/1.1" L "X-One: 1" L "Host: h" L "Connection: close, x-one, X-TWO, host" L "x-two: 2" L
      "X-Three: 3" L L,
      "GET / HTTP/1.1" L "Host: h" L "X-Three: 3" L ADDED ID L },
    { "Connection can't name away the framing",
      "POST / HTTP/1.1" L "Host: h" L "Content-Length: 5" L "Connection: content-length" L L,
      "POST / HTTP/1.1" L "Host: h" L "Content-Length: 5" L ADDED ID L },
    { "a length in its plainest form",
      "POST / HTTP/1.1" L "content-length:  0007 " L "Host: h" L "Expect: 100-continue" L L,
      "POST / HTTP/1.1" L "Host: h" L "Expect: 100-continue" L "Content-Length: 7" L ADDED ID L },
    { "a length of 0 is said",
      "POST / HTTP/1.1" L "Host: h" L "Content-Length: 0" L L,
      "POST / HTTP/1.1" L "Host: h" L "Content-Length: 0" L ADDED ID L },
    { "chunked in its plainest form",
      "POST / HTTP/1.1" L "Host: h" L "transfer-encoding:  Chunked" L L,
      "POST / HTTP/1.1" L "Host: h" L "Transfer-Encoding: chunked" L ADDED ID L },
    { "all the hops before, in one field",
      "GET / HTTP/1.1" L "X-Forwarded-For: 1.1.1.1, 2.2.2.2" L "Host: h" L "x-forwarded-for:" L
      "X-FORWARDED-FOR: 3.3.3.3 " L L,
      "GET / HTTP/1.1" L "Host: h" L "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9" L
      "X-Forwarded-Proto: http" L
      "X-Forwarded-Host: h" L ID L },
    { "what a client says of proto and host is not believed",
      "GET / HTTP/1.1" L "X-Forwarded-Proto: https" L "X-Forwarded-Host: evil" L "Host: h" L L,
      "GET / HTTP/1.1" L "Host: h" L ADDED ID L },
    { "absolute-form: the authority becomes Host",
      "GET http://h/a?b HTTP/1.1" L "A: 1" L "Host: other" L L,
      "GET /a?b HTTP/1.1" L "Host: h" L "A: 1" L ADDED ID L },
    { "absolute-form with an empty path",
      "GET http://h HTTP/1.1" L "Host: other" L L,
      "GET / HTTP/1.1" L "Host: h" L ADDED ID L },
    { "absolute-form with a query alone",
      "GET HTTPS://h?b HTTP/1.1" L "Host: other" L L,
      "GET /?b HTTP/1.1" L "Host: h" L ADDED ID L },
    { "absolute-form with an empty query",
      "GET http://h? HTTP/1.1" L "Host: other" L L,
      "GET /? HTTP/1.1" L "Host: h" L ADDED ID L },
    { "OPTIONS of a whole server",
      "OPTIONS http://h HTTP/1.1" L "Host: h" L L,
      "OPTIONS * HTTP/1.1" L "Host: h" L ADDED ID L },
    { "OPTIONS of one resource",
      "OPTIONS http://h?b HTTP/1.1" L "Host: h" L L,
      "OPTIONS /?b HTTP/1.1" L "Host: h" L ADDED ID L },
    { "OPTIONS in asterisk-form",
      "OPTIONS * HTTP/1.1" L "Host: h" L L,
      "OPTIONS * HTTP/1.1" L "Host: h" L ADDED ID L },
    { "1.0 becomes 1.1, with a Host",
      "GET /a HTTP/1.0" L "A: 1" L L,
      "GET /a HTTP/1.1" L "Host: replica:1" L "A: 1" L FOR ID L },
    { "1.0 expects nothing",
      "POST /a HTTP/1.0" L "Host: h" L "Expect: 100-continue" L "Content-Length: 1" L L,
      "POST /a HTTP/1.1" L "Host: h" L "Content-Length: 1" L ADDED ID L },
    { "a later 1.x becomes 1.1",
      "GET / HTTP/1.5" L "Host: h" L L,
      "GET / HTTP/1.1" L "Host: h" L ADDED ID L },
    { "an empty line before it stays here",
      L "GET / HTTP/1.1" L "Host: h" L L,
      "GET / HTTP/1.1" L "Host: h" L ADDED ID L },
    { "X-Served-By of a request is the client's own",
      "GET / HTTP/1.1" L "Host: h" L "X-Served-By: me" L L,
      "GET / HTTP/1.1" L "Host: h" L "X-Served-By: me" L ADDED ID L },
};
// clang-format on

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        parse(requests[i].in, false);
        struct forward_request f = { .head = &heads.head,
                                     .bytes = requests[i].in,
                                     .client_ip = "10.0.0.9",
                                     .proto = "http",
                                     .request_id = "new",
                                     .host = "replica:1" };
        assert_written(write_request, &f, requests[i].out);
    }
}

static void test_request_without_any_host(void **state)
{
    (void)state;
    static const char bytes[] = "GET / HTTP/1.0" L L;
    parse(bytes, false);
    struct forward_request f = {
        .head = &heads.head, .bytes = bytes, .client_ip = "::1", .proto = "https", .request_id = "new"
    };
    assert_written(write_request, &f,
                   "GET / HTTP/1.1" L "Host: " L "X-Forwarded-For: ::1" L "X-Forwarded-Proto: https" L ID L);
}

/* The header promises how much longer a head can get. */
static void test_room_needed(void **state)
{
    (void)state;
    static const char bytes[] = "G http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1" L "Host:h" L "A:" L
                                "B:" L "Content-Length:9223372036854775807" L L;
    static const char ip[] = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
                      id[] = "0123456789abcdef0123456789abcdef";
    char out[ROOM];
    parse(bytes, false);
    struct forward_request f = {
        .head = &heads.head, .bytes = bytes, .client_ip = ip, .proto = "https", .request_id = id
    };
    size_t len = forward_write_request(&f, out, sizeof out);
    assert_true(len > 0 && len <= sizeof bytes + 300 + sizeof ip + sizeof id + 5);
}

/* ---- replies */

#define SERVED "X-Served-By: Server 1" L

/* What comes in over what goes out: laid out by hand. */
// clang-format off
static const struct {
    const char *label, *in;
    enum framing framing;
    bool keep_alive, client_is_1_0;
    const char *out;
} replies[] = {
    { "a length",
      "HTTP/1.1 200 OK" L "Content-Length: 5" L "A: b" L L, FRAMING_LENGTH, true, false,
      "HTTP/1.1 200 OK" L "A: b" L "Content-Length: 5" L SERVED L },
    { "and then close",
      "HTTP/1.1 200 OK" L "Content-Length: 05" L L, FRAMING_LENGTH, false, false,
      "HTTP/1.1 200 OK" L "Content-Length: 5" L SERVED "Connection: close" L L },
    { "to a 1.0 client that stays",
      "HTTP/1.1 200 OK" L "Content-Length: 5" L L, FRAMING_LENGTH, true, true,
      "HTTP/1.1 200 OK" L "Content-Length: 5" L SERVED "Connection: keep-alive" L L },
    { "to a 1.0 client that goes",
      "HTTP/1.1 200 OK" L "Content-Length: 5" L L, FRAMING_LENGTH, false, true,
      "HTTP/1.1 200 OK" L "Content-Length: 5" L SERVED "Connection: close" L L },
    { "chunked",
      "HTTP/1.1 200 OK" L "transfer-encoding: CHUNKED" L "Trailer: x" L L, FRAMING_CHUNKED, true, false,
      "HTTP/1.1 200 OK" L "Transfer-Encoding: chunked" L SERVED L },
    { "chunked to a 1.0 client ends with the connection",
      "HTTP/1.1 200 OK" L "Transfer-Encoding: chunked" L L, FRAMING_CLOSE, false, true,
      "HTTP/1.1 200 OK" L SERVED "Connection: close" L L },
    { "until close becomes chunked",
      "HTTP/1.0 200 Fine" L "A: b" L L, FRAMING_CHUNKED, true, false,
      "HTTP/1.1 200 Fine" L "A: b" L "Transfer-Encoding: chunked" L SERVED L },
    { "to HEAD: the length it would have",
      "HTTP/1.1 200 OK" L "Content-Length: 5" L L, FRAMING_NONE, true, false,
      "HTTP/1.1 200 OK" L "Content-Length: 5" L SERVED L },
    { "304 too",
      "HTTP/1.1 304 Not Modified" L "Content-Length: 5" L "ETag: x" L L, FRAMING_NONE, true, false,
      "HTTP/1.1 304 Not Modified" L "ETag: x" L "Content-Length: 5" L SERVED L },
    { "204 not",
      "HTTP/1.1 204 No Content" L "Content-Length: 5" L L, FRAMING_NONE, true, false,
      "HTTP/1.1 204 No Content" L SERVED L },
    { "hop-by-hop, and what names itself",
      "HTTP/1.1 200 OK" L "Connection: close, x-a" L "X-A: 1" L "Keep-Alive: 5" L
      "Proxy-Authenticate: q" L "Upgrade: h2" L
      "X-Served-By: somebody else" L "Proxy-Connection: keep-alive" L "TE: x" L "Server: s" L
      "Content-Length: 0" L L,
      FRAMING_LENGTH, true, false,
      "HTTP/1.1 200 OK" L "Server: s" L "Content-Length: 0" L SERVED L },
    { "fields of requests pass",
      "HTTP/1.1 200 OK" L "X-Request-Id: 7" L "X-Forwarded-For: a" L "Host: b c" L
      "Content-Length: 0" L L, FRAMING_LENGTH, true, false,
      "HTTP/1.1 200 OK" L "X-Request-Id: 7" L "X-Forwarded-For: a" L "Host: b c" L
      "Content-Length: 0" L SERVED L },
    { "no reason, no blank",
      "HTTP/1.1 299" L "Content-Length: 0" L L, FRAMING_LENGTH, true, false,
      "HTTP/1.1 299 " L "Content-Length: 0" L SERVED L },
    { "an interim reply",
      "HTTP/1.1 103 Early Hints" L "Link: </x>" L "Connection: x-b" L "X-B: 1" L
      "Content-Length: 9" L L, FRAMING_NONE, false, true,
      "HTTP/1.1 103 Early Hints" L "Link: </x>" L L },
};
// clang-format on

static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        parse(replies[i].in, true);
        struct forward_reply f = { .head = &heads.head,
                                   .bytes = replies[i].in,
                                   .served_by = "Server 1",
                                   .framing = replies[i].framing,
                                   .keep_alive = replies[i].keep_alive,
                                   .client_is_1_0 = replies[i].client_is_1_0 };
        assert_written(write_reply, &f, replies[i].out);
    }
}

/* ---- our own */

static const struct {
    struct forward_own own;
    const char *out;
} owns[] = {
    { { .status = 200, .content_type = "application/json", .body_len = 12, .keep_alive = true },
      "HTTP/1.1 200 OK" L "Content-Type: application/json" L "Content-Length: 12" L L },
    { { .status = 405,
        .content_type = "a/b",
        .allow = "DELETE, POST",
        .keep_alive = true,
        .client_is_1_0 = true },
      "HTTP/1.1 405 Method Not Allowed" L "Content-Type: a/b" L "Content-Length: 0" L "Allow: DELETE, POST" L
      "Connection: keep-alive" L L },
    { { .status = 503, .allow = "", .retry_after_s = 10, .body_len = UINT64_MAX, .request_id = "7" },
      "HTTP/1.1 503 Service Unavailable" L "Content-Length: 18446744073709551615" L "Retry-After: 10" L
      "X-Request-Id: 7" L "Connection: close" L L },
    { { .status = 299, .keep_alive = true }, "HTTP/1.1 299 Unknown" L "Content-Length: 0" L L },
};

static void test_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof owns / sizeof *owns; i++)
        assert_written(write_own, &owns[i].own, owns[i].out);
}

/* Every status the balancer says itself (CONTRACT 2, 7; DECISIONS 32) has a name. */
static void test_reasons(void **state)
{
    (void)state;
    static const int said[] = { 100, 200, 400, 403, 404, 405, 408, 413, 414,
                                422, 431, 500, 501, 502, 503, 504, 505 };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        assert_string_not_equal(forward_reason(said[i]), "Unknown");
    assert_string_equal(forward_reason(404), "Not Found");
    assert_string_equal(forward_reason(599), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),    cmocka_unit_test(test_request_without_any_host),
        cmocka_unit_test(test_room_needed), cmocka_unit_test(test_replies),
        cmocka_unit_test(test_own),         cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
