/*
 * test_head.c - which heads are taken, as what, and which are refused, by the sections of RFC 9112 (HTTP/1.1)
 * and RFC 9110 (HTTP semantics). Each row is also fed in every two pieces and byte by byte, with the same
 * outcome.
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

#include "unit/path/heads.h"

struct row {
    const char *bytes;
    size_t len;
    int result; /* an error; 0: taken whole, as `what` says */
    const char *what;
};

#define TAKEN(bytes_, what_)                 \
    {                                        \
        bytes_, sizeof(bytes_) - 1, 0, what_ \
    }
#define REFUSED(error_, bytes_)                         \
    {                                                   \
        bytes_, sizeof(bytes_) - 1, HEAD_##error_, NULL \
    }

static void check_rows(const struct row *rows, size_t n, bool is_reply)
{
    static struct heads h;
    char text[HEADS_TEXT];
    struct heads_feed how = { .is_reply = is_reply };
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        int want = r->what ? (int)r->len : r->result;
        int result = heads_parse(&h, &how, r->bytes, r->len, NULL, 0);
        if (result != want)
            print_error("row %zu: %d, not %d: %s\n", i, result, want, r->bytes);
        assert_int_equal(result, want);
        if (r->what)
            assert_string_equal(heads_describe(&h, r->bytes, is_reply, text), r->what);
        heads_assert_pieces(&how, r->bytes, r->len);
    }
}

#define CHECK(rows_, is_reply_) check_rows(rows_, sizeof(rows_) / sizeof *(rows_), is_reply_)

/* ---- requests: the first line */

#define H   "Host: h\r\n"
#define END "\r\n"

static const struct row request_lines[] = {
    TAKEN("GET / HTTP/1.1\r\n" H END, "GET / HTTP/1.1 path=/ host=h fields=1"),
    TAKEN("GET /a/b?c=d&e HTTP/1.1\r\n" H END,
          "GET /a/b?c=d&e HTTP/1.1 path=/a/b query=c=d&e host=h fields=1"),
    TAKEN("GET /? HTTP/1.1\r\n" H END, "GET /? HTTP/1.1 path=/ query= host=h fields=1"),
    TAKEN("GET /?a?b HTTP/1.1\r\n" H END, "GET /?a?b HTTP/1.1 path=/ query=a?b host=h fields=1"),
    TAKEN("GET //x HTTP/1.1\r\n" H END, "GET //x HTTP/1.1 path=//x host=h fields=1"),
    TAKEN("GET /%zz\"<>\\^`{|} HTTP/1.1\r\n" H END,
          "GET /%zz\"<>\\^`{|} HTTP/1.1 path=/%zz\"<>\\^`{|} host=h fields=1"),
    TAKEN("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n" H END,
          "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1 path=/ host=h fields=1"),
    /* one empty line before it (9112, 2.2) */
    TAKEN("\r\nGET /a HTTP/1.1\r\n" H END, "GET /a HTTP/1.1 path=/a host=h fields=1"),
    REFUSED(BAD_METHOD, "\r\n\r\nGET / HTTP/1.1\r\n" H END),
    REFUSED(BAD_METHOD, "\nGET / HTTP/1.1\r\n" H END),
    REFUSED(BAD, "\rGET / HTTP/1.1\r\n" H END),
    REFUSED(BAD, "\r\rGET / HTTP/1.1\r\n" H END),
    /* method (9112, 3.1) */
    REFUSED(BAD_METHOD, " GET / HTTP/1.1\r\n" H END),
    REFUSED(BAD_METHOD, "G(T / HTTP/1.1\r\n" H END),
    REFUSED(BAD_METHOD, "G\0T / HTTP/1.1\r\n" H END),
    REFUSED(BAD_METHOD, "G\x80T / HTTP/1.1\r\n" H END),
    REFUSED(BAD_METHOD, "GET\t/ HTTP/1.1\r\n" H END),
    REFUSED(BAD_METHOD, "GET\r\n" H END),
    REFUSED(BAD_METHOD, "GET:/ HTTP/1.1\r\n" H END),
    REFUSED(BAD_METHOD, "\x16\x03\x01\x02\r\n" END), /* TLS on a plain port: at once */
    /* target (9112, 3.2) */
    REFUSED(BAD_TARGET, "GET  / HTTP/1.1\r\n" H END),
    REFUSED(BAD, "GET /  HTTP/1.1\r\n" H END),
    REFUSED(BAD, "GET /a b HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET\x20\r\n" H END),
    REFUSED(BAD_TARGET, "GET /\r\n" H END), /* HTTP/0.9 */
    REFUSED(BAD_TARGET, "GET /a\tb HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET /a\0b HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET /a\x7f HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET /a\rb HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET /a\nb HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET /a#b HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET /long-enough-for-a-word#b HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET /caf\xc3\xa9-and-more-bytes HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET a/b HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET ?a HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET h:80 HTTP/1.1\r\n" H END),
    /* absolute-form (3.2.2) */
    TAKEN("GET http://a.b:8080/c?d HTTP/1.1\r\n" H END,
          "GET http://a.b:8080/c?d HTTP/1.1 path=/c query=d authority=a.b:8080 host=h fields=1"),
    TAKEN("GET hTTpS://a HTTP/1.1\r\n" H END, "GET hTTpS://a HTTP/1.1 authority=a host=h fields=1"),
    TAKEN("GET http://a?b HTTP/1.1\r\n" H END, "GET http://a?b HTTP/1.1 query=b authority=a host=h fields=1"),
    TAKEN("GET http://[::1]:80/ HTTP/1.1\r\n" H END,
          "GET http://[::1]:80/ HTTP/1.1 path=/ authority=[::1]:80 host=h fields=1"),
    REFUSED(BAD_TARGET, "GET http:// HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET http:///a HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET http://u@a/ HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET http://u:p@a/ HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET http:/a HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET http://:80/ HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET ftp://a/ HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "GET httpx://a/ HTTP/1.1\r\n" H END),
    REFUSED(BAD_HOST, "GET http://a/ HTTP/1.1\r\n" END),
    /* asterisk-form and authority-form (3.2.3, 3.2.4) */
    TAKEN("OPTIONS * HTTP/1.1\r\n" H END, "OPTIONS * HTTP/1.1 path=* host=h fields=1"),
    REFUSED(BAD_TARGET, "GET * HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "options * HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "OPTIONS ** HTTP/1.1\r\n" H END),
    TAKEN("CONNECT a:443 HTTP/1.1\r\n" H END, "CONNECT a:443 HTTP/1.1 authority=a:443 host=h fields=1"),
    REFUSED(BAD_TARGET, "CONNECT a HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "CONNECT a: HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "CONNECT / HTTP/1.1\r\n" H END),
    REFUSED(BAD_TARGET, "CONNECT http://a/ HTTP/1.1\r\n" H END),
    /* version (9112, 2.3; 9110, 2.5) */
    TAKEN("GET / HTTP/1.0\r\n" END, "GET / HTTP/1.0 path=/ fields=0"),
    TAKEN("GET / HTTP/1.9\r\n" H END, "GET / HTTP/1.1 path=/ host=h fields=1"),
    REFUSED(BAD_VERSION, "GET / HTTP/2.0\r\n" H END),
    REFUSED(BAD_VERSION, "GET / HTTP/0.9\r\n" H END),
    REFUSED(BAD_VERSION, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    REFUSED(BAD, "GET / HTTP/1\r\n" H END),
    REFUSED(BAD, "GET / HTTP/1.10\r\n" H END),
    REFUSED(BAD, "GET / HTTP/11.1\r\n" H END),
    REFUSED(BAD, "GET / HTTP/1.1 \r\n" H END),
    REFUSED(BAD, "GET / HTTP/ 1.1\r\n" H END),
    REFUSED(BAD, "GET / http/1.1\r\n" H END),
    REFUSED(BAD, "GET / HTTP/1,1\r\n" H END),
    REFUSED(BAD, "GET / HTTP/+1.1\r\n" H END),
    REFUSED(BAD, "GET / HTTP/1.1\n" H END),
    REFUSED(BAD, "GET / HTTP/1.1\r" H END),
    REFUSED(BAD, "GET / HTTP/1.1\r\r\n" H END),
    REFUSED(BAD, "GET / \r\n" H END),
    REFUSED(BAD, "GET / ICY/1.1\r\n" H END),
};

static void test_request_lines(void **state)
{
    (void)state;
    CHECK(request_lines, false);
}

/* ---- fields, in requests and in replies alike */

#define G  "GET / HTTP/1.1\r\nHost: h\r\n"
#define AS "GET / HTTP/1.1 path=/ host=h"

static const struct row field_lines[] = {
    TAKEN(G "A: b\r\n" END, AS " fields=2"),
    TAKEN(G "A:b\r\n" END, AS " fields=2"),
    TAKEN(G "A:\r\n" END, AS " fields=2"),
    TAKEN(G "A: \t \r\n" END, AS " fields=2"),
    TAKEN(G "A: \t b\tc d \t\r\n" END, AS " fields=2"),
    TAKEN(G "A: caf\xc3\xa9 and \xff, which is obs-text\r\n" END, AS " fields=2"),
    TAKEN(G "!#$%&'*+-.^_`|~09azAZ: \"()\\{}\"\r\n" END, AS " fields=2"),
    /* no blank before the colon, no name without letters (9112, 5.1) */
    REFUSED(BAD_FIELD, G "A : b\r\n" END),
    REFUSED(BAD_FIELD, G "A\t: b\r\n" END),
    REFUSED(BAD_FIELD, G ": b\r\n" END),
    REFUSED(BAD_FIELD, G "A\r\n" END),
    REFUSED(BAD_FIELD, G "A b: c\r\n" END),
    REFUSED(BAD_FIELD, G "A(b): c\r\n" END),
    REFUSED(BAD_FIELD, G "A\0: c\r\n" END),
    REFUSED(BAD_FIELD, G "A\x80: c\r\n" END),
    REFUSED(BAD_FIELD, G "A\x7f: c\r\n" END),
    REFUSED(BAD_FIELD, "GET / HTTP/1.1\r\n Host: h\r\n" END),
    /* obs-fold (5.2) */
    REFUSED(BAD_FIELD, G "A: b\r\n c\r\n" END),
    REFUSED(BAD_FIELD, G "A: b\r\n\tc\r\n" END),
    REFUSED(BAD_FIELD, G "A: b\r\n \r\n" END),
    /* octets of a value (9110, 5.5) */
    REFUSED(BAD_FIELD, G "A: b\0c\r\n" END),
    REFUSED(BAD_FIELD, G "A: b\rc\r\n" END),
    REFUSED(BAD_FIELD, G "A: b\nC: d\r\n" END),
    REFUSED(BAD_FIELD, G "A: b\n" END),
    REFUSED(BAD_FIELD, G "A: \n" END),
    REFUSED(BAD_FIELD, G "A: b\r\r\n" END),
    REFUSED(BAD_FIELD, G "A: a value of some length \x01 and more\r\n" END),
    REFUSED(BAD_FIELD, G "A: a value of some length \x0b and more\r\n" END),
    REFUSED(BAD_FIELD, G "A: a value of some length \x1f and more\r\n" END),
    REFUSED(BAD_FIELD, G "A: a value of some length \x7f and more\r\n" END),
    REFUSED(BAD, G "\rA: b\r\n" END),
    REFUSED(BAD_FIELD, G "\nA: b\r\n" END),
    REFUSED(BAD_FIELD, G "\n"),
    REFUSED(BAD, G "\r\r\n"),
};

static void test_field_lines(void **state)
{
    (void)state;
    CHECK(field_lines, false);
}

/* Values without the blanks around them, names as they were written. */
static void test_spans(void **state)
{
    (void)state;
    static const char bytes[] = G "aBc: \t x \t y\t \r\nD:\r\nE: \t\r\n\r\n";
    struct heads h;
    assert_true(heads_parse(&h, &(struct heads_feed){ 0 }, bytes, sizeof bytes - 1, NULL, 0) > 0);
    assert_int_equal(h.fields[1].name.len, 3);
    assert_memory_equal(bytes + h.fields[1].name.at, "aBc", 3);
    assert_int_equal(h.fields[1].value.len, 5);
    assert_memory_equal(bytes + h.fields[1].value.at, "x \t y", 5);
    assert_int_equal(h.fields[2].value.len, 0);
    assert_int_equal(h.fields[3].value.len, 0);
}

static const struct row hosts[] = {
    TAKEN("GET / HTTP/1.1\r\nhOsT:a.example\r\n" END, "GET / HTTP/1.1 path=/ host=a.example fields=1"),
    TAKEN("GET / HTTP/1.1\r\nHost: a:1\r\n" END, "GET / HTTP/1.1 path=/ host=a:1 fields=1"),
    TAKEN("GET / HTTP/1.1\r\nHost: a:\r\n" END, "GET / HTTP/1.1 path=/ host=a: fields=1"),
    TAKEN("GET / HTTP/1.1\r\nHost: a:65535\r\n" END, "GET / HTTP/1.1 path=/ host=a:65535 fields=1"),
    TAKEN("GET / HTTP/1.1\r\nHost: [2001:db8::1.2.3.4]:80\r\n" END,
          "GET / HTTP/1.1 path=/ host=[2001:db8::1.2.3.4]:80 fields=1"),
    TAKEN("GET / HTTP/1.1\r\nHost: x%41!$&'()*+,;=-._~\r\n" END,
          "GET / HTTP/1.1 path=/ host=x%41!$&'()*+,;=-._~ fields=1"),
    TAKEN("GET / HTTP/1.0\r\nHost: a\r\n" END, "GET / HTTP/1.0 path=/ host=a fields=1"),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHos: h\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost:\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: :80\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a b\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: u@a\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a/b\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a?b\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a:8o\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a:-1\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a:65536\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a:99999999999999999999\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a:1:2\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: ::1\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: [::1\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: []\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: [::1]a\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: [g::1]\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: [v1.x]\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a%4\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: a%zz\r\n" END),
    REFUSED(BAD_HOST, "GET / HTTP/1.1\r\nHost: caf\xc3\xa9\r\n" END),
};

static void test_hosts(void **state)
{
    (void)state;
    CHECK(hosts, false);
}

/* ---- where the body ends (9112, 6) */

static const struct row framings[] = {
    TAKEN(G "Content-Length: 0\r\n" END, AS " len=0 fields=2"),
    TAKEN(G "cOnTeNt-LeNgTh:5\r\n" END, AS " len=5 fields=2"),
    TAKEN(G "Content-Length:   0005 \r\n" END, AS " len=5 fields=2"),
    TAKEN(G "Content-Length: 9223372036854775807\r\n" END, AS " len=9223372036854775807 fields=2"),
    TAKEN(G "Transfer-Encoding: chunked\r\n" END, AS " chunked fields=2"),
    TAKEN(G "Transfer-Encoding:CHUNKED \r\n" END, AS " chunked fields=2"),
    REFUSED(BAD_FRAMING, G "Content-Length:\t5\r\n" END), /* grammatical, but read otherwise elsewhere */
    REFUSED(BAD_FRAMING, G "Content-Length: 5 \t \r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: \tchunked\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked\t\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length:\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: +5\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: -5\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 5 5\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 5, 5\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 5,\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 0x5\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 5.0\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 5a\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: \"5\"\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: \xb5\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 9223372036854775808\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 18446744073709551621\r\n" END), /* 5 modulo 2^64 */
    REFUSED(BAD_FRAMING, G "Content-Length: 99999999999999999999999999999999\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 5\r\nContent-Length: 6\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 5\r\ncontent-length: 5\r\n" END),
    REFUSED(BAD_FRAMING, G "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked\r\nA: b\r\nContent-Length: 0\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked, chunked\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked, gzip\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked,\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: ,chunked\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked;a=b\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked;\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: chunked chunked\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: \"chunked\"\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: [chunked]\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding: \xff"
                           "chunked\r\n" END),
    REFUSED(BAD_FRAMING, G "Transfer-Encoding:\r\n" END),
    REFUSED(BAD_FIELD, G "Transfer-Encoding: \x0b"
                         "chunked\r\n" END),
    REFUSED(BAD_FIELD, G "Transfer-Encoding : chunked\r\n" END),
    REFUSED(BAD_CODING, G "Transfer-Encoding: gzip, chunked\r\n" END),
    REFUSED(BAD_CODING, G "Transfer-Encoding: gzip;q=1 , x;a=b, chunked\r\n" END),
    REFUSED(BAD_CODING, G "Transfer-Encoding: gzip\r\n" END),
    REFUSED(BAD_CODING, G "Transfer-Encoding: identity\r\n" END),
    REFUSED(BAD_CODING, G "Transfer-Encoding: xchunked\r\n" END),
    REFUSED(BAD_CODING, G "Transfer-Encoding: chunke\r\n" END),
    REFUSED(BAD_CODING, G "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n" END),
    REFUSED(BAD_FRAMING, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END),
    REFUSED(BAD_FRAMING, "GET / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n" END),
};

static void test_framings(void **state)
{
    (void)state;
    CHECK(framings, false);
}

/* ---- Connection, Expect, Upgrade, X-Request-Id */

static const struct row meanings[] = {
    TAKEN(G "Connection: close\r\n" END, AS " close fields=2"),
    TAKEN(G "CONNECTION: Close\r\n" END, AS " close fields=2"),
    TAKEN(G "Connection: keep-alive\r\n" END, AS " keep fields=2"),
    TAKEN(G "Connection: ,, Keep-Alive , close,\r\n" END, AS " close keep fields=2"),
    TAKEN(G "Connection: keep-alive\r\nConnection: close\r\n" END, AS " close keep fields=3"),
    TAKEN(G "Connection: closed\r\n" END, AS " fields=2"),
    TAKEN(G "Connection: close foo\r\n" END, AS " fields=2"),
    TAKEN(G "Connection: X-A, close\r\nX-a: 1\r\nX-A-: 2\r\nx-A: 3\r\n" END, AS " close fields=5 dropped=2"),
    TAKEN(G "X-A: 1\r\nConnection: x-a\r\n" END, AS " fields=3 dropped=1"),
    TAKEN(G "Connection: host, content-length, transfer-encoding\r\nContent-Length: 1\r\n" END,
          AS " len=1 fields=3"),
    TAKEN(G "Connection: Host\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n" END,
          AS " chunked fields=4"),
    TAKEN(G "X-Request-Id: 7\r\n" END, AS " id fields=2"),
    TAKEN(G "X-Request-Id:\r\n" END, AS " fields=2"),
    TAKEN(G "X-Request-Id:\r\nx-request-ID: 8\r\n" END, AS " id fields=3"),
    TAKEN(G "Connection: X-Request-Id\r\nX-Request-Id: 7\r\n" END, AS " fields=3 dropped=1"),
    TAKEN(G "Expect: 100-Continue\r\n" END, AS " expect fields=2"),
    TAKEN(G "Expect: 100-continue, x\r\n" END, AS " fields=2"),
    TAKEN(G "Expect: 200-ok-thanks\r\n" END, AS " fields=2"),
    TAKEN("GET / HTTP/1.0\r\nExpect: 100-continue\r\n" END, "GET / HTTP/1.0 path=/ fields=1"),
    TAKEN(G "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" END, AS " keep upgrade fields=3"),
    TAKEN(G "Upgrade: websocket\r\n" END, AS " fields=2"),
    TAKEN(G "Connection: upgrade\r\n" END, AS " fields=2"),
    TAKEN("GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n" END, "GET / HTTP/1.0 path=/ fields=2"),
};

static void test_meanings(void **state)
{
    (void)state;
    CHECK(meanings, false);
}

static void test_too_many_connection_options(void **state)
{
    (void)state;
    for (int n = 64; n <= 65; n++) {
        char bytes[1024] = G "Connection: a";
        for (int i = 1; i < n; i++)
            strcat(bytes, ",a");
        strcat(bytes, "\r\n\r\n");
        struct heads h;
        int result = heads_parse(&h, &(struct heads_feed){ 0 }, bytes, strlen(bytes), NULL, 0);
        assert_int_equal(result, n == 64 ? (int)strlen(bytes) : HEAD_BAD_FIELD);
    }
}

/* ---- replies */

static const struct row replies[] = {
    TAKEN("HTTP/1.1 200 OK\r\n" END, "HTTP/1.1 200 reason=OK fields=0"),
    TAKEN("HTTP/1.1 404 Not \t Found \xe9\r\nA: b\r\n" END, "HTTP/1.1 404 reason=Not \t Found \xe9 fields=1"),
    TAKEN("HTTP/1.1 200 \r\n" END, "HTTP/1.1 200 fields=0"),
    TAKEN("HTTP/1.1 200\r\n" END, "HTTP/1.1 200 fields=0"),
    TAKEN("HTTP/1.0 500 Oh\r\n" END, "HTTP/1.0 500 reason=Oh fields=0"),
    TAKEN("HTTP/1.7 200 OK\r\n" END, "HTTP/1.1 200 reason=OK fields=0"),
    TAKEN("HTTP/1.1 100 Continue\r\n" END, "HTTP/1.1 100 reason=Continue fields=0"),
    TAKEN("HTTP/1.1 599 X\r\n" END, "HTTP/1.1 599 reason=X fields=0"),
    TAKEN("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close, x-a\r\nX-A: 1\r\n" END,
          "HTTP/1.1 200 reason=OK len=5 close fields=3 dropped=1"),
    TAKEN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" END, "HTTP/1.1 200 reason=OK chunked fields=1"),
    TAKEN("HTTP/1.1 200 OK\r\nHost: not a host\r\nHost:\r\n" END, "HTTP/1.1 200 reason=OK fields=2"),
    REFUSED(BAD, "\r\nHTTP/1.1 200 OK\r\n" END),
    REFUSED(BAD, " HTTP/1.1 200 OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1  200 OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1\t200 OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 20 OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 2000 OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 200OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 200\tOK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 +20 OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 099 OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 600 OK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 200 O\0K\r\n" END),
    REFUSED(BAD, "HTTP/1.1 200 O\rK\r\n" END),
    REFUSED(BAD, "HTTP/1.1 200 OK\n" END),
    REFUSED(BAD, "HTTP/1.1 200 a long reason with a \x08 in it\r\n" END),
    REFUSED(BAD, "ICY 200 OK\r\n" END),
    REFUSED(BAD, "<html>HTTP/0.9</html>"),
    REFUSED(BAD, "http/1.1 200 OK\r\n" END),
    REFUSED(BAD_VERSION, "HTTP/2.0 200 OK\r\n" END),
    REFUSED(BAD_VERSION, "HTTP/0.9 200 OK\r\n" END),
    REFUSED(BAD_FRAMING, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n" END),
    REFUSED(BAD_FRAMING, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" END),
    REFUSED(BAD_FRAMING, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n" END),
    REFUSED(BAD_CODING, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n" END),
    REFUSED(BAD_FIELD, "HTTP/1.1 200 OK\r\nA : b\r\n" END),
    REFUSED(BAD_FIELD, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n" END),
    REFUSED(BAD_FIELD, "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n" END),
};

static void test_replies(void **state)
{
    (void)state;
    CHECK(replies, true);
}

/* ---- limits */

static void test_bytes_behind_a_head_are_left_alone(void **state)
{
    (void)state;
    static const char bytes[] = G "Content-Length: 3\r\n\r\nabcGET \0\xff";
    struct heads h;
    int result = heads_parse(&h, &(struct heads_feed){ 0 }, bytes, sizeof bytes - 1, NULL, 0);
    assert_int_equal(result, sizeof G "Content-Length: 3\r\n\r\n" - 1);
}

static void test_limit_of_the_head(void **state)
{
    (void)state;
    static const char bytes[] = G "A: b\r\n\r\n\0 behind it";
    const size_t len = sizeof G "A: b\r\n\r\n" - 1;
    struct heads h;
    for (uint32_t limit = 1; limit < sizeof bytes + 5; limit++) {
        struct heads_feed how = { .limit_head = limit };
        int result = heads_parse(&h, &how, bytes, sizeof bytes - 1, NULL, 0);
        assert_int_equal(result, limit >= len ? (int)len : HEAD_TOO_LARGE);
        heads_assert_pieces(&how, bytes, sizeof bytes - 1);
        size_t cut = limit; /* known as soon as that much has come */
        if (limit < len)
            assert_int_equal(heads_parse(&h, &how, bytes, cut, NULL, 0), HEAD_TOO_LARGE);
        cut--;
        assert_int_equal(heads_parse(&h, &how, bytes, cut < len ? cut : len - 1, NULL, 0), HEAD_MORE);
    }
}

/* A fault in a line that the limit cuts off is told as the fault, in whatever pieces it comes. */
static void test_fault_in_a_line_without_end(void **state)
{
    (void)state;
    static const char bytes[] = G "A: b\0cccccccccccccccccccccc\r\n\r\n";
    struct heads h;
    for (uint32_t limit = sizeof G "A: b" - 2; limit < sizeof bytes; limit++) {
        struct heads_feed how = { .limit_head = limit };
        int result = heads_parse(&h, &how, bytes, sizeof bytes - 1, NULL, 0);
        assert_int_equal(result, limit < sizeof G "A: b" ? HEAD_TOO_LARGE : HEAD_BAD_FIELD);
        heads_assert_pieces(&how, bytes, sizeof bytes - 1);
    }
}

static void test_limit_of_the_target(void **state)
{
    (void)state;
    static const char bytes[] = "GET /2345678 HTTP/1.1\r\nHost: h\r\n\r\n";
    struct heads h;
    for (uint16_t limit = 1; limit < 20; limit++) {
        struct heads_feed how = { .limit_target = limit };
        int result = heads_parse(&h, &how, bytes, sizeof bytes - 1, NULL, 0);
        assert_int_equal(result, limit >= 8 ? (int)sizeof bytes - 1 : HEAD_TARGET_TOO_LONG);
        heads_assert_pieces(&how, bytes, sizeof bytes - 1);
    }
    /* before the line has ended: at the first octet too many, in one piece or in many */
    struct heads_feed how = { .limit_target = 5 };
    size_t cuts[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    assert_int_equal(heads_parse(&h, &how, "GET /2345", 9, cuts, 9), HEAD_MORE);
    assert_int_equal(heads_parse(&h, &how, "GET /23456", 10, cuts, 9), HEAD_TARGET_TOO_LONG);
    assert_int_equal(heads_parse(&h, &how, "GET /23456", 10, NULL, 0), HEAD_TARGET_TOO_LONG);
}

static void test_limit_of_fields(void **state)
{
    (void)state;
    static const char bytes[] = G "A: b\r\nC: d\r\n\r\n";
    struct heads h;
    for (uint16_t most = 1; most <= 4; most++) {
        struct heads_feed how = { .max_fields = most };
        int result = heads_parse(&h, &how, bytes, sizeof bytes - 1, NULL, 0);
        assert_int_equal(result, most >= 3 ? (int)sizeof bytes - 1 : HEAD_TOO_MANY_FIELDS);
        heads_assert_pieces(&how, bytes, sizeof bytes - 1);
    }
}

static void test_long_method(void **state)
{
    (void)state;
    for (size_t n = 63; n <= 66; n++) {
        char bytes[200];
        memset(bytes, 'M', n);
        strcpy(bytes + n, " / HTTP/1.1\r\nHost: h\r\n\r\n");
        struct heads h;
        struct heads_feed how = { 0 };
        int result = heads_parse(&h, &how, bytes, strlen(bytes), NULL, 0);
        assert_int_equal(result, n <= 64 ? (int)strlen(bytes) : HEAD_BAD_METHOD);
        heads_assert_pieces(&how, bytes, strlen(bytes));
    }
}

/* The largest head there may be: offsets of 16 bits reach its end. */
static void test_largest_head(void **state)
{
    (void)state;
    static char bytes[70000];
    static struct heads h;
    for (size_t len = 65534; len <= 65536; len++) {
        size_t at = (size_t)sprintf(bytes, "%sA: ", G);
        memset(bytes + at, 'v', len - at - 4);
        memcpy(bytes + len - 4, "\r\n\r\n", 4);
        int result = heads_parse(&h, &(struct heads_feed){ 0 }, bytes, len, NULL, 0);
        assert_int_equal(result, len <= 65535 ? (int)len : HEAD_TOO_LARGE);
        if (result > 0)
            assert_int_equal(h.fields[1].value.len, len - at - 4);
    }
}

/* ---- what follows */

static struct heads *parsed(const char *bytes, bool is_reply)
{
    static struct heads h;
    int result = heads_parse(&h, &(struct heads_feed){ .is_reply = is_reply }, bytes, strlen(bytes), NULL, 0);
    assert_int_equal(result, strlen(bytes));
    return &h;
}

static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        enum head_method id;
        bool idempotent;
    } rows[] = {
        { "GET / HTTP/1.0\r\n\r\n", METHOD_GET, true },
        { "HEAD / HTTP/1.0\r\n\r\n", METHOD_HEAD, true },
        { "POST / HTTP/1.0\r\n\r\n", METHOD_POST, false },
        { "PUT / HTTP/1.0\r\n\r\n", METHOD_PUT, true },
        { "DELETE / HTTP/1.0\r\n\r\n", METHOD_DELETE, true },
        { "OPTIONS / HTTP/1.0\r\n\r\n", METHOD_OPTIONS, true },
        { "TRACE / HTTP/1.0\r\n\r\n", METHOD_TRACE, true },
        { "PATCH / HTTP/1.0\r\n\r\n", METHOD_PATCH, false },
        { "CONNECT a:1 HTTP/1.0\r\n\r\n", METHOD_CONNECT, false },
        { "get / HTTP/1.0\r\n\r\n", METHOD_OTHER, false },
        { "GETT / HTTP/1.0\r\n\r\n", METHOD_OTHER, false },
        { "PROPFIND / HTTP/1.0\r\n\r\n", METHOD_OTHER, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct head *h = &parsed(rows[i].bytes, false)->head;
        assert_int_equal(h->method_id, rows[i].id);
        assert_int_equal(head_is_idempotent(h), rows[i].idempotent);
    }
}

static void test_framing_of_bodies(void **state)
{
    (void)state;
    assert_int_equal(head_request_framing(&parsed(G END, false)->head), FRAMING_NONE);
    assert_int_equal(head_request_framing(&parsed(G "Content-Length: 0\r\n" END, false)->head),
                     FRAMING_LENGTH);
    assert_int_equal(head_request_framing(&parsed(G "Transfer-Encoding: chunked\r\n" END, false)->head),
                     FRAMING_CHUNKED);

    static const struct {
        const char *bytes;
        enum framing framing, to_head;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\n\r\n", FRAMING_CLOSE, FRAMING_NONE },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", FRAMING_LENGTH, FRAMING_NONE },
        { "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", FRAMING_CHUNKED, FRAMING_NONE },
        { "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", FRAMING_NONE, FRAMING_NONE },
        { "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", FRAMING_NONE, FRAMING_NONE },
        { "HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", FRAMING_NONE, FRAMING_NONE },
        { "HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n", FRAMING_NONE, FRAMING_NONE },
        { "HTTP/1.1 205 Reset\r\n\r\n", FRAMING_CLOSE, FRAMING_NONE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct head *h = &parsed(rows[i].bytes, true)->head;
        assert_int_equal(head_reply_framing(h, false), rows[i].framing);
        assert_int_equal(head_reply_framing(h, true), rows[i].to_head);
    }
}

static void test_keep_alive(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool keeps;
    } rows[] = {
        { "GET / HTTP/1.1\r\nHost: h\r\n\r\n", true },
        { "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n", false },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
        { "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(head_keeps_alive(&parsed(rows[i].bytes, false)->head), rows[i].keeps);
}

/* Every name that has an id is found by it, in any case of letters; one letter off is not. */
static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {
#define NAME_TEXT(name_, text_) text_,
        HEAD_NAMES(NAME_TEXT)
#undef NAME_TEXT
    };
    for (int id = HEAD_OTHER + 1; id < HEAD_NAME_COUNT; id++) {
        const char *value = id == HEAD_CONTENT_LENGTH ? "1" : id == HEAD_TRANSFER_ENCODING ? "chunked" : "v";
        for (int way = 0; way < 5; way++) { /* as it is, in capitals, and three ways of one letter off */
            char bytes[128], name[64];
            strcpy(name, names[id]);
            for (char *c = name; way == 1 && *c; c++)
                *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
            if (way >= 2)
                name[way == 2 ? strlen(name) / 2 : way == 3 ? 0 : strlen(name) - 1] = '_';
            sprintf(bytes, "GET / HTTP/1.1\r\n%s%s: %s\r\n\r\n", id == HEAD_HOST && way < 2 ? "" : H, name,
                    value);
            const struct heads *h = parsed(bytes, false);
            const struct head_field *last = &h->fields[h->head.n_fields - 1];
            assert_int_equal(last->id, way < 2 ? id : HEAD_OTHER);
            if (way < 2)
                assert_ptr_equal(head_find(&h->head, (enum head_name)id), last);
            else if (id != HEAD_HOST)
                assert_null(head_find(&h->head, (enum head_name)id));
            assert_ptr_equal(head_find_text(&h->head, bytes, way < 2 ? names[id] : name, strlen(name)), last);
        }
    }
}

static void test_find_text(void **state)
{
    (void)state;
    static const char good[] = G "X-Session_Id: 1\r\nx-session_id: 2\r\n\r\n";
    const struct heads *h = parsed(good, false);
    assert_ptr_equal(head_find_text(&h->head, good, "x-session_id", 12), &h->fields[1]);
    assert_null(head_find_text(&h->head, good, "x-session_i", 11));
    assert_null(head_find_text(&h->head, good, "x-session-id", 12));
    assert_null(head_find(&h->head, HEAD_COOKIE));
    assert_ptr_equal(head_find(&h->head, HEAD_OTHER), &h->fields[1]);
}

static void test_error_texts(void **state)
{
    (void)state;
    for (int result = HEAD_BAD; result >= HEAD_BAD_FIELD; result--)
        assert_true(strlen(head_error_text(result)) > 5);
    assert_string_equal(head_error_text(HEAD_BAD_CODING), "transfer coding not supported");
    assert_string_equal(head_error_text(HEAD_MORE), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_lines),
        cmocka_unit_test(test_field_lines),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_framings),
        cmocka_unit_test(test_meanings),
        cmocka_unit_test(test_too_many_connection_options),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_bytes_behind_a_head_are_left_alone),
        cmocka_unit_test(test_limit_of_the_head),
        cmocka_unit_test(test_fault_in_a_line_without_end),
        cmocka_unit_test(test_limit_of_the_target),
        cmocka_unit_test(test_limit_of_fields),
        cmocka_unit_test(test_long_method),
        cmocka_unit_test(test_largest_head),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_framing_of_bodies),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_find_text),
        cmocka_unit_test(test_error_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
