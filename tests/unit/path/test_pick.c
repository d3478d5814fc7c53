/*
 * test_pick.c - who is asked, who is skipped: the tried-set, unready members, a scheduler that repeats itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "path/pick.h"
#include "world/load.h"
#include "world/replica.h"
#include "world/strategy.h"
#include "world/view.h"

#define MEMBERS 200

static unsigned asked;
static bool stubborn; /* the scheduler ignores what was tried */

/* Walks upwards from the hash, as a ring does. */
static uint32_t walk(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)table;
    asked++;
    if (scratch)
        (*(uint64_t *)scratch)++;
    for (uint32_t i = 0; i < p->n_members; i++) {
        uint32_t member = (uint32_t)((p->hash + i) % p->n_members);
        if (stubborn || !lb_is_tried(p, member))
            return member;
    }
    return LB_NONE;
}

static const struct lb_scheduler_ops ops = { .struct_size = sizeof ops, .pick = walk };
static struct strategy strategy = { .ops = &ops };
static struct table table = { .strategy = &strategy, .n_members = MEMBERS, .scratch_size = sizeof(uint64_t) };
static struct replica replicas[MEMBERS];
static struct replica *in_order[MEMBERS];
static const struct lb_live *live[MEMBERS];
static struct load *load;
static struct pool pool = { .n_replicas = MEMBERS, .replicas = in_order, .live = live, .table = &table };
static struct pick pick;
static struct pick_seat *seat;

static int set_up(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        in_order[i] = &replicas[i];
        live[i] = &replicas[i].live;
        replica_set_ready(&replicas[i], true);
    }
    load = pool.load = load_new(1);
    pick_open(&pick);
    seat = pick_take_seat(&pick, &table);
    asked = 0;
    stubborn = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pick_leave_seat(seat);
    pick_close(&pick);
    load_free(load);
    return 0;
}

static uint32_t ask(uint64_t hash, const uint32_t *tried, uint32_t n_tried)
{
    uint64_t random = 1;
    struct lb_key key = { .id = hash };
    struct pick_question q = { .pool = &pool,
                               .seat = seat,
                               .key = &key,
                               .hash = hash,
                               .tried = tried,
                               .n_tried = n_tried,
                               .random = &random };
    return pick_member(&pick, &q);
}

static void the_strategy_decides(void **state)
{
    (void)state;
    assert_int_equal(ask(7, NULL, 0), 7);
    assert_int_equal(asked, 1);
}

static void tried_members_are_not_named_again(void **state)
{
    (void)state;
    const uint32_t tried[] = { 7, 8, 70 };
    assert_int_equal(ask(7, tried, 3), 9);
    assert_int_equal(ask(69, tried, 3), 69);
    assert_int_equal(ask(70, tried, 3), 71);
    assert_int_equal(ask(7, NULL, 0), 7); /* the set was wiped */
}

static void unready_members_are_skipped_in_few_questions(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MEMBERS - 1; i++)
        replica_set_ready(&replicas[i], false);
    assert_int_equal(ask(0, NULL, 0), MEMBERS - 1);
    assert_in_range(asked, 1, 6); /* not one question for each of the 199 */
    replica_set_ready(&replicas[3], true);
    assert_int_equal(ask(0, NULL, 0), 3);
}

static void nobody_is_nobody(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MEMBERS; i++)
        replica_set_ready(&replicas[i], false);
    assert_int_equal(ask(5, NULL, 0), LB_NONE);
    struct pool empty = { .n_replicas = 0, .table = &table };
    struct pick_question q = { .pool = &empty, .seat = seat };
    assert_int_equal(pick_member(&pick, &q), LB_NONE);
}

static void a_scheduler_that_repeats_itself_ends_in_none(void **state)
{
    (void)state;
    const uint32_t tried[] = { 7 };
    stubborn = true;
    assert_int_equal(ask(7, tried, 1), LB_NONE);
    assert_in_range(asked, 1, 8);
}

static void views_of_one_table_share_its_scratch(void **state)
{
    (void)state;
    struct pick_seat *again = pick_take_seat(&pick, &table);
    assert_ptr_equal(again, seat);
    ask(1, NULL, 0);
    assert_int_equal(*(uint64_t *)seat->scratch, 1);
    assert_int_equal((uintptr_t)seat->scratch % 64, 0);
    pick_leave_seat(again);
    ask(1, NULL, 0);
    assert_int_equal(*(uint64_t *)seat->scratch, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_strategy_decides),
        TEST(tried_members_are_not_named_again),
        TEST(unready_members_are_skipped_in_few_questions),
        TEST(nobody_is_nobody),
        TEST(a_scheduler_that_repeats_itself_ends_in_none),
        TEST(views_of_one_table_share_its_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
