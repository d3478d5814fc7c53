/*
 * test_supervisor_change.c - /add and /rm: what is accepted, what is refused, when it is answered; and names.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.supervisor_change.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "unit/control/supervisor_fake.h"
#include "world/strategy.h"

/* ------------------------------------------------------------------ names */

static void test_ordinals_in_names(void **state)
{
    static const struct {
        const char *pattern, *name;
        uint32_t ordinal; /* 0: none */
    } cases[] = {
        { "Server {n}", "Server 1", 1 },
        { "Server {n}", "Server 4294967295", UINT32_MAX },
        { "Server {n}", "Server 4294967296", 0 },
        { "Server {n}", "Server 0", 0 },
        { "Server {n}", "Server 01", 0 },
        { "Server {n}", "Server ", 0 },
        { "Server {n}", "Server -1", 0 },
        { "Server {n}", "Server 1a", 0 },
        { "Server {n}", "server 1", 0 },
        { "Server {n}", "Server 1 ", 0 },
        { "Server {n}", "emergency_12", 0 },
        { "{n}", "12", 12 },
        { "{n}-web", "12-web", 12 },
        { "a{n}b", "ab", 0 },
        { "a{n}b", "a7b", 7 },
        { "a{n}a", "a", 0 },
        { "web", "web12", 12 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t ordinal = 0;
        assert_int_equal(name_has_ordinal(cases[i].pattern, cases[i].name, &ordinal), cases[i].ordinal != 0);
        assert_int_equal(ordinal, cases[i].ordinal);
    }
    char name[REPLICA_NAME_MAX + 1];
    name_of_ordinal("Server {n}", 12, name);
    assert_string_equal(name, "Server 12");
    name_of_ordinal("a{n}b", 7, name);
    assert_string_equal(name, "a7b");
    name_of_ordinal("web", 7, name);
    assert_string_equal(name, "web7");
    char longest[80];
    memset(longest, 'x', sizeof longest);
    memcpy(longest + 70, "{n}", 4);
    name_of_ordinal(longest, 4000000000u, name);
    assert_int_equal(strlen(name), REPLICA_NAME_MAX);
    assert_string_equal(name + REPLICA_NAME_MAX - 10, "4000000000");
}

static void test_numbers(void **state)
{
    uint64_t n = 1;
    (void)state;
    assert_true(name_is_number("0", &n));
    assert_int_equal(n, 0);
    assert_true(name_is_number("9223372036854775807", &n));
    assert_true(n == INT64_MAX);
    assert_false(name_is_number("9223372036854775808", &n));
    assert_false(name_is_number("99999999999999999999", &n));
    assert_false(name_is_number("", &n));
    assert_false(name_is_number("007", &n));
    assert_false(name_is_number("7x", &n));
    assert_false(name_is_number("-7", &n));

    char id[REPLICA_NAME_MAX + 1];
    name_of_server("Server {n}", "Server 3", id);
    assert_string_equal(id, "3");
    name_of_server("Server {n}", "S5", id);
    assert_string_equal(id, "S5");
    name_of_server("Server {n}", "emergency_52", id);
    assert_string_equal(id, "emergency_52");
}

static void test_stand_in_names_are_free_ones_and_grow_wider(void **state)
{
    struct bench b;
    char name[REPLICA_NAME_MAX + 1];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 0);
    for (int i = 0; i < 99; i++) { /* all two-digit ones get used, each once */
        name_random(b.s, "emergency_", 2, name);
        assert_int_equal(strlen(name), strlen("emergency_") + 2);
        assert_null(row_named(b.s, name));
        row_new(b.s, name);
    }
    name_random(b.s, "emergency_", 2, name); /* the only one left */
    assert_null(row_named(b.s, name));
    struct row *last = row_new(b.s, name);
    assert_int_equal(strlen(name), strlen("emergency_") + 2);

    name_random(b.s, "emergency_", 2, name);
    assert_int_equal(strlen(name), strlen("emergency_") + 3);
    assert_int_equal(strspn(name + strlen("emergency_"), "0123456789"), 3);

    char freed[REPLICA_NAME_MAX + 1];
    memcpy(freed, last->name, sizeof freed);
    row_dismiss(last, "test");
    bench_turn(&b);
    name_random(b.s, "emergency_", 2, name); /* /rm frees it */
    assert_string_equal(name, freed);
    bench_close(&b);
}

static void test_stand_in_is_not_named_like_the_one_it_replaces(void **state)
{
    struct bench b;
    char name[REPLICA_NAME_MAX + 1];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    struct row *row = bench_row(&b, 0);
    bench_all_up(&b);
    bench_replace(&b, row);
    bench_exited(&b, row);
    bench_timer(&b, row);
    /* Two names are in use: of the dead one, still in the rotation, and of the next one. */
    assert_string_not_equal(row->name, row->place.shown->name);
    for (int i = 0; i < 98; i++) {
        name_random(b.s, "emergency_", 2, name);
        assert_int_equal(strlen(name), strlen("emergency_") + 2);
        row_new(b.s, name);
    }
    name_random(b.s, "emergency_", 2, name);
    assert_int_equal(strlen(name), strlen("emergency_") + 3);
    bench_close(&b);
}

static void test_ids(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    struct row *row = row_new(b.s, "7");
    assert_int_equal(row->place.id, 7);
    assert_int_equal(row->place.ordinal, 7);
    row = row_new(b.s, "0");
    assert_int_equal(row->place.id, 0);
    assert_int_equal(row->place.ordinal, 0);
    row = row_new(b.s, "5000000000");
    assert_true(row->place.id == 5000000000u);
    assert_int_equal(row->place.ordinal, 0);
    row = row_new(b.s, "S5");
    assert_true(row->place.id == strategy_id_of_name("S5", 2));
    assert_int_equal(row->place.ordinal, 0);
    assert_string_equal(row->place.ring_name, "S5");
    row = row_new(b.s, "Server 9");
    assert_int_equal(row->place.id, 9);

    char name[REPLICA_NAME_MAX + 1];
    assert_int_equal(name_next_ordinal(b.s, name), 3);
    row_new(b.s, name);
    row_new(b.s, "Server 4");
    assert_int_equal(name_next_ordinal(b.s, name), 5);
    bench_close(&b);
}

static void test_name_of_a_dead_one_is_free_but_its_place_is_not(void **state)
{
    struct bench b;
    char why[200], stand_in[64];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    bench_all_up(&b);
    bench_replace(&b, bench_row(&b, 1));
    snprintf(stand_in, sizeof stand_in, "%s", bench_row(&b, 1)->name);
    assert_int_equal(bench_add(&b, "Server 2", 1, why, sizeof why), 0);
    struct row *row = bench_named(&b, "Server 2");
    assert_string_equal(row->place.ring_name, "Server 2#2");
    assert_int_equal(row->place.ordinal, 0);
    assert_true(row->place.id == strategy_id_of_name("Server 2#2", 10));
    assert_string_equal(row->spawned->server_id, "2");
    bench_up(&b, row);
    assert_string_equal(bench_rotation(&b), "Server 1,Server 2,Server 2#2");
    assert_ptr_equal(row_find(b.s, "Server 2"), row);
    assert_string_equal(row_find(b.s, "2")->name, stand_in);
    bench_replace(&b, row);
    assert_string_equal(bench_rotation(&b), "Server 1,Server 2,Server 2#2");
    assert_int_equal(bench_add(&b, "Server 2", 1, why, sizeof why), 0);
    assert_string_equal(bench_named(&b, "Server 2")->place.ring_name, "Server 2#3");
    bench_close(&b);
}

/* ------------------------------------------------------------------ /add */

static void test_add_is_answered_when_published(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    assert_int_equal(bench_add(&b, "S5,4", 3, why, sizeof why), 0);
    assert_int_equal(supervisor_wanted(b.s), 4);
    struct row *random = bench_row(&b, 3);
    assert_true(random->name[0] == 'S' && strlen(random->name) == 5);
    assert_int_equal(strspn(random->name + 1, "0123456789"), 4);
    assert_string_equal(bench_named(&b, "S5")->spawned->server_id, "S5");
    assert_string_equal(bench_named(&b, "4")->spawned->server_id, "4");

    bench_up(&b, bench_named(&b, "S5"));
    bench_publish(&b);
    bench_up(&b, random);
    bench_publish(&b);
    assert_int_equal(b.n_answers, 0);
    bench_up(&b, bench_named(&b, "4"));
    bench_turn(&b);
    assert_int_equal(b.n_answers, 0); /* ready, but no worker knows of it */
    bench_publish(&b);
    assert_int_equal(b.n_answers, 1);
    assert_false(b.timed_out);
    char expected[100];
    snprintf(expected, sizeof expected, "S5,4,%s", random->name);
    assert_string_equal(b.names, expected);
    assert_string_equal(b.skipped, "");
    bench_close(&b);
}

static void test_add_skips_what_exists(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    assert_int_equal(bench_add(&b, "Server 1,S5,3,S5,S6", 6, why, sizeof why), 0);
    assert_int_equal(supervisor_wanted(b.s), 6); /* S5, S6 and a random one */
    for (size_t i = 3; i < 6; i++) {
        bench_up(&b, bench_row(&b, i));
    }
    bench_publish(&b);
    assert_int_equal(b.n_answers, 1);
    assert_string_equal(b.skipped, "Server 1,3,S5");
    assert_memory_equal(b.names, "S5,S6,S", 7);
    bench_close(&b);
}

static void test_add_refusals_change_nothing(void **state)
{
    struct bench b;
    char why[200], longer[REPLICA_NAME_MAX + 2];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    assert_int_equal(bench_add(&b, "Server 1,2", 2, why, sizeof why), -1);
    assert_string_equal(why, "nothing to add: every replica named exists already");
    assert_int_equal(bench_add(&b, "", 62, why, sizeof why), -1);
    assert_string_equal(why, "62 more replicas are too many: there are 3, and replicas.max is 64");
    memset(longer, 'x', sizeof longer);
    longer[REPLICA_NAME_MAX + 1] = 0;
    assert_int_equal(bench_add(&b, longer, 1, why, sizeof why), -1);
    assert_non_null(strstr(why, "a name has 1 to 63 characters"));
    b.config.replicas.max = 2; /* lowered by a reload below what is there */
    assert_int_equal(bench_add(&b, "", 1, why, sizeof why), -1);
    b.config.replicas.max = 64;
    assert_int_equal(supervisor_wanted(b.s), 3);
    assert_int_equal(b.n_starts, 3);
    assert_true(list_is_empty(&b.s->changes));
    assert_int_equal(bench_add(&b, longer + 1, 61, why, sizeof why), 0); /* just fits */
    assert_int_equal(supervisor_wanted(b.s), 64);
    bench_close(&b);
}

static void test_add_in_time_or_not(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    b.config.replicas.add_timeout_ms = 0;
    assert_int_equal(bench_add(&b, "S1,S2,S3", 3, why, sizeof why), 0);
    struct row *s2 = bench_named(&b, "S2");
    bench_up(&b, s2);
    struct row *s1 = bench_named(&b, "S1"), *s3 = bench_named(&b, "S3");
    bench_exited(&b, s3); /* waiting to be started again */
    bench_turn(&b);
    assert_int_equal(b.n_answers, 1);
    assert_true(b.timed_out);
    assert_string_equal(b.names, "S2");
    assert_int_equal(s1->state, SUPERVISOR_STOPPING);
    bench_exited(&b, s1);
    bench_turn(&b);
    assert_string_equal(bench_names(&b), "Server 1,S2");
    assert_int_equal(supervisor_wanted(b.s), 2);
    bench_close(&b);
}

static void test_add_whose_replica_is_removed_meanwhile(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    bench_add(&b, "S1,S2", 2, why, sizeof why);
    bench_up(&b, bench_named(&b, "S2"));
    bench_publish(&b);
    struct row *s1 = bench_named(&b, "S1");
    assert_int_equal(b.n_answers, 0);
    assert_int_equal(bench_remove(&b, "S1", 1, why, sizeof why),
                     0); /* not in the rotation: no view to wait for */
    bench_exited(&b, s1);
    bench_turn(&b);
    assert_int_equal(b.n_answers, 2); /* the addition first */
    assert_string_equal(b.names, "S1");
    assert_string_equal(bench_names(&b), "Server 1,S2");
    bench_close(&b);
}

static void test_same_name_again_while_the_first_one_leaves(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    struct row *old = bench_row(&b, 0);
    bench_remove(&b, "1", 1, why, sizeof why);
    assert_int_equal(bench_add(&b, "Server 1", 1, why, sizeof why), 0);
    struct row *new = bench_row(&b, 1);
    assert_string_equal(new->place.ring_name, "Server 1");
    assert_int_equal(new->place.id, 1);
    bench_up(&b, new);
    assert_string_equal(bench_rotation(&b), "Server 1");
    bench_publish(&b);
    bench_forget(&b);
    assert_int_equal(old->state, SUPERVISOR_STOPPING);
    assert_ptr_equal(supervisor_find(b.s, "Server 1"), new->replica);
    assert_int_equal(b.n_answers, 2);
    bench_close(&b);
}

/* ------------------------------------------------------------------ /rm */

static void test_remove_refusals_change_nothing(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 3);
    bench_all_up(&b);
    assert_int_equal(bench_remove(&b, "Server 1,Server 9", 2, why, sizeof why), -1);
    assert_string_equal(why, "no replica is called \"Server 9\"");
    assert_int_equal(bench_remove(&b, "9", 1, why, sizeof why), -1);
    assert_int_equal(bench_remove(&b, "0", 1, why, sizeof why), -1);
    assert_int_equal(bench_remove(&b, "", 4, why, sizeof why), -1);
    assert_string_equal(why, "4 replicas cannot be removed: there are 3");
    assert_int_equal(bench_remove(&b, "2,Server 2", 2, why, sizeof why), -1);
    assert_string_equal(why, "\"Server 2\" is named twice");
    assert_int_equal(supervisor_wanted(b.s), 3);
    assert_true(list_is_empty(&b.s->changes));
    bench_close(&b);
}

static void test_remove_named_and_random(void **state)
{
    struct bench b;
    char why[200];
    unsigned victims[6] = { 0 };
    (void)state;
    for (int i = 0; i < 60; i++) {
        bench_open(&b, DRIVER_PROCESS, 5);
        bench_all_up(&b);
        assert_int_equal(bench_remove(&b, "Server 3", 3, why, sizeof why), 0);
        bench_publish(&b);
        assert_int_equal(b.n_answers, 1);
        assert_int_equal(b.n_to_forget, 3);
        unsigned first, second, third;
        assert_int_equal(sscanf(b.names, "Server %u,Server %u,Server %u", &first, &second, &third), 3);
        assert_int_equal(first, 3);
        assert_true(second != 3 && third != 3 && second != third);
        victims[second]++;
        victims[third]++;
        assert_int_equal(supervisor_wanted(b.s), 2);
        bench_close(&b);
    }
    for (int i = 1; i <= 5; i++) { /* one in two: that one is never chosen in 60 has probability 2^-60 */
        assert_true(i == 3 || victims[i] > 0);
    }
}

static void test_remove_all(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    bench_up(&b, bench_row(&b, 0)); /* the other one has not even started */
    assert_int_equal(bench_remove(&b, "", 2, why, sizeof why), 0);
    bench_publish(&b);
    assert_int_equal(b.n_answers, 1);
    assert_string_equal(bench_rotation(&b), "");
    assert_int_equal(bench_remove(&b, "", 1, why, sizeof why), -1);
    assert_string_equal(why, "1 replicas cannot be removed: there are 0");
    assert_int_equal(bench_add(&b, "", 1, why, sizeof why), 0);
    bench_close(&b);
}

static void test_exact_name_wins_over_the_number(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    struct row *four = row_new(b.s, "4");
    row_new(b.s, "Server 4"); /* its ordinal is taken */
    assert_ptr_equal(row_find(b.s, "4"), four);
    assert_int_equal(bench_named(&b, "Server 4")->place.ordinal, 0);
    assert_int_equal(bench_remove(&b, "4", 1, why, sizeof why), 0);
    bench_publish(&b);
    assert_string_equal(b.names, "4");
    bench_close(&b);
}

static void test_nothing_is_taken_when_stopping(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 1);
    bench_all_up(&b);
    assert_int_equal(bench_remove(&b, "1", 1, why, sizeof why), 0);
    supervisor_stop(b.s);
    assert_int_equal(bench_add(&b, "", 1, why, sizeof why), -1);
    assert_string_equal(why, "the balancer is leaving");
    assert_int_equal(bench_remove(&b, "", 1, why, sizeof why), -1);
    bench_turn(&b);
    assert_int_equal(b.n_answers, 1);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinals_in_names),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_stand_in_names_are_free_ones_and_grow_wider),
        cmocka_unit_test(test_stand_in_is_not_named_like_the_one_it_replaces),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_name_of_a_dead_one_is_free_but_its_place_is_not),
        cmocka_unit_test(test_add_is_answered_when_published),
        cmocka_unit_test(test_add_skips_what_exists),
        cmocka_unit_test(test_add_refusals_change_nothing),
        cmocka_unit_test(test_add_in_time_or_not),
        cmocka_unit_test(test_add_whose_replica_is_removed_meanwhile),
        cmocka_unit_test(test_same_name_again_while_the_first_one_leaves),
        cmocka_unit_test(test_remove_refusals_change_nothing),
        cmocka_unit_test(test_remove_named_and_random),
        cmocka_unit_test(test_remove_all),
        cmocka_unit_test(test_exact_name_wins_over_the_number),
        cmocka_unit_test(test_nothing_is_taken_when_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
