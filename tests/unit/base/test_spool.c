/*
 * test_spool.c - lines reach the file whole and in order; what the file does not take is counted and holds nobody up.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/spool.h"

#define MAKERS      4
#define BLOCKS      200 /* a maker */
#define LINES       20  /* a block */
#define PATIENCE_NS (60ull * 1000000000ull)

static char directory[] = "/tmp/test_spool.XXXXXX";
static char path[64], other[64];
static struct spool *spool;
static struct spool_home home;

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/log", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int open_spool(void **state)
{
    (void)state;
    atomic_store(&home.top, NULL);
    spool = spool_new();
    return spool ? 0 : -1;
}

static void free_home(void)
{
    for (struct spool_block *b = spool_take_home(&home), *next; b; b = next) {
        next = b->next;
        free(b);
    }
}

static int close_spool(void **state)
{
    (void)state;
    spool_free(spool);
    free_home();
    unlink(path);
    unlink(other);
    return 0;
}

static void add_line(struct spool_block *b, const char *text)
{
    int n = snprintf(b->bytes + b->used, b->size - b->used, "%s\n", text);
    assert_true(n > 0 && (uint32_t)n < b->size - b->used);
    b->used += (uint32_t)n;
    b->lines++;
}

static void post_lines(const char *first, const char *second)
{
    struct spool_block *b = spool_block_new(&home, 4096);
    add_line(b, first);
    if (second)
        add_line(b, second);
    spool_post(spool, b);
}

static void wait_for(uint64_t (*count)(const struct spool *), uint64_t n)
{
    uint64_t give_up = clock_now_ns() + PATIENCE_NS;
    while (count(spool) < n && clock_now_ns() < give_up)
        usleep(500);
    assert_int_equal(count(spool), n);
}

static void assert_file(const char *name, const char *want)
{
    char text[4096] = "";
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, want);
}

/* ------------------------------------------------------------------ where lines go */

static void test_lines_arrive_in_order(void **state)
{
    (void)state;
    assert_int_equal(spool_direct(spool, path), 0);
    post_lines("one", "two");
    post_lines("three", NULL);
    spool_stop(spool);
    assert_file(path, "one\ntwo\nthree\n");
    assert_int_equal(spool_written(spool), 3);
    assert_int_equal(spool_lost(spool), 0);
    struct spool_block *back = spool_take_home(&home);
    assert_non_null(back);
    assert_int_equal(back->used + back->lines, 0);
    assert_non_null(back->next);
    free(back->next);
    free(back);
}

static void test_a_new_path_applies_to_what_comes_after_it(void **state)
{
    (void)state;
    assert_int_equal(spool_direct(spool, path), 0);
    post_lines("one", NULL);
    assert_int_equal(spool_direct(spool, other), 0);
    post_lines("two", NULL);
    assert_int_equal(spool_direct(spool, ""), 0);
    post_lines("nowhere", NULL);
    spool_stop(spool);
    assert_file(path, "one\n");
    assert_file(other, "two\n");
    assert_int_equal(spool_lost(spool), 1);
}

static void test_reopened_after_a_rotation(void **state)
{
    (void)state;
    assert_int_equal(spool_reopen(spool), 0); /* there is none */
    assert_int_equal(spool_direct(spool, path), 0);
    post_lines("before", NULL);
    assert_int_equal(rename(path, other), 0);
    post_lines("between", NULL);
    assert_int_equal(spool_reopen(spool), 0);
    post_lines("after", NULL);
    spool_stop(spool);
    assert_file(other, "before\nbetween\n");
    assert_file(path, "after\n");
}

static void test_a_path_that_cannot_be_opened_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(spool_direct(spool, "/nowhere/log"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(spool_direct(spool, path), 0);
    assert_int_equal(spool_direct(spool, "/nowhere/log"), -1);
    post_lines("one", NULL);
    spool_stop(spool);
    assert_file(path, "one\n");
}

/* ------------------------------------------------------------------ files that take no more */

static void test_a_full_disk_loses_lines_and_recovers(void **state)
{
    (void)state;
    assert_int_equal(spool_direct(spool, "/dev/full"), 0);
    post_lines("lost", "lost too");
    wait_for(spool_lost, 2);
    assert_int_equal(spool_direct(spool, path), 0);
    post_lines("kept", NULL);
    spool_stop(spool);
    assert_file(path, "kept\n");
    assert_int_equal(spool_written(spool), 1);
}

/* A file that may grow to 10 bytes takes "one\n" whole and the beginning of the next line, which is cut off again. */
static void test_no_line_is_torn_at_the_limit(void **state)
{
    (void)state;
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(spool_direct(spool, path), 0);
    small = before;
    small.rlim_cur = 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    post_lines("one", "twotwotwo");
    wait_for(spool_lost, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    post_lines("three", NULL);
    spool_stop(spool);
    assert_file(path, "one\nthree\n");
    assert_int_equal(spool_written(spool), 2);
    assert_int_equal(spool_lost(spool), 1);
}

/* Nobody empties the pipe: it takes some, the rest is lost, and the end is not held up for long. */
static void test_a_pipe_without_a_reader_holds_nobody_up(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(spool_direct(spool, path), -1);
    assert_int_equal(errno, ENXIO);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(spool_direct(spool, path), 0);
    char text[1024];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 200; i++)
        post_lines(text, NULL);
    spool_stop(spool);
    assert_int_equal(spool_written(spool) + spool_lost(spool), 200);
    assert_true(spool_written(spool) > 0 && spool_lost(spool) > 0);
    close(reader);
}

/* ------------------------------------------------------------------ several makers, and rotations meanwhile */

static void *make(void *arg)
{
    static struct spool_home homes[MAKERS];
    unsigned number = *(unsigned *)arg;
    struct spool_home *mine = &homes[number];
    for (int i = 0; i < BLOCKS; i++) {
        struct spool_block *b = spool_take_home(mine), *next = NULL;
        if (b) {
            for (struct spool_block *rest = b->next; rest; rest = next) {
                next = rest->next;
                free(rest);
            }
        } else {
            b = spool_block_new(mine, 4096);
        }
        for (int k = 0; k < LINES; k++) {
            char text[64];
            snprintf(text, sizeof text, "maker %u line %d", number, i * LINES + k);
            add_line(b, text);
        }
        spool_post(spool, b);
    }
    return mine;
}

static void read_back(const char *name, int seen[MAKERS])
{
    FILE *f = fopen(name, "r");
    if (!f)
        return;
    char text[128];
    while (fgets(text, sizeof text, f)) {
        unsigned maker;
        int number;
        assert_int_equal(sscanf(text, "maker %u line %d", &maker, &number), 2);
        assert_true(maker < MAKERS);
        assert_int_equal(number, seen[maker]++);
    }
    fclose(f);
}

static void test_no_line_is_lost_or_torn_by_rotations(void **state)
{
    (void)state;
    pthread_t threads[MAKERS];
    unsigned numbers[MAKERS];
    int seen[MAKERS] = { 0 };
    assert_int_equal(spool_direct(spool, path), 0);
    for (unsigned i = 0; i < MAKERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, make, &numbers[i]), 0);
    }
    char rotated[8][80];
    for (int i = 0; i < 8; i++) {
        usleep(2000);
        snprintf(rotated[i], sizeof rotated[i], "%s.%d", path, i);
        assert_int_equal(rename(path, rotated[i]), 0);
        assert_int_equal(spool_reopen(spool), 0);
    }
    struct spool_home *homes[MAKERS];
    for (unsigned i = 0; i < MAKERS; i++)
        pthread_join(threads[i], (void **)&homes[i]);
    spool_stop(spool);
    for (int i = 0; i < 8; i++) {
        read_back(rotated[i], seen);
        unlink(rotated[i]);
    }
    read_back(path, seen);
    for (unsigned i = 0; i < MAKERS; i++) {
        assert_int_equal(seen[i], BLOCKS * LINES);
        for (struct spool_block *b = spool_take_home(homes[i]), *next; b; b = next) {
            next = b->next;
            free(b);
        }
    }
    assert_int_equal(spool_written(spool), MAKERS * BLOCKS * LINES);
}

#define SPOOL_TEST(f_) cmocka_unit_test_setup_teardown(f_, open_spool, close_spool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(test_lines_arrive_in_order),
        SPOOL_TEST(test_a_new_path_applies_to_what_comes_after_it),
        SPOOL_TEST(test_reopened_after_a_rotation),
        SPOOL_TEST(test_a_path_that_cannot_be_opened_changes_nothing),
        SPOOL_TEST(test_a_full_disk_loses_lines_and_recovers),
        SPOOL_TEST(test_no_line_is_torn_at_the_limit),
        SPOOL_TEST(test_a_pipe_without_a_reader_holds_nobody_up),
        SPOOL_TEST(test_no_line_is_lost_or_torn_by_rotations),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
