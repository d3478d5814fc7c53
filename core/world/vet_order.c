/*
 * vet_order.c - what is to be tried out, packed to be read by another process.
 *
 * Owns     the packed bytes while they are written; all that an order points to after it was read.
 * Used by  control/vetting.c (packs), vet.c (reads).
 * Uses     plugin.h for files, config.h for options, mem.h.
 * Thread   any; nothing is shared.
 *
 * Numbers are eight bytes as this machine writes them, texts a number (their length + 1, 0 for NULL) and
 * their bytes. Writer and reader stand in pairs, one pair for each noun, in the same order.
 */
#include "world/vet_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/plugin.h"

/* ------------------------------------------------------------------ numbers and texts */

struct writer {
    unsigned char *bytes;
    size_t len, room;
};

struct reader {
    const unsigned char *at, *end;
    bool failed; /* reads past the end give nothing */
};

static void put(struct writer *w, const void *bytes, size_t len)
{
    if (w->len + len > w->room) {
        w->room = 2 * (w->len + len) + 1024;
        w->bytes = mem_grow(w->bytes, w->room);
    }
    if (len)
        memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

static bool take(struct reader *r, void *bytes, size_t len)
{
    if (r->failed || (size_t)(r->end - r->at) < len) {
        r->failed = true;
        memset(bytes, 0, len);
        return false;
    }
    if (len)
        memcpy(bytes, r->at, len);
    r->at += len;
    return true;
}

static void put_number(struct writer *w, uint64_t number)
{
    put(w, &number, sizeof number);
}

static uint64_t take_number(struct reader *r)
{
    uint64_t number;
    take(r, &number, sizeof number);
    return number;
}

/* A count of things that take at least eight bytes each. */
static size_t take_count(struct reader *r)
{
    uint64_t count = take_number(r);
    if (count > (size_t)(r->end - r->at) / 8) {
        r->failed = true;
        return 0;
    }
    return (size_t)count;
}

static void put_text_n(struct writer *w, const char *text, size_t len)
{
    put_number(w, len + 1);
    put(w, text, len);
}

static void put_text(struct writer *w, const char *text)
{
    if (text)
        put_text_n(w, text, strlen(text));
    else
        put_number(w, 0);
}

/* NULL for NULL; the caller frees it. */
static char *take_text(struct reader *r, size_t *len)
{
    uint64_t size = take_number(r);
    if (len)
        *len = 0;
    if (r->failed || size == 0)
        return NULL;
    if (size - 1 > (size_t)(r->end - r->at)) {
        r->failed = true;
        return NULL;
    }
    char *text = mem_text_n((const char *)r->at, (size_t)size - 1);
    r->at += size - 1;
    if (len)
        *len = (size_t)size - 1;
    return text;
}

/* ------------------------------------------------------------------ what is written in lb.conf */

static void put_place(struct writer *w, struct place place)
{
    put_text(w, place.file);
    put_number(w, (uint64_t)place.line);
    put_number(w, (uint64_t)place.column);
}

/* Its file is the order's own. */
static struct place take_place(struct reader *r)
{
    struct place place = { .file = take_text(r, NULL) };
    place.line = (int)take_number(r);
    place.column = (int)take_number(r);
    return place;
}

static void put_value(struct writer *w, const struct config_value *value)
{
    put_text(w, value->name);
    put_number(w, value->type);
    put_number(w, (uint64_t)value->i);
    put(w, &value->f, sizeof value->f);
    put_text(w, value->s);
    put_place(w, value->place);
}

static void take_value(struct reader *r, struct config_value *value)
{
    value->name = take_text(r, NULL);
    value->type = (enum config_value_type)take_number(r);
    value->i = (int64_t)take_number(r);
    take(r, &value->f, sizeof value->f);
    value->s = take_text(r, NULL);
    value->place = take_place(r);
    r->failed = r->failed || !value->name;
}

static void put_written(struct writer *w, const struct config_plugin *written)
{
    put_text(w, written->name);
    put_place(w, written->place);
    put_number(w, written->n_options);
    for (size_t i = 0; i < written->n_options; i++)
        put_value(w, &written->options[i]);
}

static void take_written(struct reader *r, struct config_plugin *written)
{
    written->name = take_text(r, NULL);
    written->place = take_place(r);
    written->n_options = take_count(r);
    written->options = mem_zero(written->n_options + 1, sizeof *written->options);
    for (size_t i = 0; i < written->n_options; i++)
        take_value(r, &written->options[i]);
}

static void free_place(struct place place)
{
    free((char *)(uintptr_t)place.file);
}

static void free_written(struct config_plugin *written)
{
    for (size_t i = 0; i < written->n_options; i++) {
        free(written->options[i].name);
        free(written->options[i].s);
        free_place(written->options[i].place);
    }
    free(written->options);
    free(written->name);
    free_place(written->place);
}

/* ------------------------------------------------------------------ files and members */

static void put_file(struct writer *w, const struct plugin_file *file, const char *copy_path)
{
    put_text(w, file ? copy_path : NULL);
    if (!file)
        return;
    put_text(w, file->path);
    put_number(w, file->content[0]);
    put_number(w, file->content[1]);
}

static struct plugin_file *take_file(struct reader *r, enum lb_kind kind)
{
    char *copy_path = take_text(r, NULL);
    if (!copy_path)
        return NULL;
    char *path = take_text(r, NULL);
    uint64_t content[2] = { take_number(r), take_number(r) };
    struct plugin_file *file = path ? plugin_file_inherit(path, copy_path, kind, content) : NULL;
    r->failed = r->failed || !path;
    free(path);
    free(copy_path);
    return file;
}

static void put_members(struct writer *w, const struct lb_member *members, uint32_t n)
{
    put_number(w, n);
    for (uint32_t i = 0; i < n; i++) {
        put_number(w, members[i].id);
        put_number(w, members[i].weight);
        put_number(w, members[i].flags);
        put_text_n(w, members[i].key, members[i].key_len);
    }
}

static void take_members(struct reader *r, struct vet_order *order)
{
    order->n_members = (uint32_t)take_count(r);
    order->members = mem_zero(order->n_members + 1u, sizeof *order->members);
    for (uint32_t i = 0; i < order->n_members; i++) {
        struct lb_member *m = &order->members[i];
        size_t len;
        m->id = take_number(r);
        m->weight = (uint32_t)take_number(r);
        m->flags = (uint32_t)take_number(r);
        m->key = take_text(r, &len);
        m->key_len = (uint32_t)len;
        r->failed = r->failed || !m->key;
    }
}

/* ------------------------------------------------------------------ an order */

size_t vet_order_pack(const struct vet_order *order, const char *const copy_paths[STRATEGY_PARTS],
                      unsigned char **bytes)
{
    struct writer w = { 0 };
    put_number(&w, order->memory);
    put_number(&w, order->cpu_ms);
    put_number(&w, (uint64_t)order->parent);
    put_number(&w, order->is_partial);
    put_number(&w, order->must_fit);
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        put_written(&w, order->source.written[part]);
        put_text(&w, order->source.missing[part]);
        put_file(&w, order->source.files[part], copy_paths[part]);
    }
    put_members(&w, order->members, order->n_members);
    *bytes = w.bytes;
    return w.len;
}

int vet_order_read(struct vet_order *order, const unsigned char *bytes, size_t len)
{
    struct reader r = { .at = bytes, .end = bytes + len };
    *order = (struct vet_order){ 0 };
    order->memory = take_number(&r);
    order->cpu_ms = (uint32_t)take_number(&r);
    order->parent = (int32_t)take_number(&r);
    order->is_partial = take_number(&r) != 0;
    order->must_fit = take_number(&r) != 0;
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        take_written(&r, &order->written[part]);
        order->source.written[part] = &order->written[part];
        order->source.missing[part] = take_text(&r, NULL);
        order->source.files[part] = take_file(&r, strategy_kind((enum strategy_part)part));
    }
    take_members(&r, order);
    if (!r.failed && r.at == r.end)
        return 0;
    vet_order_free(order);
    return -1;
}

void vet_order_free(struct vet_order *order)
{
    for (int part = 0; part < STRATEGY_PARTS; part++)
        free_written(&order->written[part]);
    strategy_source_close(&order->source);
    for (uint32_t i = 0; i < order->n_members; i++)
        free((char *)(uintptr_t)order->members[i].key);
    free(order->members);
    *order = (struct vet_order){ 0 };
}
