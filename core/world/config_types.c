/*
 * config_types.c - the plain types of options: integers, words, texts, paths, lists of texts.
 *
 * Owns     nothing; values live in struct config.
 * Used by  config_options.c names them; the other config_*.c files share the helpers at the end.
 * Uses     config_paths.h, mem.h.
 * Thread   any; nothing is shared.
 */
#include "world/config_types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_paths.h"

/* ------------------------------------------------------------------ integers */

static int64_t get_integer(const struct config *c, const struct config_option *o)
{
    const void *field = config_field(c, o);
    switch (o->size) {
    case sizeof(uint16_t): return *(const uint16_t *)field;
    case sizeof(uint32_t): return *(const uint32_t *)field;
    default: return (int64_t) * (const uint64_t *)field;
    }
}

static void set_integer(struct config *c, const struct config_option *o, int64_t value)
{
    void *field = config_field(c, o);
    switch (o->size) {
    case sizeof(uint16_t): *(uint16_t *)field = (uint16_t)value; break;
    case sizeof(uint32_t): *(uint32_t *)field = (uint32_t)value; break;
    default: *(uint64_t *)field = (uint64_t)value; break;
    }
}

static bool read_integer(struct config_reader *r, const struct config_option *o,
                         const struct config_node *node)
{
    int64_t value = 0;
    if (!config_read_integer(r, o->name, node, o->min, o->max, o->unit, &value)) {
        return false;
    }
    set_integer(r->config, o, value);
    return true;
}

static void print_integer(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    config_print_integer(out, get_integer(c, o));
}

static bool equal_integer(const struct config *a, const struct config *b, const struct config_option *o)
{
    return get_integer(a, o) == get_integer(b, o);
}

static void copy_integer(struct config *to, const struct config *from, const struct config_option *o)
{
    set_integer(to, o, get_integer(from, o));
}

static void clear_integer(struct config *c, const struct config_option *o)
{
    set_integer(c, o, 0);
}

const struct config_type config_integer_type = { "integer",     read_integer, print_integer,
                                                 equal_integer, copy_integer, clear_integer };

/* ------------------------------------------------------------------ words: enums */

static bool read_word(struct config_reader *r, const struct config_option *o, const struct config_node *node)
{
    if (node->kind != CONFIG_KIND_TEXT) {
        return config_fail_kind(r, o->name, node, "text");
    }
    size_t count = 0;
    for (; o->words[count]; count++) {
        if (strcmp(o->words[count], node->text) == 0) {
            set_integer(r->config, o, (int64_t)count);
            return true;
        }
    }
    char *choice = mem_text("");
    for (size_t i = 0; i < count; i++) {
        const char *joint = i == 0 ? "" : i + 1 == count ? " or " : ", ";
        char *longer = mem_format("%s%s\"%s\"", choice, joint, o->words[i]);
        free(choice);
        choice = longer;
    }
    const char *near = problem_nearest(node->text, o->words);
    char *hint = near ? mem_format("did you mean \"%s\"?", near) : NULL;
    problem_add(r->problems, node->value_place, hint, "%s cannot be \"%s\": it is %s", o->name, node->text,
                choice);
    free(hint);
    free(choice);
    return false;
}

static void print_word(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    config_print_text(out, o->words[get_integer(c, o)]);
}

const struct config_type config_word_type = { "word",        read_word,    print_word,
                                              equal_integer, copy_integer, clear_integer };

/* ------------------------------------------------------------------ texts and paths */

static void replace_text(char **field, char *text)
{
    free(*field);
    *field = text;
}

/* The text of node when it is one, within the option's bounds and checked; else NULL with a problem. */
static const char *good_text(struct config_reader *r, const struct config_option *o,
                             const struct config_node *node)
{
    if (node->kind != CONFIG_KIND_TEXT) {
        config_fail_kind(r, o->name, node, "text");
        return NULL;
    }
    size_t len = strlen(node->text);
    if (len < (uint64_t)o->min) {
        problem_add(r->problems, node->value_place, NULL, "%s cannot be empty", o->name);
        return NULL;
    }
    if (len > (uint64_t)o->max) {
        problem_add(r->problems, node->value_place, NULL, "%s can have at most %" PRId64 " bytes, not %zu",
                    o->name, o->max, len);
        return NULL;
    }
    return len > 0 && !config_check_text(r, o->name, node, o->check) ? NULL : node->text;
}

static bool read_text(struct config_reader *r, const struct config_option *o, const struct config_node *node)
{
    const char *text = good_text(r, o, node);
    if (text) {
        replace_text(config_field(r->config, o), mem_text(text));
    }
    return text != NULL;
}

static bool read_path(struct config_reader *r, const struct config_option *o, const struct config_node *node)
{
    const char *text = good_text(r, o, node);
    if (text) {
        char *path = *text ? config_path_absolute(node->value_place.file, text) : mem_text("");
        replace_text(config_field(r->config, o), path);
    }
    return text != NULL;
}

static void print_text(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    config_print_text(out, *(char **)config_field(c, o));
}

static bool equal_text(const struct config *a, const struct config *b, const struct config_option *o)
{
    return strcmp(*(char **)config_field(a, o), *(char **)config_field(b, o)) == 0;
}

static void copy_text(struct config *to, const struct config *from, const struct config_option *o)
{
    replace_text(config_field(to, o), mem_text(*(char **)config_field(from, o)));
}

static void clear_text(struct config *c, const struct config_option *o)
{
    replace_text(config_field(c, o), NULL);
}

const struct config_type config_text_type = {
    "text", read_text, print_text, equal_text, copy_text, clear_text
};
const struct config_type config_path_type = {
    "path", read_path, print_text, equal_text, copy_text, clear_text
};

/* ------------------------------------------------------------------ lists of texts */

static struct config_list list_of(size_t count)
{
    return (struct config_list){ .items = mem_zero(count + 1, sizeof(char *)),
                                 .places = mem_zero(count + 1, sizeof(struct place)),
                                 .count = count };
}

static bool read_texts(struct config_reader *r, const struct config_option *o, const struct config_node *node)
{
    if (!config_check_list(r, o, node)) {
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < node->n_children; i++) {
        const struct config_node *entry = &node->children[i];
        good = config_check_entry(r, o, entry, CONFIG_KIND_TEXT) &&
               config_check_text(r, o->name, entry, o->check) && good;
    }
    if (!good) {
        return false;
    }
    struct config_list list = list_of(node->n_children);
    for (size_t i = 0; i < list.count; i++) {
        list.items[i] = mem_text(node->children[i].text);
        list.places[i] = node->children[i].value_place;
    }
    struct config_list *field = config_field(r->config, o);
    config_list_free(field);
    *field = list;
    return true;
}

static void print_texts(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    const struct config_list *list = config_field(c, o);
    fputs("[ ", out);
    for (size_t i = 0; i < list->count; i++) {
        fputs(i > 0 ? ", " : "", out);
        config_print_text(out, list->items[i]);
    }
    fputs(list->count > 0 ? " ]" : "]", out);
}

static bool equal_texts(const struct config *a, const struct config *b, const struct config_option *o)
{
    const struct config_list *x = config_field(a, o), *y = config_field(b, o);
    bool equal = x->count == y->count;
    for (size_t i = 0; equal && i < x->count; i++) {
        equal = strcmp(x->items[i], y->items[i]) == 0;
    }
    return equal;
}

static void copy_texts(struct config *to, const struct config *from, const struct config_option *o)
{
    const struct config_list *theirs = config_field(from, o);
    struct config_list list = list_of(theirs->count);
    for (size_t i = 0; i < list.count; i++) {
        list.items[i] = mem_text(theirs->items[i]);
        list.places[i] = config_keep_place(to, theirs->places[i]);
    }
    struct config_list *field = config_field(to, o);
    config_list_free(field);
    *field = list;
}

static void clear_texts(struct config *c, const struct config_option *o)
{
    config_list_free(config_field(c, o));
}

const struct config_type config_texts_type = { "list of texts", read_texts, print_texts,
                                               equal_texts,     copy_texts, clear_texts };

void config_list_free(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    free(list->places);
    *list = (struct config_list){ 0 };
}

/* ------------------------------------------------------------------ shared with the other types */

void *config_field(const struct config *c, const struct config_option *o)
{
    return (char *)c + o->offset;
}

size_t *config_count(const struct config *c, const struct config_option *o)
{
    return (size_t *)(void *)((char *)c + o->count_offset);
}

bool config_fail_kind(struct config_reader *r, const char *name, const struct config_node *node,
                      const char *wanted)
{
    char *hint = NULL;
    bool digits = node->kind == CONFIG_KIND_TEXT && node->text[0] &&
                  strspn(node->text, "0123456789") == strlen(node->text);
    if (strcmp(wanted, "an integer") == 0 && digits) {
        hint = mem_format("write it without quotes: %s", node->text);
    } else if (strcmp(wanted, "text") == 0 && node->kind == CONFIG_KIND_INTEGER) {
        hint = mem_format("write it in quotes: \"%s\"", node->raw);
    } else if (strcmp(wanted, "a list") == 0 && node->kind == CONFIG_KIND_TEXT) {
        hint = mem_format("write [ \"%s\" ]", node->text);
    } else if (strcmp(wanted, "a group") == 0) {
        hint = mem_text("a group is written { name = value; }");
    }
    problem_add(r->problems, node->value_place, hint, "%s must be %s, not %s", name, wanted,
                config_tree_kind(node));
    free(hint);
    return false;
}

bool config_is_whole(struct config_reader *r, const char *name, const struct config_node *node)
{
    if (node->width == CONFIG_TOO_WIDE) {
        problem_add(r->problems, node->value_place, NULL, "%s: %s does not fit 64 bits", name, node->raw);
        return false;
    }
    if (node->width == CONFIG_NEEDS_L) {
        char *hint = mem_format("write %sL", node->raw);
        problem_add(r->problems, node->value_place, hint,
                    "%s: %s does not fit 32 bits, and without an L at its end an integer has no more", name,
                    node->raw);
        free(hint);
        return false;
    }
    return true;
}

bool config_read_integer(struct config_reader *r, const char *name, const struct config_node *node,
                         int64_t min, int64_t max, const char *unit, int64_t *out)
{
    if (node->kind != CONFIG_KIND_INTEGER) {
        return config_fail_kind(r, name, node, "an integer");
    }
    if (node->width == CONFIG_TOO_WIDE || node->integer < min || node->integer > max) {
        problem_add(r->problems, node->value_place, NULL, "%s must be %" PRId64 " to %" PRId64 "%s%s, not %s",
                    name, min, max, unit ? " " : "", unit ? unit : "", node->raw);
        return false;
    }
    *out = node->integer;
    return config_is_whole(r, name, node);
}

bool config_check_list(struct config_reader *r, const struct config_option *o, const struct config_node *node)
{
    if (node->kind != CONFIG_KIND_LIST) {
        return config_fail_kind(r, o->name, node, "a list");
    }
    if (node->n_children < (uint64_t)o->min) {
        problem_add(r->problems, node->value_place, NULL, "%s cannot be empty", o->name);
        return false;
    }
    if (node->n_children > (uint64_t)o->max) {
        problem_add(r->problems, node->value_place, NULL, "%s can have at most %" PRId64 " entries, not %zu",
                    o->name, o->max, node->n_children);
        return false;
    }
    return true;
}

bool config_check_entry(struct config_reader *r, const struct config_option *o,
                        const struct config_node *entry, enum config_kind kind)
{
    if (entry->kind == kind) {
        return true;
    }
    char *name = mem_format("each entry of %s", o->name);
    config_fail_kind(r, name, entry, kind == CONFIG_KIND_GROUP ? "a group" : "text");
    free(name);
    return false;
}

bool config_check_text(struct config_reader *r, const char *name, const struct config_node *node,
                       config_check_fn check)
{
    const char *hint = NULL;
    const char *complaint = check ? check(node->text, &hint) : NULL;
    if (complaint) {
        problem_add(r->problems, node->value_place, hint, "%s: \"%s\" %s", name, node->text, complaint);
    }
    return !complaint;
}

bool config_parse_entry(struct config_reader *r, const struct config_option *o,
                        const struct config_node *entry, config_parse_fn parse, void *out)
{
    if (!config_check_entry(r, o, entry, CONFIG_KIND_TEXT)) {
        return false;
    }
    char *hint = NULL;
    const char *complaint = parse(entry->text, out, &hint);
    if (complaint) {
        problem_add(r->problems, entry->value_place, hint, "%s: \"%s\" %s", o->name, entry->text, complaint);
    }
    free(hint);
    return !complaint;
}

struct place config_keep_place(struct config *c, struct place from)
{
    if (!from.file) {
        return from;
    }
    size_t count = 0;
    for (; c->files && c->files[count]; count++) {
        if (strcmp(c->files[count], from.file) == 0) {
            from.file = c->files[count];
            return from;
        }
    }
    c->files = mem_grow(c->files, (count + 2) * sizeof *c->files);
    c->files[count] = mem_text(from.file);
    c->files[count + 1] = NULL;
    from.file = c->files[count];
    return from;
}
