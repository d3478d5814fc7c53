/*
 * test_hash_siphash.c - SipHash-2-4: the secret, places, and 100,000 keys that somebody made to collide.
 * Its public vectors are in test_vectors.c.
 */
#include "unit/plugins/hash_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SECRET       "key=000102030405060708090a0b0c0d0e0f"
#define OTHER_SECRET "key=000102030405060708090a0b0c0d0e8f"

static void test_bytes(void **state)
{
    struct kit_hash h = kit_hash_open("hash_siphash", SECRET);

    (void)state;
    kit_hash_check_bytes(&h);
    kit_hash_close(&h);
}

/* Every byte of the secret counts, for keys and for places. */
static void test_every_byte_of_the_secret(void **state)
{
    struct kit_hash first = kit_hash_open("hash_siphash", SECRET);

    (void)state;
    for (size_t byte = 0; byte < 16; byte++) {
        char other[] = SECRET;
        struct kit_hash h;

        other[strlen("key=") + 2 * byte] = 'c';
        h = kit_hash_open("hash_siphash", other);
        assert_true(kit_hash_text(&first, "132574") != kit_hash_text(&h, "132574"));
        assert_true(kit_hash_place(&first, 1, "Server 1", 0) != kit_hash_place(&h, 1, "Server 1", 0));
        kit_hash_close(&h);
    }
    kit_hash_close(&first);
}

static void test_places(void **state)
{
    (void)state;
    kit_hash_check_places("hash_siphash", SECRET);
}

/* Upper case is the same secret. */
static void test_case(void **state)
{
    struct kit_hash low = kit_hash_open("hash_siphash", SECRET),
                    high = kit_hash_open("hash_siphash", "key=000102030405060708090A0B0C0D0E0F");

    (void)state;
    assert_true(kit_hash_text(&low, "abc") == kit_hash_text(&high, "abc"));
    kit_hash_close(&low);
    kit_hash_close(&high);
}

/* There is no default, and no refusal repeats what was written. */
static void test_refusals(void **state)
{
    static const char *const refused[][2] = {
        { "", "it needs a secret of its own: set key to 32 hexadecimal digits, the same on every balancer "
              "(openssl rand -hex 16 makes some)" },
        { "key=000102030405060708090a0b0c0d0e0",
          "key is not 32 hexadecimal digits (0-9, a-f); it has 31 characters" },
        { "key=000102030405060708090a0b0c0d0e0f0",
          "key is not 32 hexadecimal digits (0-9, a-f); it has 33 characters" },
        { "key=000102030405060708090a0b0c0d0e0g",
          "key is not 32 hexadecimal digits (0-9, a-f); it has 32 characters" },
        { "key=0x102030405060708090a0b0c0d0e0f0",
          "key is not 32 hexadecimal digits (0-9, a-f); it has 32 characters" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char *reason = kit_hash_refusal("hash_siphash", refused[i][0]);

        assert_string_equal(reason, refused[i][1]);
        free(reason);
    }
}

/* ------------------------------------------------------------------ keys made to collide */

enum { KEYS = 100000, MEMBERS = 10, KEY_LEN = 16 };

static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* FNV's lowest 16 bits depend on nothing but the lowest 16 bits before, and its step can be undone:
 * backwards from `goal`, each ending of three letters tells the one state that it leads from. Nearly all
 * states get one. */
static void fill_endings(char (*endings)[3], uint16_t goal)
{
    uint32_t prime = 0x01b3, inverse = prime;

    for (int bits = 3; bits < 16; bits *= 2) /* each turn doubles the low bits that are right */
        inverse *= 2 - prime * inverse;
    for (unsigned i = 0; i < 62 * 62 * 62; i++) {
        const char ending[3] = { alphabet[i % 62], alphabet[i / 62 % 62], alphabet[i / 3844] };
        uint32_t state = goal;

        for (int k = 2; k >= 0; k--)
            state = (state * inverse & 0xffff) ^ (unsigned char)ending[k];
        memcpy(endings[state], ending, 3);
    }
}

/* 100,000 texts whose FNV-1a, 64 bits, ends in the same 16. */
static char (*fnv_keys(void))[KEY_LEN]
{
    char(*keys)[KEY_LEN] = mem_zero(KEYS, KEY_LEN), (*endings)[3] = mem_zero(65536, 3);
    struct kit_hash fnv = kit_hash_open("hash_fnv1a", "");
    uint64_t number = 0;

    fill_endings(endings, 0x1234);
    for (int made = 0; made < KEYS; number++) {
        int len = snprintf(keys[made], KEY_LEN, "user%llu", (unsigned long long)number);
        const char *ending = endings[kit_hash_text(&fnv, keys[made]) & 0xffff];

        if (!ending[0])
            continue;
        memcpy(keys[made] + len, ending, 3);
        assert_int_equal(kit_hash_text(&fnv, keys[made]) & 0xffff, 0x1234);
        made++;
    }
    kit_hash_close(&fnv);
    free(endings);
    return keys;
}

/* The four bytes that take a CRC from state `from` to state `to`: its steps backwards, each of which must
 * have added a known byte's row of the table. */
static void crc_forge(uint32_t from, uint32_t to, unsigned char out[4])
{
    uint32_t row[256], state = to;

    for (uint32_t byte = 0; byte < 256; byte++) {
        row[byte] = byte;
        for (int bit = 0; bit < 8; bit++)
            row[byte] = row[byte] & 1 ? row[byte] >> 1 ^ 0x82f63b78u : row[byte] >> 1;
    }
    for (int k = 0; k < 4; k++) {
        uint32_t byte = 0;

        while (row[byte] >> 24 != state >> 24)
            byte++;
        state = (state ^ row[byte]) << 8 | byte;
    }
    /* state ^ from: what the four bytes must have been, little-endian. */
    for (int k = 0; k < 4; k++)
        out[k] = (unsigned char)((state ^ from) >> 8 * k);
}

/* 100,000 byte strings with the very same CRC-32C. */
static char (*crc_keys(void))[KEY_LEN]
{
    char(*keys)[KEY_LEN] = mem_zero(KEYS, KEY_LEN);
    struct kit_hash crc = kit_hash_open("hash_crc32c", "");

    for (int i = 0; i < KEYS; i++) {
        unsigned char end[4];

        snprintf(keys[i], KEY_LEN, "user%07d", i);
        crc_forge(~(uint32_t)kit_hash_key(&crc, keys[i], 11), ~0x12345678u, end);
        memcpy(keys[i] + 11, end, 4);
        assert_int_equal((uint32_t)kit_hash_key(&crc, keys[i], 15), 0x12345678);
    }
    kit_hash_close(&crc);
    return keys;
}

/* The largest number of these keys that one of ten members gets, over the mean. */
static double crowding(struct kit_part ring, struct kit_part hash, char (*keys)[KEY_LEN], size_t len)
{
    struct strategy *s = kit_strategy(ring, hash, (struct kit_part){ "probe_linear", "" });
    struct lb_member *members = kit_members(MEMBERS);
    struct table *t = kit_build(s, members, MEMBERS);
    struct kit_seat seat = kit_sit(t, 1);
    unsigned of[MEMBERS] = { 0 }, most = 0;

    for (int i = 0; i < KEYS; i++) {
        struct lb_key key = { .bytes = keys[i], .len = len ? len : strlen(keys[i]) };

        strategy_key_finish(&key);
        of[kit_ask(&seat, &key)]++;
    }
    for (int m = 0; m < MEMBERS; m++)
        most = of[m] > most ? of[m] : most;
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, MEMBERS);
    strategy_release(s);
    return (double)most / (KEYS / MEMBERS);
}

static void check_attack(const char *victim, struct kit_part ring, char (*keys)[KEY_LEN], size_t len)
{
    double aimed = crowding(ring, (struct kit_part){ victim, "" }, keys, len);
    double keyed = crowding(ring, (struct kit_part){ "hash_siphash", SECRET }, keys, len);
    double other = crowding(ring, (struct kit_part){ "hash_siphash", OTHER_SECRET }, keys, len);

    print_message("%d keys aimed at %s: max/mean %.2f there, %.3f and %.3f with hash_siphash\n", KEYS, victim,
                  aimed, keyed, other);
    assert_true(aimed == MEMBERS); /* one gets all */
    assert_true(keyed <= 1.1);
    assert_true(other <= 1.1);
    assert_true(keyed != other);
}

static void test_attack_on_fnv(void **state)
{
    char(*keys)[KEY_LEN] = fnv_keys();

    (void)state;
    check_attack("hash_fnv1a", (struct kit_part){ "scheduler_ring", "slots=65536 virtual_nodes=1000" }, keys,
                 0);
    free(keys);
}

static void test_attack_on_crc(void **state)
{
    char(*keys)[KEY_LEN] = crc_keys();

    (void)state;
    check_attack("hash_crc32c", (struct kit_part){ "scheduler_ring", "slots=4294967296 virtual_nodes=1000" },
                 keys, 15);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_every_byte_of_the_secret),
        cmocka_unit_test(test_places),        cmocka_unit_test(test_case),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_attack_on_fnv),
        cmocka_unit_test(test_attack_on_crc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
