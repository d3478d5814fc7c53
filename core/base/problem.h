/*
 * problem.h - everything that is wrong with a configuration, all at once.
 *
 * Owns     the list of problems and their texts.
 * Used by  config, plugin and strategy (add), main and reload (show).
 * Thread   the one that holds the list.
 */
#ifndef BASE_PROBLEM_H
#define BASE_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Where something stands in a file; line and column count from 1, 0 means unknown. file is borrowed. */
struct place {
    const char *file;
    int line, column;
};

struct problem {
    char *file; /* NULL: not about a file */
    int line, column;
    char *message;
    char *hint; /* NULL: none */
};

struct problems {
    struct problem *items;
    size_t count, room;
};

/* hint may be NULL; both texts are copied. */
void problem_add(struct problems *list, struct place where, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* `file:line:column: error: message`, the source line, a caret under the column, and `hint: …`. */
void problem_print(const struct problem *p, FILE *out);

void problems_free(struct problems *list);

/* The candidate nearest to word by edit distance, when near enough to be meant; else NULL. Ends with a NULL.
 * */
const char *problem_nearest(const char *word, const char *const *candidates);

#endif
