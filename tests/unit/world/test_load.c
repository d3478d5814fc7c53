/*
 * test_load.c - how many requests a pool holds: counting, and a sum that was true at one moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "world/load.h"

static void test_counts(void **state)
{
    (void)state;
    struct load *l = load_new(3);
    assert_int_equal(load_total(l), 0);
    for (unsigned round = 1; round <= 5; round++) {
        for (unsigned w = 0; w < 3; w++)
            load_enter(l, w);
        assert_int_equal(load_total(l), round * 3);
    }
    for (unsigned i = 0; i < 5; i++)
        load_leave(l, 1);
    assert_int_equal(load_total(l), 10);
    for (unsigned i = 0; i < 5; i++) {
        load_leave(l, 0);
        load_leave(l, 2);
    }
    assert_int_equal(load_total(l), 0);
    assert_true((uintptr_t)&l->lines[1] - (uintptr_t)&l->lines[0] >= 64);
    load_free(l);
}

/* A change that is undone is a change: the upper half tells. */
static void test_every_change_is_seen(void **state)
{
    (void)state;
    struct load *l = load_new(1);
    uint64_t before = atomic_load(&l->lines[0].word);
    load_enter(l, 0);
    load_leave(l, 0);
    assert_int_equal(load_total(l), 0);
    assert_true(atomic_load(&l->lines[0].word) != before);
    atomic_store(&l->lines[0].word, UINT64_MAX << 32 | 7); /* the changes wrap round, the count stays */
    load_enter(l, 0);
    assert_int_equal(load_total(l), 8);
    load_leave(l, 0);
    assert_int_equal(load_total(l), 7);
    load_free(l);
}

/* One request goes from line to line and is never on none: adding up the lines one by one would find 0 or 3 of them. */
static atomic_bool moving;

static void *move(void *arg)
{
    struct load *l = arg;
    for (unsigned at = 0; atomic_load(&moving); at = (at + 1) % l->n_workers) {
        load_enter(l, (at + 1) % l->n_workers);
        sched_yield();
        load_leave(l, at);
        sched_yield();
    }
    return NULL;
}

static void test_the_sum_was_true_once(void **state)
{
    (void)state;
    struct load *l = load_new(8);
    pthread_t mover;
    load_enter(l, 0);
    atomic_store(&moving, true);
    assert_int_equal(pthread_create(&mover, NULL, move, l), 0);
    for (int i = 0; i < 200000; i++)
        assert_in_range(load_total(l), 1, 2);
    atomic_store(&moving, false);
    pthread_join(mover, NULL);
    load_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_every_change_is_seen),
        cmocka_unit_test(test_the_sum_was_true_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
