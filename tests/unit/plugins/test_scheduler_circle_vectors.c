/*
 * test_scheduler_circle_vectors.c - the circles of other implementations, found again by our schedulers:
 * ketama as libketama, libmemcached and spymemcached have it, and the rings of Envoy and nginx.
 *
 * As in test_scheduler_vectors.c, the test answers in the place of a hash that is not one of ours.
 */
#include "unit/plugins/vector_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"

/* ------------------------------------------------------------------ hashes of other programs */

static uint64_t murmur2_64a(const char *bytes, size_t len, uint64_t seed)
{
    const uint64_t m = 0xc6a4a7935bd1e995;
    uint64_t h = seed ^ (len * m), rest = 0;
    size_t at;

    for (at = 0; at + 8 <= len; at += 8) {
        uint64_t k;

        memcpy(&k, bytes + at, 8);
        k *= m;
        k ^= k >> 47;
        h = (h ^ k * m) * m;
    }
    memcpy(&rest, bytes + at, len - at);
    if (at < len)
        h = (h ^ rest) * m;
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

static uint32_t crc32(uint32_t crc, const void *bytes, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= ((const unsigned char *)bytes)[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static uint32_t first_word(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* ------------------------------------------------------------------ ketama */

/* A ketama circle made the slow way. */
struct dot {
    uint32_t at, member;
};

struct dots {
    struct dot dot[64 * 160];
    uint32_t n;
};

static int compare_dots(const void *a, const void *b)
{
    const struct dot *one = a, *other = b;

    return one->at != other->at ? (one->at > other->at) - (one->at < other->at)
                                : (one->member > other->member) - (one->member < other->member);
}

static void make_dots(struct dots *dots, const struct lb_member *members, uint32_t n)
{
    uint64_t sum = 0;

    dots->n = 0;
    for (uint32_t m = 0; m < n; m++)
        sum += members[m].weight;
    for (uint32_t m = 0; m < n; m++) {
        for (uint64_t k = 0; k < 40ull * n * members[m].weight / sum; k++) {
            char *label =
                mem_format("%.*s-%llu", (int)members[m].key_len, members[m].key, (unsigned long long)k);
            unsigned char digest[16];

            kit_md5(label, strlen(label), digest);
            for (unsigned w = 0; w < 4; w++)
                dots->dot[dots->n++] = (struct dot){ .at = first_word(digest + 4 * w), .member = m };
            free(label);
        }
    }
    qsort(dots->dot, dots->n, sizeof dots->dot[0], compare_dots);
}

static const struct dot *find_dot(const struct dots *dots, uint32_t at)
{
    uint32_t low = 0, high = dots->n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (dots->dot[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return &dots->dot[low == dots->n ? 0 : low];
}

static uint32_t md5_word(const char *bytes)
{
    unsigned char digest[16];

    kit_md5(bytes, strlen(bytes), digest);
    return first_word(digest);
}

static bool check_libmemcached(const json_t *params, const json_t *vector)
{
    bool spy = json_is_true(json_object_get(params, "spy"));
    struct strategy *s = kit_scheduler("scheduler_ketama", "");
    const json_t *rows = json_object_get(vector, "expected");
    struct dots *dots = mem_zero(1, sizeof *dots);
    struct lb_member *members;
    struct kit_seat seat;
    struct table *t;
    json_t *row;
    uint32_t n;
    size_t i;

    members = kit_servers(json_object_get(params, "servers"), &n);
    for (uint32_t m = 0; spy && m < n; m++) {
        char *label = mem_format("/%s:11211", members[m].key);

        free((char *)(uintptr_t)members[m].key);
        members[m].key = label;
        members[m].key_len = (uint32_t)strlen(label);
    }
    make_dots(dots, members, n);
    t = kit_build(s, members, n);
    seat = kit_sit(t, 1);
    json_array_foreach(rows, i, row) {
        struct lb_key key = kit_text_key(kit_text(json_array_get(row, 0)));
        const json_t *point = json_array_get(row, 2);
        const char *server = kit_text(json_array_get(row, 3)), *found = t->members[kit_ask(&seat, &key)].key;

        assert_int_equal(md5_word(key.bytes), kit_number(json_array_get(row, 1)));
        if (json_is_number(point))
            assert_int_equal(find_dot(dots, md5_word(key.bytes))->at, kit_number(point));
        assert_memory_equal(found + spy, server, strlen(server));
    }
    print_message("ketama_libmemcached: %zu look-ups\n", json_array_size(rows));
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, n);
    free(dots);
    strategy_release(s);
    return true;
}

static void test_ketama_libmemcached(void **state)
{
    (void)state;
    kit_each_vector("ketama_libmemcached", "scheduler_ketama", check_libmemcached, 2, NULL);
}

/* A million look-ups as libketama's own test prints them, and the md5 of all that. */
static bool check_libketama_md5sum(const json_t *params, const json_t *vector)
{
    enum { LOOKUPS = 1000000 };
    struct strategy *s = kit_scheduler("scheduler_ketama", "");
    struct dots *dots = mem_zero(1, sizeof *dots);
    char *output = mem_alloc(LOOKUPS * 48u), *end = output, hex[33];
    unsigned char digest[16];
    struct lb_member *members;
    struct kit_seat seat;
    struct table *t;
    uint32_t n;

    members = kit_servers(json_object_get(params, "servers"), &n);
    make_dots(dots, members, n);
    t = kit_build(s, members, n);
    seat = kit_sit(t, 1);
    *end++ = '\n';
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        char bytes[24];
        struct lb_key key = kit_key(i, bytes);
        uint32_t word = md5_word(bytes);

        end +=
            sprintf(end, "%u %u %s\n", word, find_dot(dots, word)->at, t->members[kit_ask(&seat, &key)].key);
    }
    kit_md5(output, (size_t)(end - output), digest);
    kit_to_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, kit_text(json_object_get(vector, "expected_hex")));
    free(output);
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, n);
    free(dots);
    strategy_release(s);
    return true;
}

static void test_ketama_libketama_md5sum(void **state)
{
    (void)state;
    kit_each_vector("ketama_libketama_md5sum", "scheduler_ketama", check_libketama_md5sum, 1, NULL);
}

static bool check_libketama_lookup(const json_t *params, const json_t *vector)
{
    struct strategy *s = kit_scheduler("scheduler_ketama", "");
    const json_t *expected = json_object_get(vector, "expected");
    struct lb_key key = kit_text_key(kit_text(json_object_get(vector, "input")));
    struct dots *dots = mem_zero(1, sizeof *dots);
    uint32_t n;
    struct lb_member *members = kit_servers(json_object_get(params, "servers"), &n);
    struct table *t = kit_build(s, members, n);
    struct kit_seat seat = kit_sit(t, 1);

    make_dots(dots, members, n);
    assert_int_equal(find_dot(dots, md5_word(key.bytes))->at, kit_number(json_array_get(expected, 0)));
    assert_string_equal(t->members[kit_ask(&seat, &key)].key, kit_text(json_array_get(expected, 1)));
    kit_leave(&seat);
    table_release(t);
    kit_members_free(members, n);
    free(dots);
    strategy_release(s);
    return true;
}

static void test_ketama_libketama_lookup(void **state)
{
    (void)state;
    kit_each_vector("ketama_libketama_lookup", "scheduler_ketama", check_libketama_lookup, 1, NULL);
}

static struct table *fine_circle;

/* The word of the key, seen through whose place it is on a circle of 160,000 points. */
static bool check_ketama_key(const json_t *params, const json_t *vector)
{
    struct kit_seat seat = kit_sit(fine_circle, 1);
    struct lb_key key = kit_text_key(kit_text(json_object_get(vector, "input")));
    uint64_t place = strtoull(kit_text(json_object_get(vector, "expected_hex")), NULL, 16);

    (void)params;
    assert_int_equal(md5_word(key.bytes), place);
    assert_int_equal(kit_ask(&seat, &key), kit_inspect(fine_circle, NULL, place).slot_owner);
    kit_leave(&seat);
    return true;
}

static void test_ketama_keys(void **state)
{
    struct strategy *s = kit_scheduler("scheduler_ketama", "");
    struct lb_member *members = kit_members(1000);

    (void)state;
    fine_circle = kit_build(s, members, 1000);
    kit_each_vector("ketama_md5_u32le", "scheduler_ketama", check_ketama_key, 28, NULL);
    table_release(fine_circle);
    kit_members_free(members, 1000);
    strategy_release(s);
}
/* ------------------------------------------------------------------ rings */

/* Envoy's ring has 2^64 places. Ours has 2^32: the upper halves, which fall in the same order. */
static uint64_t place_envoy_xxh64(const void *self, const struct lb_member *member, uint32_t copy)
{
    char label[64];
    int len = snprintf(label, sizeof label, "%.*s_%u", (int)member->key_len, member->key, copy);

    (void)self;
    return XXH64(label, (size_t)len, 0) >> 32;
}

static uint64_t place_envoy_murmur2(const void *self, const struct lb_member *member, uint32_t copy)
{
    char label[64];
    int len = snprintf(label, sizeof label, "%.*s_%u", (int)member->key_len, member->key, copy);

    (void)self;
    return murmur2_64a(label, (size_t)len, 0xc70f6907) >> 32;
}

static bool check_ring_envoy(const json_t *params, const json_t *vector)
{
    static const struct lb_hash_ops xxh64 = { .struct_size = sizeof xxh64,
                                              .key = kit_key_id,
                                              .place = place_envoy_xxh64 };
    static const struct lb_hash_ops murmur2 = { .struct_size = sizeof murmur2,
                                                .key = kit_key_id,
                                                .place = place_envoy_murmur2 };
    const json_t *names = json_object_get(params, "names"), *points = json_object_get(vector, "expected");
    bool is_xxh64 = strcmp(kit_text(json_object_get(params, "hash")), "xxh64") == 0;
    uint32_t n = (uint32_t)json_array_size(names), size = (uint32_t)json_array_size(points);
    struct strategy *s = kit_scheduler("scheduler_ring", size == 12 ? "virtual_nodes=2" : "");
    struct lb_hash own = kit_set_hash(s, (struct lb_hash){ .ops = is_xxh64 ? &xxh64 : &murmur2 });
    const char *ring_names[8];
    struct lb_member *members;
    struct table *t;

    for (uint32_t i = 0; i < n; i++)
        ring_names[i] = kit_text(json_array_get(names, i));
    members = kit_named_members(ring_names, NULL, n);
    t = kit_build(s, members, n);
    assert_int_equal(kit_inspect(t, NULL, 0).used, size);
    for (uint32_t i = 0; i < size; i++) {
        const json_t *point = json_array_get(points, i), *next = json_array_get(points, (i + 1) % size);
        uint64_t slot = strtoull(kit_text(json_array_get(point, 0)), NULL, 10) >> 32;

        assert_int_equal(kit_inspect(t, NULL, slot).slot_owner, kit_number(json_array_get(point, 1)));
        assert_int_equal(kit_inspect(t, NULL, slot + 1).slot_owner, kit_number(json_array_get(next, 1)));
    }
    table_release(t);
    kit_members_free(members, n);
    kit_set_hash(s, own);
    strategy_release(s);
    return true;
}

static void test_ring_envoy(void **state)
{
    (void)state;
    kit_each_vector("ring_envoy", "scheduler_ring", check_ring_envoy, 3, NULL);
}

/* nginx: point j of a server is the CRC of its name and of point j - 1. */
static uint64_t place_nginx(const void *self, const struct lb_member *member, uint32_t copy)
{
    uint32_t point = 0, base = crc32(0, member->key, member->key_len);

    (void)self;
    for (uint32_t j = 0; j <= copy; j++) {
        unsigned char before[4] = { (unsigned char)point, (unsigned char)(point >> 8),
                                    (unsigned char)(point >> 16), (unsigned char)(point >> 24) };
        point = crc32(base, before, sizeof before);
    }
    return point;
}

static uint64_t key_crc32(const void *self, const struct lb_key *key)
{
    (void)self;
    return crc32(0, key->bytes, key->len);
}

static const struct lb_hash_ops nginx = { .struct_size = sizeof nginx,
                                          .key = key_crc32,
                                          .place = place_nginx };

static struct table *nginx_ring(const json_t *servers)
{
    struct strategy *s = kit_scheduler("scheduler_ring", "virtual_nodes=160");
    struct lb_hash own = kit_set_hash(s, (struct lb_hash){ .ops = &nginx });
    uint32_t n;
    struct lb_member *members = kit_servers(servers, &n);
    struct table *t = kit_build(s, members, n);

    kit_set_hash(s, own);
    strategy_release(s);
    kit_members_free(members, n);
    return t;
}

static bool check_nginx_counts(const json_t *params, const json_t *vector)
{
    struct table *t = nginx_ring(json_object_get(params, "servers"));
    struct kit_seat seat = kit_sit(t, 1);
    const json_t *expected = json_object_get(vector, "expected");
    uint32_t hits[16] = { 0 };

    for (uint64_t i = 1; i <= kit_number(json_object_get(params, "keys")); i++) {
        char bytes[24];
        struct lb_key key = kit_key(i, bytes);

        hits[kit_ask_hash(&seat, key_crc32(NULL, &key))]++;
    }
    assert_int_equal(kit_inspect(t, NULL, 0).used, kit_number(json_object_get(expected, "points")));
    for (uint32_t m = 0; m < t->n_members; m++)
        assert_int_equal(hits[m], kit_number(json_array_get(json_object_get(expected, "counts"), m)));
    kit_leave(&seat);
    table_release(t);
    return true;
}

static void test_ring_nginx_counts(void **state)
{
    (void)state;
    kit_each_vector("ring_nginx_counts", "scheduler_ring", check_nginx_counts, 1, NULL);
}

static bool check_nginx_move(const json_t *params, const json_t *vector)
{
    struct table *before = nginx_ring(json_object_get(params, "before"));
    struct table *after = nginx_ring(json_object_get(params, "after"));
    struct kit_seat had = kit_sit(before, 1), has = kit_sit(after, 1);
    uint32_t moved = 0;

    for (uint64_t i = 1; i <= kit_number(json_object_get(params, "keys")); i++) {
        char bytes[24];
        struct lb_key key = kit_key(i, bytes);
        uint64_t hash = key_crc32(NULL, &key);

        moved += kit_ask_hash(&had, hash) != kit_ask_hash(&has, hash);
    }
    assert_int_equal(moved, kit_number(json_object_get(json_object_get(vector, "expected"), "moved")));
    kit_leave(&had);
    kit_leave(&has);
    table_release(before);
    table_release(after);
    return true;
}

static void test_ring_nginx_move(void **state)
{
    (void)state;
    kit_each_vector("ring_nginx_move", "scheduler_ring", check_nginx_move, 2, NULL);
}

/* The point that a key finds, by number, and the one so many points further. */
static bool check_nginx_lookup(const json_t *params, const json_t *vector)
{
    const json_t *expected = json_object_get(vector, "expected"), *find = json_object_get(expected, "find");
    const json_t *after = json_object_get(expected, "after");
    struct table *t = nginx_ring(json_object_get(params, "servers"));
    struct lb_key key = kit_text_key(kit_text(json_object_get(vector, "input")));
    uint64_t hash = key_crc32(NULL, &key);
    struct dots *dots = mem_zero(1, sizeof *dots);
    uint32_t at;

    for (uint32_t m = 0; m < t->n_members; m++) {
        for (uint32_t j = 0; j < 160 * t->members[m].weight; j++)
            dots->dot[dots->n++] =
                (struct dot){ .at = (uint32_t)place_nginx(NULL, &t->members[m], j), .member = m };
    }
    qsort(dots->dot, dots->n, sizeof dots->dot[0], compare_dots);
    at = (uint32_t)(find_dot(dots, (uint32_t)hash) - dots->dot);
    assert_int_equal(at, kit_number(json_array_get(find, 1)));
    assert_string_equal(t->members[kit_inspect(t, NULL, hash).slot_owner].key,
                        kit_text(json_array_get(find, 0)));
    at += kit_number(json_object_get(expected, "next_steps"));
    assert_int_equal(at, kit_number(json_array_get(after, 1)));
    assert_string_equal(t->members[kit_inspect(t, NULL, dots->dot[at].at).slot_owner].key,
                        kit_text(json_array_get(after, 0)));
    free(dots);
    table_release(t);
    return true;
}

static void test_ring_nginx_lookup(void **state)
{
    (void)state;
    kit_each_vector("ring_nginx_lookup", "scheduler_ring", check_nginx_lookup, 1, NULL);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ketama_libmemcached),
        cmocka_unit_test(test_ketama_libketama_md5sum),
        cmocka_unit_test(test_ketama_libketama_lookup),
        cmocka_unit_test(test_ketama_keys),
        cmocka_unit_test(test_ring_envoy),
        cmocka_unit_test(test_ring_nginx_counts),
        cmocka_unit_test(test_ring_nginx_move),
        cmocka_unit_test(test_ring_nginx_lookup),
    };

    return cmocka_run_group_tests(tests, kit_vectors_open, kit_vectors_close);
}
