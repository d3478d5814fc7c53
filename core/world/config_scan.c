/*
 * config_scan.c - where each setting stands: libconfig's grammar, read a second time for places.
 *
 * Owns     nothing; the tree is the caller's.
 * Used by  config_read.c alone.
 * Uses     config_source.h, config_tree.h, mem.h.
 * Thread   any; nothing is shared.
 *
 * The grammar (libconfig 1.5), by recursive descent:
 *
 *     settings = { NAME ( '=' | ':' ) value [ ';' | ',' ] }
 *     value    = INTEGER | FLOAT | BOOL | TEXT { TEXT } | array | list | '{' settings '}'
 *     array    = '[' [ scalar { ',' scalar } ] ']'          list = '(' [ value { ',' value } ] ')'
 *
 * It accepts a little less than libconfig, and what it hands on, libconfig accepts. Less: a number that runs into a name (10k), a leading zero
 * (octal for newer releases), \x00 in a text, more than DEPTH_MAX levels. tests/unit/world/test_config_scan.c holds the
 * two against each other.
 */
#include "world/config_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    DEPTH_MAX = 64 /* of groups, lists and arrays inside each other: this code recurses */
};

struct scanner {
    struct config_source *source;
    struct problems *problems;
    size_t at;         /* offset of the next byte */
    int depth;         /* brackets that are open */
    struct place open; /* of the innermost of them */
};

static bool scan_value(struct scanner *s, struct config_node *node);

/* ------------------------------------------------------------------ bytes */

static const char *here(const struct scanner *s)
{
    return s->source->text + s->at;
}

static struct place place_here(const struct scanner *s)
{
    return config_source_place(s->source, s->at);
}

/* Past blanks and comments. config_source.c made sure that comments are closed. */
static void skip_blanks(struct scanner *s)
{
    for (;;) {
        const char *c = here(s);
        size_t blanks = strspn(c, " \t\r\n\f");
        c += blanks;
        s->at += blanks;
        if (*c == '#' || (c[0] == '/' && c[1] == '/')) {
            s->at += strcspn(c, "\n");
        } else if (c[0] == '/' && c[1] == '*') {
            const char *close = strstr(c + 2, "*/");
            s->at += close ? (size_t)(close - c) + 2 : strlen(c);
        } else {
            return;
        }
    }
}

/* Takes the next byte when it is c. */
static bool take(struct scanner *s, char c)
{
    skip_blanks(s);
    if (*here(s) != c) {
        return false;
    }
    s->at++;
    return true;
}

static bool starts_name(char c)
{
    return isalpha((unsigned char)c) || c == '*';
}

static bool is_in_name(char c)
{
    return isalnum((unsigned char)c) || c == '*' || c == '-' || c == '_';
}

static size_t name_length(const char *text)
{
    size_t len = 0;
    while (starts_name(text[0]) && is_in_name(text[len])) {
        len++;
    }
    return len;
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

/* The next thing, quoted, for a sentence. The caller frees it. */
static char *next_thing(const struct scanner *s)
{
    const char *c = here(s);
    if (*c == 0) {
        return mem_text("the end of the file");
    }
    size_t len = 1;
    while (len < 24 && is_in_name(c[0]) && is_in_name(c[len])) {
        len++;
    }
    if ((unsigned char)*c >= 0x80) {
        while (((unsigned char)c[len] & 0xC0) == 0x80) {
            len++;
        }
    }
    return iscntrl((unsigned char)*c) ? mem_format("byte 0x%02x", (unsigned char)*c)
                                      : mem_format("'%.*s'", (int)len, c);
}

/* Adds a syntax error at the next thing: what was expected there. Always false. */
static bool fail_expected(struct scanner *s, const char *expected, const char *hint)
{
    char *found = next_thing(s);
    char *open = *here(s) == 0 && s->depth > 0
                     ? mem_format("the bracket that opens in line %d is not closed", s->open.line)
                     : NULL;
    if (open) {
        hint = open;
    } else if (!hint && *here(s) == '@') {
        hint = "an include stands first on its line: @include \"file\"";
    }
    problem_add(s->problems, place_here(s), hint, "syntax error: expected %s, found %s", expected, found);
    free(open);
    free(found);
    return false;
}

/* ------------------------------------------------------------------ numbers */

/* A number as libconfig 1.5 sees it: the longest of
 *   float    [-+]?[0-9]*\.[0-9]*([eE][-+]?[0-9]+)?   or   [-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+
 *   hex      0[xX][0-9A-Fa-f]+L?L?                    integer  [-+]?[0-9]+L?L?
 * of which a single point is left out. */
struct number {
    size_t len;    /* with the L; 0: no number */
    size_t digits; /* without it */
    bool is_float, is_hex;
};

static size_t digits_at(const char *c)
{
    return strspn(c, "0123456789");
}

static size_t suffix_at(const char *c)
{
    return strspn(c, "L") >= 2 ? 2 : strspn(c, "L");
}

static struct number find_number(const char *c)
{
    if (c[0] == '0' && (c[1] == 'x' || c[1] == 'X')) {
        size_t hex = strspn(c + 2, "0123456789abcdefABCDEF");
        if (hex > 0) {
            return (
                struct number){ .len = 2 + hex + suffix_at(c + 2 + hex), .digits = 2 + hex, .is_hex = true };
        }
    }
    size_t sign = c[0] == '-' || c[0] == '+';
    size_t whole = digits_at(c + sign);
    size_t end = sign + whole;
    size_t fraction = c[end] == '.' ? digits_at(c + end + 1) : 0;
    bool point = c[end] == '.';
    end += point + fraction;
    if (whole + fraction == 0) {
        return (struct number){ 0 };
    }
    if (c[end] == 'e' || c[end] == 'E') {
        size_t exponent_sign = c[end + 1] == '-' || c[end + 1] == '+';
        size_t exponent = digits_at(c + end + 1 + exponent_sign);
        if (exponent > 0) {
            end += 1 + exponent_sign + exponent;
            return (struct number){ .len = end, .digits = end, .is_float = true };
        }
    }
    if (point) {
        return (struct number){ .len = end, .digits = end, .is_float = true };
    }
    return (struct number){ .len = end + suffix_at(c + end), .digits = end };
}

/* What the digits mean, and what would be left of it. */
static void value_of(struct config_node *node, struct number n)
{
    const char *digits = node->raw;
    bool has_l = n.len > n.digits;
    errno = 0;
    if (n.is_hex) {
        unsigned long long value = strtoull(digits, NULL, 16);
        node->integer = (int64_t)value;
        node->width = errno || value > INT64_MAX    ? CONFIG_TOO_WIDE
                      : !has_l && value > INT32_MAX ? CONFIG_NEEDS_L
                                                    : CONFIG_FITS;
        return;
    }
    long long value = strtoll(digits, NULL, 10);
    node->integer = value;
    node->width = errno                                                ? CONFIG_TOO_WIDE
                  : !has_l && (value > INT32_MAX || value < INT32_MIN) ? CONFIG_NEEDS_L
                                                                       : CONFIG_FITS;
}

static bool scan_number(struct scanner *s, struct config_node *node, struct number n)
{
    const char *c = here(s);
    size_t len = n.len;
    while (is_in_name(c[len]) || c[len] == '.') {
        len++;
    }
    if (len > n.len) {
        problem_add(s->problems, place_here(s),
                    "units are not written: the name of the option says which it is",
                    "syntax error: '%.*s' is no number", (int)len, c);
        return false;
    }
    size_t sign = c[0] == '-' || c[0] == '+';
    if (!n.is_float && !n.is_hex && c[sign] == '0' && n.digits - sign > 1) {
        problem_add(s->problems, place_here(s), "leave out the leading 0",
                    "syntax error: '%.*s' could be read as octal", (int)n.digits, c);
        return false;
    }
    node->kind = n.is_float ? CONFIG_KIND_FLOAT : CONFIG_KIND_INTEGER;
    if (!n.is_float) {
        node->raw = mem_text_n(c, n.digits);
        value_of(node, n);
    }
    s->at += n.len;
    return true;
}

/* ------------------------------------------------------------------ text */

/* One or more texts in quotes, which libconfig joins. config_source.c made sure that they are closed. */
static bool scan_text(struct scanner *s, struct config_node *node)
{
    node->kind = CONFIG_KIND_TEXT;
    while (*here(s) == '"') {
        for (s->at++; *here(s) && *here(s) != '"'; s->at++) {
            if (strncasecmp(here(s), "\\x00", 4) == 0) {
                problem_add(s->problems, place_here(s), NULL, "syntax error: a text cannot hold a zero byte");
                return false;
            }
            s->at += here(s)[0] == '\\' && here(s)[1];
        }
        s->at += *here(s) == '"';
        skip_blanks(s);
    }
    return true;
}

/* ------------------------------------------------------------------ groups, lists, arrays */

static struct config_node *add_child(struct config_node *parent)
{
    if (parent->n_children == parent->room) {
        parent->room = parent->room ? parent->room * 2 : 8;
        parent->children = mem_grow(parent->children, parent->room * sizeof *parent->children);
    }
    struct config_node *child = &parent->children[parent->n_children++];
    *child = (struct config_node){ 0 };
    return child;
}

static void drop_last_child(struct config_node *parent)
{
    config_tree_free(&parent->children[--parent->n_children]);
}

/* Overwrites the text from `from` up to here with blanks, keeping its lines. */
static void blank_out(struct scanner *s, size_t from)
{
    for (; from < s->at; from++) {
        if (s->source->text[from] != '\n') {
            s->source->text[from] = ' ';
        }
    }
}

/* The last child of group was scanned and began at `from`: takes it out again when its name stood before. */
static void drop_double(struct scanner *s, struct config_node *group, size_t from)
{
    const struct config_node *last = &group->children[group->n_children - 1];
    const struct config_node *first = config_tree_child(group, last->name);
    if (first == last) {
        return;
    }
    struct place at = first->name_place;
    char *hint = mem_format("it first stands at %s:%d:%d, and that one counts", at.file ? at.file : "line",
                            at.line, at.column);
    problem_add(s->problems, last->name_place, hint, "\"%s\" is set twice", last->name);
    free(hint);
    blank_out(s, from);
    drop_last_child(group);
}

/* NAME = value ; */
static bool scan_setting(struct scanner *s, struct config_node *group)
{
    size_t from = s->at;
    size_t len = name_length(here(s));
    if (len == 0 || is_word(here(s), len, "true") || is_word(here(s), len, "false")) {
        const char *hint = *here(s) == ';' || *here(s) == ',' ? "one ';' ends a setting" : NULL;
        return fail_expected(s, group->name ? "the name of a setting or '}'" : "the name of a setting", hint);
    }
    struct config_node *node = add_child(group);
    node->name_place = place_here(s);
    node->name = mem_text_n(here(s), len);
    s->at += len;
    if (!take(s, '=') && !take(s, ':')) {
        char *expected = mem_format("'=' after \"%s\"", node->name);
        fail_expected(s, expected, NULL);
        free(expected);
        return false;
    }
    skip_blanks(s);
    if (!scan_value(s, node)) {
        return false;
    }
    if (!take(s, ';')) {
        take(s, ',');
    }
    drop_double(s, group, from);
    return true;
}

/* Settings up to the byte `close` (0: the end of the text), which stays where it is. */
static bool scan_settings(struct scanner *s, struct config_node *group, char close)
{
    group->kind = CONFIG_KIND_GROUP;
    for (skip_blanks(s); *here(s) != close; skip_blanks(s)) {
        if (!scan_setting(s, group)) {
            return false;
        }
    }
    return true;
}

static bool scan_group(struct scanner *s, struct config_node *node)
{
    s->at++;
    if (!scan_settings(s, node, '}')) {
        return false;
    }
    s->at++;
    return true;
}

static bool scan_elements(struct scanner *s, struct config_node *node, char close)
{
    node->kind = CONFIG_KIND_LIST;
    if (take(s, close)) {
        return true;
    }
    for (;;) {
        skip_blanks(s);
        if (*here(s) == close) {
            return fail_expected(s, "a value", "leave out the comma before it");
        }
        struct config_node *element = add_child(node);
        element->name_place = place_here(s);
        bool nested = close == ']' && *here(s) && strchr("[({", *here(s));
        if (nested) {
            return fail_expected(s, "a number, text, true or false",
                                 "lists of groups or lists are written ( … )");
        }
        if (!scan_value(s, element)) {
            return false;
        }
        if (take(s, close)) {
            return true;
        }
        if (!take(s, ',')) {
            return fail_expected(s, close == ']' ? "',' or ']'" : "',' or ')'", NULL);
        }
    }
}

/* [ … ] and ( … ): to Ringmaster they are one, so libconfig gets lists only, which may hold several types. */
static bool scan_list(struct scanner *s, struct config_node *node, char close)
{
    size_t open = s->at++;
    if (!scan_elements(s, node, close)) {
        return false;
    }
    s->source->text[open] = '(';
    s->source->text[s->at - 1] = ')';
    return true;
}

/* ------------------------------------------------------------------ values */

static bool scan_bracket(struct scanner *s, struct config_node *node)
{
    if (s->depth == DEPTH_MAX) {
        problem_add(s->problems, place_here(s), NULL, "syntax error: more than %d levels of groups and lists",
                    DEPTH_MAX);
        return false;
    }
    struct place outer = s->open;
    s->open = place_here(s);
    s->depth++;
    bool good = *here(s) == '{'   ? scan_group(s, node)
                : *here(s) == '[' ? scan_list(s, node, ']')
                                  : scan_list(s, node, ')');
    s->depth--;
    s->open = outer;
    return good;
}

/* true, false, or a text that lacks its quotes. */
static bool scan_word(struct scanner *s, struct config_node *node, size_t len)
{
    const char *c = here(s);
    if (is_word(c, len, "true") || is_word(c, len, "false")) {
        node->kind = CONFIG_KIND_BOOL;
        s->at += len;
        return true;
    }
    bool switch_word =
        is_word(c, len, "yes") || is_word(c, len, "no") || is_word(c, len, "on") || is_word(c, len, "off");
    char *hint = switch_word ? mem_text("write true or false")
                             : mem_format("text is written in quotes: \"%.*s\"", (int)len, c);
    fail_expected(s, "a value", hint);
    free(hint);
    return false;
}

/* A quote of another kind: ' or, out of a word processor, one of U+2018 to U+201F. */
static bool is_other_quote(const char *c)
{
    return *c == '\'' ||
           (strncmp(c, "\xe2\x80", 2) == 0 && (unsigned char)c[2] >= 0x98 && (unsigned char)c[2] <= 0x9f);
}

static bool scan_value(struct scanner *s, struct config_node *node)
{
    const char *c = here(s);
    node->value_place = place_here(s);
    if (*c && strchr("{[(", *c)) {
        return scan_bracket(s, node);
    }
    if (*c == '"') {
        return scan_text(s, node);
    }
    size_t len = name_length(c);
    if (len > 0) {
        return scan_word(s, node, len);
    }
    struct number n = find_number(c);
    if (n.len > 0) {
        return scan_number(s, node, n);
    }
    return fail_expected(s, "a value", is_other_quote(c) ? "text is written in \" quotes" : NULL);
}

bool config_scan(struct config_source *source, struct config_node *root, struct problems *problems)
{
    struct scanner s = { .source = source, .problems = problems };
    return scan_settings(&s, root, 0);
}
