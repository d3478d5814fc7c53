/*
 * test_supervisor_spare.c - spares: replicas without a place, until one dies.
 *
 * Owns     nothing.
 * Used by  ctest: unit.control.supervisor_spare.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <cmocka.h>

#include "unit/control/supervisor_fake.h"

/* Three in the rotation and a spare. */
static struct row *open_with_spare(struct bench *b)
{
    bench_open(b, DRIVER_PROCESS, 3);
    bench_all_up(b);
    bench_want_spares(b, 1);
    struct row *spare = bench_spare(b, 0);
    bench_spare_up(b, spare);
    return spare;
}

static bool is_emergency(const char *name)
{
    return strncmp(name, "emergency_", 10) == 0;
}

static void test_it_runs_in_no_rotation(void **state)
{
    struct bench b;
    (void)state;
    struct row *spare = open_with_spare(&b);
    struct supervisor_info *list;
    assert_true(is_emergency(spare->name));
    assert_string_equal(spare->spawned->server_id, spare->name);
    assert_string_equal(bench_rotation(&b), "Server 1,Server 2,Server 3");
    assert_false(replica_is_ready(spare->replica));
    assert_int_equal(supervisor_wanted(b.s), 3);
    assert_int_equal(supervisor_list(b.s, &list), 3);
    free(list);
    assert_int_equal(supervisor_list_spares(b.s, &list), 1);
    assert_string_equal(list[0].name, spare->name);
    assert_int_equal(list[0].state, SUPERVISOR_SPARE);
    assert_string_equal(list[0].ring_name, "");
    free(list);
    bench_close(&b);
}

static void test_it_fills_the_place_of_a_dead_one(void **state)
{
    struct bench b;
    (void)state;
    struct row *spare = open_with_spare(&b), *dead = bench_row(&b, 1);
    struct replica *was = dead->replica;
    bench_exited(&b, dead);
    bench_turn(&b); /* its pause is none, and then the settling */

    assert_ptr_equal(bench_row(&b, 1), spare);
    assert_ptr_equal(bench_spare(&b, 0), dead);
    assert_null(bench_spare(&b, 1));
    assert_int_equal(spare->state, SUPERVISOR_READY);
    assert_true(replica_is_ready(spare->replica));
    assert_string_equal(bench_rotation(&b), "Server 1,Server 2,Server 3");
    assert_ptr_equal(spare->place.shown, spare->replica);
    assert_ptr_not_equal(spare->place.shown, was);
    assert_string_equal(spare->replica->name, spare->name);
    assert_string_equal(spare->replica->ring_name, "Server 2");
    assert_int_equal(spare->replica->id, 2);
    assert_int_equal(spare->place.ordinal, 2);
    assert_ptr_equal(supervisor_find(b.s, "2"), spare->replica);

    assert_int_equal(dead->state, SUPERVISOR_STARTING); /* as a spare, under another name */
    assert_true(is_emergency(dead->name));
    assert_string_not_equal(dead->name, spare->name);
    assert_string_equal(dead->spawned->server_id, dead->name);
    bench_publish(&b);
    assert_int_equal(b.n_to_forget, 1);
    assert_ptr_equal(b.to_forget[0], was);
    bench_forget(&b);

    bench_spare_up(&b, dead);
    bench_exited(&b, bench_row(&b, 0)); /* and so again, in another place */
    bench_turn(&b);
    assert_ptr_equal(bench_row(&b, 0), dead);
    assert_string_equal(dead->replica->ring_name, "Server 1");
    assert_int_equal(dead->state, SUPERVISOR_READY);
    bench_close(&b);
}

static void test_the_order_of_rep_stays(void **state)
{
    (void)state;
    for (size_t at = 0; at < 3; at++) {
        struct bench b;
        struct row *spare = open_with_spare(&b), *rows[3];
        for (size_t i = 0; i < 3; i++) {
            rows[i] = bench_row(&b, i);
        }
        bench_exited(&b, rows[at]);
        bench_turn(&b);
        for (size_t i = 0; i < 3; i++) {
            assert_ptr_equal(bench_row(&b, i), i == at ? spare : rows[i]);
        }
        bench_close(&b);
    }
}

static void test_a_hung_one_need_not_be_gone(void **state)
{
    struct bench b;
    (void)state;
    struct row *spare = open_with_spare(&b), *hung = bench_row(&b, 2);
    for (int i = 0; i < 5; i++) {
        bench_beat(&b, hung, HEALTH_MISS);
    }
    assert_int_equal(hung->state, SUPERVISOR_STOPPING);
    bench_turn(&b);
    assert_ptr_equal(bench_row(&b, 2), spare);
    assert_int_equal(spare->state, SUPERVISOR_READY);
    assert_int_equal(hung->state, SUPERVISOR_STOPPING);
    assert_int_equal(hung->spawned->asked, 1);
    assert_int_equal(spare->place.deaths, 1);
    assert_string_equal(hung->name, "Server 3");
    assert_null(bench_spare(&b, 1));

    bench_exited(&b, hung);
    bench_timer(&b, hung);
    assert_int_equal(hung->state, SUPERVISOR_STARTING);
    assert_true(is_emergency(hung->name));
    bench_close(&b);
}

static void test_without_a_ready_one_a_stand_in_is_started(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, DRIVER_PROCESS, 2);
    bench_all_up(&b);
    bench_want_spares(&b, 1);
    struct row *spare = bench_spare(&b, 0), *dead = bench_row(&b, 0);
    assert_int_equal(spare->state, SUPERVISOR_STARTING);
    bench_exited(&b, dead);
    bench_turn(&b);
    assert_ptr_equal(bench_row(&b, 0), dead);
    assert_int_equal(dead->state, SUPERVISOR_STARTING);

    bench_spare_up(&b, spare); /* too late for that one: it stays what it is */
    assert_int_equal(spare->state, SUPERVISOR_SPARE);
    bench_up(&b, dead);
    bench_publish(&b);
    bench_beat(&b, spare, HEALTH_REFUSED); /* one that is doubtful is left alone, too */
    assert_int_equal(spare->state, SUPERVISOR_SUSPECT);
    bench_exited(&b, bench_row(&b, 1));
    bench_turn(&b);
    assert_ptr_equal(bench_spare(&b, 0), spare);
    bench_beat(&b, spare, HEALTH_GOOD);
    assert_int_equal(spare->state, SUPERVISOR_SPARE);
    bench_close(&b);
}

static void test_one_that_dies_young_waits_its_pause(void **state)
{
    struct bench b;
    (void)state;
    struct row *spare = open_with_spare(&b), *first = bench_row(&b, 0);
    bench_exited(&b, first);
    bench_turn(&b);
    bench_spare_up(&b, first);
    bench_publish(&b);

    bench_exited(&b, spare); /* the second death in that place within backoff_min_ms */
    bench_turn(&b);
    assert_ptr_equal(bench_row(&b, 0), spare);
    assert_int_equal(spare->state, SUPERVISOR_BACKOFF);
    assert_true(evtimer_pending(&spare->timer, NULL));
    bench_timer(&b, spare);
    bench_turn(&b);
    assert_ptr_equal(bench_row(&b, 0), first);
    assert_int_equal(first->state, SUPERVISOR_READY);

    bench_spare_up(&b, spare);
    bench_exited(&b, spare); /* and so do those that were in it, as spares */
    bench_turn(&b);
    assert_ptr_equal(bench_spare(&b, 0), spare);
    assert_int_equal(spare->state, SUPERVISOR_BACKOFF);
    assert_true(evtimer_pending(&spare->timer, NULL));
    bench_timer(&b, spare);

    for (int i = 0; i < 5; i++) { /* and so does one that hangs */
        bench_beat(&b, first, HEALTH_MISS);
    }
    bench_spare_up(&b, spare);
    assert_int_equal(first->state, SUPERVISOR_STOPPING);
    assert_ptr_equal(bench_row(&b, 0), first);
    bench_close(&b);
}

static void test_a_spare_that_dies_comes_up_again(void **state)
{
    struct bench b;
    char name[REPLICA_NAME_MAX + 1];
    (void)state;
    struct row *spare = open_with_spare(&b);
    snprintf(name, sizeof name, "%s", spare->name);
    bench_exited(&b, spare);
    bench_turn(&b);
    assert_int_equal(spare->state, SUPERVISOR_STARTING);
    assert_string_equal(spare->name, name);
    assert_string_equal(bench_rotation(&b), "Server 1,Server 2,Server 3");
    for (int i = 0; i < 2; i++) {
        bench_exited(&b, spare); /* starts that fail have their pauses */
        bench_turn(&b);
    }
    assert_int_equal(spare->state, SUPERVISOR_BACKOFF);
    assert_true(evtimer_pending(&spare->timer, NULL));
    bench_want_spares(&b, 0);
    assert_null(bench_spare(&b, 0));
    bench_close(&b);
}

static void test_their_number_follows_the_configuration(void **state)
{
    struct bench b;
    (void)state;
    struct row *spare = open_with_spare(&b);
    bench_want_spares(&b, 3);
    assert_non_null(bench_spare(&b, 2));
    bench_want_spares(&b, 1); /* the newest leave */
    assert_int_equal(bench_spare(&b, 1)->state, SUPERVISOR_STOPPING);
    assert_int_equal(bench_spare(&b, 2)->state, SUPERVISOR_STOPPING);
    assert_int_equal(spare->state, SUPERVISOR_SPARE);
    bench_exited(&b, bench_spare(&b, 2));
    bench_exited(&b, bench_spare(&b, 1));
    bench_turn(&b);
    assert_null(bench_spare(&b, 1));
    bench_want_spares(&b, 0);
    assert_int_equal(spare->state, SUPERVISOR_STOPPING);
    bench_exited(&b, bench_row(&b, 0)); /* one that leaves fills nothing */
    bench_turn(&b);
    assert_ptr_equal(bench_spare(&b, 0), spare);
    bench_close(&b);
}

static void test_add_and_rm_do_not_see_them(void **state)
{
    struct bench b;
    char why[200], name[REPLICA_NAME_MAX + 1];
    (void)state;
    struct row *spare = open_with_spare(&b);
    snprintf(name, sizeof name, "%s", spare->name);
    assert_int_equal(bench_remove(&b, name, 1, why, sizeof why), -1);
    assert_int_equal(bench_add(&b, name, 1, why, sizeof why), -1); /* it exists */
    assert_int_equal(bench_add(&b, "", 1, why, sizeof why), 0);
    assert_ptr_equal(bench_spare(&b, 0), spare);
    assert_int_equal(spare->state, SUPERVISOR_SPARE);
    assert_int_equal(bench_remove(&b, "Server 1", 1, why, sizeof why), 0);
    bench_publish(&b);
    bench_forget(&b);
    bench_exited(&b, bench_row(&b, 0)); /* a removed one's place is not filled */
    bench_turn(&b);
    assert_ptr_equal(bench_spare(&b, 0), spare);
    bench_close(&b);
}

static void test_an_add_whose_replica_dies_meanwhile_is_answered(void **state)
{
    struct bench b;
    char why[200];
    (void)state;
    struct row *spare = open_with_spare(&b);
    assert_int_equal(bench_add(&b, "new", 1, why, sizeof why), 0);
    bench_up(&b, bench_named(&b, "new"));
    bench_exited(&b, bench_named(&b, "new")); /* before a view with it was published */
    bench_turn(&b);
    assert_ptr_equal(bench_row(&b, 3), spare);
    assert_int_equal(b.n_answers, 0);
    bench_publish(&b);
    assert_int_equal(b.n_answers, 1);
    assert_string_equal(b.names, "new");
    assert_false(b.timed_out);
    bench_close(&b);
}

/* Those that began as spares do not say in which place they are. */
static const struct spawner_found running[] = {
    { .name = "Server 1",
      .place = { .ring_name = "Server 1", .id = 1, .position = 1, .ordinal = 1, .weight = 1 } },
    { .name = "emergency_05", .place = { .ring_name = "", .weight = 1 } },
    { .name = "Server 3",
      .place = { .ring_name = "Server 3", .id = 3, .position = 3, .ordinal = 3, .weight = 1 } },
    { .name = "emergency_06", .place = { .ring_name = "", .weight = 1 } },
};

static void test_those_that_ran_before_are_known_again(void **state)
{
    struct bench b;
    (void)state;
    bench_open_found(&b, 3, 1, running, 4);
    bench_all_up(&b);
    bench_spare_up(&b, bench_spare(&b, 0));
    assert_int_equal(b.n_starts, 4); /* and a driver that finds them starts none of these */
    assert_string_equal(bench_rotation(&b), "Server 1,Server 2,Server 3");
    assert_string_equal(bench_named(&b, "emergency_05")->place.ring_name, "Server 2");
    assert_int_equal(bench_named(&b, "emergency_05")->replica->id, 2);
    assert_string_equal(bench_spare(&b, 0)->name, "emergency_06");
    assert_null(bench_spare(&b, 1));
    bench_close(&b);
}

static void test_none_of_them_is_too_many(void **state)
{
    struct bench b;
    (void)state;
    bench_open_found(&b, 2, 2, running, 4); /* nothing is missing */
    assert_int_equal(b.n_starts, 4);
    assert_string_equal(bench_spare(&b, 0)->name, "emergency_05");
    assert_string_equal(bench_spare(&b, 1)->name, "emergency_06");
    bench_close(&b);

    bench_open_found(&b, 2, 0, running, 4); /* nobody wants them: the driver does away with them */
    assert_int_equal(b.n_starts, 2);
    assert_null(bench_spare(&b, 0));
    bench_close(&b);

    bench_open_found(&b, 5, 2, running, 4); /* places are missing, but spares are wanted, too */
    assert_int_equal(b.n_starts, 7);
    assert_string_equal(bench_spare(&b, 1)->name, "emergency_06");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_runs_in_no_rotation),
        cmocka_unit_test(test_it_fills_the_place_of_a_dead_one),
        cmocka_unit_test(test_the_order_of_rep_stays),
        cmocka_unit_test(test_a_hung_one_need_not_be_gone),
        cmocka_unit_test(test_without_a_ready_one_a_stand_in_is_started),
        cmocka_unit_test(test_one_that_dies_young_waits_its_pause),
        cmocka_unit_test(test_a_spare_that_dies_comes_up_again),
        cmocka_unit_test(test_their_number_follows_the_configuration),
        cmocka_unit_test(test_add_and_rm_do_not_see_them),
        cmocka_unit_test(test_an_add_whose_replica_dies_meanwhile_is_answered),
        cmocka_unit_test(test_those_that_ran_before_are_known_again),
        cmocka_unit_test(test_none_of_them_is_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
