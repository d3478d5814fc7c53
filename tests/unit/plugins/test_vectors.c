/*
 * test_vectors.c - every public test vector in tests/data/hash_vectors.json that a shipped hash can be
 * asked, through the callbacks of its .so. Prints how many passed for each algorithm, in lines that begin with
 * "vectors: " and that script/test shows, and why the others do not apply.
 */
#include "unit/plugins/hash_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"

#define VECTORS RM_SOURCE_DIR "/tests/data/hash_vectors.json"

/* What to ask a plugin, and how its answer follows from the expected value. */
enum answer {
    TWICE,     /* the 32 bits, standing twice */
    WHOLE,     /* the 64 bits */
    FIRST_64,  /* of 128 written bits */
    LAST_64,   /* of 128 written bits */
    BIG_NUMBER /* the whole digest modulo what the options say, or its last 64 bits */
};

struct algorithm {
    const char *name, *plugin;
    const char *options; /* beside those that come from the vector */
    const char *seed;    /* format of the option that takes the vector's seed; NULL: its seed is 0 */
    enum answer answer;
    unsigned passed, applicable;
};

#define XXH_SEED "seed=%" PRIx64
#define INT_SEED "seed=%" PRIu64

/* The moduli are the two largest primes below 2^32: with the low 64 bits they tell all the bits of a digest
 * but by chance. */
static struct algorithm algorithms[] = {
    { "fnv1a_32", "hash_fnv1a", "bits=32", NULL, TWICE, 0, 0 },
    { "fnv1a_64", "hash_fnv1a", "bits=64", NULL, WHOLE, 0, 0 },
    { "murmur3_x86_32", "hash_murmur", "bits=32", INT_SEED, TWICE, 0, 0 },
    { "murmur3_x64_128", "hash_murmur", "bits=128", INT_SEED, FIRST_64, 0, 0 },
    { "xxh3_64", "hash_xxh3", "bits=64", XXH_SEED, WHOLE, 0, 0 },
    { "xxh3_128", "hash_xxh3", "bits=128", XXH_SEED, LAST_64, 0, 0 },
    { "siphash_2_4", "hash_siphash", "", NULL, WHOLE, 0, 0 },
    { "crc32c", "hash_crc32c", "avalanche=false", NULL, TWICE, 0, 0 },
    { "crc32c_avalanche", "hash_crc32c", "avalanche=true", NULL, TWICE, 0, 0 },
    { "md5", "hash_digest", "algorithm=md5", NULL, BIG_NUMBER, 0, 0 },
    { "sha1", "hash_digest", "algorithm=sha1", NULL, BIG_NUMBER, 0, 0 },
};
static const uint64_t moduli[] = { 0, 4294967291u, 4294967279u };

/* SMHasher's check values: one vector stands for 257 hashes, each with a seed of its own. */
struct verification {
    const char *name, *plugin, *options;
    unsigned bytes; /* of one hash */
    unsigned passed, applicable;
};
static struct verification verifications[] = {
    { "murmur3_x86_32", "hash_murmur", "bits=32", 4, 0, 0 },
    { "fnv1a_32_xorseed", "hash_fnv1a", "bits=32", 4, 0, 0 },
    { "fnv1a_64_xorseed", "hash_fnv1a", "bits=64", 8, 0, 0 },
};

/* What no shipped hash computes, or shows. */
static struct {
    const char *name, *reason;
    unsigned count;
} others[] = {
    { "fnv1_32", "FNV-1 multiplies first; hash_fnv1a is FNV-1a", 0 },
    { "fnv1_64", "FNV-1 multiplies first; hash_fnv1a is FNV-1a", 0 },
    { "xxh32", "an older hash of the family; hash_xxh3 is XXH3", 0 },
    { "xxh64", "an older hash of the family; hash_xxh3 is XXH3", 0 },
    { "crc32", "another polynomial than CRC-32C", 0 },
    { "crc32_avalanche", "another polynomial than CRC-32C", 0 },
    { "siphash_1_3", "fewer rounds than SipHash-2-4", 0 },
    { "murmur2_64a", "the predecessor of murmur3", 0 },
    { "wyhash_final4", "not shipped", 0 },
    { "djb2_haproxy", "not shipped", 0 },
    { "djb2_avalanche", "not shipped", 0 },
    { "sdbm_haproxy", "not shipped", 0 },
    { "sdbm_avalanche", "not shipped", 0 },
    { "wt6_haproxy", "not shipped", 0 },
    { "wt6_avalanche", "not shipped", 0 },
    { "ketama_md5_u32le", "the first four bytes of an MD5; hash_digest shows the last eight", 0 },
    { "jump", "a scheduler's", 0 },
    { "maglev_envoy", "a scheduler's", 0 },
    { "maglev_dgryski", "a scheduler's", 0 },
    { "maglev_katran", "a scheduler's", 0 },
    { "maglev_cilium", "a scheduler's", 0 },
    { "ring_envoy", "a scheduler's", 0 },
    { "ring_nginx_counts", "a scheduler's", 0 },
    { "ring_nginx_lookup", "a scheduler's", 0 },
    { "ring_nginx_move", "a scheduler's", 0 },
    { "ketama_libmemcached", "a scheduler's", 0 },
    { "ketama_libketama_md5sum", "a scheduler's", 0 },
    { "ketama_libketama_lookup", "a scheduler's", 0 },
    { "mpch_dgryski", "a scheduler's", 0 },
    /* of SMHasher's check values */
    { "smhasher murmur3_x64_128",
      "goes through all 128 bits, and a hash plugin shows 64; see test_hash_murmur", 0 },
    { "smhasher murmur2_64a", "the predecessor of murmur3", 0 },
    { "smhasher xxh32", "an older hash of the family; hash_xxh3 is XXH3", 0 },
    { "smhasher xxh64", "an older hash of the family; hash_xxh3 is XXH3", 0 },
    { "smhasher wyhash_final4_2", "not shipped", 0 },
    { "smhasher wyhash_final4", "not shipped", 0 },
    { "smhasher rapidhash_v1", "not shipped", 0 },
};

#define COUNT(array_) (sizeof(array_) / sizeof(array_)[0])

/* ------------------------------------------------------------------ reading */

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    size_t size = 0, room = 1 << 20;
    char *text = mem_alloc(room);

    assert_non_null(file);
    for (size_t got; (got = fread(text + size, 1, room - size - 1, file)) > 0;) {
        size += got;
        text = mem_grow(text, room = size + (1 << 20));
    }
    fclose(file);
    text[size] = 0;
    return text;
}

/* The vectors, their seeds as texts: some are above 2^63, and as reals they would be rounded. No other
 * number of this size is looked at here. */
static json_t *load_vectors(void)
{
    static const char label[] = "\"seed\": ";
    char *text = read_file(VECTORS), *quoted = mem_alloc(2 * strlen(text) + 1), *out = quoted;
    json_t *vectors;

    for (const char *in = text; *in;) {
        size_t digits;

        if (strncmp(in, label, strlen(label)) != 0) {
            *out++ = *in++;
            continue;
        }
        in += strlen(label);
        digits = strspn(in, "0123456789");
        assert_true(digits > 0);
        out += sprintf(out, "%s\"%.*s\"", label, (int)digits, in);
        in += digits;
    }
    *out = 0;
    vectors = json_loads(quoted, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    assert_true(json_is_array(vectors));
    free(quoted);
    free(text);
    return vectors;
}

static const char *text_of(const json_t *vector, const char *name)
{
    return json_string_value(json_object_get(vector, name));
}

/* The pattern of xxHash's own sanity check: the high byte of a product that goes on. */
static unsigned char *sanity_input(size_t len)
{
    unsigned char *bytes = mem_alloc(len + 1);
    uint64_t product = 2654435761u;

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (unsigned char)(product >> 56);
        product *= 11400714785074694797u;
    }
    return bytes;
}

static unsigned char *repeated_input(const json_t *gen, size_t *len)
{
    size_t times = (size_t)json_number_value(json_object_get(gen, "times")), unit_len;
    unsigned char *unit = kit_hex(text_of(gen, "unit_hex"), &unit_len), *bytes;

    *len = unit_len * times;
    bytes = mem_alloc(*len + 1);
    for (size_t i = 0; i < *len; i++)
        bytes[i] = unit[i % unit_len];
    free(unit);
    return bytes;
}

/* The input of a vector; the caller frees it. */
static unsigned char *input_of(const json_t *vector, size_t *len)
{
    const json_t *text = json_object_get(vector, "input"), *gen = json_object_get(vector, "input_gen");

    if (text) {
        unsigned char *bytes;

        *len = json_string_length(text);
        bytes = mem_alloc(*len + 1);
        memcpy(bytes, json_string_value(text), *len);
        return bytes;
    }
    if (!gen)
        return kit_hex(text_of(vector, "input_hex"), len);
    if (strcmp(text_of(gen, "type"), "repeat") == 0)
        return repeated_input(gen, len);
    assert_string_equal(text_of(gen, "type"), "xxh_sanity");
    *len = (size_t)json_number_value(json_object_get(gen, "len"));
    return sanity_input(*len);
}

/* ------------------------------------------------------------------ comparing */

static uint64_t number_of(const char *hex, size_t digits)
{
    char part[17];

    assert_true(digits <= 16 && strlen(hex) >= digits);
    memcpy(part, hex, digits);
    part[digits] = 0;
    return strtoull(part, NULL, 16);
}

/* The number that all of hex is, modulo at most 2^32; modulo 0 its last 64 bits. */
static uint64_t big_number_of(const char *hex, uint64_t modulo)
{
    uint64_t number = 0;

    for (; *hex; hex++) {
        number = number << 4 | number_of(hex, 1);
        if (modulo)
            number %= modulo;
    }
    return number;
}

static uint64_t expected_of(const json_t *vector, enum answer answer, uint64_t modulo)
{
    const char *hex = text_of(vector, "expected_hex");

    assert_non_null(hex);
    switch (answer) {
    case TWICE: assert_int_equal(strlen(hex), 8); return number_of(hex, 8) << 32 | number_of(hex, 8);
    case WHOLE: assert_int_equal(strlen(hex), 16); return number_of(hex, 16);
    case FIRST_64: assert_int_equal(strlen(hex), 32); return number_of(hex, 16);
    case LAST_64: assert_int_equal(strlen(hex), 32); return number_of(hex + 16, 16);
    case BIG_NUMBER: break;
    }
    return big_number_of(hex, modulo);
}

/* The options of the instance that a vector wants. */
static char *options_of(const struct algorithm *a, const json_t *vector, uint64_t modulo)
{
    uint64_t seed = strtoull(text_of(vector, "seed"), NULL, 10);
    char with_seed[40] = "", with_modulo[40] = "";

    if (a->seed && strcmp(a->seed, XXH_SEED) == 0)
        snprintf(with_seed, sizeof with_seed, XXH_SEED, seed);
    else if (a->seed)
        snprintf(with_seed, sizeof with_seed, INT_SEED, seed);
    else
        assert_int_equal(seed, 0);
    if (modulo)
        snprintf(with_modulo, sizeof with_modulo, "modulo=%" PRIu64, modulo);
    return mem_format("%s %s %s%s%s", a->options, with_seed, with_modulo,
                      text_of(vector, "key_hex") ? "key=" : "",
                      text_of(vector, "key_hex") ? text_of(vector, "key_hex") : "");
}

static bool matches(const struct algorithm *a, const json_t *vector, uint64_t modulo)
{
    char *options = options_of(a, vector, modulo);
    struct kit_hash h = kit_hash_open(a->plugin, options);
    uint64_t expected = expected_of(vector, a->answer, modulo), got;
    size_t len;
    unsigned char *bytes = input_of(vector, &len);

    got = kit_hash_key(&h, bytes, len);
    if (got != expected)
        print_error("%s: %s(%s) of %zu bytes gives %016" PRIx64 ", and %016" PRIx64 " is expected: %s\n",
                    a->name, a->plugin, options, len, got, expected, text_of(vector, "source"));
    kit_hash_close(&h);
    free(bytes);
    free(options);
    return got == expected;
}

static void check_vector(struct algorithm *a, const json_t *vector)
{
    size_t n_moduli = a->answer == BIG_NUMBER ? COUNT(moduli) : 1;
    bool fine = true;

    for (size_t m = 0; m < n_moduli; m++)
        fine &= matches(a, vector, moduli[m]);
    a->applicable++;
    a->passed += fine;
}

/* SMHasher: hashes of {}, {0}, {0, 1} … {0 … 254} with seeds 256, 255 … 1, one after another, hashed once
 * more with seed 0; its first 32 bits. Numbers are little-endian. */
static void check_verification(struct verification *v, const json_t *vector)
{
    unsigned char key[256], hashes[256 * 8];
    uint64_t hash = 0;

    for (unsigned i = 0; i <= 256; i++) {
        char *options = mem_format("%s seed=%u", v->options, 256 - i);
        struct kit_hash h = kit_hash_open(v->plugin, options);

        hash = i < 256 ? kit_hash_key(&h, key, i) : kit_hash_key(&h, hashes, 256 * v->bytes);
        for (unsigned byte = 0; i < 256 && byte < v->bytes; byte++)
            hashes[i * v->bytes + byte] = (unsigned char)(hash >> 8 * byte);
        if (i < 256)
            key[i] = (unsigned char)i;
        kit_hash_close(&h);
        free(options);
    }
    v->applicable++;
    v->passed += (uint32_t)hash == number_of(text_of(vector, "expected_hex"), 8);
}

static void count_other(const char *prefix, const char *name)
{
    char *whole = mem_format("%s%s", prefix, name);
    size_t i = 0;

    while (i < COUNT(others) && strcmp(others[i].name, whole))
        i++;
    if (i == COUNT(others))
        fail_msg("vectors of \"%s\" are neither tested nor listed with a reason", whole);
    others[i].count++;
    free(whole);
}

static void check_or_count(const json_t *vector)
{
    const char *name = text_of(vector, "algo");

    for (size_t i = 0; i < COUNT(algorithms); i++) {
        if (strcmp(algorithms[i].name, name) == 0) {
            check_vector(&algorithms[i], vector);
            return;
        }
    }
    if (strcmp(name, "smhasher_verification") != 0) {
        count_other("", name);
        return;
    }
    name = text_of(json_object_get(vector, "params"), "hash");
    for (size_t i = 0; i < COUNT(verifications); i++) {
        if (strcmp(verifications[i].name, name) == 0) {
            check_verification(&verifications[i], vector);
            return;
        }
    }
    count_other("smhasher ", name);
}

/* ------------------------------------------------------------------ the test */

static size_t print_row(const char *prefix, const char *name, const char *plugin, unsigned passed,
                        unsigned applicable)
{
    print_message("vectors: %s%-*s %4u/%-4u %s\n", prefix, (int)(28 - strlen(prefix)), name, passed,
                  applicable, plugin);
    return applicable;
}

static void test_vectors(void **state)
{
    json_t *vectors = load_vectors(), *vector;
    size_t i, seen = 0, failed = 0;

    (void)state;
    json_array_foreach(vectors, i, vector)
        check_or_count(vector);

    for (i = 0; i < COUNT(algorithms); i++) {
        const struct algorithm *a = &algorithms[i];

        seen += print_row("", a->name, a->plugin, a->passed, a->applicable);
        failed += a->applicable == 0 || a->passed != a->applicable;
    }
    for (i = 0; i < COUNT(verifications); i++) {
        const struct verification *v = &verifications[i];

        seen += print_row("smhasher ", v->name, v->plugin, v->passed, v->applicable);
        failed += v->applicable == 0 || v->passed != v->applicable;
    }
    print_message("%-28s %4zu of %zu vectors apply to a shipped hash; the others:\n", "", seen,
                  json_array_size(vectors));
    for (i = 0; i < COUNT(others); i++) {
        print_message("%-28s %4u      %s\n", others[i].name, others[i].count, others[i].reason);
        seen += others[i].count;
    }
    assert_int_equal(seen, json_array_size(vectors));
    assert_int_equal(failed, 0);
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
