/*
 * vet_scheduler.c - a scheduler, tried out: what it builds over which members.
 *
 * Owns     the memberships that are tried.
 * Used by  vet.c.
 * Uses     strategy.h to build, vet_watch.h for what is found wrong inside the calls, vet_exercise_picks for
 *          the questions.
 * Thread   the process that tries out has one.
 *
 * Three tables are built over each membership: twice by one instance, once by another; they must agree. A
 * scheduler may refuse members (a ring with few slots has room for few of them), and the balancer then goes
 * on without the newest. But it must take none at all, which is how every balancer begins; the ones that are
 * there now; and at least something.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/vet_exercise.h"
#include "world/vet_watch.h"

#define MADE_UP 3u

struct membership {
    const struct lb_member *members;
    uint32_t n;
    bool is_real; /* the members that the caller has, not ours */
    bool must_fit;
};

/* ------------------------------------------------------------------ building */

/* "no members", "1 member", "3 members"; in a buffer of its own. */
static const char *count_of(uint32_t n)
{
    static char text[32];
    snprintf(text, sizeof text, n == 1 ? "1 member" : "%u members", n);
    return text;
}

static void release_all(struct table *tables[3])
{
    for (int i = 0; i < 3; i++)
        table_release(tables[i]);
}

/* All three, or none and why. */
static bool build_three(const struct vet_pair *pair, const struct membership *m, struct table *tables[3],
                        struct lb_error *why)
{
    struct strategy *makers[3] = { pair->a, pair->a, pair->b };
    int built = 0;

    for (int i = 0; i < 3; i++) {
        struct lb_error reason = { "" };
        tables[i] = strategy_build(makers[i], m->members, m->n, &reason);
        built += tables[i] != NULL;
        if (!tables[i])
            *why = reason;
    }
    if (built == 3)
        return true;
    if (built > 0)
        vet_refuse(PART_SCHEDULER, "builds over %s once and refuses them when asked again: %s",
                   count_of(m->n), why->text);
    return false;
}

static bool same_shares(const struct table *a, const struct table *b)
{
    if (!a->shares || !b->shares)
        return !a->shares == !b->shares;
    return memcmp(a->shares, b->shares, a->n_members * sizeof *a->shares) == 0;
}

static void compare(const struct table *a, const struct table *b, const char *how)
{
    if (a->digest != b->digest)
        vet_refuse(PART_SCHEDULER,
                   "builds another table over the same %s %s (the digests differ); build must be "
                   "deterministic",
                   count_of(a->n_members), how);
    if (!same_shares(a, b))
        vet_refuse(PART_SCHEDULER, "gives other shares over the same %s %s; build must be deterministic",
                   count_of(a->n_members), how);
    if (a->scratch_size != b->scratch_size)
        vet_refuse(PART_SCHEDULER, "wants %zu bytes of scratch over %s once, and %zu %s", a->scratch_size,
                   count_of(a->n_members), b->scratch_size, how);
}

/* The first of the three tables, with one reference; NULL when the scheduler will not have these members. */
static struct table *try_membership(const struct vet_pair *pair, const struct membership *m,
                                    struct lb_error *why)
{
    struct table *tables[3];

    vet_watch_members(m->n);
    if (!build_three(pair, m, tables, why)) {
        if (m->n == 0)
            vet_refuse(PART_SCHEDULER,
                       "refuses an empty membership, and that is how every balancer begins: %s", why->text);
        if (m->must_fit)
            vet_refuse(PART_SCHEDULER, "refuses the %s that there are: %s", count_of(m->n), why->text);
        release_all(tables);
        return NULL;
    }
    compare(tables[0], tables[1], "when asked again");
    compare(tables[0], tables[2], "from another instance with the same options");
    vet_exercise_picks(tables[0], tables[1], tables[2]);
    vet_check_memory(PART_SCHEDULER);
    table_release(tables[1]);
    table_release(tables[2]);
    return tables[0];
}

/* ------------------------------------------------------------------ memberships */

/* "Server 1" and so on, weights 1, or 1, 2 and 5. */
static void make_up(struct lb_member *members, char names[MADE_UP][16], bool weighted)
{
    static const uint32_t weights[MADE_UP] = { 1, 2, 5 };
    for (uint32_t i = 0; i < MADE_UP; i++) {
        int len = snprintf(names[i], 16, "Server %u", i + 1);
        members[i] = (struct lb_member){
            .id = i + 1, .key = names[i], .key_len = (uint32_t)len, .weight = weighted ? weights[i] : 1
        };
    }
}

/* Keeps the larger of two tables, or the second when they are equally large; releases the other. */
static struct table *keep_larger(struct table *had, struct table *has)
{
    if (!has)
        return had;
    if (had && had->n_members > has->n_members) {
        table_release(has);
        return had;
    }
    table_release(had);
    return has;
}

struct table *vet_exercise_scheduler(const struct vet_pair *pair, const struct lb_member *members, uint32_t n,
                                     bool must_fit, struct vet_report *report)
{
    struct lb_member equal[MADE_UP], weighted[MADE_UP];
    char names[MADE_UP][16];
    struct lb_error why = { "" };
    struct table *kept = NULL;

    make_up(equal, names, false);
    make_up(weighted, names, true);
    const struct membership all[] = {
        { .members = weighted, .n = MADE_UP },
        { .members = equal, .n = MADE_UP },
        { .members = equal, .n = 1 },
        { .members = NULL, .n = 0 },
        { .members = members, .n = n, .is_real = true, .must_fit = must_fit },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].is_real && n == 0)
            continue;
        struct table *table = try_membership(pair, &all[i], &why);
        if (!table)
            report->refused_members = all[i].n;
        kept = keep_larger(kept, table);
    }
    if (kept->n_members == 0)
        vet_refuse(PART_SCHEDULER, "refuses every membership that is not empty: %s", why.text);
    vet_watch_members(kept->n_members);
    return kept;
}
