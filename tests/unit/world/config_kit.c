/*
 * config_kit.c - a directory for a test's configurations, and what loading them says.
 */
#include "unit/world/config_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { PATHS_MAX = 64 };

static char directory[] = "/tmp/test_config.XXXXXX";
static char *path_before;
static char *paths[PATHS_MAX];
static size_t n_paths;

int conf_open(void **state)
{
    (void)state;
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    if (!mkdtemp(directory)) {
        return -1;
    }
    const char *path = getenv("PATH");
    path_before = mem_text(path ? path : "");
    char *with_us = mem_format("%s:%s", directory, path_before);
    setenv("PATH", with_us, 1);
    free(with_us);
    return chmod(conf_write("backend", "#!/bin/sh\n"), 0755);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

int conf_close(void **state)
{
    (void)state;
    setenv("PATH", path_before, 1);
    free(path_before);
    while (n_paths > 0) {
        free(paths[--n_paths]);
    }
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *conf_path(const char *name)
{
    assert_true(n_paths < PATHS_MAX);
    return paths[n_paths++] = mem_format("%s/%s", directory, name);
}

const char *conf_write(const char *name, const char *text)
{
    const char *path = conf_path(name);
    for (char *slash = paths[n_paths - 1] + sizeof directory; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0755); /* the folder may be there */
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

/* text without the directory, wherever it is named. Frees text. */
static char *without_directory(char *text)
{
    size_t len = strlen(directory) + 1;
    for (char *at = strstr(text, directory); at; at = strstr(at, directory)) {
        memmove(at, at + len, strlen(at + len) + 1);
    }
    return text;
}

static char *joined(const struct problems *problems)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *p = &problems->items[i];
        fprintf(out, "%s:%d:%d: %s%s%s\n", p->file ? p->file : "", p->line, p->column, p->message,
                p->hint ? " | " : "", p->hint ? p->hint : "");
    }
    fclose(out);
    return without_directory(text);
}

struct config *conf_load(const char *text)
{
    struct problems problems = { 0 };
    struct config *c = config_load(conf_write("lb.conf", text), &problems);
    char *said = joined(&problems);
    assert_string_equal(said, "");
    free(said);
    problems_free(&problems);
    assert_non_null(c);
    return c;
}

char *conf_complaints(const char *path)
{
    struct problems problems = { 0 };
    struct config *c = config_load(path, &problems);
    assert_true((c != NULL) == (problems.count == 0));
    if (c) {
        config_release(c);
    }
    char *said = joined(&problems);
    problems_free(&problems);
    return said;
}

char *conf_dump(const struct config *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    config_dump(c, out);
    fclose(out);
    return text;
}

char *conf_names(char **names)
{
    char *text = mem_text("");
    for (size_t i = 0; names[i]; i++) {
        char *longer = mem_format("%s%s%s", text, i > 0 ? " " : "", names[i]);
        free(text);
        text = longer;
    }
    config_names_free(names);
    return text;
}
