/*
 * test_upgrade.c - what of an offer to switch protocols goes on, and which 101 takes it up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path/forward.h"
#include "path/upgrade.h"
#include "unit/path/heads.h"
#include "world/config.h"

#define L       "\r\n"
#define ASK     "GET / HTTP/1.1" L "Host: h" L "Connection: Upgrade" L
#define ANSWER  "HTTP/1.1 101 Switching Protocols" L "Connection: upgrade" L
#define PROTO59 "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"

static struct heads request, reply;

static void parse(struct heads *to, const char *bytes, bool is_reply)
{
    struct heads_feed how = { .is_reply = is_reply };
    assert_int_equal(heads_parse(to, &how, bytes, strlen(bytes), NULL, 0), strlen(bytes));
}

static struct config_list list_of(char **items)
{
    struct config_list list = { .items = items };
    while (items[list.count])
        list.count++;
    return list;
}

static void assert_offer(char **items, const char *bytes, const char *want)
{
    struct config_list allowed = list_of(items);
    char out[UPGRADE_TEXT];
    parse(&request, bytes, false);
    assert_int_equal(upgrade_offer(&allowed, &request.head, bytes, out), strlen(want));
    assert_string_equal(out, want);
}

static char *all[] = { "*", NULL }, *websocket[] = { "WebSocket", NULL }, *none[] = { NULL },
            *both[] = { "*", "h2c", "a/2", NULL };

static void test_offers(void **state)
{
    (void)state;
    assert_offer(all, ASK "Upgrade: websocket" L L, "websocket");
    assert_offer(all, ASK "Upgrade: a, b/1 ,,c" L "upgrade:d" L L, "a, b/1, c, d");
    assert_offer(websocket, ASK "Upgrade: a, websocket/13, websocketx, WEBSOCKET" L L,
                 "websocket/13, WEBSOCKET");
    assert_offer(none, ASK "Upgrade: websocket" L L, "");
    assert_offer(all, ASK "Upgrade: h2c, h2, HTTP/2.0, http, https, TLS/1.2, h2cx" L L, "h2cx");
    assert_offer(both, ASK "Upgrade: h2c, h2, a/1, a/2, A/2" L L, "h2c, a/1, a/2, A/2");
    assert_offer(all, ASK "Upgrade: a b, \"c\", d/, /e, f/g/h, i" L L, "i");
    assert_offer(all, ASK "Upgrade: " L L, "");
}

static void test_what_is_no_offer(void **state)
{
    (void)state;
    assert_offer(all, "GET / HTTP/1.1" L "Host: h" L "Upgrade: websocket" L L, "");
    assert_offer(all, "GET / HTTP/1.1" L "Host: h" L "Connection: upgrade" L L, "");
    assert_offer(all, "GET / HTTP/1.0" L "Connection: upgrade" L "Upgrade: websocket" L L, "");
    assert_offer(all, ASK "Upgrade: websocket" L "Content-Length: 1" L L, "");
    assert_offer(all, ASK "Upgrade: websocket" L "Content-Length: 0" L L, "websocket");
    assert_offer(all, ASK "Upgrade: websocket" L "Transfer-Encoding: chunked" L L, "");
}

/* 255 bytes fit, one more is not understood at all: nobody is to see half an offer. */
static void test_the_longest_offer(void **state)
{
    (void)state;
    static const char most[] = PROTO59 ", " PROTO59 ", " PROTO59 ", " PROTO59 ", ppppppppppp";
    char bytes[1024];
    assert_int_equal(sizeof most, UPGRADE_TEXT);
    snprintf(bytes, sizeof bytes, ASK "Upgrade: %s" L L, most);
    assert_offer(all, bytes, most);
    snprintf(bytes, sizeof bytes, ASK "Upgrade: %sp" L L, most);
    assert_offer(all, bytes, "");
}

static void assert_taken_up(const char *offer, const char *bytes, const char *want)
{
    char out[UPGRADE_TEXT];
    parse(&reply, bytes, true);
    assert_int_equal(upgrade_is_taken_up(offer, &reply.head, bytes, out), want != NULL);
    if (want)
        assert_string_equal(out, want);
}

static void test_what_takes_it_up(void **state)
{
    (void)state;
    assert_taken_up("websocket", ANSWER "Upgrade: WebSocket" L L, "WebSocket");
    assert_taken_up("a, b/1", ANSWER "Upgrade: b/1, a" L L, "b/1, a");
    assert_taken_up("a, b/1", ANSWER "Upgrade: b/1" L "Upgrade:,a" L L, "b/1, a");
    assert_taken_up("a, b/1", ANSWER "Upgrade: b" L L, NULL);
    assert_taken_up("a", ANSWER "Upgrade: a, c" L L, NULL);
    assert_taken_up("a", ANSWER "Upgrade: a b" L L, NULL);
    assert_taken_up("a", ANSWER "Upgrade: ," L L, NULL);
    assert_taken_up("a", ANSWER L, NULL);
    assert_taken_up("", ANSWER "Upgrade: a" L L, NULL);
    assert_taken_up("a", "HTTP/1.1 101 S" L "Upgrade: a" L L, NULL);
    assert_taken_up("a", "HTTP/1.0 101 S" L "Connection: upgrade" L "Upgrade: a" L L, NULL);
}

static void test_the_heads_that_go_on(void **state)
{
    (void)state;
    char out[1024];
    static const char ask[] = ASK "Upgrade: a, h2c" L "Sec-WebSocket-Key: k" L L;
    parse(&request, ask, false);
    struct forward_request f = { .head = &request.head,
                                 .bytes = ask,
                                 .client_ip = "::1",
                                 .proto = "http",
                                 .request_id = "id",
                                 .upgrade = "a" };
    out[forward_write_request(&f, out, sizeof out)] = '\0';
    assert_string_equal(out, "GET / HTTP/1.1" L "Host: h" L "Sec-WebSocket-Key: k" L "Connection: Upgrade" L
                             "Upgrade: a" L "X-Forwarded-For: ::1" L "X-Forwarded-Proto: http" L
                             "X-Forwarded-Host: h" L "X-Request-Id: id" L L);
    static const char answer[] = ANSWER "Upgrade: a" L "Content-Length: 7" L "Sec-WebSocket-Accept: x" L L;
    parse(&reply, answer, true);
    struct forward_reply r = { .head = &reply.head, .bytes = answer, .served_by = "S 1", .upgrade = "a" };
    out[forward_write_reply(&r, out, sizeof out)] = '\0';
    assert_string_equal(out, "HTTP/1.1 101 Switching Protocols" L "Sec-WebSocket-Accept: x" L
                             "Connection: Upgrade" L "Upgrade: a" L "X-Served-By: S 1" L L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offers),
        cmocka_unit_test(test_what_is_no_offer),
        cmocka_unit_test(test_the_longest_offer),
        cmocka_unit_test(test_what_takes_it_up),
        cmocka_unit_test(test_the_heads_that_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
