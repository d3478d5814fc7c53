/*
 * test_log.c - one line, one write, and what happens to lines that nobody takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

#define THREADS   4
#define LINES     500
#define STAMP_LEN (sizeof "2026-01-31T12:00:00.123Z info  " - 1)

static char directory[] = "/tmp/test_log.XXXXXX";
static char path[64], moved[64];

static char *slurp(const char *name, size_t *len)
{
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    char *text = calloc(1, 1 << 20);
    *len = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/log", directory);
    snprintf(moved, sizeof moved, "%s/log.1", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    unlink(moved);
    return rmdir(directory);
}

static int start_afresh(void **state)
{
    (void)state;
    unlink(path);
    unlink(moved);
    log_set_level(LOG_INFO);
    return log_open(path);
}

static void test_levels(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_parse("error", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_false(log_level_parse("Error", &level));
    assert_false(log_level_parse("", &level));
    assert_int_equal(level, LOG_ERROR);
}

static void assert_stamp(const char *line, const char *level)
{
    int year, month, day, hour, minute, second, ms, end = 0;
    assert_int_equal(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour, &minute,
                            &second, &ms, &end),
                     7);
    assert_int_equal(end, 25);
    assert_in_range(year, 2020, 9999);
    assert_memory_equal(line + 25, level, 6);
}

static void test_line(void **state)
{
    (void)state;
    errno = ENOENT;
    log_debug("not shown");
    log_info("replica %s has %d", "Server 2", 3);
    log_error("forged\nline\x1b[2J\x7f \xc3\xa9");
    assert_int_equal(errno, ENOENT);
    size_t len;
    char *text = slurp(path, &len);
    assert_stamp(text, "info  ");
    assert_memory_equal(text + STAMP_LEN, "replica Server 2 has 3\n", 23);
    char *second = text + STAMP_LEN + 23;
    assert_stamp(second, "error ");
    assert_string_equal(second + STAMP_LEN, "forged?line?[2J? \xc3\xa9\n");
    free(text);
}

static void test_long_text_is_cut(void **state)
{
    (void)state;
    char *big = calloc(1, 5001);
    memset(big, 'x', 5000);
    log_info("%s", big);
    log_info("after");
    size_t len;
    char *text = slurp(path, &len);
    assert_int_equal(len, STAMP_LEN + 2000 + 1 + STAMP_LEN + 6);
    assert_string_equal(text + STAMP_LEN + 2000 + 1 + STAMP_LEN, "after\n");
    free(text);
    free(big);
}

static void test_reopen_follows_a_rotation(void **state)
{
    (void)state;
    log_info("first");
    assert_int_equal(rename(path, moved), 0);
    log_info("second");
    assert_int_equal(log_reopen(), 0);
    log_info("third");
    size_t len;
    char *old = slurp(moved, &len), *new = slurp(path, &len);
    assert_non_null(strstr(old, "first"));
    assert_non_null(strstr(old, "second"));
    assert_null(strstr(old, "third"));
    assert_string_equal(new + STAMP_LEN, "third\n");
    free(old);
    free(new);
}

static void test_refused_path_keeps_the_old_one(void **state)
{
    (void)state;
    assert_int_equal(log_open("/nowhere/at/all/log"), -1);
    assert_int_equal(errno, ENOENT);
    log_info("still here");
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(log_reopen(), 0); /* the path that worked */
    log_info("and here");
    size_t len;
    char *text = slurp(moved, &len);
    assert_string_equal(text + STAMP_LEN, "still here\n");
    free(text);
    text = slurp(path, &len);
    assert_string_equal(text + STAMP_LEN, "and here\n");
    free(text);
}

static void test_full_disk_loses_lines_and_counts_them(void **state)
{
    (void)state;
    unsigned long before = log_lost();
    assert_int_equal(log_open("/dev/full"), 0);
    for (int i = 0; i < 10; i++)
        log_info("nobody reads this");
    assert_int_equal(log_lost() - before, 10);
    assert_int_equal(log_open(path), 0);
    log_info("room again");
    assert_int_equal(log_lost() - before, 10);
}

/* A disk that fills up in mid-line, by the limit on file sizes; when there is room again, a new line
 * starts. */
static void test_torn_line(void **state)
{
    (void)state;
    struct rlimit old, small;
    unsigned long before = log_lost();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN);
    small = old;
    small.rlim_cur = STAMP_LEN + 4;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_info("cut here");
    log_info("not at all");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, old_handler);
    log_info("whole");
    assert_int_equal(log_lost() - before, 2);
    size_t len;
    char *text = slurp(path, &len);
    assert_memory_equal(text + STAMP_LEN, "cut \n", 5);
    assert_string_equal(text + STAMP_LEN + 5 + STAMP_LEN, "whole\n");
    free(text);
}

/* Standard error as a pipe whose reader sleeps, then as such a socket: neither may stop the writer. */
static void write_to_a_sleeping_reader(int fds[2])
{
    int saved = dup(STDERR_FILENO);
    assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    int opened = log_open(NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(opened, 0);

    unsigned long before = log_lost();
    char filler[1900];
    memset(filler, 'f', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    for (int i = 0; i < 2000 && log_lost() == before; i++)
        log_info("%s", filler);
    assert_true(log_lost() > before);
    assert_int_equal(log_open(path), 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_reader_asleep(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    write_to_a_sleeping_reader(fds);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    write_to_a_sleeping_reader(fds);
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("thread %d line %d end", (int)(intptr_t)arg, i);
    return NULL;
}

static void test_threads_do_not_mix_lines(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int next[THREADS] = { 0 };
    for (intptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)i), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(log_reopen(), 0); /* in the middle of it */
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    size_t len;
    char *text = slurp(path, &len);
    int lines = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        int thread, number, read = 0;
        assert_int_equal(sscanf(line + STAMP_LEN, "thread %d line %d end%n", &thread, &number, &read), 2);
        assert_ptr_equal(line + STAMP_LEN + read, end);
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(number, next[thread]++);
    }
    assert_int_equal(lines, THREADS * LINES);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test_setup(test_line, start_afresh),
        cmocka_unit_test_setup(test_long_text_is_cut, start_afresh),
        cmocka_unit_test_setup(test_reopen_follows_a_rotation, start_afresh),
        cmocka_unit_test_setup(test_refused_path_keeps_the_old_one, start_afresh),
        cmocka_unit_test_setup(test_full_disk_loses_lines_and_counts_them, start_afresh),
        cmocka_unit_test_setup(test_torn_line, start_afresh),
        cmocka_unit_test_setup(test_reader_asleep, start_afresh),
        cmocka_unit_test_setup(test_threads_do_not_mix_lines, start_afresh),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
