/*
 * test_hash_fnv1a.c - FNV-1a, its widths and seed, and the weakness its comment warns of. Its public
 * vectors are in test_vectors.c.
 */
#include "unit/plugins/hash_kit.h"

#include <stdlib.h>
#include <string.h>

static void test_bytes(void **state)
{
    struct kit_hash narrow = kit_hash_open("hash_fnv1a", "bits=32"),
                    wide = kit_hash_open("hash_fnv1a", "seed=9");

    (void)state;
    kit_hash_check_bytes(&narrow);
    kit_hash_check_bytes(&wide);
    kit_hash_close(&narrow);
    kit_hash_close(&wide);
}

/* One step written out: what a seed does, and that the high bit of a byte is no sign. */
static void test_one_byte(void **state)
{
    struct kit_hash narrow = kit_hash_open("hash_fnv1a", "bits=32 seed=4294967295"),
                    wide = kit_hash_open("hash_fnv1a", "bits=64 seed=4294967295");
    uint32_t hash32 = (0x811c9dc5u ^ 0xffffffffu ^ 0xe9) * 16777619u;
    uint64_t hash64 = (0xcbf29ce484222325ull ^ 0xffffffffu ^ 0xe9) * 1099511628211ull;

    (void)state;
    assert_true(kit_hash_text(&narrow, "\xe9") == ((uint64_t)hash32 << 32 | hash32));
    assert_true(kit_hash_text(&wide, "\xe9") == hash64);
    kit_hash_close(&narrow);
    kit_hash_close(&wide);
}

static void test_places(void **state)
{
    struct kit_hash narrow = kit_hash_open("hash_fnv1a", "bits=32"), wide = kit_hash_open("hash_fnv1a", ""),
                    other = kit_hash_open("hash_fnv1a", "seed=1");

    (void)state;
    kit_hash_check_places("hash_fnv1a", "");
    for (uint32_t j = 0; j < 100; j++) {
        uint64_t place = kit_hash_place(&wide, 1, "Server 1", j);

        assert_true(place == kit_hash_place(&narrow, 1, "Server 1", j));
        assert_true(place != kit_hash_place(&other, 1, "Server 1", j));
    }
    kit_hash_close(&narrow);
    kit_hash_close(&wide);
    kit_hash_close(&other);
}

/* Keys that differ in the last digit only: their hashes are within 16 multiples of the prime of each other,
 * so on a ring of 2^64 they would be neighbours. */
static void test_the_last_byte_hardly_mixes(void **state)
{
    struct kit_hash h = kit_hash_open("hash_fnv1a", "");
    uint64_t first = kit_hash_text(&h, "1000");

    (void)state;
    for (char digit = '1'; digit <= '9'; digit++) {
        const char key[] = { '1', '0', '0', digit, 0 };
        uint64_t apart = kit_hash_text(&h, key) - first;

        if (apart > UINT64_MAX / 2)
            apart = 0 - apart;
        assert_true(apart <= 15 * 0x100000001b3ull);
    }
    kit_hash_close(&h);
}

static void test_refusals(void **state)
{
    char *reason = kit_hash_refusal("hash_fnv1a", "bits=48");

    (void)state;
    assert_string_equal(reason, "bits is neither 32 nor 64, and these two widths are computed here");
    free(reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),    cmocka_unit_test(test_one_byte),
        cmocka_unit_test(test_places),   cmocka_unit_test(test_the_last_byte_hardly_mixes),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
