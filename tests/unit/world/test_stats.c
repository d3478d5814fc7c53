/*
 * test_stats.c - counters, histograms, and the history of request ids while somebody writes it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "world/stats.h"

#define HISTORY   64
#define MAX_LINES 4

static struct replica_line lines[MAX_LINES];

static int forget_all(void **state)
{
    (void)state;
    for (int i = 0; i < MAX_LINES; i++) {
        free(atomic_load(&lines[i].history));
        memset(&lines[i], 0, sizeof lines[i]);
    }
    return 0;
}

static void test_sums(void **state)
{
    (void)state;
    struct replica_totals totals;
    STATS_ADD(lines[0].counters.picked, 3);
    STATS_ADD(lines[2].counters.picked, 4);
    STATS_ADD(lines[1].counters.bytes_down, 1000);
    stats_sum_replica(lines, 3, &totals);
    assert_int_equal(totals.picked, 7);
    assert_int_equal(totals.bytes_down, 1000);
    assert_int_equal(totals.failed, 0);
    stats_sum_replica(lines, 1, &totals);
    assert_int_equal(totals.picked, 3);

    struct worker_counters workers[2] = { 0 };
    struct worker_totals sum = { 0 };
    STATS_ADD(workers[0].requests, 5);
    STATS_ADD(workers[1].requests, 6);
    STATS_ADD(workers[1].timeouts, 1);
    stats_add_worker(&workers[0], &sum);
    stats_add_worker(&workers[1], &sum);
    assert_int_equal(sum.requests, 11);
    assert_int_equal(sum.timeouts, 1);
    assert_int_equal(sum.accepted, 0);
}

static void test_lines_do_not_share(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct replica_line) % 64, 0);
    assert_int_equal((uintptr_t)&lines[1] % 64, 0);
}

static void test_histogram(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        unsigned bucket;
    } rows[] = {
        { 0, 0 },
        { 999, 0 },
        { 1000, 0 },
        { 1999, 0 },
        { 2000, 1 },
        { 3999, 1 },
        { 4000, 2 },
        { 1000000, 9 },
        { 1024000, 10 },
        { 2047999, 10 },
        { 2048000, 11 },
        { (1ull << 31) * 1000, 31 },
        { (1ull << 40) * 1000, 31 },
        { UINT64_MAX, 31 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct durations h = { 0 };
        durations_add(&h, rows[i].ns);
        for (unsigned b = 0; b < DURATIONS_BUCKETS; b++)
            assert_int_equal(STATS_READ(h.count[b]), b == rows[i].bucket);
        assert_true(STATS_READ(h.sum_ns) == rows[i].ns);
    }
}

static void test_no_requests(void **state)
{
    (void)state;
    struct stats_request *out = (void *)1;
    assert_int_equal(stats_requests(lines, 3, 100, &out), 0);
    assert_null(out);
    stats_note_request(&lines[0], 0, 1, 2); /* limits.history = 0: none is kept */
    assert_int_equal(stats_requests(lines, 3, 100, &out), 0);
}

static void test_exactly_the_last_ones(void **state)
{
    (void)state;
    for (uint64_t written = 1; written <= 3 * HISTORY; written++) {
        stats_note_request(&lines[0], HISTORY, written, written * 10);
        struct stats_request *out;
        size_t want = written < HISTORY ? written : HISTORY;
        assert_int_equal(stats_requests(lines, 1, HISTORY, &out), want);
        for (size_t i = 0; i < want; i++) {
            assert_int_equal(out[i].when_ns, written - want + 1 + i);
            assert_int_equal(out[i].request_id, out[i].when_ns * 10);
        }
        free(out);
    }
}

static void test_merged_by_time(void **state)
{
    (void)state;
    for (uint64_t t = 1; t <= 40; t++) /* uneven: the third line gets most */
        stats_note_request(&lines[t % 7 == 0 ? 0 : t % 5 == 0 ? 1 : 2], HISTORY, t, t + 100);
    for (size_t limit = 0; limit <= 50; limit++) {
        struct stats_request *out;
        size_t want = limit < 40 ? limit : 40;
        assert_int_equal(stats_requests(lines, 3, limit, &out), want);
        for (size_t i = 0; i < want; i++) {
            assert_int_equal(out[i].when_ns, 40 - want + 1 + i);
            assert_int_equal(out[i].request_id, out[i].when_ns + 100);
        }
        free(out);
    }
}

/* A writer that laps its reader many times. What is read must be whole (id is when squared) and without a
 * gap. */
static atomic_bool stop;

static void *write_on(void *arg)
{
    struct replica_line *line = arg;
    for (uint64_t t = 1; !atomic_load_explicit(&stop, memory_order_relaxed); t++)
        stats_note_request(line, HISTORY, t, t * t);
    return NULL;
}

static void test_read_while_written(void **state)
{
    (void)state;
    pthread_t thread;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, write_on, &lines[0]), 0);
    struct history *history = NULL;
    uint64_t deadline = clock_now_ns() + 30ull * 1000000000ull;
    while ((!history || atomic_load(&history->head) < 2 * HISTORY) && clock_now_ns() < deadline)
        history = atomic_load(&lines[0].history);
    size_t seen = 0, bad = 0;
    for (int round = 0; round < 20000 || (seen == 0 && clock_now_ns() < deadline); round++) {
        struct stats_request *out;
        size_t n = stats_requests(lines, 1, HISTORY, &out);
        for (size_t i = 0; i < n; i++) {
            bad += out[i].request_id != out[i].when_ns * out[i].when_ns;
            bad += i > 0 && out[i].when_ns != out[i - 1].when_ns + 1;
        }
        seen += n;
        free(out);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(bad, 0);
    assert_true(seen > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sums, forget_all),
        cmocka_unit_test(test_lines_do_not_share),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test_setup(test_no_requests, forget_all),
        cmocka_unit_test_setup(test_exactly_the_last_ones, forget_all),
        cmocka_unit_test_setup(test_merged_by_time, forget_all),
        cmocka_unit_test_setup_teardown(test_read_while_written, forget_all, forget_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
