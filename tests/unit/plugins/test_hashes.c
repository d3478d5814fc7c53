/*
 * test_hashes.c - all shipped hashes side by side: the same values in every instance and thread, how well
 * they spread keys and places, and what a call costs. Costs are printed, never asserted.
 */
#include "unit/plugins/hash_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "world/plugin.h"

#define SECRET "key=000102030405060708090a0b0c0d0e0f"

struct hash {
    const char *name, *options;
    bool mixes_keys;   /* its keys are as good as random */
    bool mixes_places; /* and so are its places */
};

static const struct hash hashes[] = {
    { "hash_xxh3", "", true, true },
    { "hash_xxh3", "bits=128", true, true },
    { "hash_siphash", SECRET, true, true },
    { "hash_murmur", "", true, true },
    { "hash_murmur", "bits=32", true, true },
    { "hash_digest", "algorithm=md5", true, true },
    { "hash_digest", "algorithm=sha1", true, true },
    { "hash_digest", "algorithm=sha256", true, true },
    { "hash_crc32c", "avalanche=true", true, true },
    { "hash_crc32c", "", false, true },
    { "hash_fnv1a", "", false, true },
    { "hash_fnv1a", "bits=32", false, true },
    { "hash_quadratic", "", false, false },
};
#define N_HASHES (sizeof hashes / sizeof hashes[0])

/* The name of a row in a table. */
static const char *title(const struct hash *hash, char *room, size_t size)
{
    snprintf(room, size, "%s%s%s", hash->name, hash->options[0] ? " " : "",
             strcmp(hash->options, SECRET) == 0 ? "key=..." : hash->options);
    return room;
}

/* ------------------------------------------------------------------ the same everywhere */

enum { THREADS = 4, KEYS_A_THREAD = 2000 };

struct caller {
    pthread_t thread;
    const struct kit_hash *h;
    uint64_t digest;
};

/* One number for many keys and places. */
static uint64_t digest_of(const struct kit_hash *h)
{
    uint64_t digest = 0;

    for (uint64_t i = 0; i < KEYS_A_THREAD; i++) {
        char name[32];

        snprintf(name, sizeof name, "Server %llu", (unsigned long long)i);
        digest = lb_mix64(digest ^ kit_hash_number(h, lb_mix64(i) >> (i & 63)));
        digest = lb_mix64(digest ^ kit_hash_text(h, name));
        digest = lb_mix64(digest ^ kit_hash_place(h, i, name, (uint32_t)i));
        digest = lb_mix64(digest ^ lb_hash_mix(&(struct lb_hash){ h->ops, h->self }, digest, i));
    }
    return digest;
}

static void *call(void *arg)
{
    struct caller *self = arg;

    self->digest = digest_of(self->h);
    return NULL;
}

/* Twice through one instance, through another one, after loading the plugin anew, and on four threads at
 * once. */
static void test_determinism(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_HASHES; i++) {
        struct kit_hash h = kit_hash_open(hashes[i].name, hashes[i].options), other;
        uint64_t digest = digest_of(&h);
        struct caller callers[THREADS];

        assert_true(digest_of(&h) == digest);
        other = kit_hash_open(hashes[i].name, hashes[i].options);
        assert_true(digest_of(&other) == digest);
        kit_hash_close(&other);
        for (int t = 0; t < THREADS; t++) {
            callers[t] = (struct caller){ .h = &h };
            assert_int_equal(pthread_create(&callers[t].thread, NULL, call, &callers[t]), 0);
        }
        for (int t = 0; t < THREADS; t++) {
            pthread_join(callers[t].thread, NULL);
            assert_true(callers[t].digest == digest);
        }
        kit_hash_close(&h);
        assert_int_equal(plugin_count_loaded(), 0);
        assert_int_equal(plugin_count_stuck(), 0);
        h = kit_hash_open(hashes[i].name, hashes[i].options);
        assert_true(digest_of(&h) == digest);
        kit_hash_close(&h);
    }
}

/* ------------------------------------------------------------------ spread */

enum { BINS = 512, KEYS = BINS * 200 };

/* Pearson's chi-squared, over its 511 degrees of freedom: 1 when the keys fall as if by chance. */
static double unevenness(const unsigned *bins, double mean)
{
    double sum = 0;

    for (int b = 0; b < BINS; b++)
        sum += (bins[b] - mean) * (bins[b] - mean) / mean;
    return sum / (BINS - 1);
}

static unsigned most_of(const unsigned *bins)
{
    unsigned most = 0;

    for (int b = 0; b < BINS; b++)
        most = bins[b] > most ? bins[b] : most;
    return most;
}

/* Keys "100000" to "202399": their slots on a ring of 512, and in which 512th of a ring of 2^32 they fall. */
static void test_spread_of_keys(void **state)
{
    (void)state;
    print_message("%d numbers as keys            512 slots         2^32 slots, in 512 parts\n"
                  "%-36s chi2/df  max/mean  chi2/df  max/mean\n",
                  KEYS, "");
    for (size_t i = 0; i < N_HASHES; i++) {
        struct kit_hash h = kit_hash_open(hashes[i].name, hashes[i].options);
        unsigned small[BINS] = { 0 }, large[BINS] = { 0 };
        double mean = (double)KEYS / BINS, on_small, on_large;
        char room[80];

        for (uint64_t k = 0; k < KEYS; k++) {
            uint64_t hash = kit_hash_number(&h, 100000 + k);

            small[hash % BINS]++;
            large[(uint32_t)hash / (uint32_t)((1ull << 32) / BINS)]++;
        }
        on_small = unevenness(small, mean);
        on_large = unevenness(large, mean);
        print_message("%-36s %7.2f  %8.2f  %7.2f  %8.2f\n", title(&hashes[i], room, sizeof room), on_small,
                      most_of(small) / mean, on_large, most_of(large) / mean);
        /* By chance chi2/df lies in 1 +- 0.0625 with 68 %; five times that is never seen. */
        if (hashes[i].mixes_keys)
            assert_true(on_small > 0.68 && on_small < 1.32 && on_large > 0.68 && on_large < 1.32);
        kit_hash_close(&h);
    }
}

/* The largest share of the slots that one of n members has, in fair shares. */
static double largest_share(const struct hash *hash, const char *ring, uint32_t n)
{
    struct strategy *s =
        kit_strategy((struct kit_part){ "scheduler_ring", ring },
                     (struct kit_part){ hash->name, hash->options }, (struct kit_part){ "probe_linear", "" });
    struct lb_member *members = kit_members(n);
    struct table *t = kit_build(s, members, n);
    double most = 0;

    for (uint32_t m = 0; m < n; m++)
        most = t->shares[m] * n > most ? t->shares[m] * n : most;
    table_release(t);
    kit_members_free(members, n);
    strategy_release(s);
    return most;
}

/* Rings of the members "Server 1" to "Server n", as the plugins place them. */
static void test_spread_of_places(void **state)
{
    (void)state;
    print_message("largest share / fair share            512 slots, 9 each   2^32 slots, 1,000 each\n"
                  "%-36s  N = 3    N = 6      N = 3    N = 6   N = 10\n",
                  "");
    for (size_t i = 0; i < N_HASHES; i++) {
        static const char small[] = "slots=512 virtual_nodes=9",
                          large[] = "slots=4294967296 virtual_nodes=1000";
        double of_3 = largest_share(&hashes[i], large, 3), of_6 = largest_share(&hashes[i], large, 6),
               of_10 = largest_share(&hashes[i], large, 10);
        char room[80];

        print_message("%-36s %6.2f   %6.2f     %6.3f   %6.3f   %6.3f\n", title(&hashes[i], room, sizeof room),
                      largest_share(&hashes[i], small, 3), largest_share(&hashes[i], small, 6), of_3, of_6,
                      of_10);
        /* With 1,000 nodes a member's share deviates by 3 to 4 %; the values are fixed, so this is no
         * gamble. */
        if (hashes[i].mixes_places)
            assert_true(of_3 < 1.12 && of_6 < 1.12 && of_10 < 1.12);
    }
}

/* ------------------------------------------------------------------ cost */

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Nanoseconds a call of H for keys of one length: the best of five rounds. Each key depends on the hash
 * before it, so that calls cannot overlap: what is measured is how long a request waits. */
static double cost_of_key(const struct kit_hash *h, size_t len)
{
    enum { CALLS = 4000, ROUNDS = 5 };
    char bytes[256];
    struct lb_key key = { .bytes = bytes, .len = len, .id = 132574, .flags = LB_KEY_INTEGER };
    uint64_t hash = 0;
    double best = 1e9;

    memset(bytes, '7', sizeof bytes);
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds(), took;

        for (int i = 0; i < CALLS; i++) {
            bytes[0] = (char)('0' + (hash & 7));
            key.id ^= hash & 1;
            hash = h->ops->key(h->self, &key);
        }
        took = (seconds() - start) * 1e9 / CALLS;
        best = took < best ? took : best;
    }
    return best;
}

static double cost_of_place(const struct kit_hash *h)
{
    enum { CALLS = 4000, ROUNDS = 5 };
    struct lb_member member = { .id = 3, .key = "Server 3", .key_len = 8, .weight = 1 };
    uint64_t sum = 0;
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds(), took;

        for (uint32_t j = 0; j < CALLS; j++)
            sum += h->ops->place(h->self, &member, j ^ (uint32_t)(sum & 1));
        took = (seconds() - start) * 1e9 / CALLS;
        best = took < best ? took : best;
    }
    return best;
}

static void test_cost(void **state)
{
    (void)state;
    print_message("%-36s ns a key of 6   16   36  200 bytes; a place\n", "");
    for (size_t i = 0; i < N_HASHES; i++) {
        struct kit_hash h = kit_hash_open(hashes[i].name, hashes[i].options);
        char room[80];

        print_message("%-36s %13.1f %5.1f %5.1f %5.1f %13.1f\n", title(&hashes[i], room, sizeof room),
                      cost_of_key(&h, 6), cost_of_key(&h, 16), cost_of_key(&h, 36), cost_of_key(&h, 200),
                      cost_of_place(&h));
        kit_hash_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_determinism),
        cmocka_unit_test(test_spread_of_keys),
        cmocka_unit_test(test_spread_of_places),
        cmocka_unit_test(test_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
