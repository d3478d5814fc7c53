/*
 * test_scheduler_vectors.c - the tables and look-ups of other implementations, found again by our schedulers:
 * jump, Maglev and multi-probe. test_scheduler_circle_vectors.c has the circles.
 *
 * The vectors are in tests/data/hash_vectors.json, each with its source. Most were made with a hash that is
 * not one of ours; a scheduler asks its hash for everything, so here the test answers in its place. The rest
 * of the file's vectors are the hash plugins' (test_vectors.c). Printed is how many of each kind passed.
 */
#include "unit/plugins/vector_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"
#include "plugins/hash_murmur/murmur3.h"

/* ------------------------------------------------------------------ the hash of other programs */

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 with the key (k0, 0). */
static uint64_t siphash(uint64_t k0, const char *bytes, size_t len)
{
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575, 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                      0x7465646279746573 };

    for (size_t at = 0; at <= len; at += 8) {
        uint64_t word = 0;

        memcpy(&word, bytes + at, len - at < 8 ? len - at : 8);
        if (len - at < 8)
            word |= (uint64_t)len << 56;
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xFF;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ------------------------------------------------------------------ jump */

static uint64_t no_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    (void)self;
    return lb_mix64(member->id ^ (uint64_t)copy << 32);
}

static bool check_jump(const json_t *params, const json_t *vector)
{
    static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = kit_key_id, .place = no_place };
    struct strategy *s = kit_scheduler("scheduler_jump", "");
    struct lb_hash own = kit_set_hash(s, (struct lb_hash){ .ops = &ops });
    const json_t *rows = json_object_get(vector, "expected");
    json_t *row;
    size_t i;

    (void)params;
    json_array_foreach(rows, i, row) {
        uint32_t n = kit_number(json_array_get(row, 1));
        struct lb_member *members = kit_members(n);
        struct table *t = kit_build(s, members, n);
        struct kit_seat seat = kit_sit(t, 1);
        uint64_t key = strtoull(kit_text(json_array_get(row, 0)), NULL, 10);

        assert_int_equal(kit_ask_hash(&seat, key), kit_number(json_array_get(row, 2)));
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, n);
    }
    print_message("jump: %zu look-ups\n", json_array_size(rows));
    kit_set_hash(s, own);
    strategy_release(s);
    return true;
}

static void test_jump(void **state)
{
    (void)state;
    kit_each_vector("jump", "scheduler_jump", check_jump, 1, NULL);
}
/* ------------------------------------------------------------------ maglev */

/* A table of so many slots; offset and skip come from place. */
static struct table *maglev(uint32_t slots, const struct lb_hash_ops *ops, const void *self,
                            const struct lb_member *members, uint32_t n)
{
    char *options = mem_format("slots=%u", slots);
    struct strategy *s = kit_scheduler("scheduler_maglev", options);
    struct lb_hash own = kit_set_hash(s, (struct lb_hash){ .ops = ops, .self = self });
    struct table *t = kit_build(s, members, n);

    kit_set_hash(s, own); /* the table keeps a copy */
    strategy_release(s);
    free(options);
    return t;
}

/* The owners of all slots are the members of these ids. */
static void check_owners(const struct table *t, const json_t *expected)
{
    size_t n = json_array_size(expected);

    assert_int_equal(kit_inspect(t, NULL, 0).slots, n);
    for (size_t slot = 0; slot < n; slot++)
        assert_int_equal(t->members[kit_inspect(t, NULL, slot).slot_owner].id,
                         kit_number(json_array_get(expected, slot)));
}

/* How many slots the member has. */
static uint32_t slots_of(const struct table *t, uint32_t member)
{
    return (uint32_t)(t->shares[member] * (double)kit_inspect(t, NULL, 0).slots + 0.5);
}

static uint64_t place_xxh64(const void *self, const struct lb_member *member, uint32_t copy)
{
    (void)self;
    return XXH64(member->key, member->key_len, copy);
}

static bool check_maglev_envoy(const json_t *params, const json_t *vector)
{
    static const struct lb_hash_ops ops = { .struct_size = sizeof ops,
                                            .key = kit_key_id,
                                            .place = place_xxh64 };
    const json_t *names = json_object_get(params, "names"), *weights = json_object_get(params, "weights");
    uint32_t n = (uint32_t)json_array_size(names);
    const char *ring_names[8];
    struct lb_member *members;
    struct table *t;
    bool ours;

    for (uint32_t i = 0; i < n; i++)
        ring_names[i] = kit_text(json_array_get(names, i));
    members = kit_named_members(ring_names, NULL, n);
    for (uint32_t i = 0; i < n; i++) {
        members[i].id = i;
        members[i].weight = weights ? kit_number(json_array_get(weights, i)) : 1;
    }
    t = maglev(kit_number(json_object_get(params, "table_size")), &ops, NULL, members, n);
    ours = n != 2 || members[0].weight != 8; /* 13.6 and 3.4 slots: 13 and 4 there, 14 and 3 here */
    if (ours)
        check_owners(t, json_object_get(vector, "expected"));
    else
        assert_true(slots_of(t, 0) == 14 && slots_of(t, 1) == 3);
    table_release(t);
    kit_members_free(members, n);
    return ours;
}

static void test_maglev_envoy(void **state)
{
    (void)state;
    kit_each_vector("maglev_envoy", "scheduler_maglev", check_maglev_envoy, 4,
                    "light members are rounded up there, whatever the remainders");
}

static uint64_t place_siphash_halves(const void *self, const struct lb_member *member, uint32_t copy)
{
    uint64_t hash = siphash(0xdeadbeefcafebabe, member->key, member->key_len);

    (void)self;
    return copy ? hash & 0xFFFFFFFF : hash >> 32;
}

static bool check_maglev_dgryski(const json_t *params, const json_t *vector)
{
    static const struct lb_hash_ops ops = { .struct_size = sizeof ops,
                                            .key = kit_key_id,
                                            .place = place_siphash_halves };
    const json_t *names = json_object_get(params, "names"), *dead = json_object_get(params, "dead");
    uint32_t gone = dead ? kit_number(json_array_get(dead, 0)) : LB_NONE, n = 0;
    struct lb_member *members;
    const char *alive[8];
    uint64_t ids[8];
    struct table *t;

    for (uint32_t i = 0; i < json_array_size(names); i++) {
        if (i == gone)
            continue;
        ids[n] = i;
        alive[n++] = kit_text(json_array_get(names, i));
    }
    members = kit_named_members(alive, NULL, n);
    for (uint32_t i = 0; i < n; i++)
        members[i].id = ids[i];
    t = maglev(kit_number(json_object_get(params, "table_size")), &ops, NULL, members, n);
    check_owners(t, json_object_get(vector, "expected"));
    table_release(t);
    kit_members_free(members, n);
    return true;
}

static void test_maglev_dgryski(void **state)
{
    (void)state;
    kit_each_vector("maglev_dgryski", "scheduler_maglev", check_maglev_dgryski, 2, NULL);
}

/* Katran's first version gives weights a meaning in the first round only: two slots against one, of 65,537.
 * Its second is Envoy's and ours, by weight. */
static bool check_maglev_katran(const json_t *params, const json_t *vector)
{
    static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = kit_key_id, .place = no_place };
    const json_t *endpoints = json_object_get(params, "endpoints"),
                 *expected = json_object_get(vector, "expected");
    const json_t *counts = json_object_get(expected, "counts");
    uint32_t n = endpoints ? (uint32_t)json_array_size(endpoints) : kit_number(json_object_get(params, "n"));
    struct lb_member *members = kit_members(n);
    bool ours = !endpoints || json_is_true(json_object_get(params, "v2"));
    uint32_t least = UINT32_MAX, most = 0;
    struct table *t;

    for (uint32_t i = 0; endpoints && i < n; i++)
        members[i].weight = kit_number(json_array_get(json_array_get(endpoints, i), 1));
    t = maglev(kit_number(json_object_get(params, "table_size")), &ops, NULL, members, n);
    for (uint32_t i = 0; i < n; i++) {
        least = slots_of(t, i) < least ? slots_of(t, i) : least;
        most = slots_of(t, i) > most ? slots_of(t, i) : most;
    }
    if (!ours) {
        assert_true(most - least > 1);
    } else if (counts) {
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(slots_of(t, i), kit_number(json_array_get(counts, i)));
    } else {
        assert_int_equal(most - least, kit_number(json_object_get(expected, "max_minus_min")));
    }
    table_release(t);
    kit_members_free(members, n);
    return ours;
}

static void test_maglev_katran(void **state)
{
    (void)state;
    kit_each_vector("maglev_katran", "scheduler_maglev", check_maglev_katran, 4,
                    "of its first version, where weights count in the first round only");
}

struct murmur_seed {
    uint32_t seed;
};

static uint64_t place_murmur(const void *self, const struct lb_member *member, uint32_t copy)
{
    struct murmur128 hash =
        murmur3_128(member->key, member->key_len, ((const struct murmur_seed *)self)->seed);

    return copy ? hash.high : hash.low;
}

/* Cilium gives its turns to weighted members in an order of its own, so its table is another than ours; but
 * as many slots are each member's, to one. With one weight for all its order is the paper's. */
static bool check_maglev_cilium(const json_t *params, const json_t *vector)
{
    static const struct lb_hash_ops ops = { .struct_size = sizeof ops,
                                            .key = kit_key_id,
                                            .place = place_murmur };
    struct murmur_seed seed = { kit_number(json_object_get(params, "seed_murmur")) };
    const json_t *expected = json_object_get(vector, "expected");
    uint32_t n, theirs[16] = { 0 }, same = 0;
    struct lb_member *members = kit_servers(json_object_get(params, "backends"), &n);
    struct table *t = maglev(kit_number(json_object_get(params, "table_size")), &ops, &seed, members, n);

    for (size_t slot = 0; slot < json_array_size(expected); slot++) {
        uint32_t owner = kit_number(json_array_get(expected, slot));

        theirs[owner]++;
        same += kit_inspect(t, NULL, slot).slot_owner == owner;
    }
    for (uint32_t i = 0; i < n; i++)
        assert_in_range(slots_of(t, i) + 1, theirs[i], theirs[i] + 2);
    print_message("maglev_cilium: %u of %zu slots the same, as many for each member to one\n", same,
                  json_array_size(expected));
    assert_true(same > json_array_size(expected) * 9 / 10);
    table_release(t);
    kit_members_free(members, n);
    return false;
}

static void test_maglev_cilium(void **state)
{
    (void)state;
    kit_each_vector("maglev_cilium", "scheduler_maglev", check_maglev_cilium, 0,
                    "weighted members take turns in another order; slots of each compared");
}
/* ------------------------------------------------------------------ multi-probe */

/* h1 and h2 are hashes of the key's bytes; a scheduler re-hashes h1, so the test remembers whose it is. */
static const struct lb_key *asked;

static uint64_t key_siphash(const void *self, const struct lb_key *key)
{
    (void)self;
    return siphash(1, key->bytes, key->len);
}

static uint64_t place_siphash(const void *self, const struct lb_member *member, uint32_t copy)
{
    (void)self;
    (void)copy;
    return siphash(0, member->key, member->key_len);
}

static uint64_t mix_siphash(const void *self, uint64_t x, uint64_t salt)
{
    (void)self;
    return asked ? siphash(2, asked->bytes, asked->len) : lb_mix64(x ^ salt);
}

/* Each of the names is looked up in the circle of all of them; the answers, one a line. */
static char *look_up_shards(struct table *t, const json_t *first)
{
    struct kit_seat seat = kit_sit(t, 1);
    char *output = mem_alloc(t->n_members * 16u + 1), *end = output;

    for (uint32_t i = 1; i <= t->n_members; i++) {
        char bytes[24];
        const char *found;
        struct lb_key key;

        snprintf(bytes, sizeof bytes, "shard-%u", i);
        key = kit_text_key(bytes);
        asked = &key;
        found = t->members[kit_ask_hash(&seat, key_siphash(NULL, &key))].key;
        asked = NULL;
        if (i <= json_array_size(first))
            assert_string_equal(found, kit_text(json_array_get(first, i - 1)));
        end += sprintf(end, "%s\n", found);
    }
    kit_leave(&seat);
    return output;
}

static bool check_mpch(const json_t *params, const json_t *vector)
{
    static const struct lb_hash_ops ops = {
        .struct_size = sizeof ops, .key = key_siphash, .place = place_siphash, .mix = mix_siphash
    };
    const json_t *expected = json_object_get(vector, "expected");
    char *options = mem_format("probes=%u", kit_number(json_object_get(params, "k"))), *output, hex[65];
    struct strategy *s = kit_scheduler("scheduler_multiprobe", options);
    struct lb_hash own = kit_set_hash(s, (struct lb_hash){ .ops = &ops });
    uint32_t n = kit_number(json_object_get(params, "n"));
    struct lb_member *members = kit_members(n);
    unsigned char digest[32];
    struct table *t;

    for (uint32_t i = 0; i < n; i++) { /* "Server 17" is "shard-17" here: the same order */
        char *name = (char *)(uintptr_t)members[i].key;

        memmove(name + 6, name + 7, strlen(name + 7) + 1);
        memcpy(name, "shard-", 6);
        members[i].key_len--;
    }
    t = kit_build(s, members, n);
    output = look_up_shards(t, json_object_get(expected, "first"));
    kit_sha256(output, strlen(output), digest);
    kit_to_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, kit_text(json_object_get(expected, "sha256_of_lines")));
    print_message("mpch_dgryski: %u look-ups\n", n);
    free(output);
    table_release(t);
    kit_members_free(members, n);
    kit_set_hash(s, own);
    strategy_release(s);
    free(options);
    return true;
}

static void test_mpch_dgryski(void **state)
{
    (void)state;
    kit_each_vector("mpch_dgryski", "scheduler_multiprobe", check_mpch, 1, NULL);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jump),           cmocka_unit_test(test_maglev_envoy),
        cmocka_unit_test(test_maglev_dgryski), cmocka_unit_test(test_maglev_katran),
        cmocka_unit_test(test_maglev_cilium),  cmocka_unit_test(test_mpch_dgryski),
    };

    return cmocka_run_group_tests(tests, kit_vectors_open, kit_vectors_close);
}
