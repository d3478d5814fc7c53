/*
 * config_paths.c - where files, programs and plugins are: relative to a configuration, or beside this program.
 *
 * Owns     nothing.
 * Used by  the config_*.c files.
 * Uses     mem.h; the file system.
 * Thread   any. Reads PATH from the environment, which nobody changes after the start.
 */
#include "world/config_paths.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* The build says how far it is from the program's directory to what is installed. */
#ifndef RM_BIN_TO_PLUGINS
#define RM_BIN_TO_PLUGINS "../lib/ringmaster/plugins"
#endif
#ifndef RM_BIN_TO_LIBEXEC
#define RM_BIN_TO_LIBEXEC "../libexec/ringmaster"
#endif

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool config_path_is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* directory, which has no links in it, and a relative path; steps at its start ("./", "../") are taken right away. */
static char *join(const char *directory, const char *path)
{
    size_t len = strlen(directory);
    for (;;) {
        if (strncmp(path, "./", 2) == 0) {
            path += 2;
        } else if (strncmp(path, "../", 3) == 0) {
            path += 3;
            while (len > 0 && directory[--len] != '/') {}
        } else if (*path == '/') {
            path++;
        } else {
            break;
        }
    }
    if (len > 0 && directory[len - 1] == '/') {
        len--;
    }
    return mem_format("%.*s/%s", (int)len, directory, path);
}

/* realpath, or the path as it was given when there is none. */
static char *resolve(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : mem_text(path);
}

char *config_path_directory(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *named = !slash          ? mem_text(".")
                  : slash == file ? mem_text("/")
                                  : mem_text_n(file, (size_t)(slash - file));
    char *directory = resolve(named);
    free(named);
    return directory;
}

char *config_path_absolute(const char *file, const char *text)
{
    if (text[0] == '/' || !file) {
        return mem_text(text);
    }
    char *directory = config_path_directory(file);
    char *path = join(directory, text);
    free(directory);
    return path;
}

char *config_path_program(void)
{
    char *program = resolve("/proc/self/exe");
    char *directory = config_path_directory(program);
    free(program);
    return directory;
}

char *config_path_plugins(const char *directory)
{
    static const char *const places[] = { "../plugins", RM_BIN_TO_PLUGINS, "../lib/ringmaster/plugins" };
    char *program = config_path_program();
    char *found = NULL;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        char *candidate = join(program, places[i]);
        if (is_directory(candidate)) {
            found = candidate;
        } else {
            free(candidate);
        }
    }
    free(program);
    return found ? found : join(directory, "plugins");
}

/* The first program called name in the directories of PATH. */
static char *find_in_path(const char *name)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        char *directory = len > 0 ? mem_text_n(path, len) : mem_text(".");
        char *real = resolve(directory); /* PATH may name relative ones */
        char *candidate = join(real, name);
        free(directory);
        free(real);
        if (config_path_is_program(candidate)) {
            return candidate;
        }
        free(candidate);
        path += len + (path[len] == ':');
    }
    return NULL;
}

char *config_path_find(const char *name)
{
    static const char *const places[] = { "", RM_BIN_TO_LIBEXEC, "../libexec/ringmaster" };
    char *program = config_path_program();
    char *found = NULL;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        char *directory = join(program, places[i]);
        char *candidate = join(directory, name);
        free(directory);
        if (config_path_is_program(candidate)) {
            found = candidate;
        } else {
            free(candidate);
        }
    }
    free(program);
    return found ? found : find_in_path(name);
}
