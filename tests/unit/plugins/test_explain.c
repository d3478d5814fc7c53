/*
 * test_explain.c - what schedulers say of their choice: it is the choice, and saying it changes nothing.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lb_plugin.h"
#include "world/strategy.h"

/* What explain told, by name. */
struct story {
    struct fact {
        char name[32];
        uint64_t number;
        uint32_t member;
    } facts[64];
    size_t n;
};

static struct fact *add(struct story *s, const char *name)
{
    assert_true(s->n < sizeof s->facts / sizeof *s->facts);
    struct fact *f = &s->facts[s->n++];
    *f = (struct fact){ .member = LB_NONE };
    snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}

static void take_number(void *ctx, const char *name, uint64_t value)
{
    add(ctx, name)->number = value;
}

static void take_text(void *ctx, const char *name, const char *value)
{
    assert_non_null(value);
    add(ctx, name);
}

static void take_member(void *ctx, const char *name, uint32_t member)
{
    add(ctx, name)->member = member;
}

static const struct fact *find(const struct story *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->facts[i].name, name) == 0)
            return &s->facts[i];
    return NULL;
}

static struct lb_pick make_question(struct kit_seat *seat, const struct lb_key *key)
{
    return (struct lb_pick){
        .struct_size = sizeof(struct lb_pick),
        .n_members = seat->table->n_members,
        .key = key,
        .hash = strategy_hash(seat->table->strategy, key),
        .tried = seat->tried,
        .live = seat->live,
        .random = &seat->random,
    };
}

static uint32_t explain(struct kit_seat *seat, const struct lb_key *key, struct story *story)
{
    struct lb_pick question = make_question(seat, key);
    struct lb_explain say = { .struct_size = sizeof say,
                              .ctx = story,
                              .number = take_number,
                              .text = take_text,
                              .member = take_member };
    *story = (struct story){ 0 };
    return seat->table->strategy->ops->explain(seat->table->made, &question, seat->scratch, &say);
}

/* Explains and asks the same questions, with more and more members tried. */
static void check_agreement(struct strategy *s, uint32_t n)
{
    struct lb_member *members = kit_members(n);
    struct table *t = kit_build(s, members, n);
    struct kit_seat seat = kit_sit(t, 7);
    unsigned char *before = mem_zero(1, t->scratch_size + 1);
    for (uint64_t number = 0; number < 300; number++) {
        char text[24];
        struct lb_key key = kit_key(number * 7919, text);
        kit_unmark_all(&seat);
        for (uint32_t attempt = 0; attempt <= n; attempt++) {
            struct story story;
            uint64_t random = seat.random;
            if (t->scratch_size)
                memcpy(before, seat.scratch, t->scratch_size);
            uint32_t said = explain(&seat, &key, &story);
            assert_int_equal(seat.random, random);
            if (t->scratch_size)
                assert_memory_equal(before, seat.scratch, t->scratch_size);
            uint32_t picked = kit_ask(&seat, &key);
            assert_int_equal(said, picked);
            assert_true(story.n > 0);
            if (picked != LB_NONE)
                kit_mark(&seat, picked);
        }
    }
    free(before);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, n);
}

static void check_scheduler(struct kit_part scheduler)
{
    struct strategy *s = kit_strategy(scheduler, (struct kit_part){ "hash_murmur", "" },
                                      (struct kit_part){ "probe_linear", "" });
    assert_non_null(s->ops->explain);
    for (uint32_t n = 0; n <= 70; n = n < 4 ? n + 1 : n * 4)
        check_agreement(s, n);
    strategy_release(s);
}

static void ring_says_what_it_does(void **state)
{
    (void)state;
    check_scheduler((struct kit_part){ "scheduler_ring", "" });
}

static void small_ring_says_what_it_does(void **state)
{
    (void)state;
    check_scheduler((struct kit_part){ "scheduler_ring", "slots=512 virtual_nodes=5" });
}

static void round_robin_says_what_it_does(void **state)
{
    (void)state;
    check_scheduler((struct kit_part){ "scheduler_round_robin", "" });
}

/* The assignment's ring: 3 members, PHI(i, j) = i^2 + j^2 + 2j + 25. */
static void ring_names_the_virtual_node(void **state)
{
    (void)state;
    struct strategy *s =
        kit_strategy((struct kit_part){ "scheduler_ring", "slots=512 virtual_nodes=9" },
                     (struct kit_part){ "hash_quadratic", "" }, (struct kit_part){ "probe_quadratic", "" });
    struct lb_member *members = kit_members(3);
    struct table *t = kit_build(s, members, 3);
    struct kit_seat seat = kit_sit(t, 1);
    for (uint64_t number = 0; number < 1000; number++) {
        char text[24];
        struct lb_key key = kit_key(number, text);
        struct story story;
        uint64_t slot = (number * number + 2 * number + 17) % 512;
        uint32_t owner = explain(&seat, &key, &story);
        uint64_t i = t->members[owner].id, j = find(&story, "virtual node")->number;
        assert_int_equal(find(&story, "slot")->number, slot);
        assert_int_equal(find(&story, "node of")->member, owner);
        assert_int_equal(find(&story, "home slot")->number, (i * i + j * j + 2 * j + 25) % 512);
        assert_int_equal(find(&story, "node slot")->number, find(&story, "home slot")->number);
        assert_int_equal(find(&story, "probes")->number, 0);
    }
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, 3);
    strategy_release(s);
}

/* A ring without a free slot: 5 x 8 of 40. Every probe count leads from home to the slot. */
static void ring_counts_probes(void **state)
{
    (void)state;
    struct strategy *s =
        kit_strategy((struct kit_part){ "scheduler_ring", "slots=40 virtual_nodes=8" },
                     (struct kit_part){ "hash_murmur", "" }, (struct kit_part){ "probe_linear", "step=3" });
    struct lb_member *members = kit_members(5);
    struct table *t = kit_build(s, members, 5);
    struct kit_seat seat = kit_sit(t, 1);
    uint64_t farthest = 0;
    for (uint64_t number = 0; number < 1000; number++) {
        char text[24];
        struct lb_key key = kit_key(number, text);
        struct story story;
        explain(&seat, &key, &story);
        uint64_t home = find(&story, "home slot")->number, probes = find(&story, "probes")->number;
        assert_int_equal((home + 3 * probes) % 40, find(&story, "node slot")->number);
        assert_int_equal(find(&story, "node slot")->number, find(&story, "slot")->number);
        farthest = probes > farthest ? probes : farthest;
    }
    assert_true(farthest > 0);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, 5);
    strategy_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_says_what_it_does),
        cmocka_unit_test(small_ring_says_what_it_does),
        cmocka_unit_test(round_robin_says_what_it_does),
        cmocka_unit_test(ring_names_the_virtual_node),
        cmocka_unit_test(ring_counts_probes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
