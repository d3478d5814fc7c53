/*
 * a4.c - A-4: for every strategy, changed by editing a copy of lb.conf and POST /reload.
 *
 * Owns     the folder's files: strategies.csv, result.json, and a folder for each strategy.
 * Used by  cmd_experiments.c.
 * Uses     experiments.h, ring.h, inflight.h, conf.h.
 * Thread   the program's main one.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "lab/conf.h"
#include "lab/experiment.h"
#include "lab/experiments.h"
#include "lab/inflight.h"
#include "lab/lab.h"
#include "lab/ring.h"

enum { INFLIGHT_N = 10, INFLIGHT_DELAY_MS = 10, INFLIGHT_CONNECTIONS = 60 };
#define INFLIGHT_SECONDS 1.0
#define SHIPPED_NAME     "lb.conf" /* the shipped configuration among the presets */

struct a4 {
    struct experiment *e;
    const char *name;
    struct out out;
    FILE *csv;
    json_t *rows;
    struct target busy; /* whose replicas take their time; not there without --spawn */
    bool has_busy;
};

/* ------------------------------------------------------------------ which strategies */

/* NAME, or a file: the path of its configuration; NULL after a complaint. The caller frees it. */
static char *find_strategy(const char *word, const char *presets)
{
    char *path = strcmp(word, SHIPPED_NAME) == 0 && access(word, R_OK) != 0 ? target_shipped_conf()
                 : strchr(word, '/') || strstr(word, ".conf")               ? mem_text(word)
                                                              : mem_format("%s/%s.conf", presets, word);
    if (path && access(path, R_OK) == 0)
        return path;
    lab_complain("there is no strategy \"%s\": %s cannot be read", word, path ? path : "it");
    free(path);
    return NULL;
}

static char *name_of(const char *path, const char *word)
{
    if (strcmp(word, SHIPPED_NAME) == 0)
        return mem_text("shipped");
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t len = strlen(base);
    return mem_text_n(base, len > 5 && strcmp(base + len - 5, ".conf") == 0 ? len - 5 : len);
}

/* Without --strategies: the shipped one and all presets. */
static bool choose_strategies(struct experiment *e, const char *presets)
{
    if (e->strategies.count)
        return true;
    glob_t found;
    char *pattern = mem_format("%s/*.conf", presets);
    option_list_add(&e->strategies, SHIPPED_NAME);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            option_list_add(&e->strategies, found.gl_pathv[i]);
        globfree(&found);
    }
    free(pattern);
    return true;
}

/* ------------------------------------------------------------------ one strategy */

static double real_at(const json_t *object, const char *a, const char *b)
{
    const json_t *at = json_object_get(object, a);
    if (b)
        at = json_object_get(at, b);
    return json_is_number(at) ? json_number_value(at) : -1;
}

static json_t *step_of(const json_t *a2, json_int_t n)
{
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(a2, "steps"), i, step)
        if (json_integer_value(json_object_get(step, "n")) == n)
            return step;
    return NULL;
}

/* The mean of a member of the steps that /add made, 3 to 6; negative when it is not known. */
static double mean_of_adds(const json_t *a2, const char *name)
{
    double sum = 0;
    for (json_int_t n = 3; n <= 6; n++) {
        double value = real_at(step_of(a2, n), name, NULL);
        if (value < 0)
            return -1;
        sum += value;
    }
    return sum / 4;
}

static json_t *known(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static void put_known(json_t *row, const char *name, double value)
{
    json_object_set_new(row, name, known(value));
}

static void put_part(json_t *row, const json_t *strategy, const char *name)
{
    json_t *part = json_object_get(strategy, name);
    json_object_set(row, name, json_is_string(part) ? part : json_null());
}

static json_t *summarise(const char *name, const json_t *a1, const json_t *a2)
{
    const json_t *strategy = json_object_get(a1, "strategy"), *vet = json_object_get(strategy, "vet");
    const json_t *six = step_of(a2, 6);
    json_t *row = json_pack("{s:s}", "name", name);
    put_part(row, strategy, "scheduler");
    put_part(row, strategy, "hash");
    put_part(row, strategy, "probe");
    json_object_set_new(row, "keyed", json_boolean(json_is_true(json_object_get(strategy, "keyed"))));
    put_known(row, "max_over_mean_3", real_at(a1, "spread", "max_over_mean"));
    put_known(row, "max_over_mean_6", real_at(six, "spread", "max_over_mean"));
    put_known(row, "floor_3", real_at(a1, "floor", "mean"));
    put_known(row, "floor_6", real_at(six, "floor", "mean"));
    put_known(row, "moved", mean_of_adds(a2, "moved"));
    put_known(row, "moved_minimum", mean_of_adds(a2, "moved_minimum"));
    put_known(row, "moved_in_vain", mean_of_adds(a2, "moved_in_vain"));
    put_known(row, "pick_ns", real_at(vet, "pick_ns", NULL));
    put_known(row, "key_ns", real_at(vet, "key_ns", NULL));
    put_known(row, "build_ms", real_at(strategy, "table", "build_ms"));
    put_known(row, "table_bytes", real_at(strategy, "table", "bytes"));
    json_object_set(row, "replicas", json_object_get(a1, "replicas"));
    json_object_set_new(row, "failed", json_integer((json_int_t)real_at(a1, "load", "failed")));
    return row;
}

static bool add_predictions(struct a4 *a, json_t *row)
{
    struct prediction three, six;
    if (!ring_predict(a->e->target.conf, 3, &three) || !ring_predict(a->e->target.conf, 6, &six))
        return false;
    put_known(row, "expected_3", three.keyed ? three.max_over_mean : -1);
    put_known(row, "expected_6", six.keyed ? six.max_over_mean : -1);
    json_t *shares = json_array();
    for (int i = 0; i < 3 && three.keyed; i++)
        json_array_append_new(shares, json_real(three.shares[i]));
    json_object_set_new(row, "expected_shares_3", shares);
    put_known(row, "bounded_load", three.bounded_load);
    return true;
}

static bool add_inflight(struct a4 *a, json_t *row, const struct conf_edit *edit)
{
    struct inflight f = { .max_over_mean = -1, .above_mean = -1 };
    if (a->has_busy && !(target_reload(&a->busy, edit) &&
                         inflight_measure(a->e, &a->busy, INFLIGHT_CONNECTIONS, INFLIGHT_SECONDS, &f)))
        return false;
    put_known(row, "in_flight_max_over_mean", a->has_busy && f.looks ? f.max_over_mean : -1);
    put_known(row, "in_flight_above_mean", a->has_busy && f.looks ? f.above_mean : -1);
    return true;
}

static void write_row(struct a4 *a, const json_t *row)
{
    static const char *const texts[] = { "name", "scheduler", "hash", "probe" };
    static const char *const reals[] = {
        "max_over_mean_3", "expected_3", "floor_3",       "max_over_mean_6",        "expected_6",
        "floor_6",         "moved",      "moved_minimum", "moved_in_vain",          "pick_ns",
        "key_ns",          "build_ms",   "table_bytes",   "in_flight_max_over_mean"
    };
    if (json_array_size(a->rows) == 1) {
        for (size_t i = 0; i < 4; i++)
            fprintf(a->csv, "%s%s", i ? "," : "", texts[i]);
        fputs(",keyed", a->csv);
        for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
            fprintf(a->csv, ",%s", reals[i]);
        fputs(",failed\n", a->csv);
    }
    for (size_t i = 0; i < 4; i++) {
        const char *text = json_string_value(json_object_get(row, texts[i]));
        if (i)
            fputc(',', a->csv);
        out_csv_text(a->csv, text ? text : "");
    }
    fprintf(a->csv, ",%s", json_is_true(json_object_get(row, "keyed")) ? "yes" : "no");
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const json_t *value = json_object_get(row, reals[i]);
        fputc(',', a->csv);
        if (json_is_number(value))
            fprintf(a->csv, "%.6g", json_number_value(value));
    }
    fprintf(a->csv, ",%lld\n", (long long)json_integer_value(json_object_get(row, "failed")));
    out_flush(&a->out, a->csv, "strategies.csv");
}

static bool run_strategy(struct a4 *a, const char *name, const char *path)
{
    const struct conf_edit edit = { .strategy_from = path };
    char *one = mem_format("%s/%s/a1", a->name, name), *two = mem_format("%s/%s/a2", a->name, name);
    struct out folder;
    bool whole = false;
    json_t *a1 = NULL, *a2 = NULL;
    if (target_reload(&a->e->target, &edit)) {
        a1 = a1_run(a->e, one, false);
        a2 = a1 ? a2_run(a->e, two, false) : NULL;
        json_t *row = a1 ? summarise(name, a1, a2) : NULL;
        json_array_append_new(a->rows, row ? row : json_pack("{s:s}", "name", name));
        char *place = mem_format("%s/%s", a->out.folder, name);
        if (a2 && out_open(&folder, place, NULL)) {
            json_t *ring = ring_draw(a->e->target.conf, 3, &folder, "ring.csv");
            whole = ring && add_predictions(a, row) && add_inflight(a, row, &edit);
            json_object_set_new(row, "ring", ring ? ring : json_null());
            out_close(&folder);
        }
        if (row)
            write_row(a, row);
        free(place);
    }
    json_decref(a1);
    json_decref(a2);
    free(one);
    free(two);
    return whole;
}

/* ------------------------------------------------------------------ all of them */

static void print_cell(const json_t *row, const char *name, const char *format, double scale)
{
    const json_t *value = json_object_get(row, name);
    if (json_is_number(value))
        printf(format, scale * json_number_value(value));
    else
        printf(" %9s", "-");
}

static void print_table(const struct a4 *a)
{
    size_t i;
    json_t *row;
    printf("\n  %-22s %9s %9s %9s %9s %9s %9s %9s %9s\n", "max/mean of", "N=3", "expected", "N=6", "expected",
           "moved %", "in vain %", "pick ns", "in flight");
    json_array_foreach(a->rows, i, row) {
        printf("  %-22s", json_string_value(json_object_get(row, "name")));
        print_cell(row, "max_over_mean_3", " %9.3f", 1);
        print_cell(row, "expected_3", " %9.3f", 1);
        print_cell(row, "max_over_mean_6", " %9.3f", 1);
        print_cell(row, "expected_6", " %9.3f", 1);
        print_cell(row, "moved", " %9.2f", 100);
        print_cell(row, "moved_in_vain", " %9.2f", 100);
        print_cell(row, "pick_ns", " %9.1f", 1);
        print_cell(row, "in_flight_max_over_mean", " %9.2f", 1);
        putchar('\n');
    }
}

static bool run_all(struct a4 *a, const char *presets)
{
    bool whole = true;
    for (size_t i = 0; i < a->e->strategies.count && !load_is_interrupted(); i++) {
        const char *word = a->e->strategies.items[i];
        char *path = find_strategy(word, presets), *name = path ? name_of(path, word) : NULL;
        struct names rep;
        bool done = path && run_strategy(a, name, path);
        whole &= done;
        free(path);
        free(name);
        if (!done && !target_rep(&a->e->target, &rep))
            break; /* the balancer has gone: the others would fail as well */
        if (!done)
            names_free(&rep);
    }
    return whole && !load_is_interrupted();
}

json_t *a4_run(struct experiment *e, const char *name)
{
    struct a4 a = { .e = e, .name = name, .rows = json_array() };
    char *presets = target_presets();
    json_t *result = NULL;
    if (!presets && !e->strategies.count)
        lab_complain("there is no conf/presets: name strategies with --strategies");
    bool whole =
        (presets || e->strategies.count) && choose_strategies(e, presets) && out_open(&a.out, e->out, name);
    if (whole) {
        a.csv = out_file(&a.out, "strategies.csv");
        whole =
            a.csv && (!e->spawn || (a.has_busy = inflight_spawn(e, &a.busy, INFLIGHT_N, INFLIGHT_DELAY_MS)));
        whole = whole && run_all(&a, presets ? presets : ".");
        const struct conf_edit as_before = { 0 };
        if (a.csv && e->target.conf && !load_is_interrupted())
            whole &=
                target_reload(&e->target, &as_before); /* what comes next has the strategy that was there */
        print_table(&a);
        result =
            json_pack("{s:s, s:s, s:O}", "experiment", "A-4", "command", e->command, "strategies", a.rows);
        whole &= out_json(&a.out, "result.json", json_incref(result));
        whole &= out_end(&a.out, a.csv, "strategies.csv");
    }
    if (a.has_busy)
        target_close(&a.busy);
    out_close(&a.out);
    free(presets);
    json_decref(a.rows);
    if (whole)
        return result;
    json_decref(result);
    return NULL;
}
