/*
 * main.c - measures every strategy that is shipped, and prints what it found as JSON.
 *
 * Owns     the list of strategies, the sizes and the efforts.
 * Uses     cost.h, moves.h, figures.h.
 * Thread   the program's only one.
 *
 *   bench_strategies [--plugins DIR] [--quick] [--only LABEL]
 *
 * bench/strategies/run.py runs it, judges the figures and renders the tables. --quick measures everything, but so
 * little of it that the figures mean nothing: for a test. --only: strategies whose label begins so, and no figures.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cost.h"
#include "figures.h"
#include "keys.h"
#include "moves.h"
#include "subject.h"

#define MS 1000000u

#define XXH3 "hash_xxh3", ""
static const struct subject subjects[] = {
    { "ring, 1,000 virtual nodes", "scheduler_ring", "virtual_nodes = 1000;", XXH3, 0 },
    { "ring, 160 virtual nodes", "scheduler_ring", "virtual_nodes = 160;", XXH3, 0 },
    { "ring of 65,536 slots, 20 virtual nodes", "scheduler_ring", "slots = 65536; virtual_nodes = 20;", XXH3,
      1000 },
    { "ring of 512 slots, 3 virtual nodes", "scheduler_ring", "slots = 512; virtual_nodes = 3;", XXH3, 100 },
    { "maglev, 65,537 slots", "scheduler_maglev", "slots = 65537;", XXH3, 0 },
    { "maglev, 655,373 slots", "scheduler_maglev", "slots = 655373;", XXH3, 0 },
    { "rendezvous", "scheduler_rendezvous", "", XXH3, 0 },
    { "rendezvous, four lanes", "scheduler_rendezvous", "lanes = 4;", XXH3, 0 },
    { "rendezvous, scalar", "scheduler_rendezvous", "lanes = 1;", XXH3, 0 },
    { "jump", "scheduler_jump", "", XXH3, 0 },
    { "multiprobe, 21 probes", "scheduler_multiprobe", "", XXH3, 0 },
    { "anchor", "scheduler_anchor", "", XXH3, 0 },
    { "ketama", "scheduler_ketama", "", XXH3, 0 },
    { "modulo", "scheduler_modulo", "", XXH3, 0 },
    { "round robin", "scheduler_round_robin", "", XXH3, 0 },
    { "random", "scheduler_random", "", XXH3, 0 },
    { "least request", "scheduler_least_request", "", XXH3, 0 },
    { "p2c", "scheduler_p2c", "", XXH3, 0 },
    { "peak ewma", "scheduler_peak_ewma", "", XXH3, 0 },
};
#define SUBJECTS (sizeof subjects / sizeof subjects[0])

static const uint32_t sizes[] = { 10, 100, 1000, 10000 };
#define SIZES (sizeof sizes / sizeof sizes[0])

struct effort {
    struct cost_effort pick, build;
    uint32_t keys, slow_keys; /* slow_keys: where a pick takes microseconds */
    unsigned trials, rounds;
    uint32_t chosen;
};
static const struct effort whole = {
    { 31, 4 * MS }, { 11, 10 * MS }, 1000000, 100000, 11, 1000, 100000,
};
static const struct effort quick = { { 3, MS / 20 }, { 2, MS / 20 }, 70000, 66000, 2, 3, 2000 };

#define SLOW_NS 2000 /* a pick that takes longer is asked fewer keys */

/* ------------------------------------------------------------------ strategies */

static bool is_slow(const json_t *row)
{
    return json_number_value(json_object_get(json_object_get(row, "pick_ns"), "least")) > SLOW_NS;
}

static json_t *measure(const struct subject *s, uint32_t n, const struct effort *effort, struct keys *keys)
{
    struct strategy *strategy = subject_make(s);
    struct table *table = subject_build(strategy, n, 0);
    struct bench_pool p;
    json_t *row = json_pack("{s:i}", "members", (int)n);

    if (!table) {
        fprintf(stderr, "%s refuses %u members\n", s->label, n);
        exit(1);
    }
    char digest[24];
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)table->digest);
    json_object_set_new(row, "digest", json_string(digest));
    json_object_set_new(row, "bytes", json_integer((json_int_t)table->bytes));
    keys_hash(keys, strategy);
    pool_make(&p, table);
    cost_pick(row, &p, keys, effort->pick);
    pool_free(&p);
    cost_build(row, strategy, n, effort->build);
    strategy_release(strategy);

    struct keys some = *keys;
    some.n = is_slow(row) && effort->slow_keys < keys->n ? effort->slow_keys : keys->n;
    moves_measure(row, s, n, &some);
    return row;
}

static json_t *measure_all(const struct effort *effort, const char *only, struct keys *keys)
{
    json_t *all = json_array();

    for (const struct subject *s = subjects; s < subjects + SUBJECTS; s++) {
        json_t *rows = json_array();

        if (only && strncmp(s->label, only, strlen(only)) != 0) {
            json_decref(rows);
            continue;
        }
        for (size_t i = 0; i < SIZES && (s->most == 0 || sizes[i] <= s->most); i++) {
            fprintf(stderr, "%s, %u members\n", s->label, sizes[i]);
            json_array_append_new(rows, measure(s, sizes[i], effort, keys));
        }
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:o}", "label", s->label, "scheduler",
                                             s->scheduler, "options", s->options, "rows", rows));
    }
    return all;
}

/* ------------------------------------------------------------------ figures */

static json_t *all_bounded(void)
{
    static const uint32_t members[] = { 10, 100, 1000 }, loads[] = { 4, 16, 64 };
    json_t *all = json_array();

    for (int zipf = 0; zipf <= 1; zipf++)
        for (size_t n = 0; n < 3; n++)
            for (size_t l = 0; l < 3; l++)
                json_array_append_new(all, figure_bounded(&subjects[0], members[n], loads[l], zipf));
    return all;
}

static json_t *all_orders(unsigned rounds)
{
    json_t *all = json_array();

    for (const struct subject *s = subjects; s < subjects + SUBJECTS; s++) {
        if (s > subjects && strcmp(s->scheduler, s[-1].scheduler) == 0 && s->most == 0)
            continue; /* the same scheduler, only larger or faster */
        fprintf(stderr, "%s, in %u random orders\n", s->label, rounds);
        json_t *found = figure_orders(s, 6, rounds);
        json_object_set_new(found, "label", json_string(s->label));
        json_array_append_new(all, found);
    }
    return all;
}

static const struct subject *subject_of(const char *scheduler)
{
    for (const struct subject *s = subjects; s < subjects + SUBJECTS; s++)
        if (strcmp(s->scheduler, scheduler) == 0)
            return s;
    abort();
}

static json_t *measure_figures(const struct effort *effort)
{
    static const struct subject keyed = { "maglev with a secret",
                                          "scheduler_maglev",
                                          "slots = 65537;",
                                          "hash_siphash",
                                          "key = \"000102030405060708090a0b0c0d0e0f\";",
                                          0 };
    json_t *all = json_object();

    fprintf(stderr, "bounded load\n");
    json_object_set_new(all, "bounded", all_bounded());
    fprintf(stderr, "balls in bins\n");
    json_object_set_new(all, "p2c", figure_balls(subject_of("scheduler_p2c"), 1000, 1000000, effort->trials));
    json_object_set_new(all, "random", figure_balls(subject_of("scheduler_random"), 1000, 1000000, 2));
    fprintf(stderr, "chosen keys\n");
    json_object_set_new(all, "chosen",
                        figure_chosen(subject_of("scheduler_maglev"), &keyed, 10, effort->chosen));
    json_object_set_new(all, "orders", all_orders(effort->rounds));
    return all;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "plugins", required_argument, NULL, 'p' },
                                             { "quick", no_argument, NULL, 'q' },
                                             { "only", required_argument, NULL, 'o' },
                                             { NULL, 0, NULL, 0 } };
    const struct effort *effort = &whole;
    const char *only = NULL;
    struct keys keys;
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (id) {
        case 'p': subject_plugins = optarg; break;
        case 'q': effort = &quick; break;
        case 'o': only = optarg; break;
        default: return 2;
        }
    }
    keys_make(&keys, effort->keys);
    json_t *out =
        json_pack("{s:b, s:o}", "quick", effort == &quick, "empty_call_ns", cost_floor(&keys, effort->pick));
    json_object_set_new(out, "strategies", measure_all(effort, only, &keys));
    if (!only)
        json_object_set_new(out, "figures", measure_figures(effort));
    json_dumpf(out, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(8));
    putchar('\n');
    json_decref(out);
    keys_free(&keys);
    return fflush(stdout) || ferror(stdout);
}
