/*
 * test_octet.c - the quick ways over many octets, beside the slow ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "path/octet.h"

/* Every digit at every place, least significant first. */
static void test_hex(void **state)
{
    (void)state;
    for (unsigned place = 0; place < 8; place++)
        for (uint32_t digit = 0; digit < 16; digit++) {
            uint32_t n = (0x89abcdefu & ~(15u << place * 4)) | digit << place * 4;
            char right[9], out[8];
            snprintf(right, sizeof right, "%08x", n);
            octet_put_hex(out, n);
            for (unsigned i = 0; i < 8; i++)
                assert_int_equal(out[i], right[7 - i]);
        }
}

/* Each octet at each place of a line long enough for whole words and a rest. */
static void test_skips(void **state)
{
    (void)state;
    char line[21];
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < sizeof line; at++) {
            memset(line, 'a', sizeof line);
            line[at] = (char)c;
            const char *end = line + sizeof line, *stop = line + at;
            assert_ptr_equal(octet_skip_value(line, end), octet_is((char)c, OCTET_VALUE) ? end : stop);
            assert_ptr_equal(octet_skip_target(line, end), octet_is((char)c, OCTET_TARGET) ? end : stop);
            assert_ptr_equal(octet_skip_token(line, end), octet_is((char)c, OCTET_TOKEN) ? end : stop);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_hex), cmocka_unit_test(test_skips) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
