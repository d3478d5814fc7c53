/*
 * test_deadline.c - timeouts without timers: order, re-arming, limits that change while something waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "path/deadline.h"

#define MS(n) ((n)*CLOCK_NS_PER_MS)

static void expires_in_order_of_entry(void **state)
{
    (void)state;
    struct deadlines all;
    struct deadline a, b;
    deadline_open(&all);
    deadline_init(&a);
    deadline_init(&b);
    deadline_arm(&all, &a, DEADLINE_HEAD, MS(100));
    deadline_arm(&all, &b, DEADLINE_HEAD, MS(150));
    assert_null(deadline_expired(&all, DEADLINE_HEAD, 100, MS(199)));
    assert_ptr_equal(deadline_expired(&all, DEADLINE_HEAD, 100, MS(200)), &a);
    assert_null(deadline_expired(&all, DEADLINE_HEAD, 100, MS(200)));
    assert_ptr_equal(deadline_expired(&all, DEADLINE_HEAD, 100, MS(250)), &b);
    assert_int_equal(all.armed, 0);
}

static void arming_again_starts_anew(void **state)
{
    (void)state;
    struct deadlines all;
    struct deadline a, b;
    deadline_open(&all);
    deadline_init(&a);
    deadline_init(&b);
    deadline_arm(&all, &a, DEADLINE_HEAD, MS(100));
    deadline_arm(&all, &b, DEADLINE_HEAD, MS(110));
    deadline_arm(&all, &a, DEADLINE_IDLE, MS(120));
    assert_int_equal(all.armed, 2);
    assert_ptr_equal(deadline_expired(&all, DEADLINE_HEAD, 100, MS(210)), &b);
    assert_null(deadline_expired(&all, DEADLINE_IDLE, 100, MS(219)));
    assert_ptr_equal(deadline_expired(&all, DEADLINE_IDLE, 100, MS(220)), &a);
}

static void a_shorter_limit_holds_for_those_who_wait(void **state)
{
    (void)state;
    struct deadlines all;
    struct deadline a;
    deadline_open(&all);
    deadline_init(&a);
    deadline_arm(&all, &a, DEADLINE_REPLY, MS(1000));
    assert_null(deadline_expired(&all, DEADLINE_REPLY, 30000, MS(2000)));
    assert_ptr_equal(deadline_expired(&all, DEADLINE_REPLY, 500, MS(2000)), &a);
}

static void disarming_twice_is_harmless(void **state)
{
    (void)state;
    struct deadlines all;
    struct deadline a;
    deadline_open(&all);
    deadline_init(&a);
    deadline_arm(&all, &a, DEADLINE_BODY, 0);
    deadline_disarm(&all, &a);
    deadline_disarm(&all, &a);
    assert_int_equal(all.armed, 0);
    assert_false(deadline_is_armed(&a));
    assert_null(deadline_expired(&all, DEADLINE_BODY, 0, MS(1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expires_in_order_of_entry),
        cmocka_unit_test(arming_again_starts_anew),
        cmocka_unit_test(a_shorter_limit_holds_for_those_who_wait),
        cmocka_unit_test(disarming_twice_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
