/*
 * test_access_line.c - the two formats of the access log, and that no byte of a request can break either.
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

#include "lb_plugin.h"
#include "path/access_line.h"

#ifdef RM_SANITIZED
#define ROUNDS 20000
#else
#define ROUNDS 100000
#endif

/* 2026-01-31 12:00:01.000234 UTC */
#define WHEN (UINT64_C(1769860801) * 1000000 + 234)

static struct access_text text(const char *s)
{
    return (struct access_text){ s, strlen(s) };
}

static struct access_line usual(void)
{
    return (struct access_line){ .when_us = WHEN,
                                 .client = text("192.0.2.7"),
                                 .method = text("GET"),
                                 .target = text("/home?x=1"),
                                 .replica = text("Server 2"),
                                 .request_id = text("abc"),
                                 .key = text("132574"),
                                 .user_agent = text("curl/8"),
                                 .referer = { NULL, 0 },
                                 .minor = 1,
                                 .status = 200,
                                 .end = "done",
                                 .bytes_out = 187,
                                 .body_out = 57,
                                 .bytes_in = 92,
                                 .duration_us = 1234,
                                 .upstream_us = 1200,
                                 .first_byte_us = ACCESS_NO_TIME,
                                 .attempts = 2,
                                 .generation = 8 };
}

static struct access_stamp stamp;
static char line[ACCESS_LINE_MAX + 1];

static const char *json(const struct access_line *l)
{
    line[access_write_json(l, &stamp, line, ACCESS_LINE_MAX)] = '\0';
    return line;
}

static const char *combined(const struct access_line *l)
{
    line[access_write_combined(l, &stamp, line, ACCESS_LINE_MAX)] = '\0';
    return line;
}

static void test_json(void **state)
{
    (void)state;
    struct access_line l = usual();
    assert_string_equal(
        json(&l), "{\"time\":\"2026-01-31T12:00:01.000234Z\",\"client\":\"192.0.2.7\",\"method\":\"GET\","
                  "\"target\":\"/home?x=1\",\"version\":\"HTTP/1.1\",\"status\":200,\"end\":\"done\","
                  "\"bytes_out\":187,\"bytes_in\":92,\"duration_us\":1234,\"upstream_us\":1200,"
                  "\"first_byte_us\":null,\"attempts\":2,\"generation\":8,\"replica\":\"Server 2\","
                  "\"request_id\":\"abc\",\"key\":\"132574\",\"user_agent\":\"curl/8\",\"referer\":null}\n");
}

static void test_combined(void **state)
{
    (void)state;
    struct access_line l = usual();
    assert_string_equal(combined(&l),
                        "192.0.2.7 - - [31/Jan/2026:12:00:01 +0000] \"GET /home?x=1 HTTP/1.1\" 200 "
                        "57 \"-\" \"curl/8\"\n");
    l.minor = 0;
    l.referer = text("http://a/");
    assert_string_equal(combined(&l),
                        "192.0.2.7 - - [31/Jan/2026:12:00:01 +0000] \"GET /home?x=1 HTTP/1.0\" 200 "
                        "57 \"http://a/\" \"curl/8\"\n");
    l.minor = -1;
    assert_non_null(strstr(combined(&l), "] \"-\" 200 57 "));
}

static void test_the_second_moves_on(void **state)
{
    (void)state;
    struct access_line l = usual();
    json(&l);
    l.when_us += 59 * 1000000;
    assert_non_null(strstr(json(&l), "12:01:00.000234Z"));
    assert_non_null(strstr(combined(&l), "31/Jan/2026:12:01:00 +0000"));
    l.when_us += 86400 * UINT64_C(29) * 1000000;
    assert_non_null(strstr(combined(&l), "01/Mar/2026:12:01:00 +0000"));
}

/* What one text becomes, between its quotes. */
static void assert_escaped(const char *raw, size_t len, const char *as_json, const char *as_combined)
{
    char want[256];
    struct access_line l = usual();
    l.user_agent = (struct access_text){ raw, len };
    snprintf(want, sizeof want, "\"user_agent\":\"%s\",\"referer\"", as_json);
    if (!strstr(json(&l), want))
        fail_msg("want %s in %s", want, line);
    snprintf(want, sizeof want, "\"-\" \"%s\"\n", as_combined);
    if (!strstr(combined(&l), want))
        fail_msg("want %s in %s", want, line);
}

#define ESCAPED(raw_, json_, combined_) assert_escaped(raw_, sizeof(raw_) - 1, json_, combined_)

static void test_escaping(void **state)
{
    (void)state;
    ESCAPED("", "", "");
    ESCAPED("a\"b", "a\\\"b", "a\\x22b");
    ESCAPED("12345678\\", "12345678\\\\", "12345678\\x5c");
    ESCAPED("\t\n\r\x01\x1f\x7f", "\\u0009\\u000a\\u000d\\u0001\\u001f\\u007f",
            "\\x09\\x0a\\x0d\\x01\\x1f\\x7f");
    ESCAPED("a\0b", "a\\u0000b", "a\\x00b");
    ESCAPED("\x1b[2J", "\\u001b[2J", "\\x1b[2J");
    ESCAPED(" !#[]~", " !#[]~", " !#[]~");
    /* UTF-8 stays in JSON; what only looks like it is Latin-1: cut short, overlong, a surrogate, above U+10FFFF */
    ESCAPED("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x89", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x89",
            "\\xc3\\xa9\\xe2\\x82\\xac\\xf0\\x9f\\x8e\\x89");
    ESCAPED("\xc3", "\\u00c3", "\\xc3");
    ESCAPED("\xe2\x82", "\\u00e2\\u0082", "\\xe2\\x82");
    ESCAPED("\xc0\xaf", "\\u00c0\\u00af", "\\xc0\\xaf");
    ESCAPED("\xe0\x80\xaf", "\\u00e0\\u0080\\u00af", "\\xe0\\x80\\xaf");
    ESCAPED("\xed\xa0\x80", "\\u00ed\\u00a0\\u0080", "\\xed\\xa0\\x80");
    ESCAPED("\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080", "\\xf4\\x90\\x80\\x80");
    ESCAPED("\xff\xfe", "\\u00ff\\u00fe", "\\xff\\xfe");
    ESCAPED("\x80", "\\u0080", "\\x80");
}

static void test_long_texts_are_cut(void **state)
{
    (void)state;
    static char raw[60000];
    for (int fill = 0; fill < 2; fill++) {
        memset(raw, fill ? 'a' : '\x01', sizeof raw);
        struct access_line l = usual();
        struct access_text all = { raw, sizeof raw };
        l.client = l.method = l.target = l.replica = l.request_id = l.key = l.user_agent = l.referer = all;
        size_t len = strlen(json(&l));
        assert_in_range(len, 3 * (ACCESS_TEXT_MAX - 8), ACCESS_LINE_MAX);
        assert_string_equal(line + len - 6, "...\"}\n");
        assert_true(strlen(combined(&l)) < ACCESS_LINE_MAX);
    }
    /* One that just fits is whole. */
    struct access_line l = usual();
    l.target = (struct access_text){ raw, ACCESS_TEXT_MAX - 8 };
    assert_null(strstr(json(&l), "..."));
}

static void test_a_line_that_does_not_fit_is_none(void **state)
{
    (void)state;
    struct access_line l = usual();
    size_t json_len = strlen(json(&l)), combined_len = strlen(combined(&l));
    for (size_t room = 0; room <= json_len; room++) {
        char *exact = malloc(room ? room : 1); /* for the sanitizer to see a byte too many */
        assert_int_equal(access_write_json(&l, &stamp, exact, room), room < json_len ? 0 : json_len);
        assert_int_equal(access_write_combined(&l, &stamp, exact, room),
                         room < combined_len ? 0 : combined_len);
        free(exact);
    }
}

/* Walks over a JSON text; NULL when it is none. */
static const char *skip_json_text(const char *p)
{
    if (*p++ != '"')
        return NULL;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p == '\\' && *++p == 'u') {
            if (strspn(p + 1, "0123456789abcdef") < 4)
                return NULL;
            p += 4;
        }
    }
    return p + 1;
}

static void assert_one_object(const char *p)
{
    assert_int_equal(*p++, '{');
    for (unsigned n = 0; n < 19; n++) {
        p = skip_json_text(p);
        assert_true(p && *p == ':');
        p = *++p == '"' ? skip_json_text(p) : p + strspn(p, "0123456789nul");
        assert_true(p && *p == (n == 18 ? '}' : ','));
        p++;
    }
    assert_string_equal(p, "\n");
}

static void assert_one_combined(const char *p)
{
    unsigned quotes = 0;
    for (; *p != '\n'; p++) {
        assert_in_range((unsigned char)*p, 0x20, 0x7e);
        quotes += *p == '"';
    }
    assert_string_equal(p, "\n");
    assert_int_equal(quotes, 6);
}

/* Whatever bytes come, of every length and position in a word: a line stays one line, a text one text. */
static void test_chance(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int i = 0; i < ROUNDS; i++) {
        char raw[2][40];
        size_t len[2];
        for (int k = 0; k < 2; k++) {
            len[k] = lb_random(&random) % 40;
            for (size_t n = 0; n < len[k]; n++) {
                uint64_t dice = lb_random(&random);
                raw[k][n] = dice % 3 == 0 ? "\"\\\n\x7f\x80\xff\xc3\x1f"[dice >> 8 & 7] : (char)(dice >> 8);
            }
        }
        struct access_line l = usual();
        l.target = (struct access_text){ raw[0], len[0] };
        l.user_agent = (struct access_text){ raw[1], len[1] };
        assert_one_object(json(&l));
        assert_one_combined(combined(&l));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_combined),
        cmocka_unit_test(test_the_second_moves_on),
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_a_line_that_does_not_fit_is_none),
        cmocka_unit_test(test_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
