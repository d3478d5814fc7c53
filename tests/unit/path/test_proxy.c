/*
 * test_proxy.c - headers of the PROXY protocol: what is one, what is none, and at every length that can come first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "path/proxy.h"

#define SIGNATURE       "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal_) literal_, sizeof(literal_) - 1

/* "10.0.0.1:80 > 10.0.0.2:81", "unknown", "local"; with " tls". */
static void describe(const struct proxy_header *h, char *out, size_t room)
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    bool v4 = h->from.any.sa_family == AF_INET;
    if (h->kind != PROXY_KNOWN) {
        snprintf(out, room, "%s%s", h->kind == PROXY_LOCAL ? "local" : "unknown", h->tls ? " tls" : "");
        return;
    }
    assert_int_equal(h->from.any.sa_family, h->to.any.sa_family);
    inet_ntop(h->from.any.sa_family, v4 ? (const void *)&h->from.v4.sin_addr : &h->from.v6.sin6_addr, from,
              sizeof from);
    inet_ntop(h->to.any.sa_family, v4 ? (const void *)&h->to.v4.sin_addr : &h->to.v6.sin6_addr, to,
              sizeof to);
    snprintf(out, room, "%s:%u > %s:%u%s", from, ntohs(v4 ? h->from.v4.sin_port : h->from.v6.sin6_port), to,
             ntohs(v4 ? h->to.v4.sin_port : h->to.v6.sin6_port), h->tls ? " tls" : "");
}

static int parse_copy(const char *bytes, size_t len, struct proxy_header *h)
{
    char *copy = malloc(len ? len : 1); /* a sanitizer sees a look beyond */
    memcpy(copy, bytes, len);
    int result = proxy_parse(copy, len, h);
    free(copy);
    return result;
}

/* Good: and with a request behind it, and not before its last byte. */
static void assert_good(const char *bytes, size_t len, const char *want)
{
    struct proxy_header h;
    char got[128], more[512];
    assert_int_equal(parse_copy(bytes, len, &h), len);
    describe(&h, got, sizeof got);
    assert_string_equal(got, want);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(parse_copy(bytes, i, &h), PROXY_MORE);
    if (len + 3 < sizeof more) {
        memcpy(more, bytes, len);
        memcpy(more + len, "GET", 3);
        assert_int_equal(parse_copy(more, len + 3, &h), len);
    }
}

/* Bad, and nothing before it was good: MORE, then BAD for ever. */
static void assert_bad(const char *bytes, size_t len)
{
    struct proxy_header h;
    bool bad = false;
    for (size_t i = 0; i <= len; i++) {
        int result = parse_copy(bytes, i, &h);
        if (result != PROXY_BAD && (result != PROXY_MORE || bad))
            print_error("%d after %zu bytes: %.*s\n", result, i, (int)len, bytes);
        assert_true(result == PROXY_BAD || (result == PROXY_MORE && !bad));
        bad = result == PROXY_BAD;
    }
    if (!bad)
        print_error("not refused: %.*s\n", (int)len, bytes);
    assert_true(bad);
}

/* ---- version 1 */

static void test_lines(void **state)
{
    (void)state;
    assert_good(BYTES("PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n"), "10.0.0.1:1234 > 10.0.0.2:80");
    assert_good(BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
                "255.255.255.255:65535 > 255.255.255.255:65535");
    assert_good(BYTES("PROXY TCP4 0.0.0.0 10.0.0.2 0 0\r\n"), "0.0.0.0:0 > 10.0.0.2:0");
    assert_good(BYTES("PROXY TCP6 fd00::1 ::1 1 2\r\n"), "fd00::1:1 > ::1:2");
    assert_good(
        BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
              "65535 65535\r\n"),
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535 > ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535");
    assert_good(BYTES("PROXY UNKNOWN\r\n"), "unknown");
    assert_good(BYTES("PROXY UNKNOWN ffff:: what ever \x01 it says\r\n"), "unknown");
}

static void test_the_longest_line(void **state)
{
    (void)state;
    char line[200];
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + 105, "\r\n", 2);
    assert_good(line, 107, "unknown");
    memset(line + 105, 'x', 2);
    memcpy(line + 106, "\r\n", 2);
    assert_bad(line, 108);
}

static void test_what_is_no_line(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY\tTCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 1.1.1.1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
        "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n",
        "PROXY TCP4 fd00::1 fd00::2 1 2\r\n",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP6 fd00::1 2.2.2.2 1 2\r\n",
        "PROXY TCP6 [fd00::1] ::1 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 99999\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 00\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1a 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX\r\n",
        "PROXY UNKNOWN\rX\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_bad(lines[i], strlen(lines[i]));
    assert_bad(BYTES("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n"));
    assert_bad(BYTES("\r\nPROXY UNKNOWN\r\n"));
}

/* ---- version 2 */

#define V4 "\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x00\x50"

static void test_binary(void **state)
{
    (void)state;
    assert_good(BYTES(SIGNATURE "\x21\x11\x00\x0c" V4), "10.0.0.1:1234 > 10.0.0.2:80");
    assert_good(BYTES(SIGNATURE "\x21\x21\x00\x24"
                                "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
                                "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
                                "\0\1\0\2"),
                "fd00::1:1 > ::1:2");
    assert_good(BYTES(SIGNATURE "\x20\x00\x00\x00"), "local");
    assert_good(BYTES(SIGNATURE "\x20\xff\x00\x03xyz"), "local");
    assert_good(BYTES(SIGNATURE "\x21\x00\x00\x00"), "unknown");
    assert_good(BYTES(SIGNATURE "\x21\x00\x00\x05what?"), "unknown");
    char local[16 + 216] = SIGNATURE "\x21\x31\x00\xd8/run/socket";
    assert_good(local, sizeof local, "unknown");
}

static void test_values(void **state)
{
    (void)state;
    assert_good(BYTES(SIGNATURE "\x21\x11\x00\x12" V4 "\x04\x00\x03"
                                "abc"),
                "10.0.0.1:1234 > 10.0.0.2:80");
    assert_good(BYTES(SIGNATURE "\x21\x11\x00\x17" V4 "\x05\x00\x00"
                                "\x20\x00\x05\x01\0\0\0\0"),
                "10.0.0.1:1234 > 10.0.0.2:80 tls");
    assert_good(BYTES(SIGNATURE "\x21\x11\x00\x14" V4 "\x20\x00\x05\x00\0\0\0\0"),
                "10.0.0.1:1234 > 10.0.0.2:80");
    assert_bad(BYTES(SIGNATURE "\x21\x11\x00\x0d" V4 "\x04"));
    assert_bad(BYTES(SIGNATURE "\x21\x11\x00\x0e" V4 "\x04\x00"));
    assert_bad(BYTES(SIGNATURE "\x21\x11\x00\x0f" V4 "\x04\x00\x01"));
    assert_bad(BYTES(SIGNATURE "\x21\x11\x00\x13" V4 "\x20\x00\x04\x01\0\0\0"));
    assert_bad(BYTES(SIGNATURE "\x21\x11\x00\x12" V4 "\x03\x00\x03"
                               "abc"));
}

/* The checksum is that of an independent implementation (the crc32c of Python's google_crc32c and of iSCSI: of
 * "123456789" it is e3069283), over the header with zeros in its place. */
static void test_the_checksum(void **state)
{
    (void)state;
    char good[] = SIGNATURE "\x21\x11\x00\x13" V4 "\x03\x00\x04\0\0\0\0";
    size_t len = sizeof good - 1;
    uint32_t crc = UINT32_MAX; /* by the definition of RFC 3720: the reflected polynomial 1edc6f41 */
    for (size_t i = 0; i < len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            unsigned in = ((unsigned)(unsigned char)good[i] >> bit) & 1u;
            crc = (crc ^ in) & 1u ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        }
    crc = htonl(~crc);
    memcpy(good + len - 4, &crc, 4);
    assert_good(good, len, "10.0.0.1:1234 > 10.0.0.2:80");
    for (size_t i = 16; i < len; i++) {
        if (i >= 28 && i < 31)
            continue; /* the value's type and length */
        good[i] ^= 0x10;
        assert_bad(good, len);
        good[i] ^= 0x10;
    }
}

static void test_what_is_not_binary(void **state)
{
    (void)state;
    assert_bad(BYTES("\r\n\r\n\0\r\nQUIX\n\x21\x11\x00\x0c" V4));
    assert_bad(BYTES("\r\nGET / HTTP/1.1\r\n"));
    for (unsigned version = 0; version < 16; version++)
        for (unsigned command = 0; command < 16; command++) {
            char bytes[] = SIGNATURE "\x21\x11\x00\x0c" V4;
            bytes[12] = (char)(version << 4 | command);
            if (version != 2 || command > 1)
                assert_bad(bytes, sizeof bytes - 1);
        }
    for (unsigned family = 0; family < 256; family++) {
        char bytes[16 + 216] = SIGNATURE "\x21\x11\x00\xd8";
        bytes[13] = (char)family;
        if (family != 0 && family != 0x11 && family != 0x21 && family != 0x31)
            assert_bad(bytes, sizeof bytes);
    }
    assert_bad(BYTES(SIGNATURE "\x21\x11\x00\x0b"
                               "\x0a\x00\x00\x01\x0a\x00\x00\x02\x04\xd2\x00"));
    assert_bad(BYTES(SIGNATURE "\x21\x21\x00\x0c" V4));
    assert_bad(BYTES(SIGNATURE "\x21\x31\x00\x0c" V4));
}

/* ---- writing */

static union proxy_address address_of(const char *text, unsigned port)
{
    union proxy_address a = { 0 };
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons((uint16_t)port);
    } else {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons((uint16_t)port);
        assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
    }
    return a;
}

static void assert_round(const char *from, const char *to, const char *want)
{
    union proxy_address a = address_of(from, 1234), b = address_of(to, 80);
    char bytes[PROXY_WRITE_MAX];
    size_t len = proxy_write(&a.any, &b.any, bytes);
    assert_good(bytes, len, want);
}

static void test_writing(void **state)
{
    (void)state;
    char bytes[PROXY_WRITE_MAX];
    assert_round("10.0.0.1", "10.0.0.2", "10.0.0.1:1234 > 10.0.0.2:80");
    assert_round("::ffff:10.0.0.1", "10.0.0.2", "10.0.0.1:1234 > 10.0.0.2:80");
    assert_round("::ffff:10.0.0.1", "::ffff:10.0.0.2", "10.0.0.1:1234 > 10.0.0.2:80");
    assert_round("10.0.0.1", "fd00::2", "::ffff:10.0.0.1:1234 > fd00::2:80");
    assert_round("fd00::1", "10.0.0.2", "fd00::1:1234 > ::ffff:10.0.0.2:80");
    assert_round("fd00::1", "fd00::2", "fd00::1:1234 > fd00::2:80");
    assert_int_equal(proxy_write(NULL, NULL, bytes), 16);
    assert_good(bytes, 16, "unknown");
    union proxy_address a = address_of("10.0.0.1", 1234), b = address_of("10.0.0.2", 80);
    assert_int_equal(proxy_write(&a.any, &b.any, bytes), 28);
    assert_memory_equal(bytes, SIGNATURE "\x21\x11\x00\x0c" V4, 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_the_longest_line),
        cmocka_unit_test(test_what_is_no_line),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_the_checksum),
        cmocka_unit_test(test_what_is_not_binary),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
