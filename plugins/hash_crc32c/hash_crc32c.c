/*
 * hash_crc32c.c - CRC-32C of keys and ring names.
 *
 * Owns     the tables and options of an instance.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     crc32c.h for the algorithm; ../common/sequence.h.
 * Thread   any: an instance is never written after create.
 *
 * Source   RFC 3720 (iSCSI), section 12.1 and appendix B.4; for avalanche = true also "full avalanche, six
 *          shifts" of Bob Jenkins' page on integer hashing (2007), times 3221225473, as HAProxy does after
 *          its CRC.
 * Gives    agreement with programs that place keys by this CRC. Keys of one length that differ in no more
 *          than four bytes in a row never have the same hash, so numbered keys spread more evenly than by
 *          chance.
 * Cost     less than hash_xxh3 for a short key, twice as much for 200 bytes, where the processor has the
 *          instruction (x86-64 with SSE4.2); elsewhere eight table look-ups for eight bytes, from 8 KiB
 *          that the cache must hold.
 * Not for  clients with ill will: a CRC is linear, and four chosen bytes give a key any hash one likes,
 *          mixed once more or not. Nor for keys that differ in regular ways, unless mixed: what their
 *          numbers have in common, their hashes have too.
 *
 * H(i) hashes the bytes of the key. The hash stands twice, because a scheduler may use the high half or the
 * low half, and either must be the hash. Which of the two ways computes it is decided at create, by the
 * processor and by a comparison of both: results are the same everywhere.
 *
 * PHI(i, j) is the j-th number of the sequence (common/sequence.h) that the ring name seeds, with 64 bits:
 * the CRC of the name and the CRC of the name backwards. 32 bits would give two of 10,000 members the same
 * sequence once in a hundred rings.
 */
#include "lb_plugin.h"

#include <stdio.h>
#include <stdlib.h>

#include "../common/sequence.h"
#include "crc32c.h"

struct crc {
    int avalanche, instruction;
    struct crc32c_tables tables;
};

static const struct lb_option options[] = {
    { .name = "avalanche",
      .type = LB_BOOL,
      .dflt = "false",
      .help = "true: the CRC of a key is mixed once more, as HAProxy's crc32c with avalanche does" },
    { .name = NULL },
};

/* Whether the instruction does what the tables do, for all lengths up to three words. */
static int instruction_agrees(const struct crc32c_tables *tables)
{
    unsigned char bytes[24];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)lb_mix64(i + 1);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        if (crc32c_by_instruction(~0u, bytes, len) != crc32c_by_tables(tables, ~0u, bytes, len))
            return 0;
    }
    return 1;
}

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    struct crc *c = malloc(sizeof *c);

    if (!c) {
        snprintf(why->text, sizeof why->text, "no memory for the tables of a CRC");
        return -1;
    }
    c->avalanche = values[0].i != 0;
    crc32c_fill(&c->tables);
    c->instruction = crc32c_has_instruction() && instruction_agrees(&c->tables);
    *self = c;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static inline uint32_t update(const struct crc *c, uint32_t state, const void *bytes, size_t len)
{
    return c->instruction ? crc32c_by_instruction(state, bytes, len)
                          : crc32c_by_tables(&c->tables, state, bytes, len);
}

static uint32_t mix_fully(uint32_t x)
{
    x = (x + 0x7ed55d16u) + (x << 12);
    x = (x ^ 0xc761c23cu) ^ (x >> 19);
    x = (x + 0x165667b1u) + (x << 5);
    x = (x + 0xd3a2646cu) ^ (x << 9);
    x = (x + 0xfd7046c5u) + (x << 3);
    x = (x ^ 0xb55a4f09u) ^ (x >> 16);
    return x * 3221225473u;
}

static uint64_t hash_key(const void *self, const struct lb_key *key)
{
    const struct crc *c = self;
    uint32_t hash = ~update(c, ~0u, key->bytes, key->len);

    if (c->avalanche)
        hash = mix_fully(hash);
    return (uint64_t)hash << 32 | hash;
}

static uint64_t hash_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    const struct crc *c = self;
    uint32_t forwards = ~update(c, ~0u, member->key, member->key_len), backwards = ~0u;

    for (uint32_t i = member->key_len; i > 0; i--)
        backwards = update(c, backwards, &member->key[i - 1], 1);
    return sequence_at((uint64_t)~backwards << 32 | forwards, copy);
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .key = hash_key, .place = hash_place
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_HASH, "hash_crc32c", "1.0", "CRC-32C of the key's bytes", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
