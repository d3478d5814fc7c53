/*
 * test_scheduler_modulo.c - residues and their blocks.
 */
#include "unit/plugins/scheduler_kit.h"

static void test_residues(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_modulo", "");
    struct lb_member *members = kit_members(7);
    struct table *t = kit_build(s, members, 7);
    struct kit_seat seat = kit_sit(t, 1);

    (void)state;
    assert_int_equal(kit_inspect(t, NULL, 0).slots, 7);
    for (uint64_t k = 0; k < 1000; k++)
        assert_int_equal(kit_ask_hash(&seat, lb_mix64(k)), lb_mix64(k) % 7);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, 7);
    strategy_release(s);
}

static void test_weights_are_blocks(void **state)
{
    static const uint32_t owner[6] = { 0, 1, 1, 1, 2, 2 };
    struct strategy *s = kit_scheduler("scheduler_modulo", "");
    struct lb_member *members = kit_members(3);
    struct kit_seat seat;
    struct table *t;

    (void)state;
    members[0].weight = 7;
    members[1].weight = 21;
    members[2].weight = 14;
    t = kit_build(s, members, 3);
    seat = kit_sit(t, 1);
    for (uint64_t k = 0; k < 1000; k++)
        assert_int_equal(kit_ask_hash(&seat, lb_mix64(k)), owner[lb_mix64(k) % 6]);
    assert_true(t->shares[0] == 1 / 6.0 && t->shares[1] == 3 / 6.0 && t->shares[2] == 2 / 6.0);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, 3);
    strategy_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_residues),
        cmocka_unit_test(test_weights_are_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
