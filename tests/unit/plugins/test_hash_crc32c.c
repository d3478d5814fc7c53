/*
 * test_hash_crc32c.c - CRC-32C by tables and by instruction, places, and the linearity its comment warns
 * of. Its public vectors are in test_vectors.c.
 */
#include "unit/plugins/hash_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugins/hash_crc32c/crc32c.h"

/* Bit by bit, as the definition has it. */
static uint32_t slow_crc(uint32_t state, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        state ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            state = state & 1 ? state >> 1 ^ 0x82f63b78u : state >> 1;
    }
    return state;
}

/* All lengths from 0 to 200 at all positions in a word, from different states. */
static void test_both_ways_agree(void **state)
{
    static struct crc32c_tables tables;
    unsigned char bytes[256];
    int instruction = crc32c_has_instruction();

    (void)state;
    crc32c_fill(&tables);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)lb_mix64(i);
    for (size_t len = 0; len <= 200; len++) {
        for (size_t shift = 0; shift < 8; shift++) {
            uint32_t start = (uint32_t)lb_mix64(len * 8 + shift), slow = slow_crc(start, bytes + shift, len);

            assert_int_equal(crc32c_by_tables(&tables, start, bytes + shift, len), slow);
            if (instruction)
                assert_int_equal(crc32c_by_instruction(start, bytes + shift, len), slow);
        }
    }
    print_message("this processor %s\n", instruction ? "has the instruction: both ways compared"
                                                     : "lacks the instruction: only the tables are compared");
}

static void test_key(void **state)
{
    struct kit_hash h = kit_hash_open("hash_crc32c", "");
    unsigned char bytes[100];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        uint32_t crc = ~slow_crc(~0u, bytes, len);

        assert_true(kit_hash_key(&h, bytes, len) == ((uint64_t)crc << 32 | crc));
    }
    kit_hash_check_bytes(&h);
    kit_hash_close(&h);
}

static int compare_values(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

/* A place begins with 64 bits of the name. With 32, 300,000 names would have about ten pairs with the same
 * sequence; here none. */
static void test_places(void **state)
{
    enum { NAMES = 300000 };
    struct kit_hash h = kit_hash_open("hash_crc32c", "");
    uint64_t *places = mem_alloc(NAMES * sizeof *places);
    unsigned same_crc = 0;

    (void)state;
    kit_hash_check_places("hash_crc32c", "");
    for (uint32_t i = 0; i < NAMES; i++) {
        char name[64];

        snprintf(name, sizeof name, "10.%u.%u.%u:%llu", i % 7, i / 7 % 250, i / 1750,
                 (unsigned long long)(lb_mix64(i) % 100000));
        places[i] = kit_hash_place(&h, 1, name, 3);
    }
    qsort(places, NAMES, sizeof *places, compare_values);
    for (int i = 1; i < NAMES; i++)
        assert_true(places[i - 1] != places[i]);
    for (uint32_t i = 0; i < NAMES; i++) {
        char name[64];
        int len = snprintf(name, sizeof name, "10.%u.%u.%u:%llu", i % 7, i / 7 % 250, i / 1750,
                           (unsigned long long)(lb_mix64(i) % 100000));

        places[i] = kit_hash_key(&h, name, (size_t)len);
    }
    qsort(places, NAMES, sizeof *places, compare_values);
    for (int i = 1; i < NAMES; i++)
        same_crc += places[i - 1] == places[i];
    assert_true(same_crc > 0); /* else the first half of the test proves nothing */
    free(places);
    kit_hash_close(&h);
}

/* Linear: the hashes of a, b, c and of a ^ b ^ c, of one length, cancel out. Mixed, they do not. */
static void test_linear(void **state)
{
    struct kit_hash plain = kit_hash_open("hash_crc32c", ""),
                    mixed = kit_hash_open("hash_crc32c", "avalanche=true");
    const char a[] = "user-1001", b[] = "user-2417", c[] = "path/home";
    char d[sizeof a];

    (void)state;
    for (size_t i = 0; i < sizeof a; i++)
        d[i] = (char)(a[i] ^ b[i] ^ c[i]);
    assert_true((kit_hash_key(&plain, a, 9) ^ kit_hash_key(&plain, b, 9) ^ kit_hash_key(&plain, c, 9)) ==
                kit_hash_key(&plain, d, 9));
    assert_true((kit_hash_key(&mixed, a, 9) ^ kit_hash_key(&mixed, b, 9) ^ kit_hash_key(&mixed, c, 9)) !=
                kit_hash_key(&mixed, d, 9));
    kit_hash_close(&plain);
    kit_hash_close(&mixed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_agree),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_linear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
