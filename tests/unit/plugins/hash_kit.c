/*
 * hash_kit.c - hash plugins for tests, through the real .so files.
 *
 * Owns     what the kit_hash_ functions hand out until it is given back.
 * Used by  unit/plugins/test_hash_*.c, test_hashes.c, test_vectors.c.
 * Thread   the test's.
 */
#include "unit/plugins/hash_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/plugin.h"

static void set_value(const struct lb_option *option, const char *text, union lb_value *value)
{
    char *end = "";

    switch (option->type) {
    case LB_INT: value->i = strtoll(text, &end, 0); break;
    case LB_FLOAT: value->f = strtod(text, &end); break;
    case LB_BOOL: value->i = strcmp(text, "true") == 0; break;
    default: value->s = text; break;
    }
    assert_string_equal(end, "");
}

/* Values from defaults and options. The texts point into words, which has room for a copy of options. */
static void fill_values(const struct lb_plugin *info, const char *options, char *words,
                        union lb_value *values)
{
    char *rest = strcpy(words, options), *word;
    const struct lb_option *table = info->options;

    for (int k = 0; table && table[k].name; k++) {
        assert_true(k < KIT_HASH_OPTIONS);
        set_value(&table[k], table[k].dflt, &values[k]);
    }
    while ((word = strsep(&rest, " "))) {
        char *equals = strchr(word, '=');
        int k = 0;

        if (!equals)
            continue;
        *equals = 0;
        while (table[k].name && strcmp(table[k].name, word))
            k++;
        assert_non_null(table[k].name);
        set_value(&table[k], equals + 1, &values[k]);
    }
}

static int create(struct kit_hash *h, const char *name, const char *options, struct lb_error *refused)
{
    union lb_value values[KIT_HASH_OPTIONS];
    char why[512] = "";

    *h = (struct kit_hash){ .plugin = plugin_load(RM_PLUGIN_DIR, name, LB_HASH, why, sizeof why),
                            .words = mem_alloc(strlen(options) + 1) };
    assert_string_equal(why, "");
    assert_non_null(h->plugin);
    h->ops = h->plugin->info->ops;
    fill_values(h->plugin->info, options, h->words, values);
    return h->ops->create ? h->ops->create(values, &h->self, refused) : 0;
}

struct kit_hash kit_hash_open(const char *name, const char *options)
{
    struct lb_error refused = { "" };
    struct kit_hash h;

    if (create(&h, name, options, &refused))
        fail_msg("%s refuses \"%s\": %s", name, options, refused.text);
    return h;
}

void kit_hash_close(struct kit_hash *h)
{
    if (h->ops->destroy)
        h->ops->destroy(h->self);
    plugin_release(h->plugin);
    free(h->words);
}

char *kit_hash_refusal(const char *name, const char *options)
{
    struct lb_error refused = { "" };
    struct kit_hash h;

    if (create(&h, name, options, &refused) == 0)
        fail_msg("%s accepts \"%s\"", name, options);
    assert_null(h.self);
    plugin_release(h.plugin);
    free(h.words);
    return mem_text(refused.text);
}

uint64_t kit_hash_key(const struct kit_hash *h, const void *bytes, size_t len)
{
    struct lb_key key = { .bytes = bytes, .len = len };

    strategy_key_finish(&key);
    return h->ops->key(h->self, &key);
}

uint64_t kit_hash_text(const struct kit_hash *h, const char *text)
{
    return kit_hash_key(h, text, strlen(text));
}

uint64_t kit_hash_number(const struct kit_hash *h, uint64_t number)
{
    char text[24];
    struct lb_key key = kit_key(number, text);

    return h->ops->key(h->self, &key);
}

uint64_t kit_hash_place(const struct kit_hash *h, uint64_t id, const char *name, uint32_t copy)
{
    struct lb_member member = { .id = id, .key = name, .key_len = (uint32_t)strlen(name), .weight = 1 };

    return h->ops->place(h->self, &member, copy);
}

static int compare_values(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

void kit_hash_check_places(const char *name, const char *options)
{
    enum { NAMES = 200, COPIES = 1000 };
    struct kit_hash h = kit_hash_open(name, options), again = kit_hash_open(name, options);
    uint64_t *places = mem_alloc(NAMES * COPIES * sizeof *places);
    struct lb_member *members = kit_members(NAMES);

    for (uint32_t m = 0; m < NAMES; m++) {
        for (uint32_t j = 0; j < COPIES; j++) {
            struct lb_member renumbered = members[m];

            renumbered.id = 1;
            renumbered.weight = 9;
            places[m * COPIES + j] = h.ops->place(h.self, &members[m], j);
            assert_true(h.ops->place(h.self, &renumbered, j) == places[m * COPIES + j]);
            assert_true(again.ops->place(again.self, &members[m], j) == places[m * COPIES + j]);
        }
    }
    qsort(places, NAMES * COPIES, sizeof *places, compare_values);
    for (int i = 1; i < NAMES * COPIES; i++)
        assert_true(places[i - 1] != places[i]);
    kit_hash_close(&h);
    kit_hash_close(&again);
    kit_members_free(members, NAMES);
    free(places);
}

void kit_hash_check_bytes(const struct kit_hash *h)
{
    enum { LONGEST = 300 };
    unsigned char bytes[LONGEST], room[LONGEST + 16];

    for (size_t i = 0; i < LONGEST; i++)
        bytes[i] = (unsigned char)lb_mix64(i);
    for (size_t len = 0; len <= LONGEST; len += len < 40 ? 1 : 13) {
        uint64_t hash = kit_hash_key(h, bytes, len);

        for (size_t shift = 0; shift < 16; shift++) {
            memset(room, (int)shift, sizeof room);
            memcpy(room + shift, bytes, len);
            assert_true(kit_hash_key(h, room + shift, len) == hash);
        }
    }
}

unsigned char *kit_hex(const char *hex, size_t *len)
{
    unsigned char *bytes;

    *len = strlen(hex) / 2;
    bytes = mem_alloc(*len + 1);
    for (size_t i = 0; i < *len; i++) {
        unsigned byte;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (unsigned char)byte;
    }
    return bytes;
}
