/*
 * test_scheduler_random.c - columns that add up to the weights, exactly, and draws that follow them.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugins/common/alias.h"

static void *plain_alloc(void *context, size_t bytes)
{
    (void)context;
    return malloc(bytes);
}

static void plain_release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

/* What each member has of all columns together is n times its weight: to the unit. */
static void check_columns(const struct lb_member *members, uint32_t n)
{
    static const struct lb_alloc alloc = { .alloc = plain_alloc, .release = plain_release };
    struct lb_build in = { .struct_size = sizeof in, .n_members = n, .members = members, .alloc = &alloc };
    uint64_t *has = mem_zero(n, sizeof *has);
    struct lb_error why;
    struct alias a;

    assert_int_equal(alias_make(&a, &in, "columns", &why), 0);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(a.columns[i].keep <= a.sum);
        has[i] += a.columns[i].keep;
        has[a.columns[i].other] += a.sum - a.columns[i].keep;
    }
    for (uint32_t i = 0; i < n; i++)
        assert_true(has[i] == (uint64_t)members[i].weight * n);
    alias_free(&alloc, &a);
    free(has);
}

static void test_columns_are_exact(void **state)
{
    static const uint32_t counts[] = { 1, 2, 3, 7, 100, 1000, 65536 };

    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct lb_member *members = kit_members(counts[c]);

        check_columns(members, counts[c]);
        for (uint32_t i = 0; i < counts[c]; i++)
            members[i].weight = 1 + (uint32_t)(lb_mix64(i) % 65535);
        check_columns(members, counts[c]);
        for (uint32_t i = 0; i < counts[c]; i++)
            members[i].weight = i ? 1 : 65535;
        check_columns(members, counts[c]);
        kit_members_free(members, counts[c]);
    }
}

/* A million draws; the rest of them when the heaviest is tried keep their proportions. */
static void test_draws_follow_weights(void **state)
{
    enum { N = 5, DRAWS = 1000000 };
    static const uint32_t weights[N] = { 1, 2, 3, 4, 90 };

    (void)state;
    for (int tried = 0; tried < 2; tried++) {
        struct strategy *s = kit_scheduler("scheduler_random", "");
        struct lb_member *members = kit_members(N);
        double hits[N] = { 0 };
        struct kit_seat seat;
        struct table *t;

        for (uint32_t i = 0; i < N; i++)
            members[i].weight = weights[i];
        t = kit_build(s, members, N);
        seat = kit_sit(t, 7);
        if (tried)
            kit_mark(&seat, N - 1);
        for (int i = 0; i < DRAWS; i++)
            hits[kit_ask_hash(&seat, 0)]++;
        for (uint32_t i = 0; i < N; i++) {
            double share = tried ? (i < N - 1 ? weights[i] / 10.0 : 0) : weights[i] / 100.0;
            double off = hits[i] - share * DRAWS;

            /* 64 looks miss the light ones once in 850 times, and then weights do not count */
            assert_true(off * off <= 25 * share * DRAWS + (tried ? 0.0004 * DRAWS * 0.0004 * DRAWS : 0));
        }
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, N);
        strategy_release(s);
    }
}

/* Workers that start from different random states draw differently; from the same, the same. */
static void test_follows_the_random_state(void **state)
{
    enum { N = 100 };
    struct strategy *s = kit_scheduler("scheduler_random", "");
    struct lb_member *members = kit_members(N);
    struct table *t = kit_build(s, members, N);
    struct kit_seat one = kit_sit(t, 1), same = kit_sit(t, 1), other = kit_sit(t, 2);
    unsigned equal = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint32_t member = kit_ask_hash(&one, 0);

        assert_int_equal(kit_ask_hash(&same, 0), member);
        equal += kit_ask_hash(&other, 0) == member;
    }
    assert_true(equal < 40);
    kit_leave(&one);
    kit_leave(&same);
    kit_leave(&other);
    table_release(t);
    kit_members_free(members, N);
    strategy_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_exact),
        cmocka_unit_test(test_draws_follow_weights),
        cmocka_unit_test(test_follows_the_random_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
