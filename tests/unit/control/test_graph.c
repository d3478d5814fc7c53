/*
 * test_graph.c - the picture of /performancegraph: its numbers, its size, and names that want to be markup.
 *
 * RM_GRAPH_DIR=dir writes the pictures there, to be looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "control/graph.h"

static char *render(const char *file, const struct graph_row *rows, size_t n)
{
    size_t len;
    char *svg = graph_render(rows, n, "a subtitle", &len);
    const char *directory = getenv("RM_GRAPH_DIR");
    assert_int_equal(strlen(svg), len);
    assert_memory_equal(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39);
    assert_string_equal(svg + len - 7, "</svg>\n");
    if (directory) {
        char *path = mem_format("%s/%s.svg", directory, file);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(svg, out);
        fclose(out);
        free(path);
    }
    return svg;
}

static unsigned count(const char *text, const char *part)
{
    unsigned found = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        found++;
    return found;
}

static void test_three_bars_for_each_replica(void **state)
{
    (void)state;
    const struct graph_row rows[] = { { "Server 1", 3650, 0 },
                                      { "Server 2", 3400, 12 },
                                      { "emergency_07", 0, 1234567 } };
    char *svg = render("three", rows, 3);
    assert_int_equal(count(svg, "<g>"), 3);
    for (const char *class = "tsf"; *class; class ++) {
        char mark[16];
        snprintf(mark, sizeof mark, "class=\"%c\"", *class);
        assert_int_equal(count(svg, mark), 3 + 1); /* and the legend */
    }
    assert_non_null(strstr(svg, ">3,412</text>")); /* total */
    assert_non_null(strstr(svg, ">3,400</text>"));
    assert_non_null(strstr(svg, ">12</text>"));
    assert_int_equal(count(svg, ">1,234,567</text>"), 2);      /* total and failure */
    assert_non_null(strstr(svg, "1,241,629 requests in all")); /* 3650 + 3412 + 1234567 */
    assert_int_equal(count(svg, "total"), 1);
    assert_non_null(strstr(svg, "success"));
    assert_non_null(strstr(svg, "failure"));
    free(svg);
}

/* Bars end inside the picture, and their lengths are to each other as the counts are. */
static void test_lengths_are_in_proportion(void **state)
{
    (void)state;
    const struct graph_row rows[] = { { "a", 1000, 0 }, { "b", 250, 0 } };
    char *svg = render("proportion", rows, 2);
    double first, second;
    const char *at = strstr(svg, "<g>");
    at = strstr(at, "width=\"");
    first = atof(at + 7);
    at = strstr(strstr(at, "<g>"), "width=\"");
    second = atof(at + 7);
    assert_true(first > 600 && first < 700);
    assert_true(first / second > 3.99 && first / second < 4.01);
    free(svg);
}

static void test_every_count_has_an_axis(void **state)
{
    (void)state;
    static const uint64_t counts[] = { 0, 1, 2, 7, 10, 99, 100, 101, 10000, 123456789, UINT64_C(1) << 53 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct graph_row row = { "one", counts[i], 0 };
        size_t len;
        char *svg = graph_render(&row, 1, "", &len);
        unsigned lines = count(svg, "<line ");
        if (lines < 2 || lines > 7)
            fail_msg("%llu requests: %u ticks", (unsigned long long)counts[i], lines);
        free(svg);
    }
}

static void test_names_stay_names(void **state)
{
    (void)state;
    const struct graph_row rows[] = {
        { "</text><script>alert(1)</script>", 5, 1 },
        { "\" onload=\"x\" '&amp;", 4, 0 },
        { "tab\there \x01\x1b[31m \x7f", 3, 0 },
        { "broken \xff\xfe utf-8", 2, 0 },
        { "\xef\xbf\xbe and \xef\xbf\xbf", 2, 0 },
        { "Z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac", 2, 0 },
        { "", 1, 0 },
        { "a-name-of-sixty-three-characters-is-longer-than-what-is-shown-xx", 1, 0 },
        { "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
          "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc",
          1, 0 },
    };
    char *svg = render("hostile", rows, sizeof rows / sizeof *rows);
    assert_null(strstr(svg, "<script"));
    assert_null(strstr(svg, "onload=\""));
    assert_non_null(strstr(svg, "&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;</title>"));
    assert_non_null(strstr(svg, "&amp;amp;"));
    assert_non_null(strstr(svg, "Z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac"));
    assert_non_null(strstr(svg, "? and ?"));
    assert_non_null(strstr(svg, ">a-name-of-sixty-three-\xe2\x80\xa6<"));
    for (const char *c = svg; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f || (unsigned char)*c == 0xff)
            fail_msg("an octet that no XML document may hold: 0x%02x", (unsigned char)*c);
    free(svg);
}

static void test_from_none_to_thousands(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 12, 50, 4096 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct graph_row *rows = mem_zero(sizes[i] + 1, sizeof *rows);
        char file[32], name[64][16];
        for (size_t r = 0; r < sizes[i]; r++) {
            snprintf(name[r % 64], sizeof name[0], "Server %zu", r % 64 + 1);
            rows[r] = (struct graph_row){ name[r % 64], 3000 - r % 64 * 37, r * 7 % 64 };
        }
        snprintf(file, sizeof file, "n%zu", sizes[i]);
        char *svg = render(file, rows, sizes[i]);
        assert_int_equal(count(svg, "<g>"), sizes[i]);
        free(svg);
        free(rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_bars_for_each_replica), cmocka_unit_test(test_lengths_are_in_proportion),
        cmocka_unit_test(test_every_count_has_an_axis),     cmocka_unit_test(test_names_stay_names),
        cmocka_unit_test(test_from_none_to_thousands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
