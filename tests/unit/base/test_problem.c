/*
 * test_problem.c - how problems are kept and shown, and what was meant.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/problem.h"

static char path[] = "/tmp/test_problem.XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0) {
        return -1;
    }
    return close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* What problem_print writes for a problem at line and column, with "FILE" for the file's name. The caller frees it. */
static char *printed(const char *file, int line, int column, const char *hint, const char *message)
{
    struct problems list = { 0 };
    problem_add(&list, (struct place){ file, line, column }, hint, "%s", message);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    problem_print(&list.items[0], out);
    fclose(out);
    problems_free(&list);
    char *name = strstr(text, path);
    if (name) {
        memcpy(name, "FILE", 4);
        memmove(name + 4, name + strlen(path), strlen(name + strlen(path)) + 1);
    }
    return text;
}

static void assert_printed(const char *file, int line, int column, const char *hint, const char *expected)
{
    char *text = printed(file, line, column, hint, "it is wrong");
    assert_string_equal(text, expected);
    free(text);
}

static void test_line_and_caret(void **state)
{
    (void)state;
    write_file("a = 1;\nlog = 3;\n");
    assert_printed(path, 2, 7, "write log = { }",
                   "FILE:2:7: error: it is wrong\nlog = 3;\n      ^\nhint: write log = { }\n");
    assert_printed(path, 1, 1, NULL, "FILE:1:1: error: it is wrong\na = 1;\n^\n");
}

static void test_tabs_keep_the_caret_in_place(void **state)
{
    (void)state;
    write_file("\ta\t= 1;\n");
    assert_printed(path, 1, 6, NULL, "FILE:1:6: error: it is wrong\n\ta\t= 1;\n\t \t  ^\n");
}

static void test_letters_of_several_bytes(void **state)
{
    (void)state;
    write_file("\"\xc3\xbc\" x\n"); /* the x is byte 6, and the fifth letter */
    assert_printed(path, 1, 6, NULL, "FILE:1:6: error: it is wrong\n\"\xc3\xbc\" x\n    ^\n");
}

static void test_no_column_no_caret(void **state)
{
    (void)state;
    write_file("a = 1;\r\n");
    assert_printed(path, 1, 0, NULL, "FILE:1: error: it is wrong\na = 1;\n");
    assert_printed(path, 0, 0, NULL, "FILE: error: it is wrong\n");
    assert_printed(NULL, 0, 0, "try again", "error: it is wrong\nhint: try again\n");
}

static void test_a_line_that_is_not_there(void **state)
{
    (void)state;
    write_file("a = 1;\n");
    assert_printed(path, 7, 3, NULL, "FILE:7:3: error: it is wrong\n");
    assert_printed("/nowhere/lb.conf", 7, 3, NULL, "/nowhere/lb.conf:7:3: error: it is wrong\n");
    assert_printed(path, 1, 99, NULL, "FILE:1:99: error: it is wrong\na = 1;\n      ^\n");
}

static void test_a_long_line_is_cut_around_the_column(void **state)
{
    (void)state;
    char line[1001];
    memset(line, '.', 1000);
    line[499] = '!';
    line[1000] = 0;
    write_file(line);
    char *text = printed(path, 1, 500, NULL, "m");
    const char *source = strchr(text, '\n') + 1, *caret = strchr(source, '\n') + 1;
    assert_true((size_t)(caret - source) < 200);
    assert_int_equal(strncmp(source, "...", 3), 0);
    assert_int_equal(strncmp(caret - 4, "...\n", 4), 0);
    assert_int_equal(source[strcspn(caret, "^")], '!');
    free(text);
}

static void test_nothing_reaches_the_terminal_raw(void **state)
{
    (void)state;
    write_file("a = \"\033[31m\";\n");
    char *text = printed(path, 1, 5, "\033", "\033[0m");
    assert_null(strchr(text, '\033'));
    assert_non_null(strstr(text, "a = \"?[31m\";"));
    free(text);
}

static void test_the_list_grows_and_copies(void **state)
{
    (void)state;
    struct problems list = { 0 };
    char hint[] = "hint";
    for (int i = 0; i < 100; i++) {
        problem_add(&list, (struct place){ path, i, i + 1 }, hint, "number %d", i);
    }
    hint[0] = 'X';
    assert_int_equal(list.count, 100);
    assert_string_equal(list.items[99].message, "number 99");
    assert_string_equal(list.items[99].hint, "hint");
    assert_ptr_not_equal(list.items[99].file, path);
    assert_int_equal(list.items[99].line, 99);
    assert_int_equal(list.items[99].column, 100);
    problems_free(&list);
    assert_null(list.items);
    assert_int_equal(list.count, 0);
    problems_free(&list);
}

static void test_messages_are_text(void **state)
{
    (void)state;
    static const struct {
        const char *quoted, *kept;
    } rows[] = {
        { "a\nb\tc\x1b", "a?b?c?" },
        { "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "\xff \x80 \xc3", "? ? ?" },                   /* no beginning, no end */
        { "\xc0\xaf \xe0\x80\x80", "?? ???" },           /* longer than need be */
        { "\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????" }, /* half a pair, beyond the last */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problems list = { 0 };
        problem_add(&list, (struct place){ 0 }, rows[i].quoted, "<%s>", rows[i].quoted);
        char expected[64];
        snprintf(expected, sizeof expected, "<%s>", rows[i].kept);
        assert_string_equal(list.items[0].message, expected);
        assert_string_equal(list.items[0].hint, rows[i].kept);
        problems_free(&list);
    }
}

static void test_what_was_meant(void **state)
{
    (void)state;
    static const char *const names[] = { "leastconn",   "roundrobin", "hash_murmur", "hash_xxh3",
                                         "interval_ms", "id",         "on",          NULL };
    static const struct {
        const char *word, *meant;
    } rows[] = {
        { "leastcon", "leastconn" },      /* a letter too few */
        { "leasttconn", "leastconn" },    /* too many */
        { "leastcomn", "leastconn" },     /* another */
        { "leastcnon", "leastconn" },     /* two swapped: one step, not two */
        { "LeastConn", "leastconn" },     /* capitals */
        { "intervall", "interval_ms" },   /* a third of it may be wrong */
        { "interval", "interval_ms" },    /* a part */
        { "murmur", "hash_murmur" },      /* the other part */
        { "di", "id" },                   /* short words: one step */
        { "on", "on" },                   /* itself */
        { "of", "on" },                   /* as near as it gets */
        { "x", NULL },                    /* no letter in common */
        { "maglev", NULL },               /* nothing like it */
        { "", NULL },                     /* nothing at all */
        { "roundrobinroundrobin", NULL }, /* half of it is wrong */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *meant = problem_nearest(rows[i].word, names);
        if (!rows[i].meant) {
            assert_null(meant);
        } else {
            assert_non_null(meant);
            assert_string_equal(meant, rows[i].meant);
        }
    }
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_null(problem_nearest(longest, names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_and_caret),
        cmocka_unit_test(test_tabs_keep_the_caret_in_place),
        cmocka_unit_test(test_letters_of_several_bytes),
        cmocka_unit_test(test_no_column_no_caret),
        cmocka_unit_test(test_a_line_that_is_not_there),
        cmocka_unit_test(test_a_long_line_is_cut_around_the_column),
        cmocka_unit_test(test_nothing_reaches_the_terminal_raw),
        cmocka_unit_test(test_the_list_grows_and_copies),
        cmocka_unit_test(test_messages_are_text),
        cmocka_unit_test(test_what_was_meant),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
