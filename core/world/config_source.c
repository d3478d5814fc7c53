/*
 * config_source.c - the text of a configuration, its @includes put in place.
 *
 * Owns     the text, and the names of the files it came from.
 * Used by  config_read.c alone.
 * Uses     mem.h, problem.h.
 * Thread   any; nothing is shared.
 *
 * A file is copied byte by byte while three states are followed: between things, inside a text, inside a comment. Only
 * between things, and first on its line, is @include what it says. Stricter than libconfig in two points, for the sake of
 * an error in the right place: a text ends on the line it began on, and a comment is closed in its own file.
 */
#include "world/config_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

enum {
    INCLUDE_DEPTH = 10,       /* libconfig's own limit */
    FILE_BYTES_MAX = 16 << 20 /* of one file, and of the whole text */
};

/* A file that is being read, and the one that included it. */
struct reading {
    const struct reading *includer;
    dev_t device;
    ino_t inode;
    const char *name; /* one of source->files; NULL for a bare text */
    const char *bytes;
    size_t len;
    int line;          /* of the byte at hand, from 1 */
    size_t line_start; /* where that line begins in bytes */
    int depth;
};

static bool read_file(struct config_source *s, const struct reading *includer, const char *name,
                      struct place named_at, struct problems *problems);
static bool copy(struct config_source *s, struct reading *r, struct problems *problems);

bool config_source_read(struct config_source *source, const char *path, struct problems *problems)
{
    return read_file(source, NULL, path, (struct place){ 0 }, problems);
}

bool config_source_take(struct config_source *source, const char *text, struct problems *problems)
{
    struct reading r = { .bytes = text, .len = strlen(text) };
    return copy(source, &r, problems);
}

void config_source_free(struct config_source *source)
{
    for (size_t i = 0; i < source->n_files; i++) {
        free(source->files[i]);
    }
    free(source->files);
    free(source->lines);
    free(source->text);
    *source = (struct config_source){ 0 };
}

struct place config_source_place(const struct config_source *source, size_t offset)
{
    size_t low = 0,
           high = source->n_lines; /* the last line that starts at or before offset is in low .. high - 1 */
    if (high == 0) {
        return (struct place){ 0 };
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (source->lines[middle].start <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct config_line *l = &source->lines[low];
    if (!l->file) {
        return (struct place){ 0 };
    }
    return (
        struct place){ .file = l->file, .line = l->line, .column = (int)(offset - l->start) + 1 + l->shift };
}

/* ------------------------------------------------------------------ the text grows */

static void append(struct config_source *s, const char *bytes, size_t len)
{
    if (s->len + len + 1 > s->room) {
        s->room = (s->len + len + 1) * 2;
        s->text = mem_grow(s->text, s->room);
    }
    memcpy(s->text + s->len, bytes, len);
    s->len += len;
    s->text[s->len] = 0;
}

/* What follows in the text comes from byte `at` of r, on r's line. */
static void begin_line(struct config_source *s, const struct reading *r, size_t at)
{
    if (s->n_lines == s->lines_room) {
        s->lines_room = s->lines_room ? s->lines_room * 2 : 128;
        s->lines = mem_grow(s->lines, s->lines_room * sizeof *s->lines);
    }
    s->lines[s->n_lines++] = (struct config_line){
        .start = s->len, .file = r->name, .line = r->line, .shift = (int)(at - r->line_start)
    };
}

static const char *keep_name(struct config_source *s, const char *name)
{
    s->files = mem_grow(s->files, (s->n_files + 2) * sizeof *s->files);
    s->files[s->n_files++] = mem_text(name);
    s->files[s->n_files] = NULL;
    return s->files[s->n_files - 1];
}

/* ------------------------------------------------------------------ one file */

/* Everything in the file, terminated; NULL with a reason in why. */
static char *slurp(FILE *file, size_t *len, const char **why)
{
    char *bytes = NULL;
    size_t room = 0;
    *len = 0;
    do {
        room = room ? room * 2 : 16384;
        bytes = mem_grow(bytes, room + 1);
        *len += fread(bytes + *len, 1, room - *len, file);
    } while (*len == room && *len <= FILE_BYTES_MAX);
    bytes[*len] = 0;

    *why = NULL;
    if (ferror(file)) {
        *why = strerror(errno);
    } else if (*len > FILE_BYTES_MAX) {
        *why = "it has more than 16 MiB";
    } else if (memchr(bytes, 0, *len)) {
        *why = "it has a zero byte, so it is no text";
    }
    if (*why) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static bool is_open_already(const struct reading *r, const struct stat *st)
{
    for (; r; r = r->includer) {
        if (r->device == st->st_dev && r->inode == st->st_ino) {
            return true;
        }
    }
    return false;
}

/* Says that a file cannot be read: where it was included, or in its own name when it is the first. */
static bool refuse(const char *name, struct place named_at, const char *why, struct problems *problems)
{
    if (named_at.file) {
        problem_add(problems, named_at, NULL, "cannot include \"%s\": %s", name, why);
    } else {
        problem_add(problems, (struct place){ .file = name }, NULL, "cannot read it: %s", why);
    }
    return false;
}

static bool read_file(struct config_source *s, const struct reading *includer, const char *name,
                      struct place named_at, struct problems *problems)
{
    FILE *file = fopen(name, "re");
    struct stat st;
    if (!file || fstat(fileno(file), &st) < 0) {
        int error = errno;
        if (file) {
            fclose(file);
        }
        return refuse(name, named_at, strerror(error), problems);
    }
    if (is_open_already(includer, &st)) {
        fclose(file);
        return refuse(name, named_at, "it would include itself", problems);
    }
    size_t len;
    const char *why;
    char *bytes = slurp(file, &len, &why);
    fclose(file);
    if (!bytes) {
        return refuse(name, named_at, why, problems);
    }
    struct reading r = {
        .includer = includer,
        .device = st.st_dev,
        .inode = st.st_ino,
        .name = keep_name(s, name),
        .bytes = bytes,
        .len = len,
        .depth = includer ? includer->depth + 1 : 0,
    };
    bool good = copy(s, &r, problems);
    free(bytes);
    return good;
}

/* ------------------------------------------------------------------ copying, with the states */

static struct place place_in(const struct reading *r, size_t at)
{
    return (struct place){ .file = r->name, .line = r->line, .column = (int)(at - r->line_start) + 1 };
}

static void next_line(struct reading *r, size_t start)
{
    r->line++;
    r->line_start = start;
}

/* Past the closing quote of the text that opens at `at`; 0 when it is not closed on its line. */
static size_t skip_text(const struct reading *r, size_t at)
{
    for (size_t i = at + 1; i < r->len && r->bytes[i] != '\n'; i++) {
        if (r->bytes[i] == '"') {
            return i + 1;
        }
        if (r->bytes[i] == '\\' && i + 1 < r->len && r->bytes[i + 1] != '\n') {
            i++;
        }
    }
    return 0;
}

/* Copies a comment that opens at `at` with slash and star, line by line. Past its end, or 0 when it is not closed. */
static size_t copy_comment(struct config_source *s, struct reading *r, size_t at)
{
    const char *close = at + 2 <= r->len ? memmem(r->bytes + at + 2, r->len - at - 2, "*/", 2) : NULL;
    if (!close) {
        return 0;
    }
    size_t end = (size_t)(close - r->bytes) + 2;
    while (at < end) {
        const char *newline = memchr(r->bytes + at, '\n', end - at);
        size_t stop = newline ? (size_t)(newline - r->bytes) + 1 : end;
        append(s, r->bytes + at, stop - at);
        if (newline) {
            next_line(r, stop);
            begin_line(s, r, stop);
        }
        at = stop;
    }
    return end;
}

/* Where the name of an include begins, when the line at `at` says @include "…; else 0. */
static size_t find_include(const struct reading *r, size_t at)
{
    static const char word[] = "@include";
    const size_t word_len = sizeof word - 1;
    at += strspn(r->bytes + at, " \t");
    if (strncmp(r->bytes + at, word, word_len) != 0) {
        return 0;
    }
    size_t blanks = strspn(r->bytes + at + word_len, " \t");
    at += word_len + blanks;
    return blanks > 0 && r->bytes[at] == '"' ? at + 1 : 0;
}

/* The name between the quotes, unescaped and joined to the directory of the file that names it. */
static char *include_name(const struct reading *r, size_t from, size_t to)
{
    char *name = mem_alloc(to - from + 1);
    size_t len = 0;
    for (size_t i = from; i < to; i++) {
        bool escaped = r->bytes[i] == '\\' && i + 1 < to && strchr("\\\"", r->bytes[i + 1]);
        i += escaped;
        name[len++] = r->bytes[i];
    }
    name[len] = 0;
    const char *slash = r->name ? strrchr(r->name, '/') : NULL;
    if (name[0] == '/' || !slash) {
        return name;
    }
    char *joined = mem_format("%.*s/%s", (int)(slash - r->name), r->name, name);
    free(name);
    return joined;
}

/* Puts the file in place whose name begins at `from`. Past the closing quote, or 0 with a problem. */
static size_t copy_include(struct config_source *s, struct reading *r, size_t from, struct problems *problems)
{
    struct place where = place_in(r, from - 1);
    size_t after = skip_text(r, from - 1);
    if (after == 0) {
        problem_add(problems, where, "close the name with a \"", "the name of the include is not closed");
        return 0;
    }
    if (r->depth + 1 >= INCLUDE_DEPTH) {
        problem_add(problems, where, NULL, "includes nest deeper than %d files", INCLUDE_DEPTH);
        return 0;
    }
    char *name = include_name(r, from, after - 1);
    bool good = read_file(s, r, name, where, problems);
    free(name);
    if (!good) {
        return 0;
    }
    if (s->len > FILE_BYTES_MAX) {
        problem_add(problems, where, NULL, "with its includes the configuration has more than 16 MiB");
        return 0;
    }
    begin_line(s, r, after);
    return after;
}

/* Copies one thing from `at`: a text, a comment, or a byte. Past it, or 0 with a problem. */
static size_t copy_thing(struct config_source *s, struct reading *r, size_t at, struct problems *problems)
{
    const char *here = r->bytes + at;
    size_t end = at + 1;
    if (*here == '"') {
        end = skip_text(r, at);
        if (end == 0) {
            problem_add(problems, place_in(r, at), "close it with a \" on the same line",
                        "the text is not closed");
            return 0;
        }
    } else if (here[0] == '/' && here[1] == '*') {
        end = copy_comment(s, r, at);
        if (end == 0) {
            problem_add(problems, place_in(r, at), "close it with */", "the comment is not closed");
        }
        return end;
    } else if (*here == '#' || (here[0] == '/' && here[1] == '/')) {
        end = at + strcspn(here, "\n");
    }
    append(s, here, end - at);
    if (*here == '\n') {
        next_line(r, end);
        begin_line(s, r, end);
    }
    return end;
}

/* Appends the file to the text, as lines of their own. */
static bool copy(struct config_source *s, struct reading *r, struct problems *problems)
{
    r->line = 1;
    r->line_start = 0;
    begin_line(s, r, 0);
    for (size_t at = 0; at < r->len;) {
        size_t name = at == r->line_start ? find_include(r, at) : 0;
        at = name ? copy_include(s, r, name, problems) : copy_thing(s, r, at, problems);
        if (at == 0) {
            return false;
        }
    }
    if (s->len == 0 || s->text[s->len - 1] != '\n') {
        append(s, "\n", 1);
    }
    return true;
}
