/*
 * config_plugins.c - the names and the options of the three plugins, as they are written.
 *
 * Owns     nothing; they live in struct config.
 * Used by  config_options.c (two types for the rows of strategy), config_shadow.c (the same for candidates).
 * Uses     config_paths.h, mem.h.
 * Thread   any.
 *
 * What options there are, and of which type, only the plugin knows: strategy.c holds these values against its table, and
 * finds their places here. Two options share one struct config_plugin.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_paths.h"
#include "world/config_types.h"

/* ------------------------------------------------------------------ the name */

bool config_plugin_read_name(struct config_reader *r, const char *label, int64_t min_len,
                             const struct config_node *node, struct config_plugin *plugin)
{
    if (node->kind != CONFIG_KIND_TEXT) {
        return config_fail_kind(r, label, node, "text");
    }
    const char *text = node->text;
    size_t len = strlen(text);
    bool is_path = strchr(text, '/') != NULL;
    if (len < (uint64_t)min_len) {
        problem_add(r->problems, node->value_place, NULL, "%s cannot be empty", label);
        return false;
    }
    if (!is_path && len > 3 && strcmp(text + len - 3, ".so") == 0) {
        char *hint = mem_format("write \"%.*s\", or a path with a slash", (int)len - 3, text);
        problem_add(r->problems, node->value_place, hint, "%s: plugins of plugin_dir are named without .so",
                    label);
        free(hint);
        return false;
    }
    free(plugin->name);
    plugin->name = is_path ? config_path_absolute(node->value_place.file, text) : mem_text(text);
    plugin->place = node->value_place;
    return true;
}

static bool read_name(struct config_reader *r, const struct config_option *o, const struct config_node *node)
{
    return config_plugin_read_name(r, o->name, o->min, node, config_field(r->config, o));
}

static void print_name(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    const struct config_plugin *plugin = config_field(c, o);
    config_print_text(out, plugin->name);
}

static bool equal_name(const struct config *a, const struct config *b, const struct config_option *o)
{
    const struct config_plugin *x = config_field(a, o), *y = config_field(b, o);
    return strcmp(x->name, y->name) == 0;
}

void config_plugin_copy_name(struct config *owner, struct config_plugin *to, const struct config_plugin *from)
{
    free(to->name);
    to->name = mem_text(from->name);
    to->place = config_keep_place(owner, from->place);
}

static void copy_name(struct config *to, const struct config *from, const struct config_option *o)
{
    config_plugin_copy_name(to, config_field(to, o), config_field(from, o));
}

static void clear_name(struct config *c, const struct config_option *o)
{
    struct config_plugin *plugin = config_field(c, o);
    free(plugin->name);
    plugin->name = NULL;
}

const struct config_type config_plugin_type = { "plugin",   read_name, print_name,
                                                equal_name, copy_name, clear_name };

/* ------------------------------------------------------------------ the options */

static void free_values(struct config_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(values[i].name);
        free(values[i].s);
    }
    free(values);
}

static void replace_values(struct config_plugin *plugin, struct config_value *values, size_t count)
{
    free_values(plugin->options, plugin->n_options);
    plugin->options = values;
    plugin->n_options = count;
}

/* One setting of the group. False: a problem was added. */
static bool read_value(struct config_reader *r, const char *group, const struct config_node *node,
                       struct config_value *out)
{
    char *name = mem_format("%s.%s", group, node->name);
    bool good = true;
    *out = (struct config_value){ .name = mem_text(node->name), .place = node->value_place };
    switch (node->kind) {
    case CONFIG_KIND_INTEGER:
        good = config_is_whole(r, name, node);
        out->type = CONFIG_INT;
        out->i = node->integer;
        out->f = (double)node->integer;
        break;
    case CONFIG_KIND_FLOAT:
        good = isfinite(node->real);
        out->type = CONFIG_FLOAT;
        out->f = node->real;
        if (!good) {
            problem_add(r->problems, node->value_place, NULL, "%s is too large for a number", name);
        }
        break;
    case CONFIG_KIND_BOOL:
        out->type = CONFIG_BOOL;
        out->i = node->truth;
        break;
    case CONFIG_KIND_TEXT:
        out->type = CONFIG_TEXT;
        out->s = mem_text(node->text);
        break;
    default: good = config_fail_kind(r, name, node, "a number, text, true or false"); break;
    }
    free(name);
    return good;
}

bool config_plugin_read_options(struct config_reader *r, const char *label, const struct config_node *node,
                                struct config_plugin *plugin)
{
    if (node->kind != CONFIG_KIND_GROUP) {
        return config_fail_kind(r, label, node, "a group");
    }
    struct config_value *values = mem_zero(node->n_children + 1, sizeof *values);
    bool good = true;
    for (size_t i = 0; i < node->n_children; i++) {
        good = read_value(r, label, &node->children[i], &values[i]) && good;
    }
    if (!good) {
        free_values(values, node->n_children);
        return false;
    }
    replace_values(plugin, values, node->n_children);
    plugin->options_place = node->value_place;
    return true;
}

static bool read_values(struct config_reader *r, const struct config_option *o,
                        const struct config_node *node)
{
    return config_plugin_read_options(r, o->name, node, config_field(r->config, o));
}

static void print_value(const struct config_value *value, FILE *out)
{
    switch (value->type) {
    case CONFIG_INT: config_print_integer(out, value->i); break;
    case CONFIG_FLOAT: config_print_float(out, value->f); break;
    case CONFIG_BOOL: fputs(value->i ? "true" : "false", out); break;
    case CONFIG_TEXT: config_print_text(out, value->s); break;
    }
}

void config_plugin_print_options(const struct config_plugin *plugin, FILE *out, int indent)
{
    fputs(plugin->n_options > 0 ? "{\n" : "{ ", out);
    for (size_t i = 0; i < plugin->n_options; i++) {
        fprintf(out, "%*s%s = ", indent + 4, "", plugin->options[i].name);
        print_value(&plugin->options[i], out);
        fputs(";\n", out);
    }
    fprintf(out, "%*s}", plugin->n_options > 0 ? indent : 0, "");
}

static void print_values(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    config_plugin_print_options(config_field(c, o), out, indent);
}

static bool same_value(const struct config_value *x, const struct config_value *y)
{
    if (x->type != y->type) {
        return false;
    }
    switch (x->type) {
    case CONFIG_FLOAT: return memcmp(&x->f, &y->f, sizeof x->f) == 0;
    case CONFIG_TEXT: return strcmp(x->s, y->s) == 0;
    default: return x->i == y->i;
    }
}

/* The order in which they are written does not count; names are unique. */
bool config_plugin_equal_options(const struct config_plugin *x, const struct config_plugin *y)
{
    size_t same = 0;
    for (size_t i = 0; i < x->n_options; i++) {
        for (size_t k = 0; k < y->n_options; k++) {
            same += strcmp(x->options[i].name, y->options[k].name) == 0 &&
                    same_value(&x->options[i], &y->options[k]);
        }
    }
    return x->n_options == y->n_options && same == x->n_options;
}

static bool equal_values(const struct config *a, const struct config *b, const struct config_option *o)
{
    return config_plugin_equal_options(config_field(a, o), config_field(b, o));
}

void config_plugin_copy_options(struct config *to, struct config_plugin *plugin,
                                const struct config_plugin *theirs)
{
    struct config_value *values = mem_zero(theirs->n_options + 1, sizeof *values);
    for (size_t i = 0; i < theirs->n_options; i++) {
        values[i] = theirs->options[i];
        values[i].name = mem_text(theirs->options[i].name);
        values[i].s = mem_text(theirs->options[i].s);
        values[i].place = config_keep_place(to, theirs->options[i].place);
    }
    replace_values(plugin, values, theirs->n_options);
    plugin->options_place = config_keep_place(to, theirs->options_place);
}

static void copy_values(struct config *to, const struct config *from, const struct config_option *o)
{
    config_plugin_copy_options(to, config_field(to, o), config_field(from, o));
}

static void clear_values(struct config *c, const struct config_option *o)
{
    replace_values(config_field(c, o), NULL, 0);
}

void config_plugin_clear(struct config_plugin *plugin)
{
    free(plugin->name);
    plugin->name = NULL;
    replace_values(plugin, NULL, 0);
}

const struct config_type config_plugin_options_type = {
    "group of the plugin's options", read_values, print_values, equal_values, copy_values, clear_values
};
