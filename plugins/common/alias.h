/*
 * alias.h - one of n members by chance, in proportion to weights, in two loads.
 *
 * Owns     the layout; the scheduler that makes it frees it.
 * Used by  scheduler_random, and scheduler_p2c and scheduler_peak_ewma for their candidates.
 * Uses     build.h, telling.h, untried.h.
 * Thread   made by the builder, then read-only.
 *
 * The alias method (Walker, "An efficient method for generating discrete random variables with general
 * distributions", 1977; built in O(n) as by Vose, 1991), on whole numbers: there are n columns, each as high
 * as the sum W of the weights, and member i has n * w[i] to fill them with. A column holds at most two
 * members: up to keep the one whose number it has, above it another. So the probabilities are exactly w[i] /
 * W.
 */
#ifndef PLUGINS_COMMON_ALIAS_H
#define PLUGINS_COMMON_ALIAS_H

#include "build.h"
#include "telling.h"
#include "untried.h"

struct alias_column {
    uint64_t keep;  /* 0 .. W */
    uint32_t other; /* who has the rest */
    uint32_t weight;
};

struct alias {
    uint32_t n;
    uint32_t equal; /* 1: all weights are the same */
    uint64_t sum;   /* W */
    struct alias_column *columns;
};

/* Moves what the columns below W lack from those above it. todo has room for n: the low ones grow from its
 * front, the high ones from its back. */
static inline void alias_level(struct alias *a, uint32_t *todo)
{
    uint32_t low = 0, high = a->n;

    for (uint32_t i = 0; i < a->n; i++) {
        if (a->columns[i].keep < a->sum)
            todo[low++] = i;
        else
            todo[--high] = i;
    }
    while (low > 0 && high < a->n) {
        struct alias_column *needs = &a->columns[todo[--low]], *gives = &a->columns[todo[high]];

        needs->other = todo[high];
        gives->keep -= a->sum - needs->keep;
        if (gives->keep < a->sum)
            todo[low++] = todo[high++];
    }
}

/* Returns 0, or -1 with why and nothing allocated. O(members). */
static inline int alias_make(struct alias *a, const struct lb_build *in, const char *what,
                             struct lb_error *why)
{
    uint32_t *todo;

    *a = (struct alias){ .n = in->n_members, .equal = 1 };
    if (a->n == 0)
        return 0;
    if (build_check_weights(in, why))
        return -1;
    a->columns = build_alloc(in->alloc, a->n, sizeof *a->columns, what, why);
    todo = build_alloc(in->alloc, a->n, sizeof *todo, what, why);
    if (!a->columns || !todo) {
        build_free(in->alloc, a->columns);
        build_free(in->alloc, todo);
        return -1;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        uint32_t weight = in->members[i].weight;

        a->sum += weight;
        a->equal &= weight == in->members[0].weight;
        a->columns[i] =
            (struct alias_column){ .keep = (uint64_t)weight * a->n, .other = i, .weight = weight };
    }
    alias_level(a, todo);
    build_free(in->alloc, todo);
    return 0;
}

static inline void alias_free(const struct lb_alloc *alloc, struct alias *a)
{
    build_free(alloc, a->columns);
}

/* A member, given 64 random bits: the whole part of random * n / 2^64 is the column, the fraction how high in
 * it. */
static inline uint32_t alias_draw(const struct alias *a, uint64_t random)
{
    lb_u128 place = (lb_u128)random * a->n;
    uint32_t column = (uint32_t)(place >> 64);

    if (a->equal || lb_scale((uint64_t)place, a->sum) < a->columns[column].keep)
        return column;
    return a->columns[column].other;
}

/* A member that is neither tried nor except (LB_NONE: nobody is), by weight; LB_NONE when that many draws
 * found none. */
static inline uint32_t alias_draw_untried(const struct alias *a, const struct lb_pick *p, uint32_t except,
                                          unsigned looks)
{
    while (looks-- > 0) {
        uint32_t member = alias_draw(a, lb_random(p->random));

        if (member != except && !lb_is_tried(p, member))
            return member;
    }
    return LB_NONE;
}

/* A member that is not tried: by weight, but when so many draws found none, one of the rest, if there is one; else
 * LB_NONE. */
static inline uint32_t alias_draw_any(const struct alias *a, const struct lb_pick *p,
                                      const struct lb_explain *say)
{
    uint32_t member;

    if (a->n == 0) {
        tell_text(say, "end", "there are no members");
        return LB_NONE;
    }
    member = alias_draw_untried(a, p, LB_NONE, UNTRIED_LOOKS);
    if (member != LB_NONE)
        return member;
    tell_text(say, "end", "only tried members were drawn: one of the rest, if there is one");
    return untried_any(p->tried, a->n, lb_random(p->random));
}

/* Draws for a second candidate. It is only missed when nearly all the weight is tried or the first one's. */
#define ALIAS_RIVAL_LOOKS 16u

/* A second candidate, which may fail to be found although there is one: LB_NONE. */
static inline uint32_t alias_draw_rival(const struct alias *a, const struct lb_pick *p, uint32_t first)
{
    return a->n > 1 ? alias_draw_untried(a, p, first, ALIAS_RIVAL_LOOKS) : LB_NONE;
}

static inline size_t alias_bytes(const struct alias *a)
{
    return (size_t)a->n * sizeof *a->columns;
}

static inline void alias_share(const struct alias *a, double *shares)
{
    for (uint32_t i = 0; i < a->n; i++)
        shares[i] = (double)a->columns[i].weight / (double)a->sum;
}

#endif
