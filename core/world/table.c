/*
 * table.c - what a strategy built over a set of members.
 *
 * Owns     struct table: the scheduler's table, a copy of the members, the count of bytes.
 * Used by  control's builder (build, compare), view.c (holds it), path/pick.c (asks).
 * Uses     strategy.h, asker.h, lb_plugin.h.
 * Thread   build and compare: builder thread. release: control thread. Reading: any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "world/asker.h"
#include "world/plugin.h"
#include "world/strategy.h"

/* ------------------------------------------------------------------ the allocator a scheduler gets */

/* Stands before each block, so that release knows how much to take off; keeps the strictest alignment. */
union block_head {
    size_t bytes;
    max_align_t align;
};

static void *counted_alloc(void *ctx, size_t bytes)
{
    struct table *t = ctx;
    union block_head *head = bytes <= SIZE_MAX - sizeof *head ? malloc(sizeof *head + bytes) : NULL;

    /* Unlike the balancer's own, a table's memory may be refused: the old table still serves. */
    if (!head)
        return NULL;
    head->bytes = bytes;
    t->bytes += bytes;
    return head + 1;
}

static void counted_release(void *ctx, void *memory)
{
    struct table *t = ctx;
    union block_head *head = memory;

    if (!head)
        return;
    head--;
    t->bytes -= head->bytes;
    free(head);
}

/* ------------------------------------------------------------------ building */

/* Members with ring names of their own, in one block. */
static struct lb_member *copy_members(const struct lb_member *members, uint32_t n)
{
    size_t text = 0;
    struct lb_member *copy;
    char *names;

    for (uint32_t i = 0; i < n; i++)
        text += members[i].key_len + 1u;
    copy = mem_alloc(n * sizeof *copy + text + 1);
    names = (char *)(copy + n);
    for (uint32_t i = 0; i < n; i++) {
        copy[i] = members[i];
        copy[i].key = names;
        if (members[i].key_len)
            memcpy(names, members[i].key, members[i].key_len);
        names[members[i].key_len] = 0;
        names += members[i].key_len + 1u;
    }
    return copy;
}

static void inspect(struct table *t)
{
    double *shares = mem_zero(t->n_members + 1u, sizeof *shares);
    struct lb_inspect seen = { .struct_size = sizeof seen, .n_members = t->n_members, .shares = shares };

    if (t->strategy->ops->inspect(t->made, &seen) == 0) {
        t->digest = seen.digest;
        if (seen.exact && t->n_members > 0)
            t->shares = shares;
    }
    if (!t->shares)
        free(shares);
}

struct table *strategy_build(struct strategy *s, const struct lb_member *members, uint32_t n,
                             struct lb_error *why)
{
    struct table *t = mem_zero(1, sizeof *t);
    uint64_t started = clock_now_ns();
    struct lb_build in;

    t->strategy = s;
    t->alloc = (struct lb_alloc){ .alloc = counted_alloc, .release = counted_release, .ctx = t };
    t->n_members = n;
    t->members = copy_members(members, n);
    t->members_digest = strategy_digest_members(t->members, n);
    in = (struct lb_build){ .struct_size = sizeof in,
                            .n_members = n,
                            .members = t->members,
                            .self = s->self,
                            .hash = s->with_hash,
                            .probe = s->with_probe,
                            .alloc = &t->alloc };
    if (!in.hash.ops)
        in.hash.self = NULL;
    if (!in.probe.ops)
        in.probe.self = NULL;
    why->text[0] = 0;
    if (s->ops->build(&in, &t->made, why) != 0) {
        why->text[sizeof why->text - 1] = 0;
        if (!why->text[0])
            snprintf(why->text, sizeof why->text, "%s refuses to build and gives no reason",
                     s->scheduler->info->name);
        free(t->members);
        free(t);
        return NULL;
    }
    strategy_retain(s);
    atomic_init(&t->refs, 1);
    t->scratch_size = s->ops->scratch_size ? s->ops->scratch_size(t->made) : 0;
    inspect(t);
    t->build_ns = clock_now_ns() - started;
    return t;
}

void table_retain(struct table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void table_release(struct table *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
        return;
    t->strategy->ops->destroy_table(t->made);
    strategy_release(t->strategy);
    free(t->members);
    free(t->shares);
    free(t);
}

/* ------------------------------------------------------------------ comparing */

/* The member that gets the key; NULL when the table names none. */
static const struct lb_member *ask(struct asker *a, const struct lb_key *key)
{
    uint32_t member = asker_ask(a, key, 0);

    return member == LB_NONE ? NULL : &a->table->members[member];
}

static bool is_keyed(const struct table *t)
{
    return t->strategy->caps & LB_CAP_KEYED && t->n_members > 0;
}

double strategy_moved_keys(const struct table *from, const struct table *to, uint32_t samples)
{
    uint32_t moved = 0;
    struct asker before, after;

    if (!from || !to || samples == 0 || !is_keyed(from) || !is_keyed(to))
        return -1;
    asker_open(&before, from, NULL);
    asker_open(&after, to, NULL);
    for (uint32_t i = 0; i < samples; i++) {
        const struct lb_member *had, *has;
        struct lb_key key;
        char text[16];

        asker_sample_key(i, text, &key);
        had = ask(&before, &key);
        has = ask(&after, &key);
        moved += !had != !has || (had && strategy_compare_members(had, has) != 0);
    }
    asker_close(&before);
    asker_close(&after);
    return (double)moved / samples;
}
