/*
 * option.h - a command's options, written once: they are read, checked and printed from the same rows.
 *
 * Owns     nothing; values go where the rows point.
 * Used by  cmd_*.c.
 * Uses     getopt_long.
 * Thread   the program's only one.
 */
#ifndef LAB_OPTION_H
#define LAB_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,   /* bool: takes no value, sets true */
    OPTION_TEXT,   /* const char *: argv's */
    OPTION_NUMBER, /* uint64_t in least .. most; 10k, 10M and 10G are thousands, millions, billions */
    OPTION_REAL,   /* double in least .. most */
    OPTION_LIST    /* struct option_list: repeatable, and commas part */
};

struct option_list {
    char **items; /* texts of the list's own */
    size_t count;
};

/* The last row has name NULL. */
struct option_row {
    const char *name; /* without dashes */
    enum option_type type;
    void *into;
    const char *value; /* what stands for the value in the help: "N", "FILE"; NULL for a flag */
    const char *help;
    double least, most;
};

/* Reads argv (argv[0] is skipped) into the rows' places, which hold the defaults. What is no option is moved to the end;
 * *words points at it, *n_words counts it, and must lie in words_least .. words_most. Returns -1 to go on; else the exit
 * code to end with: LAB_OK after --help (synopsis and rows were printed), LAB_USAGE after a complaint. */
int option_read(const struct option_row *rows, const char *synopsis, int argc, char **argv, char ***words,
                size_t *n_words, size_t words_least, size_t words_most);

/* A number as OPTION_NUMBER reads it; false when it is none. */
bool option_parse_number(const char *text, double least, double most, uint64_t *out);

/* Appends the parts of text between commas. */
void option_list_add(struct option_list *list, const char *text);
void option_list_free(struct option_list *list);

#endif
