/*
 * option.c - reading options by their rows: see option.h.
 *
 * Owns     the list that getopt_long wants, while it reads.
 * Used by  cmd_*.c.
 * Uses     getopt_long, lab.h.
 * Thread   the program's only one.
 */
#include "lab/option.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/lab.h"

#define FIRST_ID 1000
#define HELP_ID  999

bool option_parse_number(const char *text, double least, double most, uint64_t *out)
{
    char *end;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    uint64_t value = strtoull(text, &end, 10), unit = 1;
    switch (*end) {
    case 'k': unit = 1000; break;
    case 'M': unit = 1000000; break;
    case 'G': unit = 1000000000; break;
    default: break;
    }
    end += unit != 1;
    if (*end || errno || value > UINT64_MAX / unit)
        return false;
    *out = value * unit;
    return (double)*out >= least && (double)*out <= most;
}

void option_list_add(struct option_list *list, const char *text)
{
    for (const char *at = text; *at; at += *at == ',') {
        size_t len = strcspn(at, ",");
        if (len > 0) {
            list->items = mem_grow(list->items, (list->count + 2) * sizeof *list->items);
            list->items[list->count++] = mem_text_n(at, len);
            list->items[list->count] = NULL;
        }
        at += len;
    }
}

void option_list_free(struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct option_list){ 0 };
}

static bool take_real(const struct option_row *row, const char *text)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || errno || !isfinite(value) || value < row->least || value > row->most)
        return false;
    *(double *)row->into = value;
    return true;
}

static bool take(const struct option_row *row, char *text)
{
    switch (row->type) {
    case OPTION_FLAG: *(bool *)row->into = true; return true;
    case OPTION_TEXT: *(const char **)row->into = text; return true;
    case OPTION_LIST: option_list_add(row->into, text); return true;
    case OPTION_NUMBER:
        if (option_parse_number(text, row->least, row->most, row->into))
            return true;
        lab_complain("--%s is a whole number from %.0f to %.0f, not \"%s\"", row->name, row->least, row->most,
                     text);
        return false;
    case OPTION_REAL:
        if (take_real(row, text))
            return true;
        lab_complain("--%s is a number from %g to %g, not \"%s\"", row->name, row->least, row->most, text);
        return false;
    }
    return false;
}

static void print_help(const struct option_row *rows, const char *synopsis)
{
    printf("Usage: ringlab %s\n\n", synopsis);
    for (const struct option_row *row = rows; row->name; row++) {
        int used = printf("  --%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
        printf("%*s%s\n", used < 26 ? 26 - used : 1, "", row->help);
    }
}

static int count(const struct option_row *rows)
{
    int n = 0;
    while (rows[n].name)
        n++;
    return n;
}

static struct option *make_getopt_rows(const struct option_row *rows)
{
    int n = count(rows);
    struct option *out = mem_zero((size_t)n + 2, sizeof *out);
    for (int i = 0; i < n; i++)
        out[i] = (struct option){ rows[i].name, rows[i].type == OPTION_FLAG ? no_argument : required_argument,
                                  NULL, FIRST_ID + i };
    out[n] = (struct option){ "help", no_argument, NULL, HELP_ID };
    return out;
}

int option_read(const struct option_row *rows, const char *synopsis, int argc, char **argv, char ***words,
                size_t *n_words, size_t words_least, size_t words_most)
{
    struct option *list = make_getopt_rows(rows);
    int id, code = -1;
    argv[0] = "ringlab"; /* what getopt calls us in its complaints */
    optind = 1;
    while (code < 0 && (id = getopt_long(argc, argv, "h", list, NULL)) != -1) {
        if (id == 'h' || id == HELP_ID) {
            print_help(rows, synopsis);
            code = LAB_OK;
        } else if (id == '?' || !take(&rows[id - FIRST_ID], optarg)) {
            code = LAB_USAGE; /* complained already */
        }
    }
    free(list);
    *words = argv + optind;
    *n_words = (size_t)(argc - optind);
    if (code >= 0 || (*n_words >= words_least && *n_words <= words_most))
        return code;
    lab_complain(*n_words < words_least ? "something is missing" : "too many arguments");
    fprintf(stderr, "Usage: ringlab %s\n", synopsis);
    return LAB_USAGE;
}
