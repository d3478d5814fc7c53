/*
 * cmd_simulate.c - ringlab simulate: keys through strategies, without a network.
 *
 * Owns     the run: which strategies, how many replicas, which keys, where the figures go.
 * Used by  main.c.
 * Uses     simulate.h, candidate.h, keys.h; control/vetting.h.
 * Thread   the program's only one.
 *
 * A strategy is loaded as the balancer loads it (tried out first, in a process of its own) and asked through path/pick.c: for
 * the same key it names the replica that the balancer would.
 */
#include <errno.h>
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
#include "world/strategy.h"

#define SIZES_MOST    32u
#define REPLICAS_MOST 10000.0
#define MOVES         1000000u
#define ARRIVALS      200000u

struct simulation {
    struct option_list replicas;
    const char *keys_written, *sources, *csv, *json, *assignments;
    uint64_t count, seed, moves, arrivals;
    double load;
    bool list, legend;

    uint32_t sizes[SIZES_MOST], n_sizes;
    double floors[SIZES_MOST];
    struct keys keys;
    struct sim_row *rows;
    uint32_t n_rows;
    FILE *assigned;    /* NULL: nobody wants to know who got which key */
    uint32_t **owners; /* of each strategy, for the first size */
    struct vetting *vetting;
};

static const char synopsis[] = "simulate [STRATEGY...] [--replicas N,...] [--keys RULE] [--count N]";

/* ------------------------------------------------------------------ arguments */

static bool read_sizes(struct simulation *s)
{
    if (s->replicas.count == 0)
        option_list_add(&s->replicas, "3,6");
    if (s->replicas.count > SIZES_MOST) {
        lab_complain("--replicas takes at most %u numbers", SIZES_MOST);
        return false;
    }
    for (size_t i = 0; i < s->replicas.count; i++) {
        uint64_t n;
        if (!option_parse_number(s->replicas.items[i], 1, REPLICAS_MOST, &n)) {
            lab_complain("--replicas are whole numbers from 1 to %.0f, not \"%s\"", REPLICAS_MOST,
                         s->replicas.items[i]);
            return false;
        }
        s->sizes[s->n_sizes++] = (uint32_t)n;
    }
    if (s->assignments && s->n_sizes > 1) {
        lab_complain("--assignments wants one number of --replicas");
        return false;
    }
    return true;
}

static void list_presets(void)
{
    char **names = candidate_names();
    for (size_t i = 0; names[i]; i++)
        puts(names[i]);
    candidate_names_free(names);
}

/* ------------------------------------------------------------------ the run */

static bool run_one(struct simulation *s, const char *written, uint32_t number)
{
    struct candidate c;
    struct sim_plan plan = { .keys = &s->keys,
                             .moves = s->moves < s->keys.count ? s->moves : s->keys.count,
                             .arrivals = s->arrivals,
                             .load = s->load,
                             .seed = s->seed };
    if (!candidate_open(&c, written, s->vetting))
        return false;
    for (uint32_t i = 0; i < s->n_sizes; i++) {
        struct sim_row *row = &s->rows[s->n_rows++];
        row->strategy = written;
        row->n = s->sizes[i];
        if (s->assigned)
            s->owners[number] = mem_alloc(s->keys.count * sizeof **s->owners);
        sim_measure(&plan, &c, row, s->assigned ? s->owners[number] : NULL);
    }
    candidate_close(&c);
    return true;
}

static void write_key(const struct lb_key *key, FILE *out)
{
    const char *bytes = key->bytes;
    fputc('"', out);
    for (size_t i = 0; i < key->len; i++) {
        if (bytes[i] == '"')
            fputc('"', out);
        fputc(bytes[i], out);
    }
    fputc('"', out);
}

/* key,STRATEGY,STRATEGY...: the name of each key's replica. */
static void write_assignments(struct simulation *s, char **strategies, size_t n,
                              const struct candidate *namer)
{
    struct keys_batch *batch = mem_alloc(sizeof *batch);
    struct lb_member *members = candidate_members(namer, s->sizes[0]);
    fputs("key", s->assigned);
    for (size_t k = 0; k < n; k++)
        fprintf(s->assigned, ",\"%s\"", strategies[k]);
    fputc('\n', s->assigned);
    for (uint64_t first = 0; first < s->keys.count; first += batch->n) {
        keys_fill(&s->keys, first, batch);
        for (uint32_t i = 0; i < batch->n; i++) {
            write_key(&batch->keys[i], s->assigned);
            for (size_t k = 0; k < n; k++)
                fprintf(s->assigned, ",\"%s\"",
                        s->rows[k].refused[0] ? "" : members[s->owners[k][first + i]].key);
            fputc('\n', s->assigned);
        }
    }
    free(members);
    free(batch);
}

static bool run_all(struct simulation *s, char **strategies, size_t n)
{
    bool good = true;
    s->rows = mem_zero(n * s->n_sizes + 1, sizeof *s->rows);
    s->owners = mem_zero(n + 1, sizeof *s->owners);
    for (uint32_t i = 0; i < s->n_sizes; i++)
        s->floors[i] = sim_floor(&s->keys, s->sizes[i]);
    for (size_t i = 0; i < n && good; i++)
        good = run_one(s, strategies[i], (uint32_t)i);
    return good;
}

/* ------------------------------------------------------------------ output */

static FILE *open_output(const char *path)
{
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (!out)
        lab_complain("cannot write %s: %s", path, strerror(errno));
    return out;
}

static bool close_output(FILE *out, const char *path)
{
    bool good = !ferror(out) && fflush(out) == 0;
    if (out != stdout)
        good = fclose(out) == 0 && good;
    if (!good)
        lab_complain("cannot write %s: %s", path, strerror(errno));
    return good;
}

static bool write_report(const char *path, const struct sim_report *report,
                         void (*print)(const struct sim_report *, FILE *))
{
    FILE *out = path ? open_output(path) : NULL;
    if (out)
        print(report, out);
    return !path || (out && close_output(out, path));
}

static bool print_all(const struct simulation *s)
{
    struct sim_report report = { .rows = s->rows,
                                 .n_rows = s->n_rows,
                                 .keys = s->keys_written,
                                 .n_keys = s->keys.count,
                                 .seed = s->seed,
                                 .load = s->load,
                                 .n_floors = s->n_sizes,
                                 .sizes = s->sizes,
                                 .floors = s->floors };
    bool on_stdout = (s->csv && strcmp(s->csv, "-") == 0) || (s->json && strcmp(s->json, "-") == 0);
    if (!on_stdout && s->n_rows)
        sim_print_table(&report, stdout);
    if (!on_stdout && s->legend)
        sim_print_legend(stdout);
    bool csv = write_report(s->csv, &report, sim_print_csv);
    return write_report(s->json, &report, sim_print_json) && csv;
}

/* What was measured before a strategy was refused is printed all the same. */
static int simulate(struct simulation *s, char **strategies, size_t n)
{
    if (!keys_open(&s->keys, s->keys_written, s->count, s->seed, s->sources))
        return LAB_FAILED;
    if (s->assignments && !(s->assigned = open_output(s->assignments)))
        return LAB_FAILED;
    bool good = run_all(s, strategies, n);
    if (s->keys.skipped)
        lab_complain("%llu lines have no key and were left out", (unsigned long long)s->keys.skipped);
    struct candidate namer;
    if (s->assigned && good && candidate_open(&namer, strategies[0], s->vetting)) {
        write_assignments(s, strategies, n, &namer);
        candidate_close(&namer);
    }
    if (s->assigned)
        good = close_output(s->assigned, s->assignments) && good;
    good = print_all(s) && good;
    return good ? LAB_OK : LAB_FAILED;
}

static void clean_up(struct simulation *s, size_t n)
{
    for (size_t i = 0; s->owners && i < n; i++)
        free(s->owners[i]);
    free(s->owners);
    free(s->rows);
    keys_close(&s->keys);
    option_list_free(&s->replicas);
    vetting_free(s->vetting);
}

int cmd_simulate(int argc, char **argv)
{
    struct simulation s = { .keys_written = "uniform",
                            .sources = "query:request_id,path",
                            .count = 1000000,
                            .seed = 1,
                            .moves = MOVES,
                            .arrivals = ARRIVALS,
                            .load = 0.8 };
    const struct option_row rows[] = {
        { "replicas", OPTION_LIST, &s.replicas, "N,...", "how many replicas (3,6)", 0, 0 },
        { "keys", OPTION_TEXT, &s.keys_written, "RULE", KEYS_SYNTAX " (uniform)", 0, 0 },
        { "count", OPTION_NUMBER, &s.count, "N", "requests (1M)", 1, 1e10 },
        { "seed", OPTION_NUMBER, &s.seed, "N", "of the keys and the load model (1)", 0, 1e18 },
        { "key", OPTION_TEXT, &s.sources, "LIST", "what a logged request is known by (query:request_id,path)",
          0, 0 },
        { "moves", OPTION_NUMBER, &s.moves, "N", "requests asked again after a change; 0: no changes (1M)", 0,
          1e9 },
        { "arrivals", OPTION_NUMBER, &s.arrivals, "N", "requests of the load model; 0: without it (200k)", 0,
          1e8 },
        { "load", OPTION_REAL, &s.load, "PART", "of what all replicas can do (0.8)", 0.01, 0.99 },
        { "csv", OPTION_TEXT, &s.csv, "FILE", "figures as CSV; - is standard output", 0, 0 },
        { "json", OPTION_TEXT, &s.json, "FILE", "figures as JSON; - is standard output", 0, 0 },
        { "assignments", OPTION_TEXT, &s.assignments, "FILE", "who gets each key, as CSV", 0, 0 },
        { "list", OPTION_FLAG, &s.list, NULL, "names the presets", 0, 0 },
        { "legend", OPTION_FLAG, &s.legend, NULL, "says what the columns are", 0, 0 },
        { NULL, OPTION_FLAG, NULL, NULL, NULL, 0, 0 },
    };
    char **words;
    size_t n;
    int code = option_read(rows, synopsis, argc, argv, &words, &n, 0, 1000);
    if (code >= 0)
        return option_list_free(&s.replicas), code;
    if (s.list)
        return option_list_free(&s.replicas), list_presets(), LAB_OK;
    if (!read_sizes(&s))
        return option_list_free(&s.replicas), LAB_USAGE;
    char **all = n ? NULL : candidate_names();
    for (; all && all[n]; n++)
        ;
    s.vetting = vetting_new("/proc/self/exe");
    if (!s.vetting)
        code = lab_complain("cannot make an event: %s", strerror(errno));
    else
        code = simulate(&s, all ? all : words, n);
    clean_up(&s, n);
    candidate_names_free(all);
    return code;
}
