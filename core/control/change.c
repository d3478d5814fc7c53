/*
 * change.c - the body of /add or /rm, read. Pure.
 *
 * Owns     the rules of CONTRACT 3 and DECISIONS 29.
 * Used by  membership.c.
 * Uses     jansson.
 * Thread   any.
 *
 * Both forms fill the same draft, field by field, so that what a field may hold is said once; then the draft
 * is judged as a whole.
 */
#include "control/change.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/replica.h"

struct draft {
    enum change_kind kind;
    int64_t max;
    bool has_n;
    int64_t n;
    char **names;
    size_t n_names, room;
    uint32_t *weights;
    size_t n_weights;
    char *why;
    size_t why_size;
};

static int refuse(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct draft *d, const char *format, ...)
{
    int prefix = snprintf(d->why, d->why_size, "<Error> ");
    if (prefix < 0 || (size_t)prefix >= d->why_size)
        return -1;
    va_list args;
    va_start(args, format);
    vsnprintf(d->why + prefix, d->why_size - (size_t)prefix, format, args);
    va_end(args);
    return -1;
}

/* ------------------------------------------------------------------ fields */

static int set_n(struct draft *d, int64_t n)
{
    if (n <= 0)
        return refuse(d, "n must be above 0, not %" PRId64, n);
    if (n > d->max)
        return refuse(d, "n is %" PRId64 "; at most %" PRId64 " (replicas.max)", n, d->max);
    if (d->has_n && d->n != n)
        return refuse(d, "n is given twice, as %" PRId64 " and as %" PRId64, d->n, n);
    d->has_n = true;
    d->n = n;
    return 0;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ||
           c == '_' || c == '-' || c == '.' || c == '@';
}

static int add_name(struct draft *d, const char *name, size_t len)
{
    if (len == 0)
        return refuse(d, "a name must not be empty");
    if (len > REPLICA_NAME_MAX)
        return refuse(d, "a name has at most %d characters, this one has %zu", REPLICA_NAME_MAX, len);
    for (size_t i = 0; i < len; i++)
        if (!is_name_byte(name[i]) &&
            !(name[i] == ':' && d->kind == CHANGE_REMOVE)) /* the driver dns: "fd00::7" */
            return refuse(d, "a name consists of letters, digits, space and _-.@ alone");
    if (d->n_names == (size_t)d->max)
        return refuse(d, "too many names; at most %" PRId64 " (replicas.max)", d->max);
    if (d->n_names + 1 >= d->room) {
        d->room = d->room ? 2 * d->room : 8;
        d->names = mem_grow(d->names, d->room * sizeof(char *));
    }
    d->names[d->n_names++] = mem_text_n(name, len);
    d->names[d->n_names] = NULL;
    return 0;
}

#define WEIGHT_MAX 65535

static int add_weight(struct draft *d, int64_t weight)
{
    if (d->kind == CHANGE_REMOVE)
        return refuse(d, "weights are for /add");
    if (weight < 1 || weight > WEIGHT_MAX)
        return refuse(d, "a weight is 1 to %d, not %" PRId64, WEIGHT_MAX, weight);
    if (d->n_weights == (size_t)d->max)
        return refuse(d, "too many weights; at most %" PRId64 " (replicas.max)", d->max);
    d->weights = mem_grow(d->weights, (d->n_weights + 1) * sizeof *d->weights);
    d->weights[d->n_weights++] = (uint32_t)weight;
    return 0;
}

/* ------------------------------------------------------------------ JSON */

static int read_json_names(struct draft *d, const char *field, const json_t *list)
{
    if (!json_is_array(list))
        return refuse(d, "%s must be a list of names", field);
    if (d->n_names)
        return refuse(d, "hostnames and replicas mean the same: give one of them");
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        if (!json_is_string(item))
            return refuse(d, "%s must be a list of names, and each name a text", field);
        if (add_name(d, json_string_value(item), json_string_length(item)))
            return -1;
    }
    return 0;
}

static int read_json_weights(struct draft *d, const json_t *list)
{
    size_t i;
    json_t *item;
    if (!json_is_array(list))
        return refuse(d, "weights must be a list of whole numbers");
    json_array_foreach(list, i, item) {
        if (!json_is_integer(item))
            return refuse(d, "weights must be a list of whole numbers");
        if (add_weight(d, json_integer_value(item)))
            return -1;
    }
    return 0;
}

static int read_json_field(struct draft *d, const char *field, const json_t *value)
{
    if (strcmp(field, "n") == 0 || strcmp(field, "N") == 0)
        return json_is_integer(value) ? set_n(d, json_integer_value(value))
                                      : refuse(d, "n must be a whole number");
    if (strcmp(field, "hostnames") == 0 || strcmp(field, "replicas") == 0)
        return read_json_names(d, field, value);
    if (strcmp(field, "weights") == 0)
        return read_json_weights(d, value);
    return refuse(d, "an unknown field; the body may carry n, hostnames and, to /add, weights");
}

static int read_json(struct draft *d, const char *body, size_t len)
{
    json_error_t error;
    json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return refuse(d, "the body is no valid JSON: line %d, column %d: %s", error.line, error.column,
                      error.text);
    int failed = 0;
    for (void *at = json_object_iter(root); at && !failed; at = json_object_iter_next(root, at))
        failed = read_json_field(d, json_object_iter_key(at), json_object_iter_value(at));
    json_decref(root);
    return failed;
}

/* ------------------------------------------------------------------ a form */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* %XX and '+', in place. Returns the new length, or -1 when an escape is malformed. */
static ptrdiff_t decode(char *text, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = (char)(high * 16 + low);
            i += 2;
        }
        text[to++] = c;
    }
    return (ptrdiff_t)to;
}

/* -1: the text is no number. */
static int64_t read_digits(const char *text, size_t len)
{
    int64_t n = len == 0 || len > 18 ? -1 : 0;
    for (size_t i = 0; i < len && n >= 0; i++)
        n = text[i] < '0' || text[i] > '9' ? -1 : n * 10 + (text[i] - '0');
    return n;
}

static int read_form_n(struct draft *d, const char *text, size_t len)
{
    int64_t n = read_digits(text, len);
    if (n < 0)
        return refuse(d, "n must be a whole number from 1 to %" PRId64, d->max);
    return set_n(d, n);
}

static bool is_field(const char *field, size_t len, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == len && memcmp(*names, field, len) == 0)
            return true;
    return false;
}

/* One "field=value"; text is scratch. */
static int read_form_pair(struct draft *d, char *text, size_t len)
{
    static const char *const counts[] = { "n", "N", NULL };
    static const char *const weights[] = { "weight", "weights", NULL };
    static const char *const names[] = { "server_id", "hostname", "hostnames", NULL };
    char *equals = memchr(text, '=', len);
    size_t field_raw = equals ? (size_t)(equals - text) : len;
    char *value = equals ? equals + 1 : text + len;
    ptrdiff_t field_len = decode(text, field_raw);
    ptrdiff_t value_len = decode(value, (size_t)(text + len - value));
    if (field_len < 0 || value_len < 0)
        return refuse(d, "the form has a '%%' that two hexadecimal digits do not follow");
    if (is_field(text, (size_t)field_len, counts))
        return read_form_n(d, value, (size_t)value_len);
    if (is_field(text, (size_t)field_len, names))
        return add_name(d, value, (size_t)value_len);
    if (is_field(text, (size_t)field_len, weights))
        return add_weight(d, read_digits(value, (size_t)value_len));
    return refuse(
        d,
        "an unknown field; a form may carry n, hostname, server_id and weight, a JSON body n, hostnames and weights");
}

static int read_form(struct draft *d, const char *body, size_t len)
{
    char *copy = mem_text_n(body, len);
    int failed = 0;
    for (size_t at = 0; at < len && !failed;) {
        char *end = memchr(copy + at, '&', len - at);
        size_t pair = end ? (size_t)(end - copy) - at : len - at;
        if (pair)
            failed = read_form_pair(d, copy + at, pair);
        at += pair + 1;
    }
    free(copy);
    return failed;
}

/* ------------------------------------------------------------------ the whole */

static int judge(struct draft *d)
{
    if (!d->has_n)
        d->n = d->n_names ? (int64_t)d->n_names : 1;
    if ((int64_t)d->n_names > d->n)
        return refuse(d, d->kind == CHANGE_ADD ? "Length of hostname list is more than newly added instances"
                                               : "Length of hostname list is more than removable instances");
    if ((int64_t)d->n_weights > d->n)
        return refuse(d, "Length of weight list is more than newly added instances");
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int change_read(enum change_kind kind, const char *body, size_t len, uint32_t max, struct change *out,
                char *why, size_t why_size)
{
    while (len && is_blank(*body))
        body++, len--;
    while (len && is_blank(body[len - 1]))
        len--;
    struct draft d = { .kind = kind, .max = max, .why = why, .why_size = why_size };
    int failed = len && *body == '{' ? read_json(&d, body, len) : read_form(&d, body, len);
    if (!failed)
        failed = judge(&d);
    *out = (struct change){ .n = (uint32_t)d.n,
                            .names = d.names,
                            .n_names = d.n_names,
                            .weights = d.weights,
                            .n_weights = d.n_weights };
    if (failed)
        change_free(out);
    else if (!out->names)
        out->names = mem_zero(1, sizeof(char *));
    return failed;
}

void change_free(struct change *c)
{
    for (size_t i = 0; i < c->n_names; i++)
        free(c->names[i]);
    free(c->names);
    free(c->weights);
    *c = (struct change){ 0 };
}
