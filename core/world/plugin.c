/*
 * plugin.c - shared objects in and out of the process.
 *
 * Owns     every mapping of a plugin and the copy it was made from; the list of those in force.
 * Used by  strategy.c; control's builder for lists. The only file that calls dlopen.
 * Uses     plugin_image.h for the bytes and their copy. Knows nothing of views.
 * Thread   load: the builder thread. release: the control thread. A lock guards the list, and is never held
 *          while code of a plugin runs: the control thread does not wait for somebody's constructor.
 *
 * The way in: find the file, read it, look whether these bytes are mapped already, copy them, map the copy,
 * check what lb_plugin_entry says of itself. A refusal on the way undoes what was done and is one sentence:
 * what differs, and what to do about it.
 *
 * The way out: glibc tells objects apart by path and inode. A descriptor is closed only after its object is
 * really gone; else a later plugin could get the same /proc/self/fd/N, and with it the old one's code.
 * Objects that cannot leave (NODELETE, unique symbols, thread-local destructors) keep their descriptor, and
 * are counted as stuck.
 */
#include "world/plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "world/plugin_image.h"

/* What load hands out, and what only this file needs to know of it. */
struct mapping {
    struct plugin plugin; /* first: one address for both */
    struct image_copy copy;
};

static struct {
    pthread_mutex_t lock;
    struct plugin *first;
    atomic_uint loaded, stuck;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Why a plugin is refused, while it is being written. */
struct refusal {
    const char *path;
    char *text;
    size_t size;
};

static bool refuse(const struct refusal *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(const struct refusal *r, const char *format, ...)
{
    int used = snprintf(r->text, r->size, "%s: ", r->path);
    va_list args;

    va_start(args, format);
    if (used >= 0 && (size_t)used < r->size)
        vsnprintf(r->text + used, r->size - (size_t)used, format, args);
    va_end(args);
    return false;
}

const char *plugin_kind_name(enum lb_kind kind)
{
    switch (kind) {
    case LB_HASH: return "hash";
    case LB_PROBE: return "probe";
    case LB_SCHEDULER: return "scheduler";
    }
    return "unknown kind";
}

/* ------------------------------------------------------------------ finding the file */

/* Nothing there: says so, and names the plugin that was probably meant. */
static void refuse_missing(const char *dir, const char *name, enum lb_kind kind, char *why, size_t why_size)
{
    char *prefix = mem_format("%s_", plugin_kind_name(kind));
    char **names = plugin_names(dir, prefix);
    int error = errno;
    char *prefixed = mem_format("%s%s", prefix, name); /* "murmur" for "hash_murmur" is near, too */
    const char *nearest = names ? problem_nearest(name, (const char *const *)names) : NULL;

    if (names && !nearest)
        nearest = problem_nearest(prefixed, (const char *const *)names);
    if (!names)
        snprintf(why, why_size, "no %s plugin \"%s\": the plugin directory %s cannot be read (%s)",
                 plugin_kind_name(kind), name, dir, strerror(error));
    else if (nearest)
        snprintf(why, why_size, "no %s plugin \"%s\" in %s; did you mean \"%s\"?", plugin_kind_name(kind),
                 name, dir, nearest);
    else
        snprintf(why, why_size, "no %s plugin \"%s\" in %s: there is no %s.so; is it built and installed?",
                 plugin_kind_name(kind), name, dir, name);
    plugin_names_free(names);
    free(prefixed);
    free(prefix);
}

/* The path of NAME, or NULL and why. */
static char *find(const char *dir, const char *name, enum lb_kind kind, char *why, size_t why_size)
{
    char *path;

    if (strchr(name, '/'))
        return mem_text(name);
    path = mem_format("%s/%s.so", dir, name);
    if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        refuse_missing(dir, name, kind, why, why_size);
        free(path);
        return NULL;
    }
    return path;
}

/* ------------------------------------------------------------------ its bytes */

struct plugin_file *plugin_file_read(const char *dir, const char *name, enum lb_kind kind, char *why,
                                     size_t why_size)
{
    char *path = find(dir, name, kind, why, why_size);
    struct plugin_file *file;
    struct image image;

    if (!path)
        return NULL;
    if (image_read(path, &image, why, why_size) < 0) {
        free(path);
        return NULL;
    }
    file = mem_zero(1, sizeof *file);
    *file = (struct plugin_file){ .path = path, .kind = kind, .image = image, .copy.fd = -1 };
    memcpy(file->content, image.content, sizeof file->content);
    return file;
}

int plugin_file_copy(struct plugin_file *file, char *why, size_t why_size)
{
    const char *slash = strrchr(file->path, '/');
    const char *name = slash ? slash + 1 : file->path;
    size_t len = strlen(name);
    char *base;
    int result;

    if (file->copy.path)
        return 0;
    base = mem_text_n(name, len > 3 && strcmp(name + len - 3, ".so") == 0 ? len - 3 : len);
    result = image_copy(&file->image, base, file->path, &file->copy, why, why_size);
    free(base);
    if (result == 0)
        image_free(&file->image);
    return result;
}

struct plugin_file *plugin_file_inherit(const char *path, const char *copy_path, enum lb_kind kind,
                                        const uint64_t content[2])
{
    struct plugin_file *file = mem_zero(1, sizeof *file);

    *file = (struct plugin_file){ .path = mem_text(path), .kind = kind };
    file->copy = (struct image_copy){ .fd = -1, .path = mem_text(copy_path) };
    memcpy(file->content, content, sizeof file->content);
    return file;
}

void plugin_file_free(struct plugin_file *file)
{
    if (!file)
        return;
    image_free(&file->image);
    image_copy_drop(&file->copy);
    free(file->path);
    free(file);
}

/* ------------------------------------------------------------------ what it says of itself */

#define REBUILD "rebuild it against this balancer's lb_plugin.h"

/* Bytes of a struct up to its last field of ABI 1.0. A plugin of an older minor is shorter than ours is now,
 * and runs. */
#define SIZE_OF_1_0(type_, last_) (offsetof(type_, last_) + sizeof(((type_ *)0)->last_))

/* most is the size of our own: whoever speaks no newer ABI than we do has no more to say. */
static bool size_fits(const char *what, uint32_t size, size_t least, size_t most, const struct refusal *r)
{
    if (size < least)
        return refuse(r, "its %s is %u bytes, and ABI 1.0 has %zu; " REBUILD, what, size, least);
    if (size > most)
        return refuse(r, "its %s is %u bytes, and ABI %u.%u has only %zu; set struct_size with sizeof", what,
                      size, LB_ABI_MAJOR, LB_ABI_MINOR, most);
    return true;
}

static bool hash_complete(const struct lb_hash_ops *ops, const struct refusal *r)
{
    if (!size_fits("struct lb_hash_ops", ops->struct_size, SIZE_OF_1_0(struct lb_hash_ops, mix), sizeof *ops,
                   r))
        return false;
    if (!ops->key || !ops->place)
        return refuse(r, "has no callback %s; a hash needs key and place", ops->key ? "place" : "key");
    return true;
}

static bool probe_complete(const struct lb_probe_ops *ops, const struct refusal *r)
{
    if (!size_fits("struct lb_probe_ops", ops->struct_size, SIZE_OF_1_0(struct lb_probe_ops, yields),
                   sizeof *ops, r))
        return false;
    if (!ops->at)
        return refuse(r, "has no callback at; a probe needs it");
    return true;
}

static bool scheduler_complete(const struct lb_scheduler_ops *ops, const struct refusal *r)
{
    const size_t least = SIZE_OF_1_0(struct lb_scheduler_ops, destroy_table);
    const char *missing;

    if (!size_fits("struct lb_scheduler_ops", ops->struct_size, least, sizeof *ops, r))
        return false;
    missing = !ops->build           ? "build"
              : !ops->pick          ? "pick"
              : !ops->inspect       ? "inspect"
              : !ops->destroy_table ? "destroy_table"
                                    : NULL;
    if (missing)
        return refuse(r, "has no callback %s; a scheduler needs build, pick, inspect and destroy_table",
                      missing);
    return true;
}

static bool ops_complete(const struct lb_plugin *info, const struct refusal *r)
{
    if (!info->ops)
        return refuse(r, "has no callbacks: its lb_plugin.ops is NULL");
    switch (info->kind) {
    case LB_HASH: return hash_complete(info->ops, r);
    case LB_PROBE: return probe_complete(info->ops, r);
    default: return scheduler_complete(info->ops, r);
    }
}

static bool kind_fits(const struct lb_plugin *info, enum lb_kind wanted, const struct refusal *r)
{
    if (info->kind < LB_HASH || info->kind > LB_SCHEDULER)
        return refuse(r, "says it is of kind %u; lb_plugin.h knows 1 (hash), 2 (probe) and 3 (scheduler)",
                      info->kind);
    if (info->kind != (uint32_t)wanted)
        return refuse(r, "is a %s, and a %s is wanted here", plugin_kind_name((enum lb_kind)info->kind),
                      plugin_kind_name(wanted));
    return true;
}

/* True when the plugin can be run. The version comes first: what follows may look different in another one.
 * */
static bool info_fits(const struct lb_plugin *info, enum lb_kind wanted, const struct refusal *r)
{
    if (!info)
        return refuse(r, "declined: its lb_plugin_entry returned NULL for plugin ABI %u.%u", LB_ABI_MAJOR,
                      LB_ABI_MINOR);
    if (info->struct_size < offsetof(struct lb_plugin, kind))
        return refuse(r,
                      "its struct lb_plugin is %u bytes, too short for a version; fill it in with LB_PLUGIN",
                      info->struct_size);
    if (info->abi_major != LB_ABI_MAJOR)
        return refuse(r, "speaks plugin ABI %u.%u, this balancer speaks %u.%u; " REBUILD, info->abi_major,
                      info->abi_minor, LB_ABI_MAJOR, LB_ABI_MINOR);
    if (info->abi_minor > LB_ABI_MINOR)
        return refuse(r, "speaks plugin ABI %u.%u, newer than this balancer's %u.%u; " REBUILD,
                      info->abi_major, info->abi_minor, LB_ABI_MAJOR, LB_ABI_MINOR);
    if (!size_fits("struct lb_plugin", info->struct_size, SIZE_OF_1_0(struct lb_plugin, ops), sizeof *info,
                   r))
        return false;
    if (!kind_fits(info, wanted, r))
        return false;
    if (!info->name || !info->name[0])
        return refuse(r, "has no name: set lb_plugin.name");
    return ops_complete(info, r);
}

/* ------------------------------------------------------------------ in */

/* dlopen begins its sentence with the path it was given, which is not the user's. */
static const char *reason_of_dlerror(const char *copy_path)
{
    const char *reason = dlerror();
    size_t len = strlen(copy_path);

    if (!reason)
        return "unknown reason";
    if (strncmp(reason, copy_path, len) == 0 && strncmp(reason + len, ": ", 2) == 0)
        return reason + len + 2;
    return reason;
}

/* Takes the object out again. Returns true when it is gone, so that its copy may go too. */
static bool unmap(void *handle, const char *copy_path)
{
#ifdef RM_SANITIZED
    /* A leak is reported when the program ends, and its trace needs the code that made it. */
    (void)handle;
    (void)copy_path;
    return false;
#else
    dlclose(handle);
    handle = dlopen(copy_path, RTLD_NOW | RTLD_NOLOAD);
    if (!handle)
        return true;
    dlclose(handle); /* that was a reference of its own */
    atomic_fetch_add(&all.stuck, 1);
    return false;
#endif
}

/* Drops the copy of an object that is gone, and keeps what a later one must not be mistaken for. */
static void drop(void *handle, struct image_copy *copy)
{
    bool gone = !handle || unmap(handle, copy->path);

    /* The path of a private file is never used again; that of a descriptor is, as soon as it is closed. */
    if (gone || copy->directory) {
        image_copy_drop(copy);
        return;
    }
    free(copy->path);
    copy->path = NULL;
}

/* Maps the copy and asks it what it is. NULL and why on refusal; handle is then whatever has to be undone. */
static const struct lb_plugin *map(const struct image_copy *copy, enum lb_kind kind, const struct refusal *r,
                                   void **handle)
{
    const struct lb_plugin *(*entry)(uint32_t);
    const struct lb_plugin *info;
    void *symbol;

    *handle = dlopen(copy->path, RTLD_NOW | RTLD_LOCAL);
    if (!*handle) {
        refuse(r, "cannot be loaded: %s", reason_of_dlerror(copy->path));
        return NULL;
    }
    symbol = dlsym(*handle, "lb_plugin_entry");
    if (!symbol) {
        refuse(r, "exports no lb_plugin_entry, so it is no plugin; write LB_EXPORT before that function");
        return NULL;
    }
    /* ISO C converts no data pointer to a function; POSIX says that this works. */
    memcpy(&entry, &symbol, sizeof entry);
    info = entry(LB_ABI);
    return info_fits(info, kind, r) ? info : NULL;
}

static struct plugin *find_loaded(const uint64_t content[2])
{
    struct plugin *p;

    pthread_mutex_lock(&all.lock);
    for (p = all.first; p; p = p->next) {
        if (p->content[0] == content[0] && p->content[1] == content[1]) {
            p->refs++;
            break;
        }
    }
    pthread_mutex_unlock(&all.lock);
    return p;
}

/* A new mapping from bytes that are not mapped yet. What runs a plugin's code for the first time begins here. */
static struct plugin *map_file(struct plugin_file *file, const struct refusal *r)
{
    const struct lb_plugin *info;
    struct mapping *m;
    void *handle;

    if (plugin_file_copy(file, r->text, r->size) < 0)
        return NULL;
    info = map(&file->copy, file->kind, r, &handle);
    if (!info) {
        drop(handle, &file->copy);
        file->copy = (struct image_copy){ .fd = -1 };
        return NULL;
    }
    m = mem_zero(1, sizeof *m);
    m->copy = file->copy;
    file->copy = (struct image_copy){ .fd = -1 };
    m->plugin = (struct plugin){
        .info = info, .path = mem_text(r->path), .handle = handle, .fd = m->copy.fd, .refs = 1
    };
    memcpy(m->plugin.content, file->content, sizeof m->plugin.content);
    pthread_mutex_lock(&all.lock);
    m->plugin.next = all.first;
    all.first = &m->plugin;
    pthread_mutex_unlock(&all.lock);
    atomic_fetch_add(&all.loaded, 1);
    return &m->plugin;
}

struct plugin *plugin_map(struct plugin_file *file, char *why, size_t why_size)
{
    const struct refusal r = { .path = file->path, .text = why, .size = why_size };
    struct plugin *p = find_loaded(file->content);

    if (!p)
        return map_file(file, &r);
    if (!kind_fits(p->info, file->kind, &r)) {
        plugin_release(p);
        return NULL;
    }
    return p;
}

struct plugin *plugin_load(const char *dir, const char *name, enum lb_kind kind, char *why, size_t why_size)
{
    struct plugin_file *file = plugin_file_read(dir, name, kind, why, why_size);
    struct plugin *p = file ? plugin_map(file, why, why_size) : NULL;

    plugin_file_free(file);
    return p;
}

/* ------------------------------------------------------------------ out */

/* Takes one reference away; true when it was the last, and p is then in no list. */
static bool unlink_last(struct plugin *p)
{
    bool last;

    pthread_mutex_lock(&all.lock);
    last = --p->refs == 0;
    for (struct plugin **at = &all.first; last && *at; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    pthread_mutex_unlock(&all.lock);
    return last;
}

void plugin_release(struct plugin *p)
{
    struct mapping *m = (struct mapping *)(void *)p;

    if (!p || !unlink_last(p))
        return;
    atomic_fetch_sub(&all.loaded, 1);
    drop(p->handle, &m->copy);
    free(p->path);
    free(m);
}

unsigned plugin_count_loaded(void)
{
    return atomic_load(&all.loaded);
}

unsigned plugin_count_stuck(void)
{
    return atomic_load(&all.stuck);
}

/* ------------------------------------------------------------------ what lies in a directory */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **plugin_names(const char *dir, const char *prefix)
{
    size_t count = 0, room = 16, prefix_len = strlen(prefix);
    DIR *open_dir = opendir(dir);
    struct dirent *entry;
    char **names;

    if (!open_dir)
        return NULL;
    names = mem_alloc(room * sizeof *names);
    while ((entry = readdir(open_dir))) {
        size_t len = strlen(entry->d_name);

        if (len <= prefix_len + 3 || strncmp(entry->d_name, prefix, prefix_len) != 0 ||
            strcmp(entry->d_name + len - 3, ".so") != 0)
            continue;
        if (count + 1 == room)
            names = mem_grow(names, (room *= 2) * sizeof *names);
        names[count++] = mem_text_n(entry->d_name, len - 3);
    }
    closedir(open_dir);
    qsort(names, count, sizeof *names, compare_names);
    names[count] = NULL;
    return names;
}

void plugin_names_free(char **names)
{
    for (char **name = names; name && *name; name++)
        free(*name);
    free(names);
}
