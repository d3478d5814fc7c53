/*
 * test_reply.c - replies in every way they may end, whole and in all pieces.
 *
 * Owns     nothing.
 * Uses     lab/reply.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lab/reply.h"

/* What a reply must be read as; at_close: it ends when the connection does. */
struct sample {
    const char *bytes;
    enum reply_result result;
    unsigned status;
    size_t body;
    bool close, at_close;
    const char *served_by;
};

static const struct sample samples[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Served-By: Server 3\r\n\r\nhello", REPLY_DONE, 200, 5, false,
      false, "Server 3" },
    { "HTTP/1.1 200 OK\r\nx-served-by:  emergency_07 \r\ncontent-length: 0\r\n\r\n", REPLY_DONE, 200, 0,
      false, false, "emergency_07" },
    { "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", REPLY_DONE, 503,
      2, true, false, "" },
    { "HTTP/1.1 204 No Content\r\n\r\n", REPLY_DONE, 204, 0, false, false, "" },
    { "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", REPLY_DONE, 200, 1, true, false, "" },
    { "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", REPLY_DONE, 200, 1, false,
      false, "" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n"
      "0\r\nTrailer: t\r\n\r\n",
      REPLY_DONE, 200, 31, false, false, "" },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", REPLY_DONE, 200, 3,
      false, false, "" },
    { "HTTP/1.1 200 OK\r\n\r\nuntil the end", REPLY_MORE, 200, 13, true, true, "" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", REPLY_MORE, 200, 4, false, false, "" },
    { "HTTP/1.1 200 OK\r\nContent-Le", REPLY_MORE, 200, 0, false, false, "" },
    { "SSH-2.0-OpenSSH_9.2\r\n", REPLY_BAD, 0, 0, false, false, "" },
    { "HTTP/1.1 2x0 OK\r\n", REPLY_BAD, 0, 0, false, false, "" },
    { "HTTP/1.1 200 OK\r\nno colon\r\n", REPLY_BAD, 200, 0, false, false, "" },
    { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", REPLY_BAD, 200, 0, false, false, "" },
    { "HTTP/1.1 101 Switching Protocols\r\n\r\n", REPLY_BAD, 101, 0, false, false, "" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", REPLY_BAD, 200, 0, false, false, "" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", REPLY_BAD, 200, 2, false, false,
      "" },
};

static void check(const struct sample *s, const struct reply *r, enum reply_result got)
{
    assert_int_equal(got, s->result);
    assert_int_equal(r->status, s->status);
    assert_int_equal(r->body, s->body);
    if (s->result == REPLY_DONE || s->at_close) {
        assert_int_equal(r->close, s->close);
        assert_string_equal(r->served_by, s->served_by);
    }
}

static void replies_end_where_they_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        size_t len = strlen(s->bytes), used;
        struct reply r;
        reply_begin(&r);
        assert_true(reply_is_untouched(&r));
        check(s, &r, reply_feed(&r, s->bytes, len, &used));
        assert_false(reply_is_untouched(&r) && s->result != REPLY_BAD);
        if (s->result == REPLY_MORE)
            assert_int_equal(reply_end(&r), s->at_close ? REPLY_DONE : REPLY_BAD);
    }
}

/* Each reply cut into two at every place, and byte by byte. */
static void pieces_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        size_t len = strlen(s->bytes), used;
        for (size_t cut = 0; cut <= len; cut++) {
            struct reply r;
            reply_begin(&r);
            enum reply_result got = reply_feed(&r, s->bytes, cut, &used);
            if (got == REPLY_MORE && cut < len)
                got = reply_feed(&r, s->bytes + cut, len - cut, &used);
            check(s, &r, got);
        }
        struct reply r;
        enum reply_result got = REPLY_MORE;
        reply_begin(&r);
        for (size_t at = 0; at < len && got == REPLY_MORE; at++)
            got = reply_feed(&r, s->bytes + at, 1, &used);
        check(s, &r, got);
    }
}

static void what_follows_is_left(void **state)
{
    (void)state;
    static const char two[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200";
    struct reply r;
    size_t used;
    reply_begin(&r);
    assert_int_equal(reply_feed(&r, two, sizeof two - 1, &used), REPLY_DONE);
    assert_int_equal(used, sizeof two - 1 - strlen("HTTP/1.1 200"));
}

static void endless_lines_are_refused(void **state)
{
    (void)state;
    static const char head[] = "HTTP/1.1 200 OK\r\nX-Long: ";
    struct reply r;
    size_t used;
    reply_begin(&r);
    enum reply_result got = reply_feed(&r, head, sizeof head - 1, &used);
    for (int i = 0; i < 2 * REPLY_LINE && got == REPLY_MORE; i++)
        got = reply_feed(&r, "x", 1, &used);
    assert_int_equal(got, REPLY_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_end_where_they_end),
        cmocka_unit_test(pieces_change_nothing),
        cmocka_unit_test(what_follows_is_left),
        cmocka_unit_test(endless_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
