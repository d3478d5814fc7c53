/*
 * ringctl.h - the commands, and what they share.
 *
 * Owns     the exit codes, struct args.
 * Used by  every file of ctl/.
 * Uses     nothing.
 * Thread   the program's only one.
 */
#ifndef CTL_RINGCTL_H
#define CTL_RINGCTL_H

#include <stdbool.h>
#include <stddef.h>

enum ringctl_exit { RINGCTL_OK = 0, RINGCTL_FAILED = 1, RINGCTL_USAGE = 2 };

/* What follows a command. Texts are argv's. */
struct args {
    char **words; /* what is no option, ends with NULL */
    size_t n_words;
    char **options; /* of the plugin, "name=value" */
    size_t n_options;
    const char *dir;  /* of installed plugins; NULL: beside the program */
    const char *kind; /* "hash", "probe", "scheduler"; NULL: by the name */
    const char *into; /* a folder to write into; NULL: the current one */
    const char *hash; /* names for a scheduler to be composed with; NULL: the defaults */
    const char *probe;
    const char *admin;  /* HOST:PORT */
    unsigned members;   /* 0: the command's default */
    unsigned timeout_s; /* for plugin code */
    bool json;
};

/* Commands return an exit code. */
int plugin_new(const struct args *a);
int plugin_list(const struct args *a);
int plugin_check(const struct args *a);
int plugin_hash(const struct args *a);
int plugin_bench(const struct args *a);
int explain_key(const struct args *a);

/* "ringctl: …" on standard error; returns RINGCTL_FAILED. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
