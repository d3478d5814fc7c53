/*
 * membership_text.c - the state file's format. Pure.
 *
 * Owns     the names of its fields, and what may stand in them.
 * Used by  membership_file.c, supervisor_keep.c.
 * Uses     jansson.
 * Thread   any.
 *
 * The file is JSON that people can read. Ids are texts, because a number of JSON holds 63 bits in most hands. Whatever
 * does not look exactly like what we write is refused as a whole: half a membership would be worse than that of lb.conf.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/membership_file.h"
#include "world/replica.h"

#define FORMAT         "ringmaster membership"
#define VERSION        1
#define WEIGHT_MAX     65535
#define RING_NAME_MAX  (sizeof(((struct replica *)0)->ring_name) - 1)
#define ADDRESS_LENGTH 128

void membership_free(struct membership *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->n_places; i++) {
        free(m->places[i].name);
        free(m->places[i].ring_name);
    }
    for (size_t i = 0; i < m->n_absent; i++) {
        free(m->absent[i].address);
        free(m->absent[i].name);
    }
    free(m->places);
    free(m->absent);
    free(m->driver);
    free(m);
}

/* ------------------------------------------------------------------ writing */

static json_t *render_place(const struct membership_place *p)
{
    char id[24];
    snprintf(id, sizeof id, "%" PRIu64, p->id);
    json_t *out = json_object();
    json_object_set_new(out, "name", json_string(p->name));
    json_object_set_new(out, "ring_name", json_string(p->ring_name));
    json_object_set_new(out, "id", json_string(id));
    json_object_set_new(out, "ordinal", json_integer(p->ordinal));
    json_object_set_new(out, "weight", json_integer(p->weight));
    json_object_set_new(out, "weighted", json_boolean(p->is_weighted));
    return out;
}

static json_t *render_absent(const struct membership_absent *a)
{
    json_t *out = json_object();
    json_object_set_new(out, "address", json_string(a->address));
    json_object_set_new(out, "name", a->name ? json_string(a->name) : json_null());
    return out;
}

char *membership_render(const struct membership *m)
{
    json_t *root = json_object(), *places = json_array(), *absent = json_array();
    for (size_t i = 0; i < m->n_places; i++) {
        json_array_append_new(places, render_place(&m->places[i]));
    }
    for (size_t i = 0; i < m->n_absent; i++) {
        json_array_append_new(absent, render_absent(&m->absent[i]));
    }
    json_object_set_new(root, "format", json_string(FORMAT));
    json_object_set_new(root, "version", json_integer(VERSION));
    json_object_set_new(root, "driver", json_string(m->driver));
    json_object_set_new(root, "count", json_integer(m->count));
    json_object_set_new(root, "replicas", places);
    json_object_set_new(root, "absent", absent);
    char *text = json_dumps(root, JSON_INDENT(1));
    json_decref(root);
    char *line = mem_format("%s\n", text);
    free(text);
    return line;
}

/* ------------------------------------------------------------------ reading */

struct reader {
    char *why;
    size_t why_size;
};

static bool refuse(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(struct reader *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, r->why_size, format, args);
    va_end(args);
    return false;
}

static bool read_text(struct reader *r, const json_t *from, const char *field, size_t max, char **out)
{
    const json_t *value = json_object_get(from, field);
    size_t len = value ? json_string_length(value) : 0;
    if (!json_is_string(value) || len == 0 || len > max || strlen(json_string_value(value)) != len) {
        return refuse(r, "\"%s\" must be a text of 1 to %zu bytes", field, max);
    }
    *out = mem_text(json_string_value(value));
    return true;
}

static bool read_number(struct reader *r, const json_t *from, const char *field, json_int_t min,
                        json_int_t max, uint32_t *out)
{
    const json_t *value = json_object_get(from, field);
    if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max) {
        return refuse(r, "\"%s\" must be a number from %lld to %lld", field, (long long)min, (long long)max);
    }
    *out = (uint32_t)json_integer_value(value);
    return true;
}

static bool read_id(struct reader *r, const json_t *from, uint64_t *out)
{
    const char *text = json_string_value(json_object_get(from, "id"));
    char again[24];
    *out = text ? strtoull(text, NULL, 10) : 0;
    snprintf(again, sizeof again, "%" PRIu64, *out);
    return (text && strcmp(text, again) == 0) || refuse(r, "\"id\" must be a number in quotes");
}

static bool read_place(struct reader *r, const json_t *from, struct membership_place *out)
{
    const json_t *weighted = json_object_get(from, "weighted");
    out->is_weighted = json_is_true(weighted);
    return read_text(r, from, "name", REPLICA_NAME_MAX, &out->name) &&
           read_text(r, from, "ring_name", RING_NAME_MAX, &out->ring_name) && read_id(r, from, &out->id) &&
           read_number(r, from, "ordinal", 0, UINT32_MAX, &out->ordinal) &&
           read_number(r, from, "weight", 1, WEIGHT_MAX, &out->weight) &&
           (json_is_boolean(weighted) || refuse(r, "\"weighted\" must be true or false"));
}

static bool read_absent(struct reader *r, const json_t *from, struct membership_absent *out)
{
    const json_t *name = json_object_get(from, "name");
    return read_text(r, from, "address", ADDRESS_LENGTH, &out->address) &&
           (json_is_null(name) || read_text(r, from, "name", REPLICA_NAME_MAX, &out->name));
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two places cannot have one ring name, nor two replicas one name. */
static bool are_different(struct reader *r, const struct membership *m, bool by_ring)
{
    char **texts = mem_zero(m->n_places + 1, sizeof *texts);
    const char *twice = NULL;
    for (size_t i = 0; i < m->n_places; i++) {
        texts[i] = by_ring ? m->places[i].ring_name : m->places[i].name;
    }
    qsort(texts, m->n_places, sizeof *texts, compare_texts);
    for (size_t i = 1; i < m->n_places && !twice; i++) {
        twice = strcmp(texts[i - 1], texts[i]) == 0 ? texts[i] : NULL;
    }
    bool good = !twice || refuse(r, "\"%s\" stands there twice", twice);
    free(texts);
    return good;
}

static bool read_lists(struct reader *r, const json_t *root, struct membership *m)
{
    const json_t *places = json_object_get(root, "replicas"), *absent = json_object_get(root, "absent");
    if (!json_is_array(places) || !json_is_array(absent)) {
        return refuse(r, "\"replicas\" and \"absent\" must be lists");
    }
    size_t n = json_array_size(places), n_absent = json_array_size(absent);
    m->places = mem_zero(n + 1, sizeof *m->places);
    m->absent = mem_zero(n_absent + 1, sizeof *m->absent);
    m->n_places = n; /* zeroed ones are freed as well as filled ones */
    m->n_absent = n_absent;
    bool good = true;
    for (size_t i = 0; i < n && good; i++) {
        good = read_place(r, json_array_get(places, i), &m->places[i]);
    }
    for (size_t i = 0; i < n_absent && good; i++) {
        good = read_absent(r, json_array_get(absent, i), &m->absent[i]);
    }
    return good && are_different(r, m, false) && are_different(r, m, true);
}

static bool read_root(struct reader *r, const json_t *root, struct membership *m)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    uint32_t version;
    if (!format || strcmp(format, FORMAT) != 0) {
        return refuse(r, "it is no state file of ringmaster");
    }
    if (!read_number(r, root, "version", 1, INT32_MAX, &version)) {
        return false;
    }
    if (version != VERSION) {
        return refuse(r, "its version is %" PRIu32 ", and this program knows %d", version, VERSION);
    }
    return read_text(r, root, "driver", 64, &m->driver) &&
           read_number(r, root, "count", 0, UINT32_MAX, &m->count) && read_lists(r, root, m);
}

struct membership *membership_parse(const char *text, size_t len, char *why, size_t why_size)
{
    struct reader r = { .why = why, .why_size = why_size };
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        refuse(&r, "it is damaged or cut off: line %d, column %d: %s", error.line, error.column, error.text);
        return NULL;
    }
    struct membership *m = mem_zero(1, sizeof *m);
    if (!read_root(&r, root, m)) {
        membership_free(m);
        m = NULL;
    }
    json_decref(root);
    return m;
}
