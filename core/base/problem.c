/*
 * problem.c - everything that is wrong with a configuration, all at once.
 *
 * Owns     the list of problems and their texts.
 * Used by  config, plugin and strategy (add), main and reload (show).
 * Uses     mem.h. Reads a file again to show the line a problem is about.
 * Thread   the one that holds the list.
 *
 * A problem is shown as compilers show theirs, so that editors jump to it. Columns count bytes, as clang's do; the caret
 * is aligned by what a terminal shows: a tab stays a tab, and the later bytes of a UTF-8 character take no room.
 */
#include "base/problem.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    SHOWN_MAX = 160,   /* bytes of a source line that are shown at most … */
    SHOWN_BEFORE = 80, /* … and so many of them before the column */
    WORD_MAX = 96      /* longer words are no typing mistakes */
};

static char *format_text(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_text(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0) { /* an encoding error: better the bare format than nothing */
        return mem_text(format);
    }
    char *text = mem_alloc((size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, args);
    return text;
}

static bool is_later_byte(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Bytes of the character of UTF-8 at text (RFC 3629), or 0 when there is none. */
static size_t character(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t len = c[0] < 0x80 ? 1 : c[0] < 0xC2 ? 0 : c[0] < 0xE0 ? 2 : c[0] < 0xF0 ? 3 : c[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < len; i++) {
        if (!is_later_byte(text[i])) {
            return 0;
        }
    }
    bool too_long = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xF0 && c[1] < 0x90);
    bool no_character = (c[0] == 0xED && c[1] > 0x9F) || (c[0] == 0xF4 && c[1] > 0x8F);
    return len > 1 && (too_long || no_character) ? 0 : len;
}

/* A message may quote what stands in a file, and goes to terminals, logs and into JSON: a byte that is no text becomes
 * a question mark. */
static char *clean(char *text)
{
    for (char *c = text; c && *c;) {
        size_t len = character(c);
        if (len == 0 || iscntrl((unsigned char)*c)) {
            *c = '?';
            len = 1;
        }
        c += len;
    }
    return text;
}

void problem_add(struct problems *list, struct place where, const char *hint, const char *format, ...)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 8;
        list->items = mem_grow(list->items, list->room * sizeof *list->items);
    }
    va_list args;
    va_start(args, format);
    list->items[list->count++] = (struct problem){
        .file = mem_text(where.file),
        .line = where.line,
        .column = where.column,
        .message = clean(format_text(format, args)),
        .hint = clean(mem_text(hint)),
    };
    va_end(args);
}

void problems_free(struct problems *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].file);
        free(list->items[i].message);
        free(list->items[i].hint);
    }
    free(list->items);
    *list = (struct problems){ 0 };
}

/* ------------------------------------------------------------------ showing one */

/* Line number `wanted` of a file without its end, or NULL. The caller frees it. */
static char *line_of_file(const char *path, int wanted)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return NULL;
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t len = -1;
    for (int at = 1; at <= wanted; at++) {
        len = getline(&line, &room, file);
        if (len < 0) {
            break;
        }
    }
    fclose(file);
    if (len < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = 0;
    return line;
}

/* A byte as it may go to a terminal. */
static char shown(char c)
{
    return c == '\t' || !iscntrl((unsigned char)c) ? c : '?';
}

/* The part of the line around the column, and under it the caret. A line that was cut has "..." at the cut end. */
static void print_line(const char *line, int column, FILE *out)
{
    size_t len = strlen(line);
    size_t at = column > 0 ? (size_t)column - 1 : 0;
    if (at > len) { /* the file has changed since */
        at = len;
    }
    size_t start = 0;
    if (len > SHOWN_MAX && at > SHOWN_BEFORE) {
        start = at - SHOWN_BEFORE;
        while (start < at && is_later_byte(line[start])) {
            start++;
        }
    }
    size_t end = len - start > SHOWN_MAX ? start + SHOWN_MAX : len;
    while (end < len && is_later_byte(line[end])) {
        end++;
    }

    fputs(start ? "..." : "", out);
    for (size_t i = start; i < end; i++) {
        fputc(shown(line[i]), out);
    }
    fputs(end < len ? "...\n" : "\n", out);
    if (column <= 0) {
        return;
    }
    fputs(start ? "   " : "", out);
    for (size_t i = start; i < at; i++) {
        if (!is_later_byte(line[i])) {
            fputc(line[i] == '\t' ? '\t' : ' ', out);
        }
    }
    fputs("^\n", out);
}

void problem_print(const struct problem *p, FILE *out)
{
    if (p->file) {
        fprintf(out, "%s:", p->file);
        if (p->line > 0) {
            fprintf(out, "%d:", p->line);
        }
        if (p->line > 0 && p->column > 0) {
            fprintf(out, "%d:", p->column);
        }
        fputc(' ', out);
    }
    fprintf(out, "error: %s\n", p->message);

    char *line = p->file && p->line > 0 ? line_of_file(p->file, p->line) : NULL;
    if (line) {
        print_line(line, p->column, out);
        free(line);
    }
    if (p->hint) {
        fprintf(out, "hint: %s\n", p->hint);
    }
}

/* ------------------------------------------------------------------ what was meant */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* How many insertions, deletions, changes and swaps of neighbours lead from a to b, upper and lower case being equal: the
 * optimal string alignment variant of Damerau's and Levenshtein's distance, by dynamic programming over three rows. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++) {
        above[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = above[j - 1] + !same_letter(a[i - 1], b[j - 1]);
            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            bool swapped =
                i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]);
            if (swapped) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[b_len];
}

/* True when word is candidate without a part that stands before or after an underscore: "murmur" of "hash_murmur". */
static bool is_part(const char *word, size_t len, const char *candidate)
{
    size_t whole = strlen(candidate);
    if (len == 0 || len + 1 >= whole) {
        return false;
    }
    bool first = strncasecmp(candidate, word, len) == 0 && candidate[len] == '_';
    bool last = strcasecmp(candidate + whole - len, word) == 0 && candidate[whole - len - 1] == '_';
    return first || last;
}

const char *problem_nearest(const char *word, const char *const *candidates)
{
    size_t len = strlen(word);
    if (len > WORD_MAX) {
        return NULL;
    }
    const char *best = NULL, *part = NULL;
    size_t best_distance = 0;
    for (; *candidates; candidates++) {
        size_t candidate_len = strlen(*candidates);
        if (candidate_len > WORD_MAX) {
            continue;
        }
        size_t longer = len > candidate_len ? len : candidate_len;
        size_t near = longer < 3 ? 1 : longer / 3;
        size_t d = distance(word, len, *candidates, candidate_len);
        if (d <= near && d < longer && (!best || d < best_distance)) {
            best = *candidates;
            best_distance = d;
        }
        if (!part && is_part(word, len, *candidates)) {
            part = *candidates;
        }
    }
    return best ? best : part;
}
