/*
 * out.h - the files that a run leaves: written as they come, so that what was measured is kept whatever happens next.
 *
 * Owns     the folder's name and the first thing that went wrong with writing into it.
 * Used by  the experiments, the report.
 * Uses     stdio, jansson.
 * Thread   the program's main one.
 */
#ifndef LAB_OUT_H
#define LAB_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct out {
    char *folder;
    bool failed;           /* complained already … */
    char failed_name[128]; /* … last of this file: one complaint each */
};

/* Makes the folder ROOT[/NAME] and those above it. False after a complaint. */
bool out_open(struct out *o, const char *root, const char *name);
void out_close(struct out *o);

/* A file in it, made anew; NULL after a complaint. */
FILE *out_file(struct out *o, const char *name);

/* Flushes what was printed; false after a complaint (a full disk). Call it after each row that should survive. */
bool out_flush(struct out *o, FILE *f, const char *name);
/* Flushes and closes; NULL is a file that could not be opened. */
bool out_end(struct out *o, FILE *f, const char *name);

/* Writes a document, indented, beside the one there is and renamed over it when it is whole; takes the reference. */
bool out_json(struct out *o, const char *name, json_t *root);

/* A field of CSV, quoted when it must be. */
void out_csv_text(FILE *f, const char *text);

#endif
