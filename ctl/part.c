/*
 * part.c - plugins from the command line: see part.h.
 *
 * Owns     the values written on the command line.
 * Used by  plugin_*.c.
 * Uses     world/plugin.h, world/strategy.h, world/strategy_options.h, world/config_paths.h; control/vetting.h.
 * Thread   the program's only one.
 */
#include "part.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "child.h"
#include "control/vetting.h"
#include "ringctl.h"
#include "world/config_paths.h"
#include "world/plugin.h"
#include "world/strategy.h"
#include "world/strategy_options.h"

#define VET_ON         6    /* members */
#define VET_TIMEOUT_MS 2000 /* as strategy.vet_timeout_ms and vet_memory_mib by default */
#define VET_MEMORY_MIB 1024

/* ------------------------------------------------------------------ finding */

char *part_directory(const struct args *a)
{
    return a->dir ? mem_text(a->dir) : config_path_plugins("/usr/lib/ringmaster");
}

char *part_path(const struct args *a, const char *x)
{
    if (strchr(x, '/'))
        return mem_text(x);
    size_t len = strlen(x);
    bool has_ending = len > 3 && strcmp(x + len - 3, ".so") == 0;
    char *here = mem_format("./%s%s", x, has_ending ? "" : ".so");
    if (access(here, F_OK) == 0)
        return here;
    free(here);
    char *dir = part_directory(a);
    char *path = mem_format("%s/%s%s", dir, x, has_ending ? "" : ".so");
    free(dir);
    return path;
}

/* ------------------------------------------------------------------ options */

static void print_problems(const struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *p = &problems->items[i];
        complain("%s%s%s%s", p->message, p->hint ? " (" : "", p->hint ? p->hint : "", p->hint ? ")" : "");
    }
}

static const struct lb_option *find_option(const struct lb_plugin *info, const char *name, size_t len)
{
    for (const struct lb_option *o = info->options; o && o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

/* text as lb.conf would hold it under an option of that type; what it is not stays a text, which is then refused. */
static void read_value(const struct lb_option *option, const char *text, struct config_value *out)
{
    char *end;
    out->type = CONFIG_TEXT;
    out->s = mem_text(text);
    errno = 0;
    if (!option || !*text)
        return;
    if (option->type == LB_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        out->type = CONFIG_BOOL;
        out->i = strcmp(text, "true") == 0;
        return;
    }
    if (option->type != LB_INT && option->type != LB_FLOAT)
        return;
    long long whole = strtoll(text, &end, 0);
    if (!*end && !errno) {
        out->type = CONFIG_INT;
        out->i = whole;
        out->f = (double)whole;
        return;
    }
    errno = 0;
    double number = strtod(text, &end);
    if (!*end && !errno) {
        out->type = CONFIG_FLOAT;
        out->f = number;
    }
}

static void write_options(struct config_plugin *out, const struct lb_plugin *info, char *const *options,
                          size_t n)
{
    out->options = mem_zero(n + 1, sizeof *out->options);
    out->n_options = n;
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(options[i], "=");
        out->options[i].name = mem_text_n(options[i], len);
        read_value(find_option(info, options[i], len), options[i] + len + 1, &out->options[i]);
    }
}

static void free_written(struct config_plugin *written)
{
    for (size_t i = 0; i < written->n_options; i++) {
        free(written->options[i].name);
        free(written->options[i].s);
    }
    free(written->options);
    free(written->name);
    *written = (struct config_plugin){ 0 };
}

/* ------------------------------------------------------------------ loading */

/* The loader wants to be told the kind, so it is told one after the other. */
struct plugin *part_load(const char *path)
{
    char why[1024];
    child_doing("loading it");
    for (int kind = LB_HASH; kind <= LB_SCHEDULER; kind++) {
        struct plugin *plugin = plugin_load(".", path, (enum lb_kind)kind, why, sizeof why);
        if (plugin)
            return plugin;
        if (!strstr(why, "is wanted here"))
            break;
    }
    complain("%s", why);
    return NULL;
}

static lb_create_fn create_of(const struct lb_plugin *info)
{
    switch (info->kind) {
    case LB_HASH: return ((const struct lb_hash_ops *)info->ops)->create;
    case LB_PROBE: return ((const struct lb_probe_ops *)info->ops)->create;
    default: return ((const struct lb_scheduler_ops *)info->ops)->create;
    }
}

static lb_destroy_fn destroy_of(const struct lb_plugin *info)
{
    switch (info->kind) {
    case LB_HASH: return ((const struct lb_hash_ops *)info->ops)->destroy;
    case LB_PROBE: return ((const struct lb_probe_ops *)info->ops)->destroy;
    default: return ((const struct lb_scheduler_ops *)info->ops)->destroy;
    }
}

static bool create(struct part *p)
{
    const struct lb_plugin *info = p->plugin->info;
    struct problems problems = { 0 };
    struct lb_error why = { "" };
    p->values = options_fill(info, &p->written, &problems);
    print_problems(&problems);
    problems_free(&problems);
    if (!p->values)
        return false;
    child_doing("calling create");
    if (!create_of(info) || create_of(info)(p->values, &p->self, &why) == 0)
        return true;
    why.text[sizeof why.text - 1] = 0;
    complain("%s refuses its options: %s", info->name, why.text[0] ? why.text : "it gave no reason");
    options_free(info, p->values);
    return false;
}

bool part_open(struct part *p, const char *path, char *const *options, size_t n_options)
{
    *p = (struct part){ 0 };
    p->plugin = part_load(path);
    if (!p->plugin)
        return false;
    p->written.name = mem_text(path);
    write_options(&p->written, p->plugin->info, options, n_options);
    if (create(p))
        return true;
    free_written(&p->written);
    plugin_release(p->plugin);
    return false;
}

void part_close(struct part *p)
{
    child_doing("calling destroy");
    if (destroy_of(p->plugin->info))
        destroy_of(p->plugin->info)(p->self);
    options_free(p->plugin->info, p->values);
    free_written(&p->written);
    plugin_release(p->plugin);
}

/* ------------------------------------------------------------------ composing */

/* As much of a configuration as strategies are made of. */
struct composed {
    struct config config;
    struct config_value ring[2];
};

static void compose(struct composed *c, const struct args *a, const struct part *x, int64_t slots,
                    int64_t virtual_nodes)
{
    *c = (struct composed){
        .ring = {
            { .name = (char *)"slots", .type = CONFIG_INT, .i = slots, .f = (double)slots },
            { .name = (char *)"virtual_nodes", .type = CONFIG_INT, .i = virtual_nodes, .f = (double)virtual_nodes },
        },
    };
    struct config_plugin ring = { .name = (char *)"scheduler_ring", .options = c->ring, .n_options = 2 };
    c->config.plugin_dir = part_directory(a);
    c->config.strategy.vet_timeout_ms = VET_TIMEOUT_MS;
    c->config.strategy.vet_memory_mib = VET_MEMORY_MIB;
    c->config.strategy.scheduler = ring;
    c->config.strategy.hash.name = (char *)(a->hash ? a->hash : "hash_murmur");
    c->config.strategy.probe.name = (char *)(a->probe ? a->probe : "probe_linear");
    switch (x->plugin->info->kind) {
    case LB_HASH: c->config.strategy.hash = x->written; break;
    case LB_PROBE: c->config.strategy.probe = x->written; break;
    default: c->config.strategy.scheduler = x->written; break;
    }
}

/* Prints what is wrong and frees both. */
static void conclude(struct composed *c, struct problems *problems)
{
    print_problems(problems);
    problems_free(problems);
    free(c->config.plugin_dir);
}

struct strategy *part_compose(const struct args *a, const struct part *x, int64_t slots,
                              int64_t virtual_nodes)
{
    struct composed c;
    struct problems problems = { 0 };
    compose(&c, a, x, slots, virtual_nodes);
    child_doing("composing a strategy");
    struct strategy *s = strategy_make(&c.config, &problems);
    conclude(&c, &problems);
    return s;
}

bool part_vet(const struct args *a, const struct part *x, int64_t slots, int64_t virtual_nodes, double *ms)
{
    struct composed c;
    struct problems problems = { 0 };
    struct lb_member *members = part_members(VET_ON);
    struct vetting_visit visit = { .vetting = vetting_new("/proc/self/exe"),
                                   .members = members,
                                   .n_members = VET_ON };
    compose(&c, a, x, slots, virtual_nodes);
    child_doing("waiting for the trial");
    struct strategy *s = visit.vetting ? vetting_make(&visit, &c.config, &problems) : NULL;
    if (!visit.vetting)
        complain("cannot begin a trial: %s", strerror(errno));
    *ms = (double)visit.vet_ns / (double)CLOCK_NS_PER_MS;
    conclude(&c, &problems);
    strategy_release(s);
    vetting_free(visit.vetting);
    free(members);
    return s != NULL;
}

struct lb_member *part_members(uint32_t n)
{
    enum { NAME_ROOM = 24 };
    struct lb_member *members = mem_zero(n + 1u, sizeof *members + NAME_ROOM);
    char *names = (char *)(members + n + 1);
    for (uint32_t i = 0; i < n; i++, names += NAME_ROOM) {
        int len = snprintf(names, NAME_ROOM, "Server %u", i + 1);
        members[i] = (struct lb_member){ .id = i + 1, .key = names, .key_len = (uint32_t)len, .weight = 1 };
    }
    qsort(members, n, sizeof *members, strategy_compare_members);
    return members;
}
