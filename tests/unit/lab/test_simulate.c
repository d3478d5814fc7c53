/*
 * test_simulate.c - simulated strategies against what is known exactly: the assignment's shares, an M/M/1 queue, who moves.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "control/vetting.h"
#include "lab/candidate.h"
#include "lab/keys.h"
#include "lab/simulate.h"
#include "world/strategy.h"

static struct vetting *vetting;
static struct keys keys;

static struct sim_row measure(const char *written, uint32_t n, const char *rule, uint64_t count,
                              uint64_t arrivals)
{
    struct candidate c;
    struct sim_row row = { .strategy = written, .n = n };
    assert_true(keys_open(&keys, rule, count, 1, "path"));
    struct sim_plan plan = {
        .keys = &keys, .moves = count < 50000 ? count : 50000, .arrivals = arrivals, .load = 0.8, .seed = 1
    };
    if (!candidate_open(&c, written, vetting))
        fail_msg("%s was refused", written);
    sim_measure(&plan, &c, &row, NULL);
    candidate_close(&c);
    keys_close(&keys);
    return row;
}

static void check_near(const char *what, double value, double expected, double within)
{
    if (!(fabs(value - expected) <= within))
        fail_msg("%s is %g, expected %g within %g", what, value, expected, within);
}

/* 512 neighbouring ids meet each slot as often as the polynomial does. */
static void test_the_assignments_shares(void **state)
{
    (void)state;
    struct sim_row row = measure("assignment", 3, "sequential", 5120, 0);
    check_near("max/mean", row.is.max_over_mean, 432.0 * 3 / 512, 1e-9);
    check_near("min/mean", row.is.min_over_mean, 24.0 * 3 / 512, 1e-9);
}

static void test_the_md5_ring(void **state)
{
    (void)state;
    check_near("N = 3", measure("md5-1024", 3, "sequential", 10000, 0).is.max_over_mean, 3650 * 3e-4, 1e-9);
    check_near("N = 6", measure("md5-1024", 6, "sequential", 10000, 0).is.max_over_mean, 1793 * 6e-4, 1e-9);
}

static void test_who_moves(void **state)
{
    (void)state;
    struct sim_row row = measure("rendezvous", 5, "uniform", 50000, 0);
    check_near("removed", row.is.remove_moved, 0.2, 1e-9); /* each of the five once */
    check_near("removed, more than necessary", row.is.remove_excess, 0, 0);
    check_near("added, more than necessary", row.is.add_excess, 0, 0);
    check_near("added", row.is.add_moved, 1.0 / 6, 0.01);
    check_near("dead, more than necessary", row.is.die_excess, 0, 0);
    row = measure("modulo", 3, "uniform", 50000, 0);
    check_near("modulo, added", row.is.add_moved, 0.75, 0.01);
    check_near("modulo, dead", row.is.die_excess, 0, 0);
    row = measure("anchor", 6, "uniform", 50000, 0); /* which remembers who came and went */
    check_near("anchor, removed", row.is.remove_excess, 0, 0);
    check_near("anchor, added", row.is.add_excess, 0, 0);
}

/* Chance makes each replica an M/M/1 queue: response times are exponential with mean 1 / (1 - load). */
static void test_the_queue_is_the_one_of_the_books(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 3; n += 2) {
        struct sim_row row = measure("random", n, "uniform", 1000, 1000000);
        check_near("median response", row.is.response_p50, log(2) / 0.2, 0.15);
        check_near("p99 response", row.is.response_p99, log(100) / 0.2, 1.2);
        check_near("overloaded", row.is.overloaded, 0, 0);
    }
}

static void test_two_choices_and_bounds_keep_queues_short(void **state)
{
    (void)state;
    double random = measure("random", 10, "uniform", 100000, 200000).is.spread;
    double p2c = measure("p2c", 10, "uniform", 100000, 200000).is.spread;
    double ring = measure("lb", 10, "uniform", 100000, 200000).is.spread;
    double bounded = measure("bounded", 10, "uniform", 100000, 200000).is.spread;
    if (!(p2c < random / 4 && bounded < ring / 4))
        fail_msg("random %g, p2c %g; ring %g, bounded %g", random, p2c, ring, bounded);
}

static void test_more_than_a_replica_can_do(void **state)
{
    (void)state;
    check_near("the assignment's first replica", measure("assignment", 3, "six", 10000, 20000).is.overloaded,
               1, 0);
}

static void test_a_refusal_is_a_sentence(void **state)
{
    (void)state;
    struct sim_row row = measure("assignment", 100, "six", 1000, 0);
    assert_non_null(strstr(row.refused, "512 slots"));
    assert_true(isnan(row.is.max_over_mean));
}

/* The mean of the largest of n normal deviates, over the square root of the requests of each (DECISIONS of the sampling
 * floor: 1.015 at N = 3, 1.031 at N = 6, for 10,000). */
static void test_the_floor_of_a_perfect_hash(void **state)
{
    (void)state;
    assert_true(keys_open(&keys, "uniform", 10000, 1, "path"));
    check_near("N = 3", sim_floor(&keys, 3), 1.0147, 0.008);
    check_near("N = 6", sim_floor(&keys, 6), 1.0310, 0.012);
    keys_close(&keys);
}

/* ------------------------------------------------------------------ names */

static void test_what_is_different_is_said_in_the_name(void **state)
{
    (void)state;
    struct candidate c;
    assert_true(candidate_open(
        &c, "lb,hash=hash_fnv1a,hash.seed=7,scheduler.virtual_nodes=50,scheduler.slots=1024", vetting));
    assert_string_equal(c.config.strategy.hash.name, "hash_fnv1a");
    assert_int_equal(c.strategy->values[PART_HASH][1].i, 7);
    assert_int_equal(c.strategy->values[PART_SCHEDULER][0].i, 1024);
    assert_int_equal(c.strategy->values[PART_SCHEDULER][1].i, 50);
    candidate_close(&c);
    assert_true(candidate_open(&c, "ring-siphash,hash.key=\"00000000000000000000000000000001\"", vetting));
    assert_string_equal(c.strategy->values[PART_HASH][0].s, "00000000000000000000000000000001");
    candidate_close(&c);
    assert_true(candidate_open(&c, "ring-crc32c,hash.avalanche=false,", vetting));
    assert_int_equal(c.strategy->values[PART_HASH][0].i, 0);
    candidate_close(&c);
    static const char *const wrong[] = { "",          "nobody",           "lb,hash",          "lb,hash=",
                                         "lb,a=b",    "lb,hash=hash_nil", "lb,scheduler.x=1", "lb,.=1",
                                         "lb,hash.=1" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (candidate_open(&c, wrong[i], vetting))
            fail_msg("\"%s\" was taken", wrong[i]);
}

static void test_members_are_those_of_a_start(void **state)
{
    (void)state;
    struct candidate c;
    assert_true(candidate_open(&c, "maglev", vetting));
    assert_int_equal(candidate_count(&c), 5);
    struct lb_member *m = candidate_members(&c, 12);
    assert_string_equal(m[0].key, "Server 1");
    assert_string_equal(m[1].key, "Server 10"); /* the order of ring names */
    assert_int_equal(m[1].id, 10);
    assert_string_equal(m[11].key, "Server 9");
    free(m);
    candidate_close(&c);
    char **names = candidate_names();
    size_t n = 0;
    assert_string_equal(names[0], "lb");
    while (names[n])
        n++;
    assert_true(n > 20);
    candidate_names_free(names);
}

static int open_all(void **state)
{
    (void)state;
    assert_int_equal(chdir(RM_SOURCE_DIR), 0);
    vetting = vetting_new(RM_BIN_DIR "/ringmaster");
    return vetting ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    vetting_free(vetting);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_assignments_shares),
        cmocka_unit_test(test_the_md5_ring),
        cmocka_unit_test(test_who_moves),
        cmocka_unit_test(test_the_queue_is_the_one_of_the_books),
        cmocka_unit_test(test_two_choices_and_bounds_keep_queues_short),
        cmocka_unit_test(test_more_than_a_replica_can_do),
        cmocka_unit_test(test_a_refusal_is_a_sentence),
        cmocka_unit_test(test_the_floor_of_a_perfect_hash),
        cmocka_unit_test(test_what_is_different_is_said_in_the_name),
        cmocka_unit_test(test_members_are_those_of_a_start),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
