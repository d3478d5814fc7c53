/*
 * plugin_check.c - ringctl plugin check: does it keep the rules, and how good is it?
 *
 * Owns     the report.
 * Used by  main.c.
 * Uses     measure.h, part.h, child.h.
 * Thread   the program's only one.
 *
 * The rules come first, tried as the balancer tries them before a plugin may serve, with the same sentences: a crash, a
 * loop, an answer out of range, another answer the second time, a tried member. How well it spreads keys is printed and
 * judged by the reader: the ring of the course assignment is badly balanced, and meant to be.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench.h"
#include "child.h"
#include "measure.h"
#include "part.h"
#include "ringctl.h"
#include "world/asker.h"
#include "world/plugin.h"
#include "world/strategy.h"

#define SMALL_SLOTS   512
#define SMALL_NODES   9
#define CROWDED_NODES 80 /* of six members they fill 480 of 512 slots: a probe has work to do */
#define LARGE_SLOTS   4294967296
#define LARGE_NODES   1000

struct check {
    const struct args *args;
    const char *path;
};

static void say(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const char *what, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("  %-13s ", what);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    fflush(stdout); /* what is known stays known when the next step crashes */
}

/* ------------------------------------------------------------------ the rules */

/* On a small ring, where probes have work to do; a scheduler has options of its own. */
static bool say_vetting(const struct args *a, const struct part *p)
{
    double ms = 0;
    if (!part_vet(a, p, SMALL_SLOTS, SMALL_NODES, &ms))
        return false;
    say("rules", "all kept, in a trial of %.0f ms as before a reload", ms);
    return true;
}

/* ------------------------------------------------------------------ whole strategies */

static bool say_balance(struct strategy *s, uint32_t n)
{
    struct table *t = measure_build(s, n, LB_NONE);
    struct measure_balance b;
    bool good = t && measure_balance(t, &b);
    char *what = mem_format("share N=%u", n);
    if (good && b.exact >= 0)
        say(what, "max/mean %.3f of %u keys (chance alone: %.3f), %.3f of the slots", b.keys, MEASURE_KEYS,
            measure_floor(n), b.exact);
    else if (good)
        say(what, "max/mean %.3f of %u keys (chance alone: %.3f)", b.keys, MEASURE_KEYS, measure_floor(n));
    free(what);
    table_release(t);
    return good;
}

static bool say_moves(struct strategy *s)
{
    struct measure_moves m;
    if (!(s->caps & LB_CAP_KEYED)) {
        say("moved keys", "none to speak of: the key does not choose the member");
        return true;
    }
    if (!measure_moves(s, 6, &m))
        return false;
    say("moved keys", "%.2f %% when one of 6 members is removed; %.2f %% beyond those that had been its own",
        100 * m.moved, 100 * m.excess);
    return true;
}

/* How the part does in a strategy. False after a complaint. */
static bool say_strategy(const struct args *a, const struct part *p, int64_t slots, int64_t nodes)
{
    struct strategy *s = part_compose(a, p, slots, nodes);
    if (!s)
        return false;
    if (p->plugin->info->kind != LB_SCHEDULER)
        printf(" on a ring of %" PRId64 " slots with %" PRId64 " virtual nodes a member (%s, %s):\n", slots,
               nodes, s->hash->info->name, s->probe->info->name);
    bool good = say_balance(s, 3) && say_balance(s, 6) && say_moves(s);
    strategy_release(s);
    return good;
}

/* ------------------------------------------------------------------ hash */

/* Which slots of a small ring the sample keys fall on. */
static void say_reach(const struct part *p)
{
    const struct lb_hash_ops *ops = p->plugin->info->ops;
    uint32_t counts[SMALL_SLOTS] = { 0 }, reached = 0, largest = 0;
    child_doing("calling key");
    for (uint32_t i = 0; i < MEASURE_KEYS; i++) {
        struct lb_key key;
        char text[16];
        asker_sample_key(i, text, &key);
        counts[ops->key(p->self, &key) % SMALL_SLOTS]++;
    }
    for (uint32_t s = 0; s < SMALL_SLOTS; s++) {
        reached += counts[s] > 0;
        largest = counts[s] > largest ? counts[s] : largest;
    }
    say("reach", "%u keys reach %u of %u slots; the fullest holds %.2f %% (even: %.2f %%)", MEASURE_KEYS,
        reached, SMALL_SLOTS, 100.0 * largest / MEASURE_KEYS, 100.0 / SMALL_SLOTS);
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* Copies of members on the large ring: how many have a slot of their own. */
static void say_places(const struct part *p)
{
    const struct lb_hash_ops *ops = p->plugin->info->ops;
    enum { MEMBERS = 6, PLACES = MEMBERS * LARGE_NODES };
    struct lb_member *members = part_members(MEMBERS);
    uint64_t *places = mem_alloc(PLACES * sizeof *places);
    uint32_t own = 1;
    child_doing("calling place");
    for (uint32_t i = 0; i < PLACES; i++)
        places[i] = ops->place(p->self, &members[i / LARGE_NODES], i % LARGE_NODES) & (LARGE_SLOTS - 1);
    qsort(places, PLACES, sizeof *places, compare_numbers);
    for (uint32_t i = 1; i < PLACES; i++)
        own += places[i] != places[i - 1];
    say("places", "%u virtual nodes want %u different slots of 2^32", (unsigned)PLACES, own);
    free(places);
    free(members);
}

static bool check_hash(const struct args *a, const struct part *p)
{
    say_reach(p);
    say_places(p);
    return say_strategy(a, p, SMALL_SLOTS, SMALL_NODES) && say_strategy(a, p, LARGE_SLOTS, LARGE_NODES);
}

/* ------------------------------------------------------------------ probe */

/* How much of a small ring a probe sees before the scheduler gives it up. */
static bool say_coverage(const struct part *p)
{
    const struct lb_probe_ops *ops = p->plugin->info->ops;
    uint32_t seen = 0;
    child_doing("calling at with %d slots", SMALL_SLOTS);
    for (uint64_t home = 0; home < SMALL_SLOTS; home++) {
        bool hit[SMALL_SLOTS] = { false };
        struct lb_probe_try try = { .home = home, .hash2 = lb_mix64(home), .slots = SMALL_SLOTS, .copy = 1 };
        hit[home] = true;
        for (try.attempt = 1; try.attempt <= SMALL_SLOTS; try.attempt++) {
            uint64_t slot = ops->at(p->self, &try);
            if (slot >= SMALL_SLOTS) {
                complain("at answers slot %" PRIu64 " on a ring of %d, for home %" PRIu64 " and attempt %u",
                         slot, SMALL_SLOTS, home, try.attempt);
                return false;
            }
            hit[slot] = true;
        }
        for (uint32_t s = 0; s < SMALL_SLOTS; s++)
            seen += hit[s];
    }
    say("coverage", "%.1f of %d slots in as many attempts", (double)seen / SMALL_SLOTS, SMALL_SLOTS);
    return true;
}

static bool check_probe(const struct args *a, const struct part *p)
{
    return say_coverage(p) && say_strategy(a, p, SMALL_SLOTS, CROWDED_NODES) &&
           say_strategy(a, p, LARGE_SLOTS, LARGE_NODES);
}

/* ------------------------------------------------------------------ all kinds */

static int check_all(void *arg)
{
    const struct check *c = arg;
    struct part p;
    if (!part_open(&p, c->path, c->args->options, c->args->n_options))
        return RINGCTL_FAILED;
    const struct lb_plugin *info = p.plugin->info;
    printf("%s: %s %s, %s (plugin ABI %u.%u)\n", c->path, info->name, info->version ? info->version : "",
           info->summary ? info->summary : "", info->abi_major, info->abi_minor);
    fflush(stdout);
    if (!say_vetting(c->args, &p))
        return RINGCTL_FAILED;
    bool good;
    switch (info->kind) {
    case LB_HASH: good = check_hash(c->args, &p); break;
    case LB_PROBE: good = check_probe(c->args, &p); break;
    default: good = say_strategy(c->args, &p, 0, 0); break;
    }
    if (good) {
        printf(" speed:\n");
        good = bench_part(c->args, &p, NULL);
    }
    part_close(&p);
    return good ? RINGCTL_OK : RINGCTL_FAILED;
}

int plugin_check(const struct args *a)
{
    char *path = part_path(a, a->words[0]);
    int code = child_run(check_all, &(struct check){ a, path }, a->timeout_s, path);
    puts(code == RINGCTL_OK ? "passed" : "FAILED");
    free(path);
    return code;
}
