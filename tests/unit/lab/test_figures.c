/*
 * test_figures.c - spread by hand-made counts, and sampling's floor against its known values.
 *
 * Owns     nothing.
 * Uses     lab/figures.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "lab/figures.h"

static void near(double is, double wanted, double off)
{
    if (fabs(is - wanted) > off)
        fail_msg("%.6f is not %.6f +- %g", is, wanted, off);
}

static void spread_is_what_it_is(void **state)
{
    (void)state;
    static const uint64_t counts[] = { 3650, 3412, 2938 }; /* the md5 ring's, N = 3 */
    struct spread s = figures_spread(counts, 3);
    assert_int_equal(s.total, 10000);
    assert_int_equal(s.min, 2938);
    assert_int_equal(s.max, 3650);
    near(s.mean, 3333.3333, 1e-3);
    near(s.max_over_mean, 1.095, 1e-9);
    near(s.min_over_mean, 0.8814, 1e-9);
    near(s.stddev, 295.9, 0.05);
}

static void nothing_counted_is_no_trouble(void **state)
{
    (void)state;
    static const uint64_t none[2];
    assert_true(figures_spread(none, 2).max_over_mean == 0);
    assert_true(figures_spread(NULL, 0).mean == 0);
    assert_true(figures_floor(0, 3).mean == 1);
    assert_true(figures_floor(10, 1).mean == 1);
    assert_true(figures_median(NULL, 0) == 0);
}

/* For two replicas max/mean is 1 + |d|, d normal with deviation 1/sqrt(requests): its mean is sqrt(2 / (pi requests)). */
static void chance_alone_has_its_known_values(void **state)
{
    (void)state;
    near(figures_floor(10000, 3).mean, 1.015, 0.001);
    near(figures_floor(10000, 6).mean, 1.031, 0.001);
    near(figures_floor(10000, 2).mean, 1 + sqrt(2 / (M_PI * 10000)), 0.0005);
    near(figures_floor(10000, 2).p95, 1 + 1.96 / sqrt(10000), 0.002);
}

static void the_median_is_in_the_middle(void **state)
{
    (void)state;
    double odd[] = { 5, 1, 3 }, even[] = { 4, 1, 3, 2 };
    assert_true(figures_median(odd, 3) == 3);
    assert_true(figures_median(even, 4) == 2.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_is_what_it_is),
        cmocka_unit_test(nothing_counted_is_no_trouble),
        cmocka_unit_test(chance_alone_has_its_known_values),
        cmocka_unit_test(the_median_is_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
