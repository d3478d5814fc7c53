/*
 * candidate.c - a strategy by name: see candidate.h.
 *
 * Owns     the search for presets.
 * Used by  cmd_simulate.c, cmd_replay.c, simulate_pool.c.
 * Uses     world/config.h, world/config_paths.h, world/strategy.h, control/vetting.h.
 * Thread   the program's only one.
 */
#include "lab/candidate.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "control/vetting.h"
#include "lab/lab.h"
#include "lb_plugin.h"
#include "world/config_paths.h"
#include "world/strategy.h"

#define SHIPPED     "lb"
#define NUMBER_MARK "{n}"
#define VET_ON      6u /* members, unless fewer are configured */

static const char *const part_names[STRATEGY_PARTS] = { "scheduler", "hash", "probe" };

/* ------------------------------------------------------------------ presets */

/* Where configurations are: here, where the program was installed, where it was built. Ends with NULL. */
static char **conf_directories(void)
{
    char **out = mem_zero(4, sizeof *out);
    char *program = config_path_program();
    out[0] = mem_text("conf");
    out[1] = mem_format("%s/%s", program, RM_BIN_TO_CONF);
    out[2] = mem_text(RM_SOURCE_DIR "/conf");
    free(program);
    return out;
}

static void free_texts(char **texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        free(texts[i]);
    free(texts);
}

char *candidate_path(const char *name)
{
    char *found = NULL;
    if (strcmp(name, SHIPPED ".conf") == 0 && access(name, R_OK) != 0)
        name = SHIPPED;
    if (strchr(name, '/') || (strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".conf") == 0))
        return access(name, R_OK) == 0 ? mem_text(name) : NULL;
    char **directories = conf_directories();
    const char *below = strcmp(name, SHIPPED) == 0 ? "" : "presets/";
    for (size_t i = 0; directories[i] && !found; i++) {
        char *path = mem_format("%s/%s%s.conf", directories[i], below, name);
        if (access(path, R_OK) == 0)
            found = path;
        else
            free(path);
    }
    free_texts(directories);
    return found;
}

char **candidate_names(void)
{
    char **directories = conf_directories(), **names = mem_zero(2, sizeof *names);
    size_t count = 0;
    names[count++] = mem_text(SHIPPED);
    for (size_t i = 0; directories[i] && count == 1; i++) {
        glob_t found;
        char *pattern = mem_format("%s/presets/*.conf", directories[i]);
        if (glob(pattern, 0, NULL, &found) == 0) {
            names = mem_grow(names, (found.gl_pathc + 2) * sizeof *names);
            for (size_t k = 0; k < found.gl_pathc; k++) {
                const char *base = strrchr(found.gl_pathv[k], '/') + 1;
                names[count++] = mem_text_n(base, strlen(base) - strlen(".conf"));
            }
            names[count] = NULL;
            globfree(&found);
        }
        free(pattern);
    }
    free_texts(directories);
    return names;
}

void candidate_names_free(char **names)
{
    free_texts(names);
}

/* ------------------------------------------------------------------ changes */

static void free_plugin(struct config_plugin *p)
{
    for (size_t i = 0; i < p->n_options; i++) {
        free(p->options[i].name);
        free(p->options[i].s);
    }
    free(p->options);
    free(p->name);
    *p = (struct config_plugin){ 0 };
}

static struct config_plugin *part_of(struct config *config, int part)
{
    struct config_plugin *parts[STRATEGY_PARTS] = { &config->strategy.scheduler, &config->strategy.hash,
                                                    &config->strategy.probe };
    return parts[part];
}

/* The plugin as written, our own from now on: changed[part]. */
static struct config_plugin *own_part(struct candidate *c, int part)
{
    struct config_plugin *mine = &c->changed[part];
    const struct config_plugin *old = part_of(&c->config, part);
    if (mine->name)
        return mine;
    *mine = *old;
    mine->name = mem_text(old->name ? old->name : "");
    mine->options = mem_zero(old->n_options + 1, sizeof *mine->options);
    for (size_t i = 0; i < old->n_options; i++) {
        mine->options[i] = old->options[i];
        mine->options[i].name = mem_text(old->options[i].name);
        mine->options[i].s = mem_text(old->options[i].s);
    }
    return mine;
}

/* As lb.conf would read it. */
static void read_value(const char *text, struct config_value *out)
{
    char *end;
    size_t len = strlen(text);
    out->type = CONFIG_TEXT;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        out->type = CONFIG_BOOL;
        out->i = *text == 't';
        return;
    }
    errno = 0;
    out->i = strtoll(text, &end, 0);
    if (len && (!*end || strcmp(end, "L") == 0) && !errno) {
        out->type = CONFIG_INT;
        out->f = (double)out->i;
        return;
    }
    errno = 0;
    out->f = strtod(text, &end);
    if (len && !*end && !errno) {
        out->type = CONFIG_FLOAT;
        return;
    }
    bool quoted = len > 1 && text[0] == '"' && text[len - 1] == '"';
    out->s = quoted ? mem_text_n(text + 1, len - 2) : mem_text(text);
}

static void set_option(struct config_plugin *plugin, const char *name, const char *value)
{
    size_t at = 0;
    while (at < plugin->n_options && strcmp(plugin->options[at].name, name) != 0)
        at++;
    if (at == plugin->n_options) {
        plugin->options = mem_grow(plugin->options, (at + 1) * sizeof *plugin->options);
        plugin->options[at] = (struct config_value){ .name = mem_text(name) };
        plugin->n_options++;
    }
    struct config_value *option = &plugin->options[at];
    free(option->s);
    *option = (struct config_value){ .name = option->name, .place = option->place };
    read_value(value, option);
}

/* One PART=PLUGIN or PART.OPTION=VALUE. A name with a slash is meant from where we are. */
static bool apply_change(struct candidate *c, char *change)
{
    char *value = strchr(change, '=');
    int part = 0;
    if (!value)
        return false;
    *value++ = '\0';
    char *option = strchr(change, '.');
    if (option)
        *option++ = '\0';
    while (part < STRATEGY_PARTS && strcmp(change, part_names[part]) != 0)
        part++;
    if (part == STRATEGY_PARTS || !*value || (option && !*option))
        return false;
    struct config_plugin *mine = own_part(c, part);
    if (option) {
        set_option(mine, option, value);
        return true;
    }
    free_plugin(mine);
    char *path = strchr(value, '/') ? realpath(value, NULL) : NULL;
    mine->name = mem_text(path ? path : value);
    free(path);
    return true;
}

static bool apply_changes(struct candidate *c, const char *written)
{
    bool good = true;
    char *text = mem_text(written), *rest = text, *change;
    while (good && (change = strsep(&rest, ",")))
        good = *change == '\0' || apply_change(c, change);
    if (!good)
        lab_complain("%s: a strategy is written " CANDIDATE_SYNTAX, c->name);
    free(text);
    for (int part = 0; part < STRATEGY_PARTS; part++)
        if (c->changed[part].name)
            *part_of(&c->config, part) = c->changed[part];
    return good;
}

/* ------------------------------------------------------------------ opening */

static void print_problems(struct problems *problems)
{
    fflush(stdout);
    for (size_t i = 0; i < problems->count; i++)
        problem_print(&problems->items[i], stderr);
    problems_free(problems);
}

/* Nothing is started here, so the program to start may be missing. */
static bool matters(const struct problem *p)
{
    static const char about[] = "replicas.process.command:";
    return strncmp(p->message, about, sizeof about - 1) != 0;
}

/* True when there was one that matters. */
static bool print_those_that_matter(struct problems *problems)
{
    bool any = false;
    fflush(stdout);
    for (size_t i = 0; i < problems->count; i++) {
        if (!matters(&problems->items[i]))
            continue;
        problem_print(&problems->items[i], stderr);
        any = true;
    }
    problems_free(problems);
    return any;
}

static bool load(struct candidate *c, const char *name)
{
    struct problems problems = { 0 };
    char *path = candidate_path(name);
    if (!path) {
        lab_complain("there is no preset and no file \"%s\"; `ringlab simulate --list` names the presets",
                     name);
        return false;
    }
    c->loaded = config_load_partial(path, &problems);
    free(path);
    bool good = !print_those_that_matter(&problems) && c->loaded;
    if (good)
        c->config = *c->loaded;
    return good;
}

static bool make(struct candidate *c, struct vetting *vetting)
{
    struct problems problems = { 0 };
    struct vetting_visit visit = { .vetting = vetting, .n_members = VET_ON };
    struct lb_member *members = candidate_members(c, VET_ON);
    visit.members = members;
    c->strategy = vetting_make(&visit, &c->config, &problems);
    print_problems(&problems);
    free(members);
    if (!c->strategy)
        lab_complain("%s: refused", c->name);
    return c->strategy != NULL;
}

bool candidate_open(struct candidate *c, const char *written, struct vetting *vetting)
{
    size_t len = strcspn(written, ",");
    char *name = mem_text_n(written, len);
    *c = (struct candidate){ .name = mem_text(written) };
    bool good = load(c, name) && apply_changes(c, written + len) && make(c, vetting);
    free(name);
    if (!good)
        candidate_close(c);
    return good;
}

void candidate_close(struct candidate *c)
{
    strategy_release(c->strategy);
    for (int part = 0; part < STRATEGY_PARTS; part++)
        free_plugin(&c->changed[part]);
    if (c->loaded)
        config_release(c->loaded);
    free(c->name);
    *c = (struct candidate){ 0 };
}

bool candidate_is_keyed(const struct candidate *c)
{
    return (c->strategy->caps & LB_CAP_KEYED) != 0;
}

uint32_t candidate_count(const struct candidate *c)
{
    if (c->config.replicas.driver == DRIVER_STATIC)
        return (uint32_t)c->config.replicas.n_members;
    return c->config.replicas.count;
}

/* ------------------------------------------------------------------ members */

enum { NAME_ROOM = 64 + 16 };

/* The number that a name has by the pattern, or because it is one; else a hash of it (supervisor_name.c, DECISIONS of the
 * contract's member ids: strategy_id_of_name). */
static uint64_t id_of(const char *pattern, const char *name)
{
    const char *mark = strstr(pattern, NUMBER_MARK);
    size_t before = mark ? (size_t)(mark - pattern) : strlen(pattern), digits;
    const char *rest = mark ? mark + strlen(NUMBER_MARK) : "";
    if (strncmp(name, pattern, before) == 0) {
        digits = strspn(name + before, "0123456789");
        if (digits > 0 && digits < 10 && name[before] != '0' && strcmp(name + before + digits, rest) == 0)
            return strtoull(name + before, NULL, 10);
    }
    digits = strspn(name, "0123456789");
    if (digits > 0 && digits < 19 && !name[digits] && (name[0] != '0' || digits == 1))
        return strtoull(name, NULL, 10);
    return strategy_id_of_name(name, strlen(name));
}

static void name_member(const struct config *c, uint32_t i, char name[NAME_ROOM])
{
    const char *pattern = c->replicas.name, *mark = strstr(pattern, NUMBER_MARK);
    bool listed = c->replicas.driver == DRIVER_STATIC && i < c->replicas.n_members;
    if (listed && c->replicas.members[i].name)
        snprintf(name, NAME_ROOM, "%s", c->replicas.members[i].name);
    else
        snprintf(name, NAME_ROOM, "%.*s%u%s", mark ? (int)(mark - pattern) : (int)strlen(pattern), pattern,
                 i + 1, mark ? mark + strlen(NUMBER_MARK) : "");
}

struct lb_member *candidate_members(const struct candidate *c, uint32_t n)
{
    const struct config *config = &c->config;
    struct lb_member *members = mem_zero(n + 1u, sizeof *members + NAME_ROOM);
    char *name = (char *)(members + n + 1);
    for (uint32_t i = 0; i < n; i++, name += NAME_ROOM) {
        bool listed = config->replicas.driver == DRIVER_STATIC && i < config->replicas.n_members;
        name_member(config, i, name);
        members[i] = (struct lb_member){
            .id = id_of(config->replicas.name, name),
            .key = name,
            .key_len = (uint32_t)strlen(name),
            .weight = listed ? config->replicas.members[i].weight : 1,
        };
    }
    qsort(members, n, sizeof *members, strategy_compare_members);
    return members;
}
