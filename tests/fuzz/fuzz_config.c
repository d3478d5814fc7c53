/*
 * fuzz_config.c - libFuzzer on lb.conf, from its bytes to a configuration or a list of problems.
 *
 * The input is the file; beside it lie part.conf, which it may include, and a program called backend. A fault
 * is a crash or a leak, a configuration together with problems, or a configuration whose dump does not load
 * or dumps otherwise.
 */
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/problem.h"
#include "fuzz/fuzz.h"
#include "world/config.h"

static char folder[] = "/tmp/fuzz_config.XXXXXX";

/* The name of a file there. */
static const char *path_of(const char *name)
{
    static char path[sizeof folder + 16];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t len)
{
    FILE *file = fopen(path_of(name), "wb");
    demand(file != NULL && fwrite(bytes, 1, len, file) == len);
    fclose(file);
}

static void leave(void)
{
    static const char *const names[] = { "lb.conf", "again.conf", "part.conf", "backend" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove(path_of(names[i]));
    rmdir(folder);
}

static void enter(void)
{
    static bool entered;
    if (entered)
        return;
    entered = true;
    demand(mkdtemp(folder) != NULL);
    atexit(leave);
    write_file("part.conf", "workers = 3;\n", 13);
    write_file("backend", "#!/bin/sh\n", 10);
    chmod(path_of("backend"), 0755);
    setenv("PATH", folder, 1);
}

static char *dump(const struct config *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    demand(out != NULL);
    config_dump(c, out);
    fclose(out);
    return text;
}

/* What is shown to the user must be shown whole. */
static void check_problems(const struct problems *problems)
{
    FILE *out = fopen("/dev/null", "w");
    demand(out != NULL);
    for (size_t i = 0; i < problems->count; i++) {
        demand(problems->items[i].message != NULL && problems->items[i].line >= 0);
        problem_print(&problems->items[i], out);
    }
    fclose(out);
}

static void check_dump(const struct config *c)
{
    struct problems problems = { 0 };
    char *text = dump(c);
    write_file("again.conf", text, strlen(text));
    struct config *again = config_load(path_of("again.conf"), &problems);
    for (size_t i = 0; i < problems.count; i++)
        problem_print(&problems.items[i], stderr);
    demand(again != NULL && problems.count == 0);
    char *text_again = dump(again);
    demand(strcmp(text, text_again) == 0);
    free(text);
    free(text_again);
    config_release(again);
    problems_free(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char include[] = "@include";
    static const char harmless[] = "@include \"part.conf\"\n";
    const uint8_t *at = data, *end = data + size;
    /* A file that includes /dev/zero has what it asked for: only the file beside it may be named. */
    while ((at = memmem(at, (size_t)(end - at), include, sizeof include - 1)) != NULL) {
        if ((size_t)(end - at) < sizeof harmless - 1 || memcmp(at, harmless, sizeof harmless - 1) != 0)
            return 0;
        at += sizeof harmless - 1;
    }
    enter();
    write_file("lb.conf", data, size);
    struct problems problems = { 0 };
    struct config *c = config_load(path_of("lb.conf"), &problems);
    demand((c != NULL) == (problems.count == 0));
    check_problems(&problems);
    problems_free(&problems);
    if (c) {
        check_dump(c);
        config_release(c);
    }
    return 0;
}
