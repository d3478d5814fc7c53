/*
 * plots.c - from results to pictures: see plots.h.
 *
 * Owns     the list of plots.
 * Used by  report.c.
 * Uses     RM_PLOT_DIR, from CMake; gnuplot.
 * Thread   the program's main one.
 *
 * A script is kept beside its pictures and reads the CSV files of its experiment by relative paths: `gnuplot a1.gp` in that
 * folder makes the pictures again, whatever was changed in it.
 */
#include "lab/plots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "lab/lab.h"

#define TAKE_IN(name_, file_)                          \
    __asm__(".section .rodata\n"                       \
            ".global " #name_ "\n"                     \
            ".type " #name_ ", %object\n" #name_ ":\n" \
            ".incbin \"" RM_PLOT_DIR "/" file_ "\"\n"  \
            ".byte 0\n"                                \
            ".size " #name_ ", . - " #name_ "\n"       \
            ".previous\n");                            \
    extern const char name_[];

TAKE_IN(plot_style, "style.gp")
TAKE_IN(plot_a1, "a1.gp")
TAKE_IN(plot_a1_latency, "a1_latency.gp")
TAKE_IN(plot_a2, "a2.gp")
TAKE_IN(plot_a2_ratio, "a2_ratio.gp")
TAKE_IN(plot_a2_moved, "a2_moved.gp")
TAKE_IN(plot_a3_kill, "a3_kill.gp")
TAKE_IN(plot_a3_pause, "a3_pause.gp")
TAKE_IN(plot_a3_hang, "a3_hang.gp")
TAKE_IN(plot_a4, "a4.gp")
TAKE_IN(plot_a4_counts, "a4_counts.gp")
TAKE_IN(plot_a4_steps, "a4_steps.gp")
TAKE_IN(plot_a4_lines, "a4_lines.gp")
TAKE_IN(plot_rings, "rings.gp")

#define LARGE_RING 4096 /* slots; larger ones look alike: only the shipped one is drawn */

struct maker {
    struct out *out;
    bool has_gnuplot, failed;
};

/* ------------------------------------------------------------------ gnuplot */

static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    for (const char *at = path ? path : ""; *at; at += *at == ':') {
        size_t len = strcspn(at, ":");
        char *full = mem_format("%.*s/%s", (int)len, at, program);
        bool found = access(full, X_OK) == 0;
        free(full);
        if (found)
            return true;
        at += len;
    }
    return false;
}

static _Noreturn void be_gnuplot(const char *folder, const char *script)
{
    if (chdir(folder) == 0)
        execlp("gnuplot", "gnuplot", script, (char *)NULL);
    _exit(127);
}

static void run_gnuplot(struct maker *m, const char *script)
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        be_gnuplot(m->out->folder, script);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    lab_complain("gnuplot did not make %s/%s; its words are above, the data is kept", m->out->folder, script);
    m->failed = true;
}

/* The script NAME.gp: what it needs to know, then its text; then its pictures. */
static void make(struct maker *m, const char *name, const char *facts, const char *text)
{
    char *script = mem_format("%s.gp", name);
    FILE *f = out_file(m->out, script);
    if (f)
        fprintf(f, "%s%s", facts, text);
    if (!out_end(m->out, f, script))
        m->failed = true;
    else if (m->has_gnuplot && strcmp(name, "style") != 0)
        run_gnuplot(m, script);
    free(script);
}

/* ------------------------------------------------------------------ facts */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "-";
}

/* What stands for a strategy in a title: "scheduler_ring, hash_murmur, probe_linear". */
static char *strategy_fact(const json_t *result)
{
    const json_t *s = json_object_get(result, "strategy");
    return mem_format("strategy = \"%s, %s, %s\"\n", text_of(s, "scheduler"), text_of(s, "hash"),
                      text_of(s, "probe"));
}

static void make_simple(struct maker *m, const json_t *a1, const json_t *a2)
{
    if (a1) {
        char *facts = strategy_fact(a1);
        make(m, "a1", facts, plot_a1);
        make(m, "a1_latency", "", plot_a1_latency);
        free(facts);
    }
    if (a2 && json_array_size(json_object_get(a2, "steps")) > 0) {
        char *facts = strategy_fact(a2);
        make(m, "a2", facts, plot_a2);
        make(m, "a2_ratio", facts, plot_a2_ratio);
        if (json_is_true(json_object_get(a2, "keyed")) && json_array_size(json_object_get(a2, "steps")) > 1)
            make(m, "a2_moved", facts, plot_a2_moved);
        free(facts);
    }
}

static void make_incidents(struct maker *m, const json_t *a3)
{
    static const struct {
        const char *name, *text, *story;
    } kinds[] = { { "kill", plot_a3_kill, "is killed" },
                  { "pause", plot_a3_pause, "stands still for 1.5 s" },
                  { "hang", plot_a3_hang, "stands still for good" } };
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(a3, "incidents"), i, row) {
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            if (strcmp(text_of(row, "incident"), kinds[k].name) != 0)
                continue;
            size_t replicas = json_object_size(json_object_get(json_object_get(row, "load"), "replicas"));
            char *facts = mem_format("columns = %zu\nstory = \"%s %s at 0, %.0f requests a second\"\n",
                                     5 + replicas, text_of(row, "victim"), kinds[k].story,
                                     json_number_value(json_object_get(row, "rate")));
            char *name = mem_format("a3_%s", kinds[k].name);
            make(m, name, facts, kinds[k].text);
            free(name);
            free(facts);
        }
    }
}

static double busiest(const json_t *row)
{
    const json_t *six = json_object_get(row, "max_over_mean_6");
    return json_is_number(six) ? json_number_value(six) : 1e9;
}

static int by_balance(const void *a, const void *b)
{
    double x = busiest(*(json_t *const *)a), y = busiest(*(json_t *const *)b);
    return (x > y) - (x < y);
}

/* a4.csv: name, max/mean at 3 and 6, the most even first. Returns the names with blanks between, for gnuplot's words(). */
static char *write_comparison(struct maker *m, const json_t *strategies, size_t *n, double *floor)
{
    size_t all = json_array_size(strategies);
    json_t **rows = mem_zero(all + 1, sizeof *rows);
    char *names = mem_text("");
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        json_t *row = json_array_get(strategies, i);
        if (json_is_number(json_object_get(row, "max_over_mean_6")))
            rows[(*n)++] = row;
    }
    for (size_t i = 0; i < *n; i++) {
        char *longer = mem_format("%s%s%s", names, i ? " " : "", text_of(rows[i], "name"));
        free(names);
        names = longer;
        *floor = json_number_value(json_object_get(rows[i], "floor_6"));
    }
    qsort(rows, *n, sizeof *rows, by_balance);
    FILE *f = out_file(m->out, "a4.csv");
    if (f)
        fputs("strategy,max_over_mean_3,max_over_mean_6\n", f);
    for (size_t i = 0; f && i < *n; i++)
        fprintf(f, "%s,%.5f,%.5f\n", text_of(rows[i], "name"),
                json_number_value(json_object_get(rows[i], "max_over_mean_3")), busiest(rows[i]));
    if (!out_end(m->out, f, "a4.csv"))
        m->failed = true;
    free(rows);
    return names;
}

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void make_rings(struct maker *m, const json_t *strategies)
{
    char *names = mem_text(""), *titles = mem_text("");
    size_t i, n = 0;
    json_t *row;
    json_array_foreach(strategies, i, row) {
        const json_t *ring = json_object_get(row, "ring");
        json_int_t slots = number_of(ring, "slots");
        const char *name = text_of(row, "name");
        if (!slots || (slots > LARGE_RING && strcmp(name, "shipped") != 0))
            continue;
        char *title =
            slots > LARGE_RING
                ? mem_format("%s: 2^%d slots, %lld drawn", name, __builtin_ctzll((unsigned long long)slots),
                             number_of(ring, "drawn"))
                : mem_format("%s: %lld of %lld slots reached", name, number_of(ring, "reached"), slots);
        char *more = mem_format("%s%s%s", names, n ? " " : "", name);
        char *more_titles = mem_format("%s%s\"%s\"", titles, n ? ", " : "", title);
        free(names);
        free(titles);
        free(title);
        names = more;
        titles = more_titles;
        n++;
    }
    if (n) {
        char *facts = mem_format("lines = %zu\nnames = \"%s\"\narray titles[%zu] = [%s]\n", (n + 2) / 3,
                                 names, n, titles);
        make(m, "rings", facts, plot_rings);
        free(facts);
    }
    free(names);
    free(titles);
}

/* Of the strategies in this order, those that were run: at most seven, one for each colour. */
static char *choose_some(const char *names)
{
    static const char *const order[] = { "shipped",  "maglev",  "rendezvous", "ketama",
                                         "md5-1024", "md5-512", "assignment", "printed-variant" };
    char *some = mem_text(""), *padded = mem_format(" %s ", names);
    int n = 0;
    for (size_t i = 0; i < sizeof order / sizeof *order && n < 7; i++) {
        char *word = mem_format(" %s ", order[i]);
        if (strstr(padded, word)) {
            char *longer = mem_format("%s%s%s", some, n++ ? " " : "", order[i]);
            free(some);
            some = longer;
        }
        free(word);
    }
    free(padded);
    return some;
}

static void make_comparison(struct maker *m, const json_t *a4)
{
    const json_t *strategies = json_object_get(a4, "strategies");
    size_t n;
    double floor = 1;
    char *names = write_comparison(m, strategies, &n, &floor), *some = choose_some(names);
    if (n) {
        char *facts = mem_format("rows = %zu\nfloor = %.4f\n", n, floor);
        make(m, "a4", facts, plot_a4);
        free(facts);
        facts = mem_format("lines = %zu\nnames = \"%s\"\n", (n + 4) / 5, names);
        make(m, "a4_counts", facts, plot_a4_counts);
        make(m, "a4_steps", facts, plot_a4_steps);
        free(facts);
    }
    if (*some) {
        char *facts = mem_format("some = \"%s\"\n", some);
        make(m, "a4_lines", facts, plot_a4_lines);
        free(facts);
    }
    make_rings(m, strategies);
    free(some);
    free(names);
}

bool plots_make(struct out *o, const struct results *r)
{
    struct maker m = { .out = o, .has_gnuplot = in_path("gnuplot") };
    if (!m.has_gnuplot)
        lab_complain(
            "gnuplot is not installed (Debian: apt-get install gnuplot-nox): the pages have no pictures; scripts "
            "and data for them are in %s",
            o->folder);
    make(&m, "style", "", plot_style);
    make_simple(&m, r->a1, r->a2);
    make_incidents(&m, r->a3);
    make_comparison(&m, r->a4);
    return m.has_gnuplot && !m.failed && !o->failed;
}
