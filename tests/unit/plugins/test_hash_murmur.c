/*
 * test_hash_murmur.c - murmur3 against public vectors, and the ring that the shipped configuration makes of
 * it.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "plugins/hash_murmur/murmur3.h"
#include "world/plugin.h"

static struct plugin *plugin;

static int load(void **state)
{
    char why[512] = "";

    (void)state;
    plugin = plugin_load(RM_PLUGIN_DIR, "hash_murmur", LB_HASH, why, sizeof why);
    return plugin ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    plugin_release(plugin);
    return 0;
}

/* H(bytes), through the plugin. */
static uint64_t hash_key(int64_t bits, uint32_t seed, const void *bytes, size_t len)
{
    const struct lb_hash_ops *ops = plugin->info->ops;
    const union lb_value values[] = { { .i = bits }, { .i = seed } };
    struct lb_key key = { .bytes = bytes, .len = len };
    struct lb_error why;
    uint64_t hash;
    void *self;

    assert_int_equal(ops->create(values, &self, &why), 0);
    hash = ops->key(self, &key);
    ops->destroy(self);
    return hash;
}

/* ------------------------------------------------------------------ public vectors */

/* The input of a vector; the caller frees it. */
static unsigned char *input_of(const json_t *vector, size_t *len)
{
    const json_t *text = json_object_get(vector, "input"), *hex = json_object_get(vector, "input_hex");
    const json_t *gen = json_object_get(vector, "input_gen");
    size_t times = 1;
    unsigned char *bytes;

    if (text) {
        *len = json_string_length(text);
        bytes = mem_alloc(*len + 1);
        memcpy(bytes, json_string_value(text), *len);
        return bytes;
    }
    if (gen) {
        assert_string_equal(json_string_value(json_object_get(gen, "type")), "repeat");
        hex = json_object_get(gen, "unit_hex");
        times = (size_t)json_number_value(json_object_get(gen, "times"));
    }
    assert_non_null(hex);
    *len = json_string_length(hex) / 2 * times;
    bytes = mem_alloc(*len + 1);
    for (size_t i = 0; i < *len; i++) {
        unsigned byte;

        assert_int_equal(sscanf(json_string_value(hex) + i % (json_string_length(hex) / 2) * 2, "%2x", &byte),
                         1);
        bytes[i] = (unsigned char)byte;
    }
    return bytes;
}

static void check_vector(const json_t *vector, bool wide)
{
    const char *expected = json_string_value(json_object_get(vector, "expected_hex"));
    uint32_t seed = (uint32_t)json_number_value(json_object_get(vector, "seed"));
    size_t len;
    unsigned char *bytes = input_of(vector, &len);
    char got[40];

    if (wide) {
        struct murmur128 hash = murmur3_128(bytes, len, seed);

        snprintf(got, sizeof got, "%016llx%016llx", (unsigned long long)hash.low,
                 (unsigned long long)hash.high);
        assert_true(hash_key(128, seed, bytes, len) == hash.low);
    } else {
        uint32_t hash = murmur3_32(bytes, len, seed);

        snprintf(got, sizeof got, "%08x", hash);
        assert_true(hash_key(32, seed, bytes, len) == ((uint64_t)hash << 32 | hash));
    }
    assert_string_equal(got, expected);
    free(bytes);
}

static void test_vectors(void **state)
{
    /* Some seeds of other hashes are above 2^63: as reals they may be rounded, those of murmur3 are exact. */
    json_t *vectors = json_load_file(RM_SOURCE_DIR "/tests/data/hash_vectors.json",
                                     JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    json_t *vector;
    unsigned narrow = 0, wide = 0;
    size_t i;

    (void)state;
    assert_non_null(vectors);
    json_array_foreach(vectors, i, vector) {
        const char *algo = json_string_value(json_object_get(vector, "algo"));

        if (strcmp(algo, "murmur3_x86_32") == 0) {
            check_vector(vector, false);
            narrow++;
        } else if (strcmp(algo, "murmur3_x64_128") == 0) {
            check_vector(vector, true);
            wide++;
        }
    }
    assert_int_equal(narrow, 68);
    assert_int_equal(wide, 17);
    json_decref(vectors);
}

/* SMHasher's own check value: hashes of {}, {0}, {0, 1}, … {0 … 254} with seeds 256, 255, … 1, one after
 * another, hashed once more with seed 0; its first 32 bits. Covers every length of the tail. */
static void test_smhasher_verification(void **state)
{
    unsigned char key[256], narrow[256 * 4], wide[256 * 16];

    (void)state;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t hash = murmur3_32(key, i, 256 - i);
        struct murmur128 hash128 = murmur3_128(key, i, 256 - i);

        key[i] = (unsigned char)i;
        for (int byte = 0; byte < 4; byte++)
            narrow[i * 4 + (uint32_t)byte] = (unsigned char)(hash >> 8 * byte);
        for (int byte = 0; byte < 8; byte++) {
            wide[i * 16 + (uint32_t)byte] = (unsigned char)(hash128.low >> 8 * byte);
            wide[i * 16 + 8 + (uint32_t)byte] = (unsigned char)(hash128.high >> 8 * byte);
        }
    }
    assert_int_equal(murmur3_32(narrow, sizeof narrow, 0), 0xb0f57ee3);
    assert_int_equal((uint32_t)murmur3_128(wide, sizeof wide, 0).low, 0x6384ba69);
}

/* Bytes that are not aligned for words hash alike. */
static void test_unaligned(void **state)
{
    char room[64];

    (void)state;
    for (size_t shift = 0; shift < 16; shift++) {
        memcpy(room + shift, "a key that is longer than two blocks.", 37);
        assert_int_equal(murmur3_32(room + shift, 37, 1),
                         murmur3_32("a key that is longer than two blocks.", 37, 1));
        assert_true(murmur3_128(room + shift, 37, 1).high ==
                    murmur3_128("a key that is longer than two blocks.", 37, 1).high);
    }
}

/* ------------------------------------------------------------------ places */

static int compare_values(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

/* A member's places depend on its ring name and the seed alone, and no two of 200,000 are equal. */
static void test_places(void **state)
{
    enum { NAMES = 200, COPIES = 1000 };
    const struct lb_hash_ops *ops = plugin->info->ops;
    const union lb_value narrow[] = { { .i = 32 }, { .i = 5 } }, wide[] = { { .i = 128 }, { .i = 5 } };
    uint64_t *places = mem_alloc(NAMES * COPIES * sizeof *places);
    struct lb_member *members = kit_members(NAMES);
    void *self, *other;
    struct lb_error why;

    (void)state;
    assert_int_equal(ops->create(wide, &self, &why), 0);
    assert_int_equal(ops->create(narrow, &other, &why), 0);
    for (uint32_t m = 0; m < NAMES; m++) {
        for (uint32_t j = 0; j < COPIES; j++) {
            struct lb_member renumbered = members[m];

            renumbered.id = 1;
            renumbered.weight = 9;
            places[m * COPIES + j] = ops->place(self, &members[m], j);
            assert_true(ops->place(self, &renumbered, j) == places[m * COPIES + j]);
            assert_true(ops->place(other, &members[m], j) == places[m * COPIES + j]);
        }
    }
    qsort(places, NAMES * COPIES, sizeof *places, compare_values);
    for (int i = 1; i < NAMES * COPIES; i++)
        assert_true(places[i - 1] != places[i]);
    ops->destroy(self);
    ops->destroy(other);
    kit_members_free(members, NAMES);
    free(places);
}

/* The shipped strategy with 2 to 10 replicas as they are named by default. */
static void test_shipped_shares(void **state)
{
    (void)state;
    for (uint32_t n = 2; n <= 10; n++) {
        struct strategy *s = kit_strategy(
            (struct kit_part){ "scheduler_ring", "slots=4294967296 virtual_nodes=1000" },
            (struct kit_part){ "hash_murmur", "seed=0" }, (struct kit_part){ "probe_linear", "" });
        struct lb_member *members = kit_members(n);
        struct table *t = kit_build(s, members, n);
        double most = 0;

        for (uint32_t m = 0; m < n; m++)
            most = t->shares[m] * n > most ? t->shares[m] * n : most;
        print_message("N = %u: largest share / fair share %.4f\n", n, most);
        assert_true(most >= 1 && most <= (n <= 3 ? 1.05 : 1.08));
        table_release(t);
        kit_members_free(members, n);
        strategy_release(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),        cmocka_unit_test(test_smhasher_verification),
        cmocka_unit_test(test_unaligned),      cmocka_unit_test(test_places),
        cmocka_unit_test(test_shipped_shares),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
