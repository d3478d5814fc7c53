/*
 * test_keys.c - the keys of a simulated run: rules, repeatability, and what is read out of logs.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lab/keys.h"

#define SOURCES "query:request_id,path"

static struct keys_batch batch;

static void fill(struct keys *k, const char *written, uint64_t count)
{
    assert_true(keys_open(k, written, count, 1, SOURCES));
    keys_fill(k, 0, &batch);
}

static void check_key(uint32_t i, const char *text)
{
    assert_true(i < batch.n);
    assert_int_equal(batch.keys[i].len, strlen(text));
    assert_memory_equal(batch.keys[i].bytes, text, strlen(text));
}

static void test_sequential(void **state)
{
    (void)state;
    struct keys k;
    fill(&k, "sequential", 5000);
    assert_int_equal(batch.n, KEYS_BATCH);
    check_key(0, "1");
    check_key(4095, "4096");
    assert_int_equal(batch.keys[4095].id, 4096);
    assert_true(batch.keys[0].flags & LB_KEY_INTEGER);
    keys_fill(&k, 4990, &batch);
    assert_int_equal(batch.n, 10);
    check_key(9, "5000");
    keys_fill(&k, 5000, &batch);
    assert_int_equal(batch.n, 0);
    keys_close(&k);
    fill(&k, "sequential:100000", 2);
    check_key(1, "100001");
    keys_close(&k);
}

static void test_six_digits(void **state)
{
    (void)state;
    struct keys k;
    uint64_t least = UINT64_MAX, most = 0;
    fill(&k, "six", 100000);
    for (uint64_t first = 0; first < k.count; first += batch.n) {
        keys_fill(&k, first, &batch);
        for (uint32_t i = 0; i < batch.n; i++) {
            least = batch.keys[i].id < least ? batch.keys[i].id : least;
            most = batch.keys[i].id > most ? batch.keys[i].id : most;
            assert_int_equal(batch.keys[i].len, 6);
        }
    }
    assert_in_range(least, 100000, 100100);
    assert_in_range(most, 999900, 999999);
    keys_close(&k);
}

/* Key i does not depend on where one begins, and another seed makes other keys. */
static void test_keys_repeat(void **state)
{
    (void)state;
    static const char *const rules[] = { "uniform", "six", "zipf", "zipf:1.5:100" };
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        struct keys k, other;
        struct keys_batch *later = mem_alloc(sizeof *later);
        fill(&k, rules[r], 10000);
        keys_fill(&k, 1000, later);
        for (uint32_t i = 0; i < 1000; i++)
            assert_int_equal(batch.keys[1000 + i].id, later->keys[i].id);
        assert_true(keys_open(&other, rules[r], 10000, 2, SOURCES));
        keys_fill(&other, 1000, later);
        unsigned same = 0;
        for (uint32_t i = 0; i < 1000; i++)
            same += batch.keys[1000 + i].id == later->keys[i].id;
        assert_true(same < 10);
        free(later);
        keys_close(&k);
        keys_close(&other);
    }
}

/* The share of the most frequent item is 1 / sum of r^-s, and the second has 2^-s of it. */
static void check_zipf(const char *written, double s, unsigned items)
{
    struct keys k;
    double sum = 0, n = 200000;
    unsigned first_count = 0, second_count = 0, counts = 0;
    uint64_t ids[4096];
    unsigned of[4096] = { 0 };
    for (unsigned r = 1; r <= items; r++)
        sum += pow(r, -s);
    fill(&k, written, (uint64_t)n);
    for (uint64_t first = 0; first < k.count; first += batch.n) {
        keys_fill(&k, first, &batch);
        for (uint32_t i = 0; i < batch.n; i++) {
            unsigned at = 0;
            while (at < counts && ids[at] != batch.keys[i].id)
                at++;
            assert_true(at < items);
            if (at == counts)
                ids[counts++] = batch.keys[i].id;
            of[at]++;
        }
    }
    for (unsigned i = 0; i < counts; i++) {
        if (of[i] > first_count) {
            second_count = first_count;
            first_count = of[i];
        } else if (of[i] > second_count) {
            second_count = of[i];
        }
    }
    double expected = n / sum, deviation = sqrt(expected);
    if (fabs(first_count - expected) > 5 * deviation ||
        fabs(second_count - expected * pow(2, -s)) > 5 * deviation)
        fail_msg("%s: %u and %u, expected %.0f and %.0f", written, first_count, second_count, expected,
                 expected * pow(2, -s));
    keys_close(&k);
}

static void test_zipf_is_as_steep_as_it_says(void **state)
{
    (void)state;
    check_zipf("zipf:1:100", 1, 100);
    check_zipf("zipf:0.8:50", 0.8, 50);
    check_zipf("zipf:2:1000", 2, 1000);
}

static void test_what_is_no_rule(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "",     "unifor", "uniform:1",           "six:2", "zipf:x", "zipf:-1", "zipf:1:0", "sequential:x",
        "file", "file:",  "file:/nowhere/at/all"
    };
    struct keys k;
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++)
        if (keys_open(&k, rules[r], 10, 1, SOURCES))
            fail_msg("\"%s\" was taken", rules[r]);
}

/* ------------------------------------------------------------------ files */

static void read_text(struct keys *k, const char *text, uint64_t most, const char *sources)
{
    char path[] = "/tmp/keys-XXXXXX", written[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    snprintf(written, sizeof written, "file:%s", path);
    bool good = keys_open(k, written, most, 1, sources);
    unlink(path);
    if (!good)
        *k = (struct keys){ 0 };
    keys_fill(k, 0, &batch);
}

static void test_one_key_a_line(void **state)
{
    (void)state;
    struct keys k;
    read_text(&k, "132574\nabc\r\n\nwith blanks \n007\nlast", 100, SOURCES);
    assert_int_equal(k.count, 5);
    check_key(0, "132574");
    assert_int_equal(batch.keys[0].id, 132574);
    check_key(1, "abc");
    check_key(2, "with blanks ");
    check_key(3, "007");
    check_key(4, "last");
    keys_close(&k);
    read_text(&k, "a\nb\nc\n", 2, SOURCES);
    assert_int_equal(k.count, 2);
    keys_close(&k);
}

#define LINE(target_) \
    "192.0.2.7 - - [10/Oct/2026:13:55:36 +0000] \"GET " target_ " HTTP/1.1\" 200 12 \"-\" \"a\\\"b\"\n"

static void test_combined_lines(void **state)
{
    (void)state;
    struct keys k;
    read_text(&k, LINE("/home?x=1&request_id=77") LINE("/a/b?c=d") LINE("bad\\x22quote"), 100, SOURCES);
    assert_int_equal(k.count, 2);
    assert_int_equal(k.skipped, 1);
    check_key(0, "77");
    check_key(1, "/a/b");
    keys_close(&k);
    read_text(&k, LINE("/home?x=1") LINE("/a/b"), 100, "client_ip");
    check_key(0, "192.0.2.7");
    keys_close(&k);
    read_text(&k, LINE("/home?x=1"), 100, "uri");
    check_key(0, "/home?x=1");
    keys_close(&k);
    read_text(&k, LINE("/home"), 100, "query:request_id");
    assert_int_equal(k.count, 0);
}

static void test_json_lines(void **state)
{
    (void)state;
    struct keys k;
    read_text(&k,
              "{\"key\":\"a\\u00e9\\n\",\"replica\":\"Server 2\",\"target\":\"/x\"}\n"
              "{\"replica\":\"Server 1\",\"target\":\"/home?request_id=5\"}\n"
              "{\"target\":\"/home\",\"request_id\":\"r1\",\"replica\":null}\n"
              "{\"key\":null,\"target\":\"/home?request_id=6\"}\n"
              "{\"replica\":\"Server 2\"}\n"
              "{broken\n",
              100, "query:request_id,header:x-request-id");
    assert_int_equal(k.count, 4);
    assert_int_equal(k.skipped, 2);
    check_key(0, "a\xc3\xa9\n");
    check_key(1, "5");
    check_key(2, "r1");
    check_key(3, "{broken");
    assert_int_equal(k.n_replicas, 2);
    assert_string_equal(k.replicas[k.lines[0].replica], "Server 2");
    assert_string_equal(k.replicas[k.lines[1].replica], "Server 1");
    assert_true(k.lines[2].replica == UINT32_MAX);
    keys_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequential),      cmocka_unit_test(test_six_digits),
        cmocka_unit_test(test_keys_repeat),     cmocka_unit_test(test_zipf_is_as_steep_as_it_says),
        cmocka_unit_test(test_what_is_no_rule), cmocka_unit_test(test_one_key_a_line),
        cmocka_unit_test(test_combined_lines),  cmocka_unit_test(test_json_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
