/*
 * config_keys.c - strategy.key: what a request is known by.
 *
 * Owns     nothing; the sources live in struct config.
 * Used by  config_options.c (the type of strategy.key).
 * Uses     mem.h.
 * Thread   any.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_types.h"

/* In the order of enum config_key_source; the first three take a name. */
static const char *const sources[] = {
    "query", "header", "cookie", "path", "uri", "client_ip", "random", NULL
};
_Static_assert(sizeof sources / sizeof *sources == KEY_RANDOM + 2, "a word for every source of a key");

static bool has_name(enum config_key_source source)
{
    return source <= KEY_COOKIE;
}

/* A token of HTTP (RFC 9110 section 5.6.2): what names of header fields and of cookies are made of. */
static bool is_token(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("!#$%&'*+-.^_`|~", *c)) {
            return false;
        }
    }
    return *text != 0;
}

/* The word before the colon, or the whole text. -1: no source is called so. */
static int find_source(const char *text, size_t len)
{
    for (int i = 0; sources[i]; i++) {
        if (strncmp(sources[i], text, len) == 0 && sources[i][len] == 0) {
            return i;
        }
    }
    return -1;
}

static const char *parse_key(const char *text, void *key, char **hint)
{
    struct config_key *out = key;
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    int source = find_source(text, len);
    if (source < 0) {
        char *word = mem_text_n(text, len);
        const char *near = problem_nearest(word, sources);
        free(word);
        *hint = near ? mem_format("did you mean \"%s%s\"?", near, colon ? colon : "") : NULL;
        return "is none of query:NAME, header:NAME, cookie:NAME, path, uri, client_ip, random";
    }
    out->source = (enum config_key_source)source;
    if (!has_name(out->source)) {
        *hint = colon ? mem_format("write \"%s\"", sources[source]) : NULL;
        return colon ? "takes no name" : NULL;
    }
    const char *name = colon ? colon + 1 : "";
    if (!*name) {
        *hint = mem_format("write \"%s:NAME\"", sources[source]);
        return "lacks its name";
    }
    if (out->source != KEY_QUERY && !is_token(name)) {
        return "has a name with characters that cannot stand in one";
    }
    out->name = mem_text(name);
    out->name_len = strlen(name);
    for (char *c = out->name; out->source == KEY_HEADER && *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return NULL;
}

static struct config_key **keys_of(const struct config *c, const struct config_option *o)
{
    return config_field(c, o);
}

static void free_keys(struct config_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(keys[i].name);
    }
    free(keys);
}

static void replace_keys(struct config *c, const struct config_option *o, struct config_key *keys,
                         size_t count)
{
    free_keys(*keys_of(c, o), *config_count(c, o));
    *keys_of(c, o) = keys;
    *config_count(c, o) = count;
}

static bool read_keys(struct config_reader *r, const struct config_option *o, const struct config_node *node)
{
    if (!config_check_list(r, o, node)) {
        return false;
    }
    bool good = true;
    struct config_key *keys = mem_zero(node->n_children + 1, sizeof *keys);
    for (size_t i = 0; i < node->n_children; i++) {
        good = config_parse_entry(r, o, &node->children[i], parse_key, &keys[i]) && good;
    }
    if (good) {
        replace_keys(r->config, o, keys, node->n_children);
    } else {
        free_keys(keys, node->n_children);
    }
    return good;
}

static void print_keys(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    fputs("[ ", out);
    for (size_t i = 0; i < *config_count(c, o); i++) {
        const struct config_key *key = &(*keys_of(c, o))[i];
        char *text =
            mem_format("%s%s%s", sources[key->source], key->name ? ":" : "", key->name ? key->name : "");
        fputs(i > 0 ? ", " : "", out);
        config_print_text(out, text);
        free(text);
    }
    fputs(" ]", out);
}

static bool equal_keys(const struct config *a, const struct config *b, const struct config_option *o)
{
    size_t count = *config_count(a, o);
    bool equal = count == *config_count(b, o);
    for (size_t i = 0; equal && i < count; i++) {
        const struct config_key *x = &(*keys_of(a, o))[i], *y = &(*keys_of(b, o))[i];
        equal = x->source == y->source && (!x->name || strcmp(x->name, y->name) == 0);
    }
    return equal;
}

static void copy_keys(struct config *to, const struct config *from, const struct config_option *o)
{
    size_t count = *config_count(from, o);
    struct config_key *keys = mem_zero(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (*keys_of(from, o))[i];
        keys[i].name = mem_text(keys[i].name);
    }
    replace_keys(to, o, keys, count);
}

static void clear_keys(struct config *c, const struct config_option *o)
{
    replace_keys(c, o, NULL, 0);
}

const struct config_type config_keys_type = {
    "list of key sources", read_keys, print_keys, equal_keys, copy_keys, clear_keys
};
