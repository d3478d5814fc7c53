/*
 * conf.c - reading, changing and writing lb.conf: see conf.h.
 *
 * Owns     nothing.
 * Used by  target.c.
 * Uses     libconfig.
 * Thread   the program's main one.
 */
#include "lab/conf.h"

#include <errno.h>
#include <libconfig.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "lab/lab.h"

/* ------------------------------------------------------------------ copying */

static void copy_scalar(config_setting_t *to, const config_setting_t *from)
{
    switch (config_setting_type(from)) {
    case CONFIG_TYPE_INT: config_setting_set_int(to, config_setting_get_int(from)); break;
    case CONFIG_TYPE_INT64: config_setting_set_int64(to, config_setting_get_int64(from)); break;
    case CONFIG_TYPE_FLOAT: config_setting_set_float(to, config_setting_get_float(from)); break;
    case CONFIG_TYPE_BOOL: config_setting_set_bool(to, config_setting_get_bool(from)); break;
    case CONFIG_TYPE_STRING: config_setting_set_string(to, config_setting_get_string(from)); break;
    default: break;
    }
}

/* Depth is what libconfig's parser allows. */
static void copy_into(config_setting_t *parent, const char *name, const config_setting_t *from)
{
    config_setting_t *to = config_setting_add(parent, name, config_setting_type(from));
    if (!to)
        return;
    copy_scalar(to, from);
    if (!config_setting_is_aggregate(from))
        return;
    for (int i = 0; i < config_setting_length(from); i++) {
        const config_setting_t *child = config_setting_get_elem(from, (unsigned)i);
        copy_into(to, config_setting_name(child), child);
    }
}

/* ------------------------------------------------------------------ setting */

/* The group at the end of a path like "replicas.process", made if it is not there. */
static config_setting_t *group_at(config_t *c, const char *path)
{
    config_setting_t *at = config_root_setting(c);
    char *copy = mem_text(path), *rest = copy, *part;
    while (at && (part = strsep(&rest, "."))) {
        config_setting_t *next = config_setting_get_member(at, part);
        at = next ? next : config_setting_add(at, part, CONFIG_TYPE_GROUP);
    }
    free(copy);
    return at;
}

static config_setting_t *anew(config_setting_t *group, const char *name, int type)
{
    config_setting_remove(group, name);
    return config_setting_add(group, name, type);
}

static void set_text(config_setting_t *group, const char *name, const char *value)
{
    config_setting_set_string(anew(group, name, CONFIG_TYPE_STRING), value);
}

static void set_number(config_setting_t *group, const char *name, int value)
{
    config_setting_set_int(anew(group, name, CONFIG_TYPE_INT), value);
}

static void set_command(config_setting_t *process, int delay_ms)
{
    config_setting_t *command = anew(process, "command", CONFIG_TYPE_ARRAY);
    config_setting_set_string_elem(command, -1, "backend");
    config_setting_set_string_elem(command, -1, "--quiet");
    if (delay_ms) {
        char delay[16];
        snprintf(delay, sizeof delay, "%d", delay_ms);
        config_setting_set_string_elem(command, -1, "--delay-ms");
        config_setting_set_string_elem(command, -1, delay);
    }
}

/* ------------------------------------------------------------------ relative names */

static void make_absolute(config_setting_t *group, const char *name, const char *folder, bool bare_is_one)
{
    const char *value = NULL;
    if (!group || !config_setting_lookup_string(group, name, &value) || !*value || *value == '/')
        return;
    if (!bare_is_one && !strchr(value, '/'))
        return;
    char *path = mem_format("%s/%s", folder, value);
    set_text(group, name, path);
    free(path);
}

/* Relative paths begin at the file's own folder, and the copy lies in another. */
static void anchor(config_t *c, const char *from)
{
    char *full = realpath(from, NULL), *copy = mem_text(full ? full : from);
    const char *folder = dirname(copy);
    config_setting_t *strategy = config_lookup(c, "strategy");
    make_absolute(config_root_setting(c), "plugin_dir", folder, true);
    make_absolute(strategy, "scheduler", folder, false);
    make_absolute(strategy, "hash", folder, false);
    make_absolute(strategy, "probe", folder, false);
    free(copy);
    free(full);
}

/* ------------------------------------------------------------------ the file */

static bool read_file(config_t *c, const char *path)
{
    config_init(c);
    if (access(path, R_OK) != 0) {
        lab_complain("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    if (config_read_file(c, path) == CONFIG_TRUE)
        return true;
    lab_complain("%s:%d: %s", config_error_file(c) ? config_error_file(c) : path, config_error_line(c),
                 config_error_text(c));
    return false;
}

static bool take_strategy(config_t *c, const char *path)
{
    config_t other;
    bool read = read_file(&other, path);
    if (read) {
        anchor(&other, path);
        config_setting_t *root = config_root_setting(c), *strategy = config_lookup(&other, "strategy");
        config_setting_remove(root, "strategy");
        if (strategy)
            copy_into(root, "strategy", strategy);
    }
    config_destroy(&other);
    return read;
}

static void apply(config_t *c, const struct conf_edit *edit)
{
    config_setting_t *root = config_root_setting(c);
    if (edit->listen) {
        config_setting_t *listen = anew(root, "listen", CONFIG_TYPE_ARRAY);
        config_setting_set_string_elem(listen, -1, edit->listen);
        config_setting_remove(root, "log");
    }
    if (edit->admin)
        set_text(root, "admin", edit->admin);
    if (edit->count)
        set_number(group_at(c, "replicas"), "count", edit->count);
    if (edit->base_port)
        set_number(group_at(c, "replicas.process"), "base_port", edit->base_port);
    if (edit->own_replicas)
        set_command(group_at(c, "replicas.process"), edit->delay_ms);
}

bool conf_write(const char *from, const struct conf_edit *edit, const char *to)
{
    config_t c;
    bool done = read_file(&c, from);
    if (done) {
        anchor(&c, from);
        apply(&c, edit);
        done = !edit->strategy_from || take_strategy(&c, edit->strategy_from);
    }
    if (done && config_write_file(&c, to) != CONFIG_TRUE) {
        lab_complain("cannot write %s: %s", to, strerror(errno));
        done = false;
    }
    config_destroy(&c);
    return done;
}
