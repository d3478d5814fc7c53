/*
 * test_forwarded.c - who a request comes from, as X-Forwarded-For and the list of trusted proxies have it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "path/forward.h"
#include "path/forwarded.h"
#include "unit/path/heads.h"
#include "unit/world/config_kit.h"
#include "world/config.h"

#define L "\r\n"

static struct heads heads;
static struct config *config;

static int set_up(void **state)
{
    if (conf_open(state) != 0)
        return -1;
    config = conf_load("trust_forwarded = [ \"10.0.0.0/8\", \"fd00::/8\" ];");
    return config ? 0 : -1;
}

static int tear_down(void **state)
{
    config_release(config);
    return conf_close(state);
}

static union proxy_address address_of(const char *text)
{
    union proxy_address a = { 0 };
    a.any.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    void *into = a.any.sa_family == AF_INET ? (void *)&a.v4.sin_addr : (void *)&a.v6.sin6_addr;
    assert_int_equal(inet_pton(a.any.sa_family, text, into), 1);
    return a;
}

static void parse(const char *bytes)
{
    assert_int_equal(heads_parse(&heads, &(struct heads_feed){ 0 }, bytes, strlen(bytes), NULL, 0),
                     strlen(bytes));
}

/* fields: what stands between Host and the empty line. want NULL: the peer is not trusted. */
static void assert_from(const char *peer, const char *fields, const char *want)
{
    char bytes[1024], got[INET6_ADDRSTRLEN];
    union proxy_address who = address_of(peer), from;
    snprintf(bytes, sizeof bytes, "GET / HTTP/1.1" L "Host: h" L "%s" L, fields);
    parse(bytes);
    bool trusted = forwarded_from(config, &heads.head, bytes, &who.any, &from);
    assert_int_equal(trusted, want != NULL);
    if (!want)
        return;
    bool v4 = from.any.sa_family == AF_INET;
    inet_ntop(from.any.sa_family, v4 ? (const void *)&from.v4.sin_addr : &from.v6.sin6_addr, got, sizeof got);
    assert_string_equal(got, want);
}

#define FOR "X-Forwarded-For: "

static void test_who_is_not_trusted_names_nobody(void **state)
{
    (void)state;
    assert_from("192.0.2.1", FOR "10.0.0.1" L, NULL);
    assert_from("2001:db8::1", FOR "10.0.0.1" L, NULL);
    struct config *nobody = conf_load("");
    struct config *before = config;
    config = nobody;
    assert_from("127.0.0.1", FOR "10.0.0.1" L, NULL);
    config = before;
    config_release(nobody);
}

static void test_the_last_who_is_not_trusted(void **state)
{
    (void)state;
    assert_from("10.0.0.9", "", "10.0.0.9");
    assert_from("10.0.0.9", FOR "192.0.2.7" L, "192.0.2.7");
    assert_from("::ffff:10.0.0.9", FOR "192.0.2.7" L, "192.0.2.7");
    assert_from("fd00::9", FOR "2001:db8::7" L, "2001:db8::7");
    assert_from("10.0.0.9", FOR "127.0.0.1, 192.0.2.7" L,
                "192.0.2.7"); /* what was there before is the client's own */
    assert_from("10.0.0.9", FOR "1.1.1.1, 192.0.2.7, 10.0.0.8,10.0.0.7" L, "192.0.2.7");
    assert_from("10.0.0.9", FOR "10.0.0.5, 10.0.0.6" L, "10.0.0.5"); /* all are trusted */
    assert_from("10.0.0.9", FOR "192.0.2.7" L "X-B: 1" L FOR "10.0.0.8" L, "192.0.2.7");
    assert_from("10.0.0.9", FOR "10.0.0.8" L FOR "192.0.2.7" L, "192.0.2.7");
    assert_from("10.0.0.9", FOR " , 192.0.2.7 ,\t, " L, "192.0.2.7");
}

static void test_ports_and_brackets(void **state)
{
    (void)state;
    assert_from("10.0.0.9", FOR "192.0.2.7:4711" L, "192.0.2.7");
    assert_from("10.0.0.9", FOR "[2001:db8::7]:4711" L, "2001:db8::7");
    assert_from("10.0.0.9", FOR "[2001:db8::7]" L, "2001:db8::7");
    assert_from("10.0.0.9", FOR "::ffff:192.0.2.7" L, "::ffff:192.0.2.7");
}

/* Then the last one who could be read is as far as we know. */
static void test_what_is_no_address(void **state)
{
    (void)state;
    static const char *const words[] = {
        "unknown",
        "_hidden",
        "localhost",
        "1.2.3",
        "[192.0.2.7]",
        "[2001:db8::7",
        "[2001:db8::7]x",
        "\"192.0.2.7\"",
        "192.0.2.7 8",
        "for=192.0.2.7",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char fields[256];
        snprintf(fields, sizeof fields, FOR "192.0.2.1, %s, 10.0.0.8" L, words[i]);
        assert_from("10.0.0.9", fields, "10.0.0.8");
    }
    assert_from("10.0.0.9", FOR "192.0.2.7" L "Connection: x-forwarded-for" L, "10.0.0.9");
}

/* ---- what goes on of it */

static void assert_forwarded(bool trusted, const char *fields, const char *want)
{
    char bytes[1024], out[1024];
    snprintf(bytes, sizeof bytes, "GET / HTTP/1.1" L "Host: h" L "X-Request-Id: i" L "%s" L, fields);
    parse(bytes);
    struct forward_request f = { .head = &heads.head,
                                 .bytes = bytes,
                                 .client_ip = "1.1.1.1",
                                 .proto = "http",
                                 .request_id = "",
                                 .trusted = trusted };
    out[forward_write_request(&f, out, sizeof out)] = '\0';
    static const char begin[] = "GET / HTTP/1.1" L "Host: h" L "X-Request-Id: i" L;
    assert_memory_equal(out, begin, sizeof begin - 1);
    assert_string_equal(out + sizeof begin - 1, want);
}

static void test_what_goes_on(void **state)
{
    (void)state;
#define SAID "X-Forwarded-Proto: https" L "X-Forwarded-Host: outside" L
#define OURS FOR "1.1.1.1" L "X-Forwarded-Proto: http" L "X-Forwarded-Host: h" L L
    assert_forwarded(false, SAID, OURS);
    assert_forwarded(true, SAID, SAID FOR "1.1.1.1" L L);
    assert_forwarded(true, "", OURS);
    assert_forwarded(true, "X-Forwarded-Proto: https" L,
                     "X-Forwarded-Proto: https" L FOR "1.1.1.1" L "X-Forwarded-Host: h" L L);
    assert_forwarded(true, "X-Forwarded-Proto:" L "X-Forwarded-Host: " L, OURS);
    assert_forwarded(true, SAID "Connection: x-forwarded-proto, x-forwarded-host" L, OURS);
    assert_forwarded(false, FOR "6.6.6.6" L,
                     FOR "6.6.6.6, 1.1.1.1" L "X-Forwarded-Proto: http" L "X-Forwarded-Host: h" L L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_not_trusted_names_nobody),
        cmocka_unit_test(test_the_last_who_is_not_trusted),
        cmocka_unit_test(test_ports_and_brackets),
        cmocka_unit_test(test_what_is_no_address),
        cmocka_unit_test(test_what_goes_on),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
