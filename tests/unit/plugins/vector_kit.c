/*
 * vector_kit.c - the vectors of other implementations, and the digests they were made with: see vector_kit.h.
 *
 * Owns     the vectors.
 * Used by  unit/plugins/test_scheduler_vectors.c, test_scheduler_circle_vectors.c.
 * Thread   the test's.
 */
#include "unit/plugins/vector_kit.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ digests of libcrypto
 * The library that scheduler_ketama is linked to, found where the loader put it. */

typedef unsigned char *digest_fn(const unsigned char *bytes, size_t len, unsigned char *out);

static digest_fn *md5, *sha256;

static int open_crypto(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    if (info->dlpi_name && strstr(info->dlpi_name, "/libcrypto.so"))
        *(void **)out = dlopen(info->dlpi_name, RTLD_LAZY);
    return 0;
}

static void find_crypto(void)
{
    struct strategy *holds_it = kit_scheduler("scheduler_ketama", "");
    void *library = NULL;

    dl_iterate_phdr(open_crypto, &library);
    assert_non_null(library);
    *(void **)&md5 = dlsym(library, "MD5");
    *(void **)&sha256 = dlsym(library, "SHA256");
    assert_true(md5 && sha256);
    strategy_release(holds_it);
}

void kit_md5(const void *bytes, size_t len, unsigned char *out)
{
    md5(bytes, len, out);
}

void kit_sha256(const void *bytes, size_t len, unsigned char *out)
{
    sha256(bytes, len, out);
}

void kit_to_hex(const unsigned char *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* ------------------------------------------------------------------ reading the file */

static json_t *vectors;

int kit_vectors_open(void **state)
{
    json_error_t error;

    (void)state;
    vectors = json_load_file(RM_SOURCE_DIR "/tests/data/hash_vectors.json",
                             JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error); /* some seeds need 64 bits */
    if (!vectors)
        print_error("%s:%d: %s\n", error.source, error.line, error.text);
    find_crypto();
    return vectors ? 0 : -1;
}

int kit_vectors_close(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

/* Hands every vector of this kind to check, and prints how many passed; why is the reason for those that are
 * not ours. */
void kit_each_vector(const char *algo, const char *plugin, kit_vector_fn *check, unsigned ours,
                     const char *why)
{
    unsigned count = 0, passed = 0;
    json_t *vector;
    size_t i;

    json_array_foreach(vectors, i, vector) {
        if (strcmp(json_string_value(json_object_get(vector, "algo")), algo) != 0)
            continue;
        passed += check(json_object_get(vector, "params"), vector);
        count++;
    }
    print_message("vectors: %-28s %4u/%-4u %s%s%s\n", algo, passed, count, plugin,
                  why ? "; the others: " : "", why ? why : "");
    assert_int_equal(passed, ours);
    assert_true(why ? count > passed : count == passed);
}

uint32_t kit_number(const json_t *value)
{
    assert_true(json_is_number(value));
    return (uint32_t)json_number_value(value);
}

const char *kit_text(const json_t *value)
{
    assert_true(json_is_string(value));
    return json_string_value(value);
}

struct lb_key kit_text_key(const char *bytes)
{
    struct lb_key key = { .bytes = bytes, .len = strlen(bytes) };

    strategy_key_finish(&key);
    return key;
}

/* Members from [[name, weight], …], which are in the order of names. */
struct lb_member *kit_servers(const json_t *servers, uint32_t *n)
{
    const char *names[16];
    uint32_t weights[16];

    *n = (uint32_t)json_array_size(servers);
    assert_in_range(*n, 1, 16);
    for (uint32_t i = 0; i < *n; i++) {
        names[i] = kit_text(json_array_get(json_array_get(servers, i), 0));
        weights[i] = kit_number(json_array_get(json_array_get(servers, i), 1));
    }
    return kit_named_members(names, weights, *n);
}

uint64_t kit_key_id(const void *self, const struct lb_key *key)
{
    (void)self;
    return key->id;
}
