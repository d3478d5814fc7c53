/*
 * report_summary.c - summary.md: the few lines of the results that README shows.
 *
 * Owns     which strategies they name.
 * Used by  cmd_report.c; script/results puts them into README.md.
 * Uses     out.h, jansson.
 * Thread   the program's main one.
 */
#include <stdio.h>
#include <string.h>

#include "lab/report.h"

static const char *const chosen[] = {
    "shipped",         "maglev",     "rendezvous",      "jump",         "anchor",
    "multiprobe",      "ketama",     "modulo",          "md5-1024",     "md5-512",
    "ring-512-murmur", "assignment", "printed-variant", "flat-variant", "round-robin",
    "least-request",   "p2c",
};

static const json_t *find(const json_t *a4, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(a4, "strategies"), i, row)
        if (strcmp(report_text(row, "name"), name) == 0)
            return row;
    return NULL;
}

static void cell(FILE *f, double value, int decimals, const char *unit)
{
    if (value < 0)
        fputs(" - |", f);
    else
        fprintf(f, " %.*f%s |", decimals, value, unit);
}

static void put_row(FILE *f, const json_t *row)
{
    double moved = report_real(row, "moved");
    fprintf(f, "| %s |", report_text(row, "name"));
    cell(f, report_real(row, "max_over_mean_3"), 3, "");
    cell(f, report_real(row, "expected_3"), 3, "");
    cell(f, report_real(row, "max_over_mean_6"), 3, "");
    cell(f, report_real(row, "expected_6"), 3, "");
    cell(f, moved < 0 ? -1 : 100 * moved, 1, " %");
    cell(f, report_real(row, "pick_ns"), 1, "");
    fputc('\n', f);
}

bool report_summary(struct out *o, const json_t *setup, const json_t *a4)
{
    const json_t *any = json_array_get(json_object_get(a4, "strategies"), 0);
    if (!any)
        return true;
    FILE *f = out_file(o, "summary.md");
    if (f) {
        fprintf(
            f,
            "%.10s, %s, %lld cores: 10,000 requests with random six-digit ids. Chance alone gives a max/mean of %.3f at "
            "N = 3 and %.3f at N = 6. \"Exact\" is over all 900,000 ids; moved keys are the mean over the steps from 2 to "
            "6 replicas, of which %.1f %% have to move.\n\n",
            report_text(setup, "date"), report_text(json_object_get(setup, "machine"), "processor"),
            (long long)report_count(json_object_get(setup, "machine"), "cores"), report_real(any, "floor_3"),
            report_real(any, "floor_6"), 100 * (1 / 3.0 + 1 / 4.0 + 1 / 5.0 + 1 / 6.0) / 4);
        fputs(
            "| strategy | max/mean, N = 3 | exact | N = 6 | exact | moved keys | pick ns |\n|---|---:|---:|---:|---:|---:|---:|\n",
            f);
        for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
            const json_t *row = find(a4, chosen[i]);
            if (row)
                put_row(f, row);
        }
    }
    return out_end(o, f, "summary.md");
}
