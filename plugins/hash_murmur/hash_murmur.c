/*
 * hash_murmur.c - MurmurHash3 of keys and ring names.
 *
 * Owns     width and seed of an instance.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     murmur3.h for the algorithm.
 * Thread   any: an instance is never written after create.
 *
 * Source   Austin Appleby, MurmurHash3 (2011): x64_128 and x86_32 as in SMHasher.
 * Gives    64 well-mixed bits of any key, the same on every machine, and agreement with the many programs that
 *          compute it.
 * Cost     twice hash_xxh3 for keys of up to 36 bytes, a quarter more for 250.
 * Not for  clients who may choose their keys with ill will: keys that collide under every seed are known
 *          (Aumasson, Bernstein, Bosslet, 2012). hash_siphash is for them.
 *
 * H(i) hashes the bytes of the key. With bits = 128 it is the first 64 of the 128 bits; with bits = 32 the 32
 * bits stand twice, because a scheduler may use the high half or the low half, and either must be the hash.
 *
 * PHI(i, j) is the j-th number of a sequence that the ring name seeds: a Weyl sequence (steps of 2^64 divided
 * by the golden ratio) through murmur's finaliser, which is how splitmix64 is built (Steele, Lea, Flood
 * 2014). It starts from the 128-bit hash whatever bits says: 32 bits would give two of 10,000 members the
 * same sequence once in a hundred rings.
 */
#include "lb_plugin.h"

#include <stdlib.h>
#include <string.h>

#include "murmur3.h"

#define WEYL_STEP 0x9e3779b97f4a7c15ull

struct murmur {
    uint32_t bits, seed;
};

static const struct lb_option options[] = {
    { .name = "bits",
      .type = LB_INT,
      .dflt = "128",
      .min = 32,
      .max = 128,
      .help = "width of the hash of a key, in bits: 32 or 128" },
    { .name = "seed",
      .type = LB_INT,
      .dflt = "0",
      .min = 0,
      .max = 4294967295.0,
      .help = "seed, a 32-bit number: balancers with the same seed agree" },
    { .name = NULL },
};

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    static const char wrong_bits[] = "bits is neither 32 nor 128, and murmur3 comes in these two widths";
    static const char no_memory[] = "no memory for a seed";
    struct murmur *m;

    if (values[0].i != 32 && values[0].i != 128) {
        memcpy(why->text, wrong_bits, sizeof wrong_bits);
        return -1;
    }
    m = malloc(sizeof *m);
    if (!m) {
        memcpy(why->text, no_memory, sizeof no_memory);
        return -1;
    }
    m->bits = (uint32_t)values[0].i;
    m->seed = (uint32_t)values[1].i;
    *self = m;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static uint64_t hash_key(const void *self, const struct lb_key *key)
{
    const struct murmur *m = self;

    if (m->bits == 32) {
        uint32_t h = murmur3_32(key->bytes, key->len, m->seed);
        return (uint64_t)h << 32 | h;
    }
    return murmur3_128(key->bytes, key->len, m->seed).low;
}

static uint64_t hash_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    const struct murmur *m = self;
    struct murmur128 name = murmur3_128(member->key, member->key_len, m->seed);

    return murmur_mix64(name.low + (uint64_t)copy * WEYL_STEP);
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .key = hash_key, .place = hash_place
};

static const struct lb_plugin plugin = LB_PLUGIN(
    LB_HASH, "hash_murmur", "1.0", "MurmurHash3 of the key's bytes, 32 or 128 bits", 0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
