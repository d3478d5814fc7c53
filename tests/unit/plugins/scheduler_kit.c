/*
 * scheduler_kit.c - the shipped schedulers, and what tests of all of them need: see scheduler_kit.h.
 *
 * Owns     nothing that lasts.
 * Used by  unit/plugins/test_scheduler*.c.
 * Thread   the test's.
 */
#include "unit/plugins/scheduler_kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct strategy *kit_scheduler(const char *name, const char *options)
{
    return kit_strategy((struct kit_part){ name, options }, (struct kit_part){ "hash_murmur", "" },
                        (struct kit_part){ "probe_linear", "" });
}

struct lb_hash kit_set_hash(struct strategy *s, struct lb_hash hash)
{
    struct lb_hash before = s->with_hash;

    s->with_hash = hash;
    return before;
}

struct lb_member *kit_weighted_members(uint32_t n, uint32_t heaviest)
{
    struct lb_member *members = kit_members(n);

    for (uint32_t i = 0; i < n; i++)
        members[i].weight = 1 + i % 5;
    if (heaviest && n > 0)
        members[n - 1].weight = heaviest;
    return members;
}

struct lb_member *kit_named_members(const char *const *names, const uint32_t *weights, uint32_t n)
{
    struct lb_member *members = mem_zero(n + 1u, sizeof *members);

    for (uint32_t i = 0; i < n; i++) {
        members[i] = (struct lb_member){ .id = i + 1u,
                                         .key = mem_text(names[i]),
                                         .key_len = (uint32_t)strlen(names[i]),
                                         .weight = weights ? weights[i] : 1 };
        if (i > 0)
            assert_true(strategy_compare_members(&members[i - 1], &members[i]) < 0);
    }
    return members;
}

struct lb_member *kit_members_without(const struct lb_member *members, uint32_t n, uint32_t gone)
{
    struct lb_member *rest = mem_zero(n, sizeof *rest);

    memcpy(rest, members, gone * sizeof *rest);
    memcpy(rest + gone, members + gone + 1, (n - gone - 1) * sizeof *rest);
    return rest;
}

void kit_walk_all(struct kit_seat *seat, const struct lb_key *key)
{
    uint32_t n = seat->table->n_members;

    for (uint32_t asked = 0; asked < n; asked++) {
        uint32_t member = kit_ask(seat, key);

        assert_true(member < n);
        assert_false(seat->tried[member >> 6] >> (member & 63) & 1);
        kit_mark(seat, member);
    }
    assert_int_equal(kit_ask(seat, key), LB_NONE);
    kit_unmark_all(seat);
}

void kit_check_scarce(struct strategy *s, const struct lb_member *members, uint32_t n)
{
    int result = -1;

    for (unsigned allowed = 0; result; allowed++) {
        struct kit_scarce scarce = { .left = allowed };
        struct lb_alloc alloc = kit_scarce_alloc(&scarce);
        struct lb_build in = { .struct_size = sizeof in,
                               .n_members = n,
                               .members = members,
                               .self = s->self,
                               .hash = s->with_hash,
                               .probe = s->with_probe,
                               .alloc = &alloc };
        struct lb_error why = { "" };
        void *table;

        result = s->ops->build(&in, &table, &why);
        if (result == 0)
            s->ops->destroy_table(table);
        else
            assert_non_null(strstr(why.text, "no memory for "));
        assert_int_equal(scarce.out, 0);
        assert_true(allowed < 100);
    }
}

void kit_check_refusal(struct strategy *s, const struct lb_member *members, uint32_t n, const char *expected)
{
    struct lb_error why = { "" };

    assert_null(strategy_build(s, members, n, &why));
    if (!strstr(why.text, expected))
        print_error("got \"%s\"\n", why.text);
    assert_non_null(strstr(why.text, expected));
}
