/*
 * hash_fnv1a.c - FNV-1a of keys and ring names, 32 or 64 bits.
 *
 * Owns     width and start of an instance.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     ../common/sequence.h.
 * Thread   any: an instance is never written after create.
 *
 * Source   Fowler, Noll, Vo: the FNV hash, its variant 1a (RFC 9923, "The FNV Non-Cryptographic Hash
 *          Algorithm").
 * Gives    agreement with the many programs that compute it: one exclusive or and one product a byte.
 * Cost     as cheap as hash_xxh3 for a key of 6 bytes; each more costs as much as the one before, and 200
 *          bytes take fifteen times as long.
 * Not for  balance on a large ring, or clients with ill will. The last byte of a key meets one product
 *          only: keys that differ there alone, like 1000 to 1009, get hashes whose upper bits hardly
 *          differ. (100,000 numbers as keys, a ring of 2^32 in 512 parts: the fullest part has 2.8 times
 *          its share, with a good hash 1.2.) And colliding keys can be written down by hand. It is here for
 *          agreement; hash_xxh3 is better and no dearer.
 *
 * H(i) hashes the bytes of the key. With bits = 32 the hash stands twice, because a scheduler may use the
 * high half or the low half, and either must be the hash. A seed changes the start by an exclusive or; 0 is
 * the standard's.
 *
 * PHI(i, j) is the j-th number of the sequence (common/sequence.h) that the 64-bit hash of the ring name
 * seeds, whatever bits says. So places are well spread, though keys may not be.
 */
#include "lb_plugin.h"

#include <stdio.h>
#include <stdlib.h>

#include "../common/sequence.h"

#define START_32 0x811c9dc5u
#define PRIME_32 0x01000193u
#define START_64 0xcbf29ce484222325ull
#define PRIME_64 0x00000100000001b3ull

struct fnv1a {
    uint32_t bits, start_32;
    uint64_t start_64;
};

static const struct lb_option options[] = {
    { .name = "bits",
      .type = LB_INT,
      .dflt = "64",
      .min = 32,
      .max = 64,
      .help = "width of the hash of a key, in bits: 32 or 64" },
    { .name = "seed",
      .type = LB_INT,
      .dflt = "0",
      .min = 0,
      .max = 4294967295.0,
      .help = "what the start is xored with, a 32-bit number; 0 is the standard's start" },
    { .name = NULL },
};

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    struct fnv1a *f;

    if (values[0].i != 32 && values[0].i != 64) {
        snprintf(why->text, sizeof why->text,
                 "bits is neither 32 nor 64, and these two widths are computed here");
        return -1;
    }
    f = malloc(sizeof *f);
    if (!f) {
        snprintf(why->text, sizeof why->text, "no memory for a seed");
        return -1;
    }
    f->bits = (uint32_t)values[0].i;
    f->start_32 = START_32 ^ (uint32_t)values[1].i;
    f->start_64 = START_64 ^ (uint64_t)values[1].i;
    *self = f;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static uint32_t fnv1a_32(uint32_t hash, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * PRIME_32;
    return hash;
}

static uint64_t fnv1a_64(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * PRIME_64;
    return hash;
}

static uint64_t hash_key(const void *self, const struct lb_key *key)
{
    const struct fnv1a *f = self;

    if (f->bits == 32) {
        uint32_t hash = fnv1a_32(f->start_32, key->bytes, key->len);
        return (uint64_t)hash << 32 | hash;
    }
    return fnv1a_64(f->start_64, key->bytes, key->len);
}

static uint64_t hash_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    const struct fnv1a *f = self;

    return sequence_at(fnv1a_64(f->start_64, member->key, member->key_len), copy);
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .key = hash_key, .place = hash_place
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_HASH, "hash_fnv1a", "1.0", "FNV-1a of the key's bytes, 32 or 64 bits", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
