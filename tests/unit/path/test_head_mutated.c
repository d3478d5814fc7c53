/*
 * test_head_mutated.c - heads that chance has damaged: no look beyond the bytes, the same outcome in pieces,
 * and what is taken is taken by the next hop in the same sense when it is sent on.
 *
 * The sequence is fixed, so that a failure comes back. tests/fuzz/fuzz_head.c searches further.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lb_plugin.h"
#include "path/forward.h"
#include "path/octet.h"
#include "unit/path/heads.h"

#ifdef RM_SANITIZED
#define ROUNDS 40000
#else
#define ROUNDS 200000
#endif
#define ROOM         1024
#define ROOM_DAMAGED (ROOM - 4)

static const char *const requests[] = {
    "GET /home?request_id=5 HTTP/1.1\r\nHost: a.example:5000\r\nUser-Agent: x/1\r\nAccept: */*\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nConnection: close, x-a\r\nX-A: 1\r\nExpect: 100-continue\r\n\r\n",
    "PUT http://h:1/b?c HTTP/1.1\r\nHost: z\r\nTransfer-Encoding: chunked\r\nX-Request-Id: 77\r\n\r\n",
    "\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\nX-Forwarded-For: 1.2.3.4\r\nx-forwarded-for:5.6.7.8 \r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: [::1]:80\r\nCookie: a=b; c=d\r\nTE: trailers\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
};

static const char *const replies[] = {
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 57\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nX-Served-By: me\r\nConnection: x-b\r\nX-B: 2\r\n\r\n",
    "HTTP/1.0 500 \r\nServer:  some \r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
};

/* What damage is likely to matter. */
static const char *const splices[] = {
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "\x80",
    "\x7f",
    "0",
    "9",
    "chunked",
    "Content-Length: 1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: b\r\n",
    "Connection: ",
    "HTTP/1.0",
    "\r\n\r\n",
    "?",
    "#",
    "*",
    "/",
    "[",
    "%41",
};

#define PICK(list_) (list_)[lb_scale(lb_random(random), sizeof(list_) / sizeof *(list_))]

/* One change in place; the text stays within ROOM_DAMAGED. Returns the new length. */
static size_t damage(uint64_t *random, char *text, size_t len)
{
    size_t at = lb_scale(lb_random(random), len + 1);
    size_t cut = lb_scale(lb_random(random), len - at + 1);
    switch (lb_scale(lb_random(random), 4)) {
    case 0: /* another octet */
        if (at < len)
            text[at] = (char)lb_random(random);
        return len;
    case 1: /* a piece less */
        if (cut > 12)
            cut = 1;
        memmove(text + at, text + at + cut, len - at - cut);
        return len - cut;
    case 2: { /* a piece more */
        const char *piece = PICK(splices);
        size_t n = *piece ? strlen(piece) : 1;
        if (len + n > ROOM_DAMAGED)
            return len;
        memmove(text + at + n, text + at, len - at);
        memcpy(text + at, piece, n);
        return len + n;
    }
    default: /* a piece twice */
        if (cut > 40)
            cut = 40;
        if (len + cut > ROOM_DAMAGED)
            return len;
        memmove(text + at + cut, text + at, len - at);
        return len + cut;
    }
}

static void assert_inside(struct span s, int len)
{
    assert_true(s.at + s.len <= len);
}

/* What holds for every head that is taken. */
static void assert_sound(const struct heads *heads, const char *bytes, size_t len, int result, bool is_reply)
{
    const struct head *h = &heads->head;
    assert_true((size_t)result <= len);
    assert_memory_equal(bytes + result - 2, "\r\n", 2);
    assert_false(h->has_length && h->chunked);
    assert_true(h->content_length <= INT64_MAX);
    assert_true(h->minor <= 1);
    assert_true(!h->chunked || h->minor == 1);
    assert_inside(h->method, result);
    assert_inside(h->target, result);
    assert_inside(h->path, result);
    assert_inside(h->query, result);
    assert_inside(h->authority, result);
    assert_inside(h->reason, result);
    if (is_reply)
        assert_in_range(h->status, 100, 599);
    else
        assert_true(h->has_host || h->minor == 0);
    for (uint16_t i = 0; i < h->n_fields; i++) {
        const struct head_field *f = &h->fields[i];
        assert_inside(f->name, result);
        assert_inside(f->value, result);
        assert_true(f->name.len > 0);
        for (uint16_t k = 0; k < f->name.len; k++)
            assert_true(octet_is(bytes[f->name.at + k], OCTET_TOKEN));
        for (uint16_t k = 0; k < f->value.len; k++)
            assert_true(octet_is(bytes[f->value.at + k], OCTET_VALUE));
    }
}

/* Sent on and read again, it means the same. */
static void assert_same_behind_us(const struct heads *heads, const char *bytes, bool is_reply)
{
    static struct heads again;
    static char out[4 * ROOM];
    const struct head *h = &heads->head;
    enum framing framing = is_reply ? head_reply_framing(h, false) : head_request_framing(h);
    struct forward_request request = {
        .head = h, .bytes = bytes, .client_ip = "::1", .proto = "http", .request_id = "id", .host = "h"
    };
    struct forward_reply reply = {
        .head = h, .bytes = bytes, .served_by = "S", .framing = framing, .keep_alive = true
    };
    size_t len = is_reply ? forward_write_reply(&reply, out, sizeof out)
                          : forward_write_request(&request, out, sizeof out);
    assert_true(len > 0);
    assert_int_equal(heads_parse(&again, &(struct heads_feed){ .is_reply = is_reply }, out, len, NULL, 0),
                     len);
    const struct head *a = &again.head;
    assert_int_equal(a->minor, 1);
    assert_int_equal(is_reply ? head_reply_framing(a, false) : head_request_framing(a), framing);
    if (framing == FRAMING_LENGTH)
        assert_true(a->content_length == h->content_length);
    if (is_reply) {
        assert_int_equal(a->status, h->status);
    } else {
        assert_int_equal(a->method_id, h->method_id);
        assert_true(a->has_request_id);
        assert_int_equal(a->query.len, h->query.len);
        assert_memory_equal(out + a->query.at, bytes + h->query.at, h->query.len);
    }
    for (uint16_t i = 0; i < a->n_fields; i++)
        assert_false(a->fields[i].dropped);
}

static void mutate(bool is_reply)
{
    static struct heads h;
    uint64_t seed = is_reply ? 2 : 1, *random = &seed;
    struct heads_feed how = {
        .is_reply = is_reply, .limit_head = 600, .limit_target = 200, .max_fields = 20
    };
    unsigned taken = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char text[ROOM];
        const char *sample = is_reply ? PICK(replies) : PICK(requests);
        size_t len = strlen(sample);
        memcpy(text, sample, len);
        for (uint64_t n = lb_scale(lb_random(random), 4) + 1; n > 0; n--)
            len = damage(random, text, len);
        memcpy(text + len, "\r\n\r\n", 4); /* a fault in a line that has not ended may be told later */
        len += 4;
        int result = heads_parse(&h, &how, text, len, NULL, 0);
        if (result > 0) {
            taken++;
            assert_sound(&h, text, len, result, is_reply);
            assert_same_behind_us(&h, text, is_reply);
        }
        size_t cuts[2] = { lb_scale(lb_random(random), len + 1) };
        cuts[1] = cuts[0] + lb_scale(lb_random(random), len - cuts[0] + 1);
        assert_int_equal(heads_parse(&h, &how, text, len, cuts, 2), result);
        if (round % 500 == 0)
            heads_assert_pieces(&how, text, len);
    }
    assert_in_range(taken, ROUNDS / 20, ROUNDS - ROUNDS / 20); /* both roads are walked */
}

static void test_requests(void **state)
{
    (void)state;
    mutate(false);
}

static void test_replies(void **state)
{
    (void)state;
    mutate(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
