/*
 * config_shadow.c - strategy.shadow: what a candidate consists of.
 *
 * Owns     nothing; the candidates live in struct config.
 * Used by  config_options.c (the type of strategy.shadow), shadow.c.
 * Uses     config_types.h for names and options of plugins, config_texts.h for names, mem.h.
 * Thread   any.
 *
 * A candidate says what is different: a part it leaves out is that of the strategy in force. Options belong to the plugin
 * they are written beside, so a part that is named has those written with it, or the plugin's defaults.
 */
#include "world/config_shadow.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_texts.h"
#include "world/config_types.h"

enum { PART_SCHEDULER, PART_HASH, PART_PROBE, PARTS };

static const char *const fields[] = { "name",         "scheduler",     "hash", "probe", "scheduler_options",
                                      "hash_options", "probe_options", NULL };

static struct config_plugin *part_of(const struct config_shadow *s, size_t part)
{
    const struct config_plugin *parts[PARTS] = { &s->scheduler, &s->hash, &s->probe };
    return (struct config_plugin *)(uintptr_t)parts[part];
}

/* ------------------------------------------------------------------ as in force */

static struct config_plugin choose(const struct config_plugin *in_force, const struct config_plugin *own)
{
    if (own->name) {
        return *own;
    }
    struct config_plugin both = *in_force;
    if (own->options_place.line > 0) {
        both.options = own->options;
        both.n_options = own->n_options;
        both.options_place = own->options_place;
    }
    return both;
}

struct config config_shadow_stand_in(const struct config *c, const struct config_shadow *candidate)
{
    struct config look = *c;
    look.strategy.scheduler = choose(&c->strategy.scheduler, &candidate->scheduler);
    look.strategy.hash = choose(&c->strategy.hash, &candidate->hash);
    look.strategy.probe = choose(&c->strategy.probe, &candidate->probe);
    return look;
}

/* ------------------------------------------------------------------ reading */

static struct config_shadow **shadows_of(const struct config *c, const struct config_option *o)
{
    return config_field(c, o);
}

static void free_shadows(struct config_shadow *shadows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(shadows[i].name);
        for (size_t part = 0; part < PARTS; part++) {
            config_plugin_clear(part_of(&shadows[i], part));
        }
    }
    free(shadows);
}

static void replace_shadows(struct config *c, const struct config_option *o, struct config_shadow *shadows,
                            size_t count)
{
    free_shadows(*shadows_of(c, o), *config_count(c, o));
    *shadows_of(c, o) = shadows;
    *config_count(c, o) = count;
}

static bool read_own_name(struct config_reader *r, const char *label, const struct config_node *node,
                          struct config_shadow *out)
{
    if (node->kind != CONFIG_KIND_TEXT) {
        return config_fail_kind(r, label, node, "text");
    }
    out->place = node->value_place;
    out->name = mem_text(node->text);
    return config_check_text(r, label, node, config_check_replica_name);
}

static bool fail_field(struct config_reader *r, const char *group, const struct config_node *node)
{
    const char *near = problem_nearest(node->name, fields);
    char *hint = near ? mem_format("did you mean \"%s\"?", near)
                      : mem_text("a candidate has name, scheduler, hash, probe and their _options");
    problem_add(r->problems, node->name_place, hint, "%s: unknown field \"%s\"", group, node->name);
    free(hint);
    return false;
}

/* One field of a candidate. False: a problem was added. */
static bool read_field(struct config_reader *r, const char *group, const struct config_node *node,
                       struct config_shadow *out)
{
    size_t field = 0;
    while (fields[field] && strcmp(fields[field], node->name) != 0) {
        field++;
    }
    if (!fields[field]) {
        return fail_field(r, group, node);
    }
    char *label = mem_format("%s: %s", group, node->name);
    bool good;
    if (field == 0) {
        good = read_own_name(r, label, node, out);
    } else if (field <= PARTS) {
        good = config_plugin_read_name(r, label, field == 1, node, part_of(out, field - 1));
    } else {
        good = config_plugin_read_options(r, label, node, part_of(out, field - 1 - PARTS));
    }
    free(label);
    return good;
}

static bool read_shadow(struct config_reader *r, const char *group, const struct config_node *node,
                        struct config_shadow *out)
{
    bool good = true;
    for (size_t i = 0; i < node->n_children; i++) {
        good = read_field(r, group, &node->children[i], out) && good;
    }
    if (!config_tree_child(node, "name")) {
        problem_add(r->problems, node->value_place, "write { name = \"…\"; … }",
                    "%s: a candidate needs a name", group);
        good = false;
    }
    return good;
}

static bool are_named_apart(struct config_reader *r, const char *group, const struct config_shadow *shadows,
                            size_t count)
{
    bool good = true;
    for (size_t i = 1; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (shadows[i].name && shadows[k].name && strcmp(shadows[i].name, shadows[k].name) == 0) {
                problem_add(r->problems, shadows[i].place, NULL, "%s: two candidates are called \"%s\"",
                            group, shadows[i].name);
                good = false;
                break;
            }
        }
    }
    return good;
}

static bool read_shadows(struct config_reader *r, const struct config_option *o,
                         const struct config_node *node)
{
    if (!config_check_list(r, o, node)) {
        return false;
    }
    bool good = true;
    struct config_shadow *shadows = mem_zero(node->n_children + 1, sizeof *shadows);
    for (size_t i = 0; i < node->n_children; i++) {
        const struct config_node *entry = &node->children[i];
        good = config_check_entry(r, o, entry, CONFIG_KIND_GROUP) &&
               read_shadow(r, o->name, entry, &shadows[i]) && good;
    }
    good = are_named_apart(r, o->name, shadows, node->n_children) && good;
    if (good) {
        replace_shadows(r->config, o, shadows, node->n_children);
    } else {
        free_shadows(shadows, node->n_children);
    }
    return good;
}

/* ------------------------------------------------------------------ the rest of the type */

static void print_part(const struct config_plugin *plugin, size_t part, FILE *out, int indent)
{
    if (plugin->name) {
        fprintf(out, "%*s%s = ", indent, "", fields[1 + part]);
        config_print_text(out, plugin->name);
        fputs(";\n", out);
    }
    if (plugin->options_place.line > 0) {
        fprintf(out, "%*s%s = ", indent, "", fields[1 + PARTS + part]);
        config_plugin_print_options(plugin, out, indent);
        fputs(";\n", out);
    }
}

static void print_shadows(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    size_t count = *config_count(c, o);
    fputs(count > 0 ? "(\n" : "( ", out);
    for (size_t i = 0; i < count; i++) {
        const struct config_shadow *s = &(*shadows_of(c, o))[i];
        fprintf(out, "%*s{\n%*sname = ", indent + 4, "", indent + 8, "");
        config_print_text(out, s->name);
        fputs(";\n", out);
        for (size_t part = 0; part < PARTS; part++) {
            print_part(part_of(s, part), part, out, indent + 8);
        }
        fprintf(out, "%*s}%s\n", indent + 4, "", i + 1 < count ? "," : "");
    }
    fprintf(out, "%*s)", count > 0 ? indent : 0, "");
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_shadow(const struct config_shadow *a, const struct config_shadow *b)
{
    bool same = same_text(a->name, b->name);
    for (size_t part = 0; same && part < PARTS; part++) {
        const struct config_plugin *x = part_of(a, part), *y = part_of(b, part);
        same = same_text(x->name, y->name) && config_plugin_equal_options(x, y) &&
               (x->options_place.line > 0) == (y->options_place.line > 0);
    }
    return same;
}

static bool equal_shadows(const struct config *a, const struct config *b, const struct config_option *o)
{
    size_t count = *config_count(a, o);
    bool equal = count == *config_count(b, o);
    for (size_t i = 0; equal && i < count; i++) {
        equal = same_shadow(&(*shadows_of(a, o))[i], &(*shadows_of(b, o))[i]);
    }
    return equal;
}

static void copy_shadows(struct config *to, const struct config *from, const struct config_option *o)
{
    size_t count = *config_count(from, o);
    struct config_shadow *shadows = mem_zero(count + 1, sizeof *shadows);
    for (size_t i = 0; i < count; i++) {
        const struct config_shadow *theirs = &(*shadows_of(from, o))[i];
        shadows[i].name = mem_text(theirs->name);
        shadows[i].place = config_keep_place(to, theirs->place);
        for (size_t part = 0; part < PARTS; part++) {
            config_plugin_copy_name(to, part_of(&shadows[i], part), part_of(theirs, part));
            config_plugin_copy_options(to, part_of(&shadows[i], part), part_of(theirs, part));
        }
    }
    replace_shadows(to, o, shadows, count);
}

static void clear_shadows(struct config *c, const struct config_option *o)
{
    replace_shadows(c, o, NULL, 0);
}

const struct config_type config_shadows_type = { "list of candidates", read_shadows, print_shadows,
                                                 equal_shadows,        copy_shadows, clear_shadows };
