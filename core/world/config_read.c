/*
 * config_read.c - one file, or one text, as a tree of settings with their values and places.
 *
 * Owns     the text, the tree, and the libconfig object behind its values.
 * Used by  config.c.
 * Uses     libconfig, and nobody else does; config_source.h, config_scan.h, mem.h.
 * Thread   any; nothing is shared.
 *
 * libconfig 1.5 says neither columns nor which of its integers have lost their upper half. So the text is read twice: by
 * config_scan.c for places and integers, by libconfig for everything else. Then the two trees are laid side by side.
 */
#include "world/config_read.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_scan.h"

static bool parse(struct config_file *file, struct problems *problems);
static bool attach(struct config_node *node, const config_setting_t *setting);

bool config_file_open(struct config_file *file, const char *path, struct problems *problems)
{
    *file = (struct config_file){ 0 };
    return config_source_read(&file->source, path, problems) && parse(file, problems);
}

bool config_file_open_text(struct config_file *file, const char *text, struct problems *problems)
{
    *file = (struct config_file){ 0 };
    return config_source_take(&file->source, text, problems) && parse(file, problems);
}

void config_file_close(struct config_file *file)
{
    if (file->parsed) {
        config_destroy(file->parsed);
        free(file->parsed);
    }
    config_tree_free(&file->root);
    config_source_free(&file->source);
    file->parsed = NULL;
}

/* The first byte of a line of the whole text, for the errors of libconfig, which are about the line alone. */
static struct place place_of_line(const struct config_source *source, int line)
{
    const char *at = source->text;
    for (int i = 1; i < line && strchr(at, '\n'); i++) {
        at = strchr(at, '\n') + 1;
    }
    struct place place = config_source_place(source, (size_t)(at - source->text));
    place.column = 0;
    return place;
}

static bool parse(struct config_file *file, struct problems *problems)
{
    if (!config_scan(&file->source, &file->root, problems)) {
        return false;
    }
    config_t *parsed = mem_zero(1, sizeof *parsed);
    config_init(parsed);
    file->parsed = parsed;
    if (config_read_string(parsed, file->source.text) != CONFIG_TRUE) {
        problem_add(problems, place_of_line(&file->source, config_error_line(parsed)), NULL,
                    "syntax error: %s", config_error_text(parsed));
        return false;
    }
    if (!attach(&file->root, config_root_setting(parsed))) {
        struct place place = { .file = file->source.n_files > 0 ? file->source.files[0] : NULL };
        problem_add(problems, place, "please report it, with the file",
                    "libconfig and Ringmaster read this file differently");
        return false;
    }
    return true;
}

static bool attach_children(struct config_node *node, const config_setting_t *setting)
{
    if ((size_t)config_setting_length(setting) != node->n_children) {
        return false;
    }
    for (size_t i = 0; i < node->n_children; i++) {
        struct config_node *child = &node->children[i];
        const config_setting_t *theirs = config_setting_get_elem(setting, (unsigned)i);
        const char *name = config_setting_name(theirs);
        bool same_name = name && child->name ? strcmp(name, child->name) == 0 : name == child->name;
        if (!same_name || !attach(child, theirs)) {
            return false;
        }
    }
    return true;
}

/* Gives node and those below it libconfig's values. False when the two are not of one kind. */
static bool attach(struct config_node *node, const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP: return node->kind == CONFIG_KIND_GROUP && attach_children(node, setting);
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_ARRAY: return node->kind == CONFIG_KIND_LIST && attach_children(node, setting);
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        node->real = (double)node->integer;
        return node->kind == CONFIG_KIND_INTEGER &&
               (node->width != CONFIG_FITS || config_setting_get_int64(setting) == node->integer);
    case CONFIG_TYPE_FLOAT:
        node->real = config_setting_get_float(setting);
        return node->kind == CONFIG_KIND_FLOAT;
    case CONFIG_TYPE_BOOL:
        node->truth = config_setting_get_bool(setting);
        return node->kind == CONFIG_KIND_BOOL;
    case CONFIG_TYPE_STRING:
        node->text = config_setting_get_string(setting);
        return node->kind == CONFIG_KIND_TEXT;
    default: return false;
    }
}
