/*
 * plugin_new.c - ringctl plugin new: a folder with a whole plugin to begin from.
 *
 * Owns     the files it writes, until it has written them.
 * Used by  main.c.
 * Uses     templates.h.
 * Thread   the program's only one.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "ringctl.h"
#include "templates.h"

#define NAME_MAX_LEN 63
#define CMAKE_LIST   "hash_template probe_template scheduler_template"

static const struct kind {
    const char *name, *text, *placeholder;
} kinds[] = {
    { "hash", template_hash, "hash_template" },
    { "probe", template_probe, "probe_template" },
    { "scheduler", template_scheduler, "scheduler_template" },
};

#define KINDS (sizeof kinds / sizeof *kinds)

/* ------------------------------------------------------------------ the name */

static bool is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= NAME_MAX_LEN && !name[len] && !isdigit((unsigned char)*name);
}

/* "hash_mine" or "my_hash". */
static bool names_kind(const char *name, const char *kind)
{
    size_t len = strlen(name), kind_len = strlen(kind);
    if (len < kind_len + 2)
        return false;
    bool begins = strncmp(name, kind, kind_len) == 0 && name[kind_len] == '_';
    bool ends = strcmp(name + len - kind_len, kind) == 0 && name[len - kind_len - 1] == '_';
    return begins || ends;
}

/* NULL after a complaint. */
static const struct kind *find_kind(const struct args *a, const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (a->kind ? strcmp(a->kind, kinds[i].name) == 0 : names_kind(name, kinds[i].name))
            return &kinds[i];
    if (a->kind)
        complain("--kind is hash, probe or scheduler, not \"%s\"", a->kind);
    else
        complain("which kind is \"%s\"? call it hash_%s, probe_%s or scheduler_%s, or say --kind", name, name,
                 name, name);
    return NULL;
}

/* ------------------------------------------------------------------ writing */

/* text with every `from` replaced; the caller frees it. */
static char *replace(const char *text, const char *from, const char *to)
{
    size_t from_len = strlen(from), to_len = strlen(to), count = 0;
    for (const char *at = text; (at = strstr(at, from)); at += from_len)
        count++;
    char *out = mem_alloc(strlen(text) + count * to_len + 1), *end = out;
    for (const char *at; (at = strstr(text, from)); text = at + from_len) {
        memcpy(end, text, (size_t)(at - text));
        end += at - text;
        memcpy(end, to, to_len);
        end += to_len;
    }
    strcpy(end, text);
    return out;
}

/* Returns an exit code; text is taken. */
static int write_file(const char *folder, const char *name, char *text)
{
    char *path = mem_format("%s/%s", folder, name);
    FILE *out = fopen(path, "wx");
    bool written = out && fputs(text, out) >= 0;
    int error = errno;
    if (out && fclose(out) != 0) {
        written = false;
        error = errno;
    }
    int code = written ? RINGCTL_OK : complain("cannot write %s: %s", path, strerror(error));
    free(text);
    free(path);
    return code;
}

static int write_folder(const struct kind *kind, const char *name, const char *folder)
{
    if (mkdir(folder, 0777) != 0)
        return complain("cannot make the folder %s: %s", folder, strerror(errno));
    char *file = mem_format("%s.c", name);
    int code = write_file(folder, file, replace(kind->text, kind->placeholder, name));
    free(file);
    if (code == RINGCTL_OK)
        code = write_file(folder, "CMakeLists.txt", replace(template_cmake, CMAKE_LIST, name));
    return code;
}

int plugin_new(const struct args *a)
{
    const char *name = a->words[0];
    if (!is_name(name)) {
        complain("a plugin's name is 1 to %d of a-z, 0-9 and _, and begins with no digit; \"%s\" is not",
                 NAME_MAX_LEN, name);
        return RINGCTL_USAGE;
    }
    const struct kind *kind = find_kind(a, name);
    if (!kind)
        return RINGCTL_USAGE;
    char *folder = a->into ? mem_format("%s/%s", a->into, name) : mem_text(name);
    int code = write_folder(kind, name, folder);
    if (code == RINGCTL_OK)
        printf("%s/%s.c is a whole %s. Build it, and see what it is worth:\n\n"
               "  cd %s\n"
               "  cc -O2 -fPIC -shared $(pkg-config --cflags ringmaster-plugin) -o %s.so %s.c\n"
               "  ringctl plugin check ./%s.so\n",
               folder, name, kind->name, folder, name, name, name);
    free(folder);
    return code;
}
