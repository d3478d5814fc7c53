/*
 * vet_measure.c - what can be said in numbers of a table: balance, reach, disruption, cost.
 *
 * Owns     nothing that lasts.
 * Used by  vet.c.
 * Uses     asker.h, vet_watch.h for the callbacks without the watch, strategy.h to build with a member less.
 * Thread   the process that tries out has one.
 *
 * Nothing here refuses: the assignment's own ring is badly balanced, and wanted.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "world/asker.h"
#include "world/vet_exercise.h"
#include "world/vet_watch.h"

#define SAMPLES     10000u
#define ROUNDS      5 /* of a timing; the fastest counts: the others were disturbed */
#define CALLS       2000u
#define SLOTS_MAX   65536u
#define SLOTS_ELSE  4096u
#define KEYS_A_SLOT 4u

static bool is_late(uint64_t until_cpu_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec > until_cpu_ns;
}

static double fair_share(const struct table *t, uint32_t member)
{
    double total = 0;
    if (!(t->strategy->caps & LB_CAP_WEIGHTS))
        return 1.0 / t->n_members;
    for (uint32_t i = 0; i < t->n_members; i++)
        total += t->members[i].weight;
    return t->members[member].weight / total;
}

/* What each member gets of the sample keys, nothing tried, everybody idle. */
static void sample_shares(const struct table *t, double *shares)
{
    struct asker a;
    asker_open(&a, t, NULL);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        char text[16];
        struct lb_key key;
        asker_sample_key(i, text, &key);
        uint32_t member = asker_ask(&a, &key, 0);
        if (member != LB_NONE)
            shares[member] += 1.0 / SAMPLES;
    }
    asker_close(&a);
}

static void measure_balance(const struct table *t, struct vet_report *report)
{
    double *sampled = mem_zero(t->n_members, sizeof *sampled);
    const double *shares = t->shares ? t->shares : sampled;
    report->exact = t->shares != NULL;
    if (!t->shares)
        sample_shares(t, sampled);
    report->largest_share = 0;
    for (uint32_t i = 0; i < t->n_members; i++) {
        double ratio = shares[i] / fair_share(t, i);
        report->largest_share = ratio > report->largest_share ? ratio : report->largest_share;
    }
    free(sampled);
}

/* Slots are the table's when it has few; a larger ring is looked at as one of 4,096. */
static void measure_reach(const struct table *t, struct vet_report *report)
{
    struct lb_inspect seen = { .struct_size = sizeof seen, .n_members = t->n_members };
    unsigned char *hit;

    if (!t->strategy->with_hash.ops)
        return;
    t->strategy->ops->inspect(t->made, &seen);
    report->slots = seen.slots >= 2 && seen.slots <= SLOTS_MAX ? seen.slots : SLOTS_ELSE;
    hit = mem_zero(report->slots, 1);
    for (uint32_t i = 0; i < report->slots * KEYS_A_SLOT; i++) {
        char text[16];
        struct lb_key key;
        asker_sample_key(i, text, &key);
        unsigned char *slot = &hit[vet_watch_hash()->key(t->strategy->with_hash.self, &key) % report->slots];
        report->slots_reached += !*slot;
        *slot = 1;
    }
    free(hit);
}

/* The keys that move when the member in the middle leaves, and those of them that were its own. */
static void measure_moves(struct table *t, struct vet_report *report)
{
    struct lb_member *fewer = mem_alloc(t->n_members * sizeof *fewer);
    uint32_t leaving = t->n_members / 2, own = 0;
    struct lb_error why;

    memcpy(fewer, t->members, leaving * sizeof *fewer);
    memcpy(fewer + leaving, t->members + leaving + 1, (t->n_members - leaving - 1) * sizeof *fewer);
    struct table *after = strategy_build(t->strategy, fewer, t->n_members - 1, &why);
    free(fewer);
    if (!after)
        return;
    struct asker a;
    asker_open(&a, t, NULL);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        char text[16];
        struct lb_key key;
        asker_sample_key(i, text, &key);
        own += asker_ask(&a, &key, 0) == leaving;
    }
    asker_close(&a);
    report->moved_keys = strategy_moved_keys(t, after, SAMPLES);
    report->moved_keys_needed = report->moved_keys < 0 ? -1 : (double)own / SAMPLES;
    table_release(after);
}

/* ns of one call, keys and questions ready. */
static void time_calls(const struct table *t, struct vet_report *report)
{
    const struct lb_hash *hash = &t->strategy->with_hash;
    struct lb_key *keys = mem_alloc(CALLS * sizeof *keys);
    char(*texts)[16] = mem_alloc(CALLS * sizeof *texts);
    uint64_t *hashes = mem_zero(CALLS, sizeof *hashes);
    uint64_t key_ns = UINT64_MAX, pick_ns = UINT64_MAX;
    volatile uint32_t sink = 0;
    struct asker a;
    struct lb_pick p;

    asker_open(&a, t, NULL);
    for (uint32_t i = 0; i < CALLS; i++)
        asker_sample_key(i, texts[i], &keys[i]);
    asker_question(&a, &keys[0], 0, &p);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = clock_now_ns();
        for (uint32_t i = 0; hash->ops && i < CALLS; i++)
            hashes[i] = vet_watch_hash()->key(hash->self, &keys[i]);
        uint64_t hashed = clock_now_ns();
        for (uint32_t i = 0; i < CALLS; i++) {
            p.key = &keys[i];
            p.hash = hashes[i];
            sink = vet_watch_scheduler()->pick(t->made, &p, a.scratch);
        }
        uint64_t picked = clock_now_ns();
        key_ns = hashed - begun < key_ns ? hashed - begun : key_ns;
        pick_ns = picked - hashed < pick_ns ? picked - hashed : pick_ns;
    }
    (void)sink;
    report->pick_ns = (double)pick_ns / CALLS;
    if (hash->ops)
        report->key_ns = (double)key_ns / CALLS;
    asker_close(&a);
    free(keys);
    free(texts);
    free(hashes);
}

void vet_measure(struct table *t, uint64_t until_cpu_ns, struct vet_report *report)
{
    report->members = t->n_members;
    report->build_ms = (double)t->build_ns / (double)CLOCK_NS_PER_MS;
    report->table_bytes = t->bytes;
    report->largest_share = report->moved_keys = report->moved_keys_needed = -1;
    report->pick_ns = report->key_ns = -1;
    if (!is_late(until_cpu_ns))
        measure_balance(t, report);
    if (!is_late(until_cpu_ns))
        time_calls(t, report);
    if (!is_late(until_cpu_ns))
        measure_reach(t, report);
    if (!is_late(until_cpu_ns) && t->n_members > 1)
        measure_moves(t, report);
}
