/*
 * test_hdr.c - percentiles against a sorted array, and the buckets' borders.
 *
 * Owns     nothing.
 * Uses     lab/hdr.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "lab/hdr.h"
#include "lb_plugin.h"

#define VALUES 200000

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Values over nine powers of ten, as times are. */
static void percentiles_are_within_one_percent(void **state)
{
    (void)state;
    static const double percents[] = { 0, 1, 10, 50, 90, 99, 99.9, 99.99, 99.999, 100 };
    struct hdr *h = calloc(1, sizeof *h);
    uint64_t *values = calloc(VALUES, sizeof *values), random = 7;
    double sum = 0;
    for (size_t i = 0; i < VALUES; i++) {
        uint64_t scale = (uint64_t)pow(10, (double)(lb_random(&random) % 10));
        values[i] = lb_random(&random) % (9 * scale) + scale;
        sum += (double)values[i];
        hdr_add(h, values[i]);
    }
    qsort(values, VALUES, sizeof *values, compare);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        size_t rank = (size_t)ceil(percents[i] / 100 * VALUES);
        double exact = (double)values[rank ? rank - 1 : 0];
        assert_true(fabs((double)hdr_percentile(h, percents[i]) - exact) <= 0.01 * exact);
    }
    assert_int_equal(h->count, VALUES);
    assert_int_equal(h->min, values[0]);
    assert_int_equal(h->max, values[VALUES - 1]);
    assert_true(fabs(hdr_mean(h) - sum / VALUES) < 1e-6 * sum / VALUES);
    free(values);
    free(h);
}

static void buckets_join_without_a_gap(void **state)
{
    (void)state;
    uint64_t expected = 0;
    for (unsigned i = 0; i < HDR_BUCKETS; i++) {
        uint64_t from, to;
        hdr_bounds(i, &from, &to);
        assert_int_equal(from, expected);
        assert_true(to > from);
        struct hdr *h = calloc(1, sizeof *h);
        hdr_add(h, from);
        hdr_add(h, to - 1);
        assert_int_equal(h->buckets[i], 2);
        free(h);
        expected = to;
    }
    assert_int_equal(expected, 1ull << HDR_MAX_BITS);
}

static void extremes_are_counted(void **state)
{
    (void)state;
    struct hdr *h = calloc(1, sizeof *h), *other = calloc(1, sizeof *other);
    assert_int_equal(hdr_percentile(h, 50), 0);
    hdr_add(h, 0);
    hdr_add(h, UINT64_MAX);
    assert_int_equal(h->max, (1ull << HDR_MAX_BITS) - 1);
    assert_int_equal(hdr_percentile(h, 50), 0);
    hdr_merge(other, h);
    hdr_merge(h, other);
    assert_int_equal(h->count, 4);
    assert_int_equal(other->min, 0);
    free(other);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_one_percent),
        cmocka_unit_test(buckets_join_without_a_gap),
        cmocka_unit_test(extremes_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
