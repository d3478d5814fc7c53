/*
 * measure.c - what a strategy does with keys, and how long a call takes: see measure.h.
 *
 * Owns     nothing that lasts.
 * Used by  plugin_check.c, plugin_bench.c.
 * Uses     world/asker.h, world/strategy.h; part.h for members.
 * Thread   the program's only one.
 */
#include "measure.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "child.h"
#include "part.h"
#include "ringctl.h"
#include "world/asker.h"
#include "world/strategy.h"

#define RUN_NS (20 * CLOCK_NS_PER_MS)
#define RUNS   5

#define FLOOR_TRIALS 9

/* ------------------------------------------------------------------ keys */

struct table *measure_build(struct strategy *s, uint32_t n, uint32_t without)
{
    struct lb_member *members = part_members(n);
    struct lb_error why = { "" };
    if (without < n)
        memmove(&members[without], &members[without + 1], (n - without - 1) * sizeof *members);
    child_doing("calling build with %u members", without < n ? n - 1 : n);
    struct table *t = strategy_build(s, members, without < n ? n - 1 : n, &why);
    if (!t)
        complain("build refuses %u members: %s", without < n ? n - 1 : n, why.text);
    free(members);
    return t;
}

/* The member of each sample key. False after a complaint. */
static bool ask_all(const struct table *t, uint32_t *owners)
{
    struct asker asker;
    bool good = true;
    asker_open(&asker, t, NULL);
    child_doing("calling pick with %u members", t->n_members);
    for (uint32_t i = 0; good && i < MEASURE_KEYS; i++) {
        struct lb_key key;
        char text[16];
        asker_sample_key(i, text, &key);
        owners[i] = asker_ask(&asker, &key, 0);
        good = owners[i] != LB_NONE;
    }
    asker_close(&asker);
    if (!good)
        complain("pick named nobody, or a member that is not there, while all %u were ready", t->n_members);
    return good;
}

static double largest_over_mean(const uint32_t *owners, uint32_t n)
{
    uint32_t *counts = mem_zero(n, sizeof *counts), largest = 0;
    for (uint32_t i = 0; i < MEASURE_KEYS; i++)
        counts[owners[i]]++;
    for (uint32_t m = 0; m < n; m++)
        largest = counts[m] > largest ? counts[m] : largest;
    free(counts);
    return (double)largest * n / MEASURE_KEYS;
}

bool measure_balance(const struct table *t, struct measure_balance *out)
{
    uint32_t *owners = mem_alloc(MEASURE_KEYS * sizeof *owners);
    bool good = ask_all(t, owners);
    *out = (struct measure_balance){ .exact = -1 };
    if (good)
        out->keys = largest_over_mean(owners, t->n_members);
    for (uint32_t m = 0; t->shares && m < t->n_members; m++)
        if (t->shares[m] * t->n_members > out->exact)
            out->exact = t->shares[m] * t->n_members;
    free(owners);
    return good;
}

double measure_floor(uint32_t n)
{
    uint32_t *owners = mem_alloc(MEASURE_KEYS * sizeof *owners);
    double sum = 0;
    for (uint64_t trial = 1; trial <= FLOOR_TRIALS; trial++) {
        for (uint32_t i = 0; i < MEASURE_KEYS; i++)
            owners[i] = (uint32_t)lb_scale(lb_mix64(i ^ lb_mix64(trial)), n);
        sum += largest_over_mean(owners, n);
    }
    free(owners);
    return sum / FLOOR_TRIALS;
}

/* Adds what changed between two tables; after lacks the member `removed` of before. */
static void count_moves(const struct table *before, const struct table *after, uint32_t removed,
                        const uint32_t *had, const uint32_t *has, struct measure_moves *out)
{
    for (uint32_t i = 0; i < MEASURE_KEYS; i++) {
        if (strategy_compare_members(&before->members[had[i]], &after->members[has[i]]) == 0)
            continue;
        out->moved++;
        out->excess += had[i] != removed;
    }
}

bool measure_moves(struct strategy *s, uint32_t n, struct measure_moves *out)
{
    struct table *before = measure_build(s, n, LB_NONE);
    uint32_t *had = mem_alloc(MEASURE_KEYS * sizeof *had), *has = mem_alloc(MEASURE_KEYS * sizeof *has);
    bool good = before && ask_all(before, had);
    *out = (struct measure_moves){ 0 };
    for (uint32_t removed = 0; good && removed < n; removed++) {
        struct table *after = measure_build(s, n, removed);
        good = after && ask_all(after, has);
        if (good)
            count_moves(before, after, removed, had, has, out);
        table_release(after);
    }
    out->moved /= (double)n * MEASURE_KEYS;
    out->excess /= (double)n * MEASURE_KEYS;
    table_release(before);
    free(had);
    free(has);
    return good;
}

/* ------------------------------------------------------------------ time */

static uint64_t timed(void (*run)(void *ctx, uint64_t turns), void *ctx, uint64_t turns)
{
    uint64_t begun = clock_now_ns();
    run(ctx, turns);
    return clock_now_ns() - begun;
}

double measure_ns(void (*run)(void *ctx, uint64_t turns), void *ctx)
{
    uint64_t turns = 16;
    while (timed(run, ctx, turns) < RUN_NS && turns < UINT64_C(1) << 40)
        turns *= 2;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < RUNS; i++) {
        uint64_t ns = timed(run, ctx, turns);
        best = ns < best ? ns : best;
    }
    return (double)best / (double)turns;
}

void measure_sink(uint64_t value)
{
    __asm__ volatile("" : : "r"(value));
}
