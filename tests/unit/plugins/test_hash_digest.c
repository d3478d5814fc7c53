/*
 * test_hash_digest.c - digests of texts, the md5 rings of the presets, and how it behaves on many threads.
 * Public vectors of MD5 and SHA-1 are in test_vectors.c.
 */
#include "unit/plugins/hash_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/opensslv.h>

#include "base/mem.h"
#include "world/plugin.h"

/* ------------------------------------------------------------------ counting allocations */

#ifndef RM_SANITIZED /* a sanitizer has its own malloc */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

static atomic_ulong allocations;

void *malloc(size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_realloc(old, bytes);
}

/* In steady state a hash allocates nothing; with OpenSSL 3.0 it is once, in the library. */
static void test_allocations(void **state)
{
    enum { TIMES = 1000 };
    const unsigned long most = OPENSSL_VERSION_NUMBER >= 0x30100000L ? 0 : TIMES;
    struct kit_hash h = kit_hash_open("hash_digest", "place_text={name}/{id}/{j}");
    unsigned long before, after_keys, after_places;

    (void)state;
    kit_hash_text(&h, "once, so that everything is warm");
    before = atomic_load(&allocations);
    for (int i = 0; i < TIMES; i++)
        kit_hash_text(&h, "132574");
    after_keys = atomic_load(&allocations);
    for (uint32_t j = 0; j < TIMES; j++)
        kit_hash_place(&h, 3, "Server 3", j);
    after_places = atomic_load(&allocations);
    print_message("%s: %lu allocations for %d keys, %lu for %d places\n", OPENSSL_VERSION_TEXT,
                  after_keys - before, TIMES, after_places - after_keys, TIMES);
    assert_true(after_keys - before <= most);
    assert_true(after_places - after_keys <= most);
    kit_hash_close(&h);
}
#endif

/* ------------------------------------------------------------------ values */

/* Worked out with another implementation of the digests (Python's hashlib) and its big integers. */
static const struct {
    const char *options;
    const char *key; /* NULL: a place */
    uint64_t id;
    const char *name;
    uint32_t copy;
    uint64_t value;
} golden[] = {
    { "", "132574", 0, NULL, 0, 0x4b218df5dff3e07c },
    { "algorithm=sha1", "132574", 0, NULL, 0, 0x7bac719437de4bca },
    { "algorithm=sha256", "132574", 0, NULL, 0, 0x653c5b9b8c558ac9 },
    { "algorithm=SHA256", "abc", 0, NULL, 0, 0xb410ff61f20015ad }, /* FIPS 180-4's example */
    { "modulo=1000", "132574", 0, NULL, 0, 436 },
    { "algorithm=sha1 modulo=1000", "132574", 0, NULL, 0, 194 },
    { "algorithm=sha256 modulo=1000", "132574", 0, NULL, 0, 265 },
    { "modulo=4294967296", "132574", 0, NULL, 0, 3757301884 },
    { "algorithm=sha1 modulo=4294967296", "132574", 0, NULL, 0, 937315274 },
    { "", NULL, 3, "Server 3", 17, 0x3cbe648b1c2bbe8e },
    { "algorithm=sha1", NULL, 3, "Server 3", 17, 0xbc288c9129c76488 },
    { "algorithm=sha256", NULL, 3, "Server 3", 17, 0xa074df192901fc88 },
    { "modulo=1000", NULL, 3, "Server 3", 17, 526 },
    { "algorithm=sha1 modulo=1000", NULL, 3, "Server 3", 17, 560 },
    { "algorithm=sha256 modulo=1000", NULL, 3, "Server 3", 17, 32 },
    { "place_text={name}/{j}", NULL, 0, "Server 3", 17, 0x5322686d8521241a },
    { "algorithm=sha1 place_text={name}/{j}", NULL, 0, "Server 3", 17, 0xe9c2498c435d4607 },
    { "place_text=node:{id}#{j}.", NULL, UINT64_MAX, "S5", UINT32_MAX, 0x393cd6bbce0942ab },
    { "algorithm=sha1 place_text=node:{id}#{j}.", NULL, UINT64_MAX, "S5", UINT32_MAX, 0xf16d2ed6d7614ad5 },
    { "algorithm=sha256 place_text=node:{id}#{j}.", NULL, UINT64_MAX, "S5", UINT32_MAX, 0x3504b15ebcc7f784 },
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        struct kit_hash h = kit_hash_open("hash_digest", golden[i].options);
        uint64_t value = golden[i].key ? kit_hash_text(&h, golden[i].key)
                                       : kit_hash_place(&h, golden[i].id, golden[i].name, golden[i].copy);

        if (value != golden[i].value)
            print_error("row %zu, %s\n", i, golden[i].options);
        assert_true(value == golden[i].value);
        kit_hash_close(&h);
    }
}

/* {key} is the bytes as they came, {id} the number they are. */
static void test_key_texts(void **state)
{
    struct kit_hash bytes = kit_hash_open("hash_digest", ""),
                    number = kit_hash_open("hash_digest", "key_text={id}"),
                    framed = kit_hash_open("hash_digest", "key_text=<{key}>");
    char id[24];

    (void)state;
    assert_true(kit_hash_text(&number, "7") == kit_hash_text(&bytes, "7"));
    assert_true(kit_hash_text(&number, "007") == kit_hash_text(&bytes, "7"));
    assert_true(kit_hash_text(&bytes, "007") != kit_hash_text(&bytes, "7"));
    assert_true(kit_hash_text(&number, "0") == kit_hash_text(&bytes, "0"));
    snprintf(id, sizeof id, "%llu", (unsigned long long)strategy_id_of_name("abc", 3));
    assert_true(kit_hash_text(&number, "abc") == kit_hash_text(&bytes, id));
    assert_true(kit_hash_text(&framed, "abc") == kit_hash_text(&bytes, "<abc>"));
    kit_hash_check_bytes(&bytes);
    kit_hash_close(&bytes);
    kit_hash_close(&number);
    kit_hash_close(&framed);
}

static void test_refusals(void **state)
{
    static const char *const refused[][2] = {
        { "algorithm=md4", "algorithm \"md4\" is none of md5, sha1 and sha256" },
        { "key_text={j}", "key_text has \"{j}\", where only {key} and {id} can stand in braces" },
        { "key_text=a{id", "key_text has \"{id\", where only {key} and {id} can stand in braces" },
        { "key_text=everybody", "key_text has neither {key} nor {id}: all would get the same hash" },
        { "place_text={key}-{j}",
          "place_text has \"{key}-{j}\", where only {name}, {id} and {j} can stand in braces" },
        { "place_text={id}{", "place_text has \"{\", where only {name}, {id} and {j} can stand in braces" },
        { "place_text={j}", "place_text has neither {name} nor {id}: all would get the same hash" },
        { "modulo=1", "modulo is 1, and every number is 0 modulo 1: write the slots of the ring, or 0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char *reason = kit_hash_refusal("hash_digest", refused[i][0]);

        assert_string_equal(reason, refused[i][1]);
        free(reason);
    }
}

/* As many pieces as a text can have. */
static void test_longest_text(void **state)
{
    char options[160] = "key_text=";
    struct kit_hash h;

    (void)state;
    for (int i = 0; i < 25; i++)
        strcat(options, "{key}"); /* 125 bytes of at most 128 */
    h = kit_hash_open("hash_digest", options);
    kit_hash_text(&h, "x");
    kit_hash_close(&h);
    memset(options + strlen("key_text="), '}', 128);
    memcpy(options + strlen("key_text="), "{id}", 4);
    options[strlen("key_text=") + 128] = 0;
    h = kit_hash_open("hash_digest", options);
    kit_hash_text(&h, "x");
    kit_hash_close(&h);
}

/* ------------------------------------------------------------------ the presets */

/* The strategy that a preset names. Whether its replicas could run does not matter here. */
static struct strategy *strategy_of(const char *preset)
{
    char *path = mem_format("%s/conf/presets/%s", RM_SOURCE_DIR, preset);
    struct problems problems = { 0 };
    struct config *config = config_load_partial(path, &problems);
    struct strategy *s;

    assert_non_null(config);
    problems_free(&problems);
    problems = (struct problems){ 0 };
    free(config->plugin_dir); /* which may depend on the place of the file */
    config->plugin_dir = mem_text(RM_PLUGIN_DIR);
    s = strategy_make(config, &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_error("%s: %s\n", preset, problems.items[i].message);
    assert_non_null(s);
    config_release(config);
    problems_free(&problems);
    free(path);
    return s;
}

/* How many of the requests 1 to 10,000 each of n members gets; of[id - 1]. Their shares of the slots, too. */
static void count_requests(struct strategy *s, uint32_t n, unsigned *of, double *shares)
{
    struct lb_member *members = kit_members(n);
    struct table *t = kit_build(s, members, n);
    struct kit_seat seat = kit_sit(t, 1);

    memset(of, 0, n * sizeof *of);
    for (uint64_t i = 1; i <= 10000; i++) {
        char text[24];
        struct lb_key key = kit_key(i, text);

        of[t->members[kit_ask(&seat, &key)].id - 1]++;
    }
    for (uint32_t id = 1; id <= n; id++)
        shares[id - 1] = t->shares[kit_index(t, id)];
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, n);
}

/* What the founding program counted, and what a model of the other preset in Python did. */
static void check_counts(const char *preset, const unsigned expected[5][6])
{
    struct strategy *s = strategy_of(preset);

    for (uint32_t n = 2; n <= 6; n++) {
        unsigned of[6];
        double shares[6];

        count_requests(s, n, of, shares);
        print_message("%s, N = %u:", preset, n);
        for (uint32_t m = 0; m < n; m++)
            print_message(" %u", of[m]);
        print_message("\n");
        assert_memory_equal(of, expected[n - 2], n * sizeof *of);
    }
    strategy_release(s);
}

static void test_md5_1024(void **state)
{
    static const unsigned expected[5][6] = { { 5412, 4588 },
                                             { 3650, 3412, 2938 },
                                             { 2605, 2588, 2171, 2636 },
                                             { 2148, 2104, 1773, 1976, 1999 },
                                             { 1616, 1793, 1538, 1627, 1760, 1666 } };

    (void)state;
    check_counts("md5-1024.conf", expected);
}

static void test_md5_512(void **state)
{
    static const unsigned expected[5][6] = { { 4086, 5914 },
                                             { 2030, 2791, 5179 },
                                             { 1382, 2777, 3022, 2819 },
                                             { 1367, 2777, 978, 1875, 3003 },
                                             { 1341, 2777, 960, 1272, 2635, 1015 } };
    struct strategy *s = strategy_of("md5-512.conf");
    unsigned of[3];
    double shares[3];

    (void)state;
    check_counts("md5-512.conf", expected);
    count_requests(s, 3, of, shares);
    assert_true(shares[0] == 106.0 / 512 && shares[1] == 142.0 / 512 && shares[2] == 264.0 / 512);
    strategy_release(s);
}

/* ------------------------------------------------------------------ threads */

enum { THREADS = 12, TIMES = 3000 };

struct hasher {
    pthread_t thread;
    const struct kit_hash *h;
    pthread_barrier_t *stages;
    uint64_t sum;
};

static void hash_many(struct hasher *self)
{
    for (uint64_t i = 0; i < TIMES; i++) {
        self->sum += lb_mix64(kit_hash_number(self->h, i));
        self->sum += lb_mix64(kit_hash_place(self->h, i, "x", (uint32_t)i));
    }
}

static void *run(void *arg)
{
    struct hasher *self = arg;

    hash_many(self);
    pthread_barrier_wait(self->stages); /* all have hashed */
    pthread_barrier_wait(self->stages); /* the plugin is gone */
    return NULL;
}

/* One instance, more threads than processors: all get the same values. Then the plugin leaves while they
 * still stand, and they end without it: whatever they may have left behind on the way needs no code of the
 * plugin. */
static void test_threads(void **state)
{
    struct kit_hash h = kit_hash_open("hash_digest", "");
    struct hasher alone = { .h = &h }, hashers[THREADS];
    pthread_barrier_t stages;

    (void)state;
    assert_int_equal(pthread_barrier_init(&stages, NULL, THREADS + 1), 0);
    hash_many(&alone);
    for (int i = 0; i < THREADS; i++) {
        hashers[i] = (struct hasher){ .h = &h, .stages = &stages };
        assert_int_equal(pthread_create(&hashers[i].thread, NULL, run, &hashers[i]), 0);
    }
    pthread_barrier_wait(&stages);
    kit_hash_close(&h);
    assert_int_equal(plugin_count_loaded(), 0);
    assert_int_equal(plugin_count_stuck(), 0);
    pthread_barrier_wait(&stages);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(hashers[i].thread, NULL);
        assert_true(hashers[i].sum == alone.sum);
    }
    pthread_barrier_destroy(&stages);
}

/* The library stays mapped once it was there (it asks for that), the plugin does not. */
static void test_leaves(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct kit_hash h = kit_hash_open("hash_digest", "algorithm=sha256");

        kit_hash_text(&h, "abc");
        kit_hash_close(&h);
    }
    assert_int_equal(plugin_count_loaded(), 0);
    assert_int_equal(plugin_count_stuck(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_key_texts),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_longest_text),
        cmocka_unit_test(test_md5_1024),    cmocka_unit_test(test_md5_512),
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_leaves),
#ifndef RM_SANITIZED
        cmocka_unit_test(test_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
