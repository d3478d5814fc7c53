/*
 * hash_xxh3.c - XXH3 of keys and ring names.
 *
 * Owns     width and seed of an instance.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     libxxhash; ../common/sequence.h, ../common/hex.h.
 * Thread   any: an instance is never written after create.
 *
 * Source   Yann Collet's xxHash, XXH3 as frozen with release 0.8.0 (doc/xxhash_spec.md of that project).
 * Gives    64 well-mixed bits of any key, the same on every machine. Passes SMHasher.
 * Cost     the cheapest of the well-mixed hashes here: hardly more for 36 bytes than for 6, twice as much
 *          for 200.
 * Not for  clients who may choose their keys with ill will: whoever knows the seed (0 is easily guessed)
 *          can make keys that all fall on one replica, and seeds of XXH3 are not meant to be secrets.
 *          hash_siphash is for them.
 *
 * H(i) hashes the bytes of the key. With bits = 128 it is the low 64 of XXH3's 128 bits, which for most
 * lengths are other bits than those of the 64-bit form: for agreeing with a program that computes these.
 *
 * PHI(i, j) is the j-th number of the sequence (common/sequence.h) that the 64-bit hash of the ring name
 * seeds, whatever bits says.
 */
#include "lb_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../common/hex.h"
#include "../common/sequence.h"

struct xxh3 {
    uint64_t seed;
    int wide;
};

static const struct lb_option options[] = {
    { .name = "bits",
      .type = LB_INT,
      .dflt = "64",
      .min = 64,
      .max = 128,
      .help = "which form of XXH3 hashes a key, in bits: 64 or 128" },
    { .name = "seed",
      .type = LB_TEXT,
      .dflt = "0",
      .min = 1,
      .max = 16,
      .help = "seed, up to 16 hexadecimal digits: balancers with the same seed agree" },
    { .name = NULL },
};

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    size_t digits = strlen(values[1].s);
    struct xxh3 *x;
    uint64_t seed;

    if (values[0].i != 64 && values[0].i != 128) {
        snprintf(why->text, sizeof why->text,
                 "bits is neither 64 nor 128, and XXH3 comes in these two widths");
        return -1;
    }
    if (digits == 0 || digits > 16 || hex_number(values[1].s, (unsigned)digits, &seed)) {
        snprintf(why->text, sizeof why->text,
                 "seed \"%s\" is not a hexadecimal number: write up to 16 of 0-9 and a-f", values[1].s);
        return -1;
    }
    x = malloc(sizeof *x);
    if (!x) {
        snprintf(why->text, sizeof why->text, "no memory for a seed");
        return -1;
    }
    x->seed = seed;
    x->wide = values[0].i == 128;
    *self = x;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static uint64_t hash_key(const void *self, const struct lb_key *key)
{
    const struct xxh3 *x = self;

    if (x->wide)
        return XXH3_128bits_withSeed(key->bytes, key->len, x->seed).low64;
    return XXH3_64bits_withSeed(key->bytes, key->len, x->seed);
}

static uint64_t hash_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    const struct xxh3 *x = self;

    return sequence_at(XXH3_64bits_withSeed(member->key, member->key_len, x->seed), copy);
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .key = hash_key, .place = hash_place
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_HASH, "hash_xxh3", "1.0", "XXH3 of the key's bytes, 64 or 128 bits", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
