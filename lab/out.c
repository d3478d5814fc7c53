/*
 * out.c - folders, rows and documents: see out.h.
 *
 * Owns     nothing.
 * Used by  the experiments, the report.
 * Uses     stdio, jansson.
 * Thread   the program's main one.
 */
#include "lab/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "lab/lab.h"

static bool make_folders(char *path)
{
    for (char *at = path + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char end = *at;
        *at = '\0';
        bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        *at = end;
        if (!made)
            return false;
        if (!end)
            return true;
    }
}

bool out_open(struct out *o, const char *root, const char *name)
{
    *o = (struct out){ .folder = name ? mem_format("%s/%s", root, name) : mem_text(root) };
    struct stat found;
    if (make_folders(o->folder) && stat(o->folder, &found) == 0 && S_ISDIR(found.st_mode))
        return true;
    lab_complain("cannot make the folder %s: %s", o->folder, strerror(errno));
    out_close(o);
    return false;
}

void out_close(struct out *o)
{
    free(o->folder);
    o->folder = NULL;
}

static bool fail(struct out *o, const char *name, int number)
{
    if (!o->failed || strcmp(o->failed_name, name) != 0)
        lab_complain("cannot write %s/%s: %s; what was written before is kept", o->folder, name,
                     strerror(number));
    o->failed = true;
    snprintf(o->failed_name, sizeof o->failed_name, "%s", name);
    return false;
}

FILE *out_file(struct out *o, const char *name)
{
    char *path = mem_format("%s/%s", o->folder, name);
    FILE *f = fopen(path, "w");
    if (!f)
        fail(o, name, errno);
    free(path);
    return f;
}

/* What a row met before is only remembered as "an error": writing once more tells which. */
static int find_error(FILE *f)
{
    clearerr(f);
    errno = 0;
    if (fputc('\n', f) == EOF || fflush(f) != 0)
        return errno ? errno : EIO;
    return EIO;
}

bool out_flush(struct out *o, FILE *f, const char *name)
{
    if (!f)
        return false;
    if (ferror(f))
        return fail(o, name, find_error(f));
    return fflush(f) == 0 || fail(o, name, errno);
}

bool out_end(struct out *o, FILE *f, const char *name)
{
    if (!f)
        return false;
    bool whole = out_flush(o, f, name);
    errno = 0;
    if (fclose(f) != 0 && whole)
        return fail(o, name, errno);
    return whole;
}

bool out_json(struct out *o, const char *name, json_t *root)
{
    char *beside = mem_format("%s.new", name);
    char *from = mem_format("%s/%s", o->folder, beside), *to = mem_format("%s/%s", o->folder, name);
    FILE *f = out_file(o, beside);
    if (f) {
        json_dumpf(root, f, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        fputc('\n', f);
    }
    bool whole = out_end(o, f, beside) && (rename(from, to) == 0 || fail(o, name, errno));
    if (!whole)
        remove(from);
    json_decref(root);
    free(beside);
    free(from);
    free(to);
    return whole;
}

void out_csv_text(FILE *f, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, f);
        return;
    }
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}
