/*
 * cmd_replay.c - ringlab replay: the requests of a recorded log, sent through candidate strategies.
 *
 * Owns     the comparison, and the verdict.
 * Used by  main.c.
 * Uses     simulate.h, simulate_pool.h, candidate.h, keys.h; control/vetting.h.
 * Thread   the program's only one.
 *
 * Counts come from the keys in the order of the log. Times come from the load model of simulate.h with those keys: a log
 * does not tell how long a request would have taken elsewhere. A strategy's bounded_load counts what runs, so it shows in
 * the times and not in the counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/vetting.h"
#include "lab/candidate.h"
#include "lab/cmd.h"
#include "lab/keys.h"
#include "lab/lab.h"
#include "lab/option.h"
#include "lab/simulate.h"
#include "lab/simulate_pool.h"

#define WINDOWS       10u
#define WINDOW_LEAST  100u /* requests; with fewer a window is nothing but noise */
#define ARRIVALS_MOST 1000000u

struct verdict_row {
    const char *strategy;
    bool keyed, refused;
    double max_over_mean, worst_window, deviation, spread, p99;
};

struct replay {
    const char *sources, *csv, *json;
    uint64_t replicas, count, seed;
    double load;

    struct keys keys;
    uint32_t n;
    uint64_t distinct, heaviest; /* keys; requests of the most frequent one */
    double floor;
    double recorded; /* max/mean of what the log says; NAN: it does not say */
    struct verdict_row *rows;
    uint32_t n_rows;
    struct vetting *vetting;
};

static const char synopsis[] = "replay LOG [STRATEGY...] [--replicas N] [--key LIST]";

/* ------------------------------------------------------------------ what the log says by itself */

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void count_keys(struct replay *r)
{
    struct keys_batch *batch = mem_alloc(sizeof *batch);
    uint64_t *ids = mem_alloc(r->keys.count * sizeof *ids), run = 0;
    for (uint64_t first = 0; first < r->keys.count; first += batch->n) {
        keys_fill(&r->keys, first, batch);
        for (uint32_t i = 0; i < batch->n; i++)
            ids[first + i] = batch->keys[i].id;
    }
    qsort(ids, r->keys.count, sizeof *ids, compare_ids);
    for (uint64_t i = 0; i < r->keys.count; i++) {
        run = i > 0 && ids[i] == ids[i - 1] ? run + 1 : 1;
        r->distinct += run == 1;
        r->heaviest = run > r->heaviest ? run : r->heaviest;
    }
    free(ids);
    free(batch);
}

static void count_recorded(struct replay *r)
{
    uint64_t *counts = mem_zero(r->keys.n_replicas + 1, sizeof *counts), total = 0, largest = 0;
    for (uint64_t i = 0; i < r->keys.count; i++)
        if (r->keys.lines[i].replica != UINT32_MAX)
            counts[r->keys.lines[i].replica]++;
    for (uint32_t i = 0; i < r->keys.n_replicas; i++) {
        total += counts[i];
        largest = counts[i] > largest ? counts[i] : largest;
    }
    r->recorded = total ? (double)largest * r->keys.n_replicas / (double)total : NAN;
    free(counts);
}

/* ------------------------------------------------------------------ one strategy */

static void count_picks(const struct replay *r, struct sim_pool *p, struct verdict_row *row)
{
    struct keys_batch *batch = mem_alloc(sizeof *batch);
    uint64_t *whole = mem_zero(r->n, sizeof *whole), *window = mem_zero(r->n, sizeof *window), begun = 0;
    uint64_t each = r->keys.count / WINDOWS;
    row->worst_window = each < WINDOW_LEAST ? NAN : 0;
    for (uint64_t first = 0; first < r->keys.count; first += batch->n) {
        keys_fill(&r->keys, first, batch);
        for (uint32_t i = 0; i < batch->n; i++) {
            uint32_t member = sim_pool_ask(p, &batch->keys[i]);
            whole[member]++;
            window[member]++;
            if (first + i + 1 - begun < each || each < WINDOW_LEAST)
                continue;
            row->worst_window = fmax(row->worst_window, sim_balance_of(p, window).largest);
            memset(window, 0, r->n * sizeof *window);
            begun = first + i + 1;
        }
    }
    struct sim_balance b = sim_balance_of(p, whole);
    row->max_over_mean = b.largest;
    row->deviation = b.deviation;
    free(whole);
    free(window);
    free(batch);
}

static bool replay_one(struct replay *r, const char *written)
{
    struct candidate c;
    struct sim_pool p;
    struct lb_error why = { "" };
    struct sim_figures figures;
    struct verdict_row *row = &r->rows[r->n_rows++];
    if (!candidate_open(&c, written, r->vetting))
        return false;
    *row = (struct verdict_row){ .strategy = written, .keyed = candidate_is_keyed(&c) };
    row->refused = !sim_pool_open(&p, &c, r->n, LB_NONE, &why);
    if (row->refused) {
        lab_complain("%s is left out: %s", written, why.text);
        candidate_close(&c);
        return true;
    }
    struct sim_plan plan = { .keys = &r->keys,
                             .arrivals = r->keys.count < ARRIVALS_MOST ? r->keys.count : ARRIVALS_MOST,
                             .load = r->load,
                             .seed = r->seed };
    count_picks(r, &p, row);
    sim_run_load(&plan, &p, &figures);
    row->spread = figures.overloaded > 0 ? INFINITY : figures.spread;
    row->p99 = figures.overloaded > 0 ? INFINITY : figures.response_p99;
    sim_pool_close(&p);
    candidate_close(&c);
    return true;
}

/* ------------------------------------------------------------------ the verdict */

/* By balance; the ones that look at no key after those that do, for equal keys do not stay together there. */
static int compare_rows(const void *a, const void *b)
{
    const struct verdict_row *x = a, *y = b;
    if (x->refused != y->refused)
        return x->refused - y->refused;
    if (x->keyed != y->keyed)
        return y->keyed - x->keyed;
    return (x->max_over_mean > y->max_over_mean) - (x->max_over_mean < y->max_over_mean);
}

static void print_cell(double value, int width, int decimals)
{
    if (isnan(value))
        printf("%*s", width, "-");
    else if (isinf(value))
        printf("%*s", width, "endless");
    else
        printf("%*.*f", width, decimals, value);
}

static void print_table(const struct replay *r)
{
    int width = 12;
    for (uint32_t i = 0; i < r->n_rows; i++)
        width = (int)strlen(r->rows[i].strategy) > width ? (int)strlen(r->rows[i].strategy) : width;
    printf("%" PRIu64 " requests, %" PRIu64 " keys, the most frequent one %.2f %% of all; %u replicas.\n",
           r->keys.count, r->distinct, 100.0 * (double)r->heaviest / (double)r->keys.count, r->n);
    printf("A perfect hash: max/mean %.4f.", r->floor);
    if (!isnan(r->recorded))
        printf(" As recorded, over %u replicas: %.4f.", r->keys.n_replicas, r->recorded);
    printf("\n%-*s%10s%12s%10s%10s%10s%6s\n", width, "", "max/mean", "worst 10th", "dev %", "spread", "p99",
           "key");
    for (uint32_t i = 0; i < r->n_rows; i++) {
        const struct verdict_row *row = &r->rows[i];
        if (row->refused)
            continue;
        printf("%-*s", width, row->strategy);
        print_cell(row->max_over_mean, 10, 4);
        print_cell(row->worst_window, 12, 4);
        print_cell(row->deviation * 100, 10, 2);
        print_cell(row->spread, 10, 2);
        print_cell(row->p99, 10, 2);
        printf("%6s\n", row->keyed ? "yes" : "no");
    }
}

static const struct verdict_row *shortest_wait(const struct replay *r)
{
    const struct verdict_row *best = NULL;
    for (uint32_t i = 0; i < r->n_rows; i++)
        if (!r->rows[i].refused && (!best || r->rows[i].p99 < best->p99))
            best = &r->rows[i];
    return best;
}

static void print_verdict(const struct replay *r)
{
    const struct verdict_row *first = &r->rows[0], *wait = shortest_wait(r);
    uint32_t as_good = 0;
    for (uint32_t i = 0; i < r->n_rows; i++)
        as_good += r->rows[i].keyed && !r->rows[i].refused && r->rows[i].max_over_mean <= r->floor;
    if (first->keyed && !first->refused)
        printf("Best balance with equal keys together: %s (max/mean %.4f).\n", first->strategy,
               first->max_over_mean);
    if (as_good > 1)
        printf(
            "%u with equal keys together are as good as a perfect hash is on average: between these it is luck.\n",
            as_good);
    if (wait)
        printf("Shortest wait at %.0f %% load: %s (p99 %.2f mean service times%s).\n", r->load * 100,
               wait->strategy, wait->p99, wait->keyed ? "" : "; it looks at no key");
    if ((double)r->heaviest * r->n > (double)r->keys.count)
        puts(
            "One key alone is more than a replica's share: only bounded_load or a strategy without keys can spread it.");
}

/* ------------------------------------------------------------------ files */

static void print_csv(const struct replay *r, FILE *out)
{
    fputs("strategy,keyed,replicas,requests,max_over_mean,worst_tenth,deviation,spread,response_p99\n", out);
    for (uint32_t i = 0; i < r->n_rows; i++) {
        const struct verdict_row *w = &r->rows[i];
        if (!w->refused)
            fprintf(out, "\"%s\",%d,%u,%" PRIu64 ",%.6f,%.6f,%.6f,%.4f,%.4f\n", w->strategy, w->keyed, r->n,
                    r->keys.count, w->max_over_mean, w->worst_window, w->deviation, w->spread, w->p99);
    }
}

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(const struct replay *r, FILE *out)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < r->n_rows; i++) {
        const struct verdict_row *w = &r->rows[i];
        if (w->refused)
            continue;
        json_array_append_new(
            rows, json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "strategy", w->strategy, "keyed",
                            (int)w->keyed, "max_over_mean", real_or_null(w->max_over_mean), "worst_tenth",
                            real_or_null(w->worst_window), "deviation", real_or_null(w->deviation), "spread",
                            real_or_null(w->spread), "response_p99", real_or_null(w->p99)));
    }
    json_t *root = json_pack("{s:s, s:I, s:I, s:I, s:I, s:i, s:o, s:o, s:f, s:o}", "version", RM_VERSION,
                             "requests", (json_int_t)r->keys.count, "skipped", (json_int_t)r->keys.skipped,
                             "keys", (json_int_t)r->distinct, "heaviest_key", (json_int_t)r->heaviest,
                             "replicas", (int)r->n, "perfect_hash", real_or_null(r->floor), "recorded",
                             real_or_null(r->recorded), "load", r->load, "results", rows);
    json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', out);
    json_decref(root);
}

static bool write_file(const struct replay *r, const char *path, void (*print)(const struct replay *, FILE *))
{
    FILE *out = path ? fopen(path, "w") : NULL;
    bool good = !path;
    if (out) {
        print(r, out);
        good = !ferror(out);
        good = fclose(out) == 0 && good;
    }
    if (!good)
        lab_complain("cannot write %s: %s", path, strerror(errno));
    return good;
}

/* ------------------------------------------------------------------ the whole */

static int replay(struct replay *r, const char *log, char **strategies, size_t n)
{
    char *written = mem_format("file:%s", log);
    bool good = keys_open(&r->keys, written, r->count, r->seed, r->sources);
    free(written);
    if (!good)
        return LAB_FAILED;
    if (r->keys.skipped)
        lab_complain("%" PRIu64 " lines have no key and were left out", r->keys.skipped);
    r->n = r->replicas ? (uint32_t)r->replicas : r->keys.n_replicas > 1 ? r->keys.n_replicas : 3;
    count_keys(r);
    count_recorded(r);
    r->floor = sim_floor(&r->keys, r->n);
    r->rows = mem_zero(n + 1, sizeof *r->rows);
    for (size_t i = 0; i < n && good; i++)
        good = replay_one(r, strategies[i]);
    if (!good)
        return LAB_FAILED;
    qsort(r->rows, r->n_rows, sizeof *r->rows, compare_rows);
    print_table(r);
    print_verdict(r);
    good = write_file(r, r->csv, print_csv);
    return write_file(r, r->json, print_json) && good ? LAB_OK : LAB_FAILED;
}

int cmd_replay(int argc, char **argv)
{
    struct replay r = {
        .sources = "query:request_id,path", .count = UINT64_C(100000000), .seed = 1, .load = 0.8
    };
    const struct option_row rows[] = {
        { "replicas", OPTION_NUMBER, &r.replicas, "N", "how many replicas (as many as the log names, else 3)",
          1, 10000 },
        { "key", OPTION_TEXT, &r.sources, "LIST",
          "what a request is known by, where the log does not say (query:request_id,path)", 0, 0 },
        { "count", OPTION_NUMBER, &r.count, "N", "at most so many requests (100M)", 1, 1e10 },
        { "load", OPTION_REAL, &r.load, "PART", "of what all replicas can do, for waiting times (0.8)", 0.01,
          0.99 },
        { "seed", OPTION_NUMBER, &r.seed, "N", "of the load model (1)", 0, 1e18 },
        { "csv", OPTION_TEXT, &r.csv, "FILE", "figures as CSV", 0, 0 },
        { "json", OPTION_TEXT, &r.json, "FILE", "figures as JSON", 0, 0 },
        { NULL, OPTION_FLAG, NULL, NULL, NULL, 0, 0 },
    };
    char **words;
    size_t n;
    int code = option_read(rows, synopsis, argc, argv, &words, &n, 1, 1000);
    if (code >= 0)
        return code;
    char **all = n > 1 ? NULL : candidate_names(), **strategies = all ? all : words + 1;
    for (n -= 1; all && all[n]; n++)
        ;
    r.vetting = vetting_new("/proc/self/exe");
    code = r.vetting ? replay(&r, words[0], strategies, n)
                     : lab_complain("cannot make an event: %s", strerror(errno));
    vetting_free(r.vetting);
    keys_close(&r.keys);
    free(r.rows);
    candidate_names_free(all);
    return code;
}
