/*
 * cmd_accept.c - ringlab accept: is live balance what it is said to be? Medians of repeated runs, beside their bounds.
 *
 * Owns     the bounds.
 * Used by  main.c.
 * Uses     experiment.h, ring.h, inflight.h.
 * Thread   the program's main one.
 *
 * One run of 10,000 random keys says little: even chance alone gives a max/mean of 1.015 +- 0.008 at N = 3. The median of
 * 21 runs, each with other keys, is known five times better.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lab/cmd.h"
#include "lab/conf.h"
#include "lab/experiment.h"
#include "lab/inflight.h"
#include "lab/lab.h"
#include "lab/ring.h"

#define REPEAT_MAX 1001

/* What the median of max/mean must keep: at most `most`; at most the floor and `above_floor`; no further than `off` from the
 * exact value. 0: not asked. */
static const struct bound {
    const char *name, *preset; /* preset NULL: the shipped lb.conf */
    unsigned n;
    double most, above_floor, off;
} bounds[] = {
    { "shipped", NULL, 3, 1.06, 0, 0 },
    { "shipped", NULL, 6, 1.10, 0, 0 },
    { "maglev", "maglev", 3, 0, 0.005, 0 },
    { "maglev", "maglev", 6, 0, 0.005, 0 },
    { "assignment", "assignment", 3, 0, 0, 0.03 },
    { "assignment", "assignment", 6, 0, 0, 0.03 },
};

#define BOUNDS (sizeof bounds / sizeof *bounds)

struct accept {
    struct experiment e;
    uint64_t repeat;
    struct out out;
    FILE *csv;
    json_t *rows;
    char *presets;
    bool held;
};

/* ------------------------------------------------------------------ counts */

static bool set_n(struct accept *a, unsigned n)
{
    static char *names[] = { "Server 1", "Server 2", "Server 3", "Server 4", "Server 5", "Server 6" };
    return target_set(&a->e.target, names, n);
}

static bool repeat(struct accept *a, const struct bound *b, double *values, uint64_t *failed)
{
    for (uint64_t k = 0; k < a->repeat; k++) {
        struct measured m;
        free(a->e.ids);
        a->e.ids = load_make_ids((size_t)a->e.requests, a->e.seed + k);
        bool whole = experiment_measure(&a->e, &m, false, b->name);
        values[k] = m.spread.max_over_mean;
        *failed += load_failed(&m.load);
        measured_free(&m);
        if (!whole)
            return false;
        fprintf(a->csv, "%s,%u,%" PRIu64 ",%.5f\n", b->name, b->n, a->e.seed + k, values[k]);
        if (!out_flush(&a->out, a->csv, "runs.csv"))
            return false;
    }
    return true;
}

static void judge(struct accept *a, const struct bound *b, double *values, uint64_t failed, double exact)
{
    double floor = figures_floor(a->e.requests, b->n).mean, median = figures_median(values, a->repeat);
    double limit = b->most > 0 ? b->most : b->above_floor > 0 ? floor + b->above_floor : exact + b->off;
    bool held = failed == 0 && (b->off > 0 ? fabs(median - exact) <= b->off : median <= limit);
    a->held &= held;
    printf("%-4s %-12s N = %u  median of max/mean %.4f (%.4f to %.4f in %" PRIu64 " runs); ",
           held ? "ok" : "NOT", b->name, b->n, median, values[0], values[a->repeat - 1], a->repeat);
    if (b->off > 0)
        printf("exact %.4f +- %.2f", exact, b->off);
    else
        printf("at most %.4f%s", limit, b->above_floor > 0 ? " (chance alone and 0.005)" : "");
    printf("; exact over all six-digit ids %.4f; %" PRIu64 " failed\n", exact, failed);
    fflush(stdout);
    json_array_append_new(a->rows,
                          json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:b}", "strategy", b->name,
                                    "n", (json_int_t)b->n, "median", median, "least", values[0], "most",
                                    values[a->repeat - 1], "floor", floor, "exact", exact, "limit", limit,
                                    "failed", (json_int_t)failed, "held", held));
}

static bool check_counts(struct accept *a, const struct bound *b)
{
    char *preset = b->preset ? mem_format("%s/%s.conf", a->presets, b->preset) : target_shipped_conf();
    const struct conf_edit edit = { .strategy_from = preset };
    double *values = mem_zero(a->repeat, sizeof *values);
    struct prediction exact;
    uint64_t failed = 0;
    bool whole = target_reload(&a->e.target, &edit) && set_n(a, b->n) &&
                 ring_predict(a->e.target.conf, b->n, &exact) && repeat(a, b, values, &failed);
    if (whole)
        judge(a, b, values, failed, exact.max_over_mean);
    free(values);
    free(preset);
    return whole;
}

/* ------------------------------------------------------------------ requests in flight */

enum { BUSY_N = 10, BUSY_DELAY_MS = 20, BUSY_CONNECTIONS = 100, BUSY_RUNS = 5 };

static bool measure_busy(struct accept *a, struct target *t, const char *preset, double *median,
                         double *above)
{
    double ratios[BUSY_RUNS], gaps[BUSY_RUNS];
    char *path = mem_format("%s/%s.conf", a->presets, preset);
    const struct conf_edit edit = { .strategy_from = path };
    bool done = target_reload(t, &edit);
    for (int k = 0; k < BUSY_RUNS && done; k++) {
        struct inflight f;
        done = inflight_measure(&a->e, t, BUSY_CONNECTIONS, 1, &f);
        ratios[k] = f.max_over_mean;
        gaps[k] = f.above_mean;
    }
    *median = done ? figures_median(ratios, BUSY_RUNS) : 0;
    *above = done ? figures_median(gaps, BUSY_RUNS) : 0;
    free(path);
    return done;
}

/* Two choices keep the busiest replica nearer to the mean than one does: half as far above it, at most. */
static bool check_busy(struct accept *a)
{
    struct target t;
    double two, two_above, one, one_above;
    if (!inflight_spawn(&a->e, &t, BUSY_N, BUSY_DELAY_MS))
        return false;
    bool done =
        measure_busy(a, &t, "random", &one, &one_above) && measure_busy(a, &t, "p2c", &two, &two_above);
    if (done) {
        bool held = two_above <= one_above / 2;
        a->held &= held;
        printf(
            "%-4s p2c          N = %d  busiest replica holds %.2f times the mean in flight, %.1f above it (medians of %d "
            "runs, %d connections); random %.2f times, %.1f above; at most half of that\n",
            held ? "ok" : "NOT", BUSY_N, two, two_above, BUSY_RUNS, BUSY_CONNECTIONS, one, one_above);
        json_array_append_new(a->rows, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:b}", "strategy", "p2c",
                                                 "n", (json_int_t)BUSY_N, "in_flight_max_over_mean", two,
                                                 "in_flight_above_mean", two_above, "random_max_over_mean",
                                                 one, "random_above_mean", one_above, "held", held));
    }
    target_close(&t);
    return done;
}

/* ------------------------------------------------------------------ the generator itself */

enum { RIVAL_RUNS = 3, RIVAL_SECONDS = 2 };

/* Requests a second by wrk, one thread; 0 when it is not installed. */
static double ask_wrk(const struct accept *a)
{
    char line[256];
    double rate = 0;
    char *command = mem_format("wrk -t1 -c%u -d%ds '%s/request?request_id=132574' 2>/dev/null",
                               (unsigned)a->e.concurrency, RIVAL_SECONDS, a->e.target.url);
    fflush(NULL);
    FILE *wrk = popen(command, "r");
    while (wrk && fgets(line, sizeof line, wrk))
        sscanf(line, "Requests/sec: %lf", &rate);
    if (wrk)
        pclose(wrk);
    free(command);
    return rate;
}

static bool ask_ourselves(struct accept *a, double *rate, double *cpu_us)
{
    struct load_plan plan = { .path = "/request?request_id=132574",
                              .seconds = RIVAL_SECONDS,
                              .concurrency = (unsigned)a->e.concurrency,
                              .timeout_ms = (unsigned)a->e.timeout_ms };
    struct load_result *r = mem_zero(1, sizeof *r);
    char *host = NULL;
    bool done = load_target(&plan, a->e.target.url, &host, NULL) && load_run(&plan, r) && load_failed(r) == 0;
    *rate = done ? (double)r->sent / r->seconds : 0;
    *cpu_us = done ? (r->cpu_user_s + r->cpu_sys_s) * 1e6 / (double)r->sent : 0;
    load_result_free(r);
    free(host);
    free(r);
    return done;
}

/* The generator must not be what is measured: at least half as fast as wrk at the same target, turn by turn. */
static bool check_generator(struct accept *a)
{
    double ours[RIVAL_RUNS], theirs[RIVAL_RUNS], cpu[RIVAL_RUNS];
    for (int k = 0; k < RIVAL_RUNS; k++) {
        theirs[k] = ask_wrk(a);
        if (theirs[k] <= 0) {
            printf("     generator: wrk is not installed, so it is not compared\n");
            return true;
        }
        if (!ask_ourselves(a, &ours[k], &cpu[k]))
            return false;
    }
    double us = figures_median(ours, RIVAL_RUNS), wrk = figures_median(theirs, RIVAL_RUNS),
           cost = figures_median(cpu, RIVAL_RUNS);
    bool held = us >= wrk / 2;
    a->held &= held;
    printf(
        "%-4s generator: %.0f requests a second, wrk %.0f: %.2f times (at least 0.5); %.1f us of processor time a "
        "request (medians of %d, turn by turn)\n",
        held ? "ok" : "NOT", us, wrk, us / wrk, cost, RIVAL_RUNS);
    json_array_append_new(a->rows, json_pack("{s:s, s:f, s:f, s:f, s:b}", "strategy", "generator", "rate", us,
                                             "wrk_rate", wrk, "cpu_us_a_request", cost, "held", held));
    return true;
}

/* ------------------------------------------------------------------ the command */

static bool run(struct accept *a)
{
    bool whole = true;
    for (size_t i = 0; i < BOUNDS && whole && !load_is_interrupted(); i++)
        whole = check_counts(a, &bounds[i]);
    return whole && !load_is_interrupted() && check_generator(a) && check_busy(a);
}

int cmd_accept(int argc, char **argv)
{
    struct accept a = { .e = { .out = "lab/out",
                               .command = "ringlab accept",
                               .keep_setup = true,
                               .spawn = true,
                               .quiet = true,
                               .requests = 10000,
                               .concurrency = 32,
                               .seed = 1,
                               .timeout_ms = 30000 },
                        .repeat = 21,
                        .held = true };
    const struct option_row rows[] = {
        { "repeat", OPTION_NUMBER, &a.repeat, "N", "runs of each, whose median counts (21)", 1, REPEAT_MAX },
        { "requests", OPTION_NUMBER, &a.e.requests, "N", "of each run (10000)", 100, 900000 },
        { "concurrency", OPTION_NUMBER, &a.e.concurrency, "N", "connections (32)", 1, 10000 },
        { "seed", OPTION_NUMBER, &a.e.seed, "N", "of the first run's ids (1)", 0, 1e15 },
        { "out", OPTION_TEXT, &a.e.out, "DIR", "where the files go (lab/out)", 0, 0 },
        { 0 },
    };
    char **words;
    size_t n_words;
    int code = option_read(rows, "accept [--repeat N]", argc, argv, &words, &n_words, 0, 0);
    if (code >= 0)
        return code;
    a.rows = json_array();
    a.presets = target_presets();
    bool whole = a.presets && experiment_begin(&a.e) && out_open(&a.out, a.e.out, "accept");
    if (whole) {
        a.csv = out_file(&a.out, "runs.csv");
        if (a.csv)
            fputs("strategy,n,seed,max_over_mean\n", a.csv);
        whole = a.csv && run(&a);
        whole &= out_end(&a.out, a.csv, "runs.csv");
        whole &=
            out_json(&a.out, "result.json",
                     json_pack("{s:s, s:I, s:I, s:O}", "experiment", "accept", "repeat", (json_int_t)a.repeat,
                               "requests", (json_int_t)a.e.requests, "rows", a.rows));
        out_close(&a.out);
    } else if (!a.presets) {
        lab_complain("there is no conf/presets");
    }
    experiment_end(&a.e);
    json_decref(a.rows);
    free(a.presets);
    return whole && a.held ? LAB_OK : LAB_FAILED;
}
