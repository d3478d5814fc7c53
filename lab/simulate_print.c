/*
 * simulate_print.c - simulated figures as a table, CSV and JSON.
 *
 * Owns     the three shapes.
 * Used by  cmd_simulate.c.
 * Uses     jansson.
 * Thread   the program's only one.
 */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/simulate.h"

static const struct figure {
    const char *name, *heading, *text;
    int decimals;
    double factor;
    size_t at;
} figures[] = {
#define SIM_ROW(name_, heading_, decimals_, factor_, text_) \
    { #name_, heading_, text_, decimals_, factor_, offsetof(struct sim_figures, name_) },
    SIM_FIGURES(SIM_ROW)
#undef SIM_ROW
};

#define FIGURES (sizeof figures / sizeof *figures)

static double value_of(const struct sim_row *row, size_t figure)
{
    double value;
    memcpy(&value, (const char *)&row->is + figures[figure].at, sizeof value);
    return value;
}

/* ------------------------------------------------------------------ the table */

enum { NAME_LEAST = 12, NAME_MOST = 60, CELL = 9 };

static int name_width(const struct sim_report *r)
{
    size_t width = NAME_LEAST;
    for (uint32_t i = 0; i < r->n_rows; i++)
        width = strlen(r->rows[i].strategy) > width ? strlen(r->rows[i].strategy) : width;
    return width > NAME_MOST ? NAME_MOST : (int)width;
}

/* What depends on the length of the run when a replica gets more than it can do. */
static bool is_of_queue(size_t figure)
{
    return figures[figure].at == offsetof(struct sim_figures, spread) ||
           figures[figure].at == offsetof(struct sim_figures, response_p99);
}

static void print_row(const struct sim_row *row, int width, FILE *out)
{
    fprintf(out, "%-*s", width, row->strategy);
    if (row->refused[0]) {
        fprintf(out, "  refused: %s\n", row->refused);
        return;
    }
    for (size_t i = 0; i < FIGURES; i++) {
        double value = value_of(row, i);
        if (!figures[i].heading)
            continue;
        if (isnan(value))
            fprintf(out, "%*s", CELL, "-");
        else if (is_of_queue(i) && row->is.overloaded > 0)
            fprintf(out, "%*s", CELL, "endless");
        else
            fprintf(out, "%*.*f", CELL, figures[i].decimals, value * figures[i].factor);
    }
    fputc('\n', out);
}

void sim_print_table(const struct sim_report *r, FILE *out)
{
    int width = name_width(r);
    for (uint32_t f = 0; f < r->n_floors; f++) {
        fprintf(out,
                "%sN = %u, %" PRIu64
                " requests, keys: %s. A perfect hash: max/mean %.4f, add %.2f %%, rm %.2f %%.\n",
                f ? "\n" : "", r->sizes[f], r->n_keys, r->keys, r->floors[f], 100.0 / (r->sizes[f] + 1),
                100.0 / r->sizes[f]);
        fprintf(out, "%-*s", width, "");
        for (size_t i = 0; i < FIGURES; i++)
            if (figures[i].heading)
                fprintf(out, "%*s", CELL, figures[i].heading);
        fputc('\n', out);
        for (uint32_t i = 0; i < r->n_rows; i++)
            if (r->rows[i].n == r->sizes[f])
                print_row(&r->rows[i], width, out);
    }
}

void sim_print_legend(FILE *out)
{
    for (size_t i = 0; i < FIGURES; i++)
        if (figures[i].heading)
            fprintf(out, "  %-9s %s\n", figures[i].heading, figures[i].text);
}

/* ------------------------------------------------------------------ files */

static void print_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void sim_print_csv(const struct sim_report *r, FILE *out)
{
    fputs("strategy,replicas,keys,requests,seed,load,perfect_hash", out);
    for (size_t i = 0; i < FIGURES; i++)
        fprintf(out, ",%s", figures[i].name);
    fputs(",refused\n", out);
    for (uint32_t k = 0; k < r->n_rows; k++) {
        const struct sim_row *row = &r->rows[k];
        uint32_t f = 0;
        while (r->sizes[f] != row->n)
            f++;
        print_quoted(row->strategy, out);
        fprintf(out, ",%u,", row->n);
        print_quoted(r->keys, out);
        fprintf(out, ",%" PRIu64 ",%" PRIu64 ",%g,%.6f", r->n_keys, r->seed, r->load, r->floors[f]);
        for (size_t i = 0; i < FIGURES; i++)
            isnan(value_of(row, i)) ? fputc(',', out) : fprintf(out, ",%.9g", value_of(row, i));
        fputc(',', out);
        print_quoted(row->refused, out);
        fputc('\n', out);
    }
}

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *render_row(const struct sim_row *row)
{
    json_t *out = json_pack("{s:s, s:i, s:b}", "strategy", row->strategy, "replicas", (int)row->n, "keyed",
                            (int)row->keyed);
    for (size_t i = 0; i < FIGURES; i++)
        json_object_set_new(out, figures[i].name, real_or_null(value_of(row, i)));
    if (row->refused[0])
        json_object_set_new(out, "refused", json_string(row->refused));
    return out;
}

void sim_print_json(const struct sim_report *r, FILE *out)
{
    json_t *root = json_object(), *rows = json_array(), *floors = json_array();
    json_object_set_new(root, "version", json_string(RM_VERSION));
    json_object_set_new(root, "keys", json_string(r->keys));
    json_object_set_new(root, "requests", json_integer((json_int_t)r->n_keys));
    json_object_set_new(root, "seed", json_integer((json_int_t)r->seed));
    json_object_set_new(root, "load", json_real(r->load));
    for (uint32_t i = 0; i < r->n_floors; i++)
        json_array_append_new(
            floors, json_pack("{s:i, s:f}", "replicas", (int)r->sizes[i], "max_over_mean", r->floors[i]));
    json_object_set_new(root, "perfect_hash", floors);
    for (uint32_t i = 0; i < r->n_rows; i++)
        json_array_append_new(rows, render_row(&r->rows[i]));
    json_object_set_new(root, "results", rows);
    json_object_set_new(root, "meaning", json_object());
    for (size_t i = 0; i < FIGURES; i++)
        json_object_set_new(json_object_get(root, "meaning"), figures[i].name, json_string(figures[i].text));
    json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', out);
    json_decref(root);
}
