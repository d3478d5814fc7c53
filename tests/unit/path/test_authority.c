/*
 * test_authority.c - host, host:port and [v6]:port, by RFC 3986, 3.2.2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path/authority.h"

#define ROW(text_, valid_, with_port_)               \
    {                                                \
        text_, sizeof(text_) - 1, valid_, with_port_ \
    }

static const struct {
    const char *text;
    size_t len;
    bool valid, valid_with_port; /* as Host; as the target of a CONNECT */
} rows[] = {
    ROW("a", true, false),
    ROW("a:1", true, true),
    ROW("a:", true, false),
    ROW("a:0", true, true),
    ROW("a:65535", true, true),
    ROW("a:65536", false, false),
    ROW("a:000000000000000080", true, true),
    ROW("a:18446744073709551617", false, false),
    ROW("a:1x", false, false),
    ROW("a:+1", false, false),
    ROW("a:1:1", false, false),
    ROW("", false, false),
    ROW(":", false, false),
    ROW(":1", false, false),
    ROW("1.2.3.4:5", true, true),
    ROW("1.2.3.999", true, false), /* a name that looks like an address */
    ROW("A-b_c.~d!$&'()*+,;=", true, false),
    ROW("a%41%fF", true, false),
    ROW("a%4", false, false),
    ROW("a%", false, false),
    ROW("a%4g", false, false),
    ROW("a%:1", false, false),
    ROW("a b", false, false),
    ROW("a@b", false, false),
    ROW("a/b", false, false),
    ROW("a?b", false, false),
    ROW("a#b", false, false),
    ROW("a\0b", false, false),
    ROW("a\x7f", false, false),
    ROW("a\x80", false, false),
    ROW("a\\b", false, false),
    ROW("[::]", true, false),
    ROW("[::1]:80", true, true),
    ROW("[::1]:", true, false),
    ROW("[1:2:3:4:5:6:255.255.255.255]:1", true, true),
    ROW("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]", true, false),
    ROW("[0000000000000000000000000000000000000000000000001]", false, false),
    ROW("[::1", false, false),
    ROW("[::1]1", false, false),
    ROW("[::1]x", false, false),
    ROW("[]", false, false),
    ROW("[", false, false),
    ROW("]", false, false),
    ROW("[[::1]]", false, false),
    ROW("[1.2.3.4]", false, false),
    ROW("[::g]", false, false),
    ROW("[::1\0]", false, false),
    ROW("[::1%25eth0]", false, false),
    ROW("[v7.x]", false, false),
    ROW("::1", false, false),
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = malloc(rows[i].len ? rows[i].len : 1); /* a sanitizer sees a look beyond */
        memcpy(text, rows[i].text, rows[i].len);
        if (authority_is_valid(text, rows[i].len, false) != rows[i].valid)
            print_error("%s\n", rows[i].text);
        assert_int_equal(authority_is_valid(text, rows[i].len, false), rows[i].valid);
        assert_int_equal(authority_is_valid(text, rows[i].len, true), rows[i].valid_with_port);
        free(text);
    }
}

/* What stands behind does not help. */
static void test_length(void **state)
{
    (void)state;
    assert_false(authority_is_valid("a%41", 3, false));
    assert_false(authority_is_valid("[::1]", 4, false));
    assert_true(authority_is_valid("a:1x", 3, false));
    assert_false(authority_is_valid("a:1", 1, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
