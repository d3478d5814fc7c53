/*
 * test_config_scan.c - the scan and libconfig read the same thing in every text.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lb_plugin.h"
#include "world/config_read.h"

/* What only the scan refuses; config_scan.c says why. */
static const char *const stricter[] = {
    "is no number",
    "read as octal",
    "a zero byte",
    "levels of groups",
    "the text is not closed",
    "comment is not closed",
    "value, found '.'",
    "value, found '-'",
    "value, found '+'",
    NULL,
};

/* libconfig 1.5 forgets the text it is in when it meets a syntax error. Ringmaster shows it no such text; this test does. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

static bool libconfig_takes(const char *text)
{
    config_t c;
    config_init(&c);
    bool good = config_read_string(&c, text) == CONFIG_TRUE;
    config_destroy(&c);
    return good;
}

static bool is_stricter(const char *message)
{
    for (size_t i = 0; stricter[i]; i++) {
        if (strstr(message, stricter[i])) {
            return true;
        }
    }
    return false;
}

/* Opens the text and fails the test when the two do not agree. Returns whether it could be read. */
static bool check(const char *text)
{
    struct config_file file;
    struct problems problems = { 0 };
    bool good = config_file_open_text(&file, text, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        const char *message = problems.items[i].message;
        /* the scan took what libconfig did not, or they took it differently */
        if (strcmp(message, "syntax error: syntax error") == 0 || strstr(message, "libconfig")) {
            fail_msg("%s\n%s", message, text);
        }
    }
    if (!good && !is_stricter(problems.items[0].message) && libconfig_takes(text)) {
        fail_msg("only the scan refuses it: %s\n%s", problems.items[0].message, text);
    }
    config_file_close(&file);
    problems_free(&problems);
    return good;
}

static void test_good_and_bad(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        " \n",
        "# x",
        "// x",
        "/* x */",
        "a=1",
        "a:1;",
        "a=1,b=2",
        "a=1 b=2",
        "a=-1;",
        "a=+1",
        "a=1L",
        "a=1LL",
        "a=0x1fL",
        "a=0XfF",
        "a=1.",
        "a=.5",
        "a=-.5e3",
        "a=1e5",
        "a=1.5E-7",
        "a=TrUe b=FALSE",
        "a=\"\"",
        "a=\"x\" /**/ \"y\"",
        "a=\"\\\"\\\\\\x41\\q\"",
        "a={}",
        "a={b={c=1;},};",
        "a=[]",
        "a=[1,2]",
        "a=()",
        "a=(1,\"x\",(),[],{b=1})",
        "a=[1,2L,\"x\",1.5,true]",
        "*a-b_c*=1",
        "a=\"/* no comment */ # nor this\"",
        "a/*x*/=/*y*/1/*z*/;",
        "a=4294967296",
        "a=\"x\" a=1",
        "a={b=1;b=(1,2);c=3;}",
        "a=\r\n1;\f\tb=2",
    };
    static const char *const bad[] = {
        "a",    "a=",    "=1",      "a=;",     "a=1;;",   ";",       "a=1;}",       "a={",        "a=[",
        "a=(",  "a=[1",  "a=[1,]",  "a=(1,)",  "a=[1 2]", "a=[[1]]", "a=[{}]",      "a=(1;2)",    "a={1}",
        "a=x",  "a=1l",  "a=1.5.5", "a=1-2",   "a=-",     "a=.",     "a=\"x",       "a=/*",       "/a",
        "_a=1", "-a=1",  "true=1",  "a=true1", "a=10k",   "a=010",   "a=\"\\x00\"", "a=\"x\ny\"", "a='x'",
        "a==1", "a=1=2", "@a",      "a=0x",    "a={]",    "a=(}",    "a=[)",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!check(good[i])) {
            fail_msg("refused: %s", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (check(bad[i])) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[80000];
    for (size_t depth = 63; depth <= 65; depth++) {
        snprintf(text, sizeof text, "a=%.*s%.*s;", (int)depth,
                 "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((", (int)depth,
                 "))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))");
        assert_true(check(text) == (depth <= 64));
    }
    memset(text, '(', sizeof text - 1);
    memcpy(text, "a=", 2);
    text[sizeof text - 1] = 0;
    assert_false(check(text));
}

/* The texts that are mutilated below. */
static char *shipped(void)
{
    FILE *file = fopen(RM_SOURCE_DIR "/conf/lb.conf", "r");
    assert_non_null(file);
    char *text = mem_zero(1, 65536);
    assert_true(fread(text, 1, 65535, file) > 1000);
    fclose(file);
    return text;
}

static const char small[] = "a = 1; b: 0x1FL, c = -1.5e+3 d = \"x\\\\\" \"y\\x41\"; # e\n"
                            "f = { g = [ 1, 2, 3 ]; h = ( 1, \"x\", [ true ], { i = .5; } ); }; // j\n"
                            "k /* l = */ = 4294967296; m = FALSE;\n";

/* One change at a random place: a byte of the grammar's alphabet put in, put over another, or one taken out. */
static void mutilate(char *text, uint64_t *random)
{
    static const char alphabet[] = "aLxe019.+-*_=:;,{}[]()\"\\#/ \n\ttrue";
    size_t len = strlen(text), at = lb_scale(lb_random(random), len);
    char byte = alphabet[lb_scale(lb_random(random), sizeof alphabet - 1)];
    switch (lb_random(random) % 3) {
    case 0: text[at] = byte; break;
    case 1: memmove(text + at, text + at + 1, len - at); break;
    default:
        memmove(text + at + 1, text + at, len - at + 1);
        text[at] = byte;
        break;
    }
}

static void mutilate_many(const char *text, int rounds, int most)
{
    uint64_t random = 20;
    int taken = 0;
    char *copy = mem_alloc(strlen(text) + (size_t)most + 1);
    for (int i = 0; i < rounds; i++) {
        strcpy(copy, text);
        for (uint64_t k = 0, changes = 1 + lb_random(&random) % (uint64_t)most; k < changes; k++) {
            mutilate(copy, &random);
        }
        taken += check(copy);
    }
    free(copy);
    assert_in_range(taken, rounds / 100, rounds - rounds / 100); /* both kinds were among them */
}

static void test_mutilated(void **state)
{
    (void)state;
    char *text = shipped();
    assert_true(check(text));
    assert_true(check(small));
    mutilate_many(small, 20000, 6);
    mutilate_many(text, 300, 4);
    free(text);
}

/* Every end a file can have when it was cut short. */
static void test_cut_short(void **state)
{
    (void)state;
    char text[sizeof small];
    for (size_t len = 0; len < sizeof small; len++) {
        memcpy(text, small, len);
        text[len] = 0;
        check(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_and_bad),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_mutilated),
        cmocka_unit_test(test_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
