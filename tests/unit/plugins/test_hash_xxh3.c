/*
 * test_hash_xxh3.c - XXH3 as the library computes it, its seeds and widths. Its public vectors are in
 * test_vectors.c.
 */
#include "unit/plugins/hash_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* All lengths at which XXH3 goes another way, and what seed and bits stand for. */
static void test_same_as_the_library(void **state)
{
    const uint64_t seeds[] = { 0, 1, 0x9e3779b185ebca8d, UINT64_MAX };
    unsigned char bytes[1500];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)lb_mix64(i);
    for (size_t s = 0; s < sizeof seeds / sizeof seeds[0]; s++) {
        char options[40];
        struct kit_hash narrow, wide;

        snprintf(options, sizeof options, "bits=64 seed=%llx", (unsigned long long)seeds[s]);
        narrow = kit_hash_open("hash_xxh3", options);
        snprintf(options, sizeof options, "bits=128 seed=%llX", (unsigned long long)seeds[s]);
        wide = kit_hash_open("hash_xxh3", options);
        for (size_t len = 0; len <= sizeof bytes; len += len < 300 ? 1 : 37) {
            assert_true(kit_hash_key(&narrow, bytes, len) == XXH3_64bits_withSeed(bytes, len, seeds[s]));
            assert_true(kit_hash_key(&wide, bytes, len) == XXH3_128bits_withSeed(bytes, len, seeds[s]).low64);
        }
        kit_hash_close(&narrow);
        kit_hash_close(&wide);
    }
}

static void test_bytes(void **state)
{
    struct kit_hash narrow = kit_hash_open("hash_xxh3", ""),
                    wide = kit_hash_open("hash_xxh3", "bits=128 seed=7");

    (void)state;
    kit_hash_check_bytes(&narrow);
    kit_hash_check_bytes(&wide);
    kit_hash_close(&narrow);
    kit_hash_close(&wide);
}

/* Places do not change with bits, and do with the seed. */
static void test_places(void **state)
{
    struct kit_hash narrow = kit_hash_open("hash_xxh3", "seed=5"),
                    wide = kit_hash_open("hash_xxh3", "bits=128 seed=5"),
                    other = kit_hash_open("hash_xxh3", "seed=6");

    (void)state;
    kit_hash_check_places("hash_xxh3", "");
    for (uint32_t j = 0; j < 100; j++) {
        uint64_t place = kit_hash_place(&narrow, 1, "Server 1", j);

        assert_true(place == kit_hash_place(&wide, 1, "Server 1", j));
        assert_true(place != kit_hash_place(&other, 1, "Server 1", j));
    }
    kit_hash_close(&narrow);
    kit_hash_close(&wide);
    kit_hash_close(&other);
}

static void test_seed_texts(void **state)
{
    const char *const same[] = { "seed=1f", "seed=1F", "seed=000000000000001f" };
    struct kit_hash first = kit_hash_open("hash_xxh3", same[0]);

    (void)state;
    for (size_t i = 1; i < sizeof same / sizeof same[0]; i++) {
        struct kit_hash h = kit_hash_open("hash_xxh3", same[i]);

        assert_true(kit_hash_text(&h, "132574") == kit_hash_text(&first, "132574"));
        kit_hash_close(&h);
    }
    kit_hash_close(&first);
}

static void test_refusals(void **state)
{
    static const char *const refused[][2] = {
        { "bits=96", "bits is neither 64 nor 128, and XXH3 comes in these two widths" },
        { "seed=0x1f", "seed \"0x1f\" is not a hexadecimal number: write up to 16 of 0-9 and a-f" },
        { "seed=", "seed \"\" is not a hexadecimal number: write up to 16 of 0-9 and a-f" },
        { "seed=12345678123456789",
          "seed \"12345678123456789\" is not a hexadecimal number: write up to 16 of 0-9 "
          "and a-f" },
        { "seed=-1", "seed \"-1\" is not a hexadecimal number: write up to 16 of 0-9 and a-f" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char *reason = kit_hash_refusal("hash_xxh3", refused[i][0]);

        assert_string_equal(reason, refused[i][1]);
        free(reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_library),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_seed_texts),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
