/*
 * test_scheduler_anchor.c - AnchorHash through a history of comings and goings: nobody's keys move but those
 * that must, and the paper's pseudocode agrees on every one.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugins/scheduler_anchor/anchor.h"

enum { POOL = 24, KEYS = 3000 };

/* ------------------------------------------------------------------ the structure alone */

/* Mendelson et al., algorithm 3 (GETBUCKET) on its arrays A and K, and its REMOVEBUCKET and ADDBUCKET, with
 * numbers in place of our structs. */
struct paper {
    uint32_t a[64], w[64], l[64], k[64], r[64], n, top;
};

static void paper_remove(struct paper *p, uint32_t b)
{
    p->r[p->top++] = b;
    p->n--;
    p->a[b] = p->n;
    p->w[p->l[b]] = p->k[b] = p->w[p->n];
    p->l[p->w[p->n]] = p->l[b];
}

static void paper_add(struct paper *p)
{
    uint32_t b = p->r[--p->top];

    p->a[b] = 0;
    p->l[p->w[p->n]] = p->n;
    p->w[p->l[b]] = p->k[b] = b;
    p->n++;
}

static void compare_with_paper(const struct anchor *a, const struct paper *p)
{
    assert_int_equal(a->n, p->n);
    for (uint32_t b = 0; b < a->size; b++) {
        assert_int_equal(a->cells[b].left, p->a[b]);
        if (p->a[b])
            assert_int_equal(a->cells[b].successor, p->k[b]);
    }
    for (uint32_t i = 0; i < a->n; i++)
        assert_int_equal(a->working[i], p->w[i]);
}

static void test_same_as_the_paper(void **state)
{
    enum { SIZE = 64 };
    struct anchor_cell cells[SIZE];
    uint32_t working[SIZE], place[SIZE], removed[SIZE];
    struct anchor a = {
        .size = SIZE, .cells = cells, .working = working, .place = place, .removed = removed
    };
    struct paper p = { .n = SIZE };
    uint64_t random = 1;

    (void)state;
    for (uint32_t b = 0; b < SIZE; b++)
        p.w[b] = p.l[b] = p.k[b] = b;
    anchor_start(&a, 40);
    while (p.n > 40)
        paper_remove(&p, p.n - 1);
    compare_with_paper(&a, &p);
    for (int event = 0; event < 5000; event++) {
        bool add = a.n == 1 || (a.n < SIZE && lb_random(&random) & 1);

        if (add) {
            anchor_add(&a);
            paper_add(&p);
        } else {
            uint32_t bucket = working[lb_scale(lb_random(&random), a.n)];

            anchor_remove(&a, bucket);
            paper_remove(&p, bucket);
        }
        compare_with_paper(&a, &p);
        for (uint32_t b = 0; b < SIZE; b++) { /* from a removed bucket a key always comes to one that works */
            uint32_t at = b, steps = 0;

            while (cells[at].left) {
                at = anchor_next(cells, at, lb_random(&random));
                assert_true(++steps < SIZE);
            }
        }
    }
}

/* ------------------------------------------------------------------ histories */

/* Who is there, of POOL members: a bit each. */
static struct table *build_of(struct strategy *s, const struct lb_member *pool, uint32_t there)
{
    struct lb_member members[POOL];
    uint32_t n = 0;

    for (uint32_t m = 0; m < POOL; m++) {
        if (there >> m & 1)
            members[n++] = pool[m];
    }
    return kit_build(s, members, n);
}

static void owners_of(const struct table *t, uint64_t ids[KEYS])
{
    struct kit_seat seat = kit_sit(t, 1);

    for (uint64_t k = 0; k < KEYS; k++)
        ids[k] = t->members[kit_ask_hash(&seat, lb_mix64(k))].id;
    kit_leave(&seat);
}

static uint32_t bit_of(const struct lb_member *pool, uint64_t id)
{
    for (uint32_t m = 0; m < POOL; m++) {
        if (pool[m].id == id)
            return 1u << m;
    }
    fail();
    return 0;
}

/* Random events, some of them several at once. A key moves only away from one that left, or to one that came.
 * */
static void check_history(const char *options, bool weighted)
{
    struct strategy *s = kit_scheduler("scheduler_anchor", options);
    struct lb_member *pool = weighted ? kit_weighted_members(POOL, 0) : kit_members(POOL);
    uint32_t there = 0x00FFF;
    struct table *t = build_of(s, pool, there);
    static uint64_t before[KEYS], after[KEYS];
    uint64_t random = 3;

    owners_of(t, before);
    for (int event = 0; event < 300; event++) {
        uint32_t flips = 1u << lb_scale(lb_random(&random), POOL), next;

        if (event % 5 == 0)
            flips |= 1u << lb_scale(lb_random(&random), POOL);
        next = there ^ flips;
        if (!(next & there) || __builtin_popcount(next) > 14)
            continue;
        table_release(t);
        t = build_of(s, pool, next);
        owners_of(t, after);
        for (uint64_t k = 0; k < KEYS; k++) {
            if (before[k] != after[k])
                assert_true(!(bit_of(pool, before[k]) & next) || !(bit_of(pool, after[k]) & there));
        }
        memcpy(before, after, sizeof before);
        there = next;
    }
    table_release(t);
    kit_members_free(pool, POOL);
    strategy_release(s);
}

static void test_only_what_must_moves(void **state)
{
    (void)state;
    check_history("", false);
    check_history("capacity=14", false); /* full, now and then */
    check_history("capacity=1000", false);
    check_history("capacity=256", true);
}

/* Who left last and comes back first finds all as it was: undone step by step, a history leaves no trace. */
static void test_last_out_first_in(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_anchor", "");
    struct lb_member *pool = kit_weighted_members(POOL, 0);
    uint32_t there[10] = { 0xFFFFF };
    uint64_t digests[10];

    (void)state;
    for (int i = 0; i < 10; i++) {
        struct table *t;

        if (i > 0)
            there[i] = there[i - 1] & ~(1u << ((i * 7) % 20)) & ~(1u << ((i * 7 + 3) % 20));
        t = build_of(s, pool, there[i]);
        digests[i] = t->digest;
        table_release(t);
    }
    for (int i = 9; i >= 0; i--) {
        struct table *t = build_of(s, pool, there[i]);

        assert_true(t->digest == digests[i]);
        table_release(t);
    }
    kit_members_free(pool, POOL);
    strategy_release(s);
}

/* What it is not: two balancers with the same members and another past do not agree. */
static void test_order_matters(void **state)
{
    struct strategy *one = kit_scheduler("scheduler_anchor", ""),
                    *other = kit_scheduler("scheduler_anchor", "");
    struct lb_member *pool = kit_members(POOL);
    static uint64_t ids[KEYS], fresh_ids[KEYS];
    struct table *first = build_of(one, pool, 0xFFFFF), *after = build_of(one, pool, 0xFFFDF);
    struct table *fresh = build_of(other, pool, 0xFFFDF);
    unsigned differ = 0;

    (void)state;
    assert_true(after->digest != fresh->digest);
    owners_of(after, ids);
    owners_of(fresh, fresh_ids);
    for (int k = 0; k < KEYS; k++)
        differ += ids[k] != fresh_ids[k];
    print_message(
        "a balancer that saw the sixth of 20 members leave, and one that started without it, differ on "
        "%.1f %% of keys: the order of events is part of the table\n",
        100.0 * differ / KEYS);
    assert_true(differ > KEYS / 10);
    table_release(first);
    table_release(after);
    table_release(fresh);
    kit_members_free(pool, POOL);
    strategy_release(one);
    strategy_release(other);
}

/* A replacement takes the place of the one that leaves at the same time: only those keys move. */
static void test_replacement(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_anchor", "");
    struct lb_member *pool = kit_members(POOL);
    static uint64_t before[KEYS], after[KEYS];
    struct table *t = build_of(s, pool, 0x000FF), *next = build_of(s, pool, 0x001F7);

    (void)state;
    owners_of(t, before);
    owners_of(next, after);
    for (int k = 0; k < KEYS; k++) {
        if (before[k] == pool[3].id)
            assert_int_equal(after[k], pool[8].id);
        else
            assert_int_equal(after[k], before[k]);
    }
    table_release(t);
    table_release(next);
    kit_members_free(pool, POOL);
    strategy_release(s);
}

/* A pool that outgrows what capacity was taken for it starts anew, twice as large; one that is replaced
 * altogether too. */
static void test_starts_anew(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_anchor", ""),
                    *fresh = kit_scheduler("scheduler_anchor", "");
    struct lb_member *members = kit_members(100);
    struct table *few = kit_build(s, members, 8), *many = kit_build(s, members, 100),
                 *others = kit_build(s, members + 20, 80), *none, *again;
    struct table *many_fresh = kit_build(fresh, members, 100);

    (void)state;
    assert_true(many->digest == many_fresh->digest);
    none = kit_build(s, members, 0);
    again = kit_build(s, members + 20, 80); /* an empty pool in between is not remembered */
    assert_true(again->digest == others->digest);
    assert_int_equal(kit_inspect(few, NULL, 0).used, 8);
    table_release(few);
    table_release(many);
    table_release(others);
    table_release(none);
    table_release(again);
    table_release(many_fresh);
    kit_members_free(members, 100);
    strategy_release(s);
    strategy_release(fresh);
}

/* A build that is refused leaves no trace: wherever memory ends, the next build is as if it had not been
 * tried. */
static void test_refused_builds_leave_no_trace(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_anchor", ""), *calm = kit_scheduler("scheduler_anchor", "");
    struct lb_member *pool = kit_members(POOL);
    struct table *one = build_of(s, pool, 0x000FF), *calm_one = build_of(calm, pool, 0x000FF), *two,
                 *calm_two;

    (void)state;
    for (unsigned allowed = 0; allowed < 3; allowed++) {
        struct kit_scarce scarce = { .left = allowed };
        struct lb_alloc alloc = kit_scarce_alloc(&scarce);
        struct lb_build in = { .struct_size = sizeof in,
                               .n_members = 5,
                               .members = pool + 10,
                               .self = s->self,
                               .hash = s->with_hash,
                               .alloc = &alloc };
        struct lb_error why = { "" };
        void *table;

        assert_int_equal(s->ops->build(&in, &table, &why), -1);
        assert_int_equal(scarce.out, 0);
    }
    two = build_of(s, pool, 0x001EF);
    calm_two = build_of(calm, pool, 0x001EF);
    assert_true(one->digest == calm_one->digest && two->digest == calm_two->digest);
    table_release(one);
    table_release(two);
    table_release(calm_one);
    table_release(calm_two);
    kit_members_free(pool, POOL);
    strategy_release(s);
    strategy_release(calm);
}

static void test_refusals(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_anchor", "capacity=10"),
                    *large = kit_scheduler("scheduler_anchor", "");
    struct lb_member *members = kit_members(40);

    (void)state;
    kit_check_refusal(
        s, members, 11,
        "the weights add up to 11 buckets, and capacity is 10: raise capacity, or use smaller weights");
    for (uint32_t i = 0; i < 40; i++)
        members[i].weight = 65535;
    kit_check_refusal(
        large, members, 40,
        "the weights add up to 2621400 buckets, and an anchor has at most 2097152: use smaller weights");
    kit_members_free(members, 40);
    strategy_release(s);
    strategy_release(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_paper),
        cmocka_unit_test(test_only_what_must_moves),
        cmocka_unit_test(test_last_out_first_in),
        cmocka_unit_test(test_order_matters),
        cmocka_unit_test(test_replacement),
        cmocka_unit_test(test_starts_anew),
        cmocka_unit_test(test_refused_builds_leave_no_trace),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
