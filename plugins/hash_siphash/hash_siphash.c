/*
 * hash_siphash.c - SipHash-2-4 of keys and ring names, under a secret key.
 *
 * Owns     the secret of an instance.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     siphash.h for the algorithm; ../common/sequence.h, ../common/hex.h.
 * Thread   any: an instance is never written after create.
 *
 * Source   Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.
 * Gives    64 bits that look random to everybody who does not know the secret: a client who chooses its
 *          request keys cannot aim them at one replica.
 * Cost     half as much again as hash_xxh3 for a key of 6 bytes, three times as much for 36, five times for
 *          200.
 * Not for  balancers that share no secret: they must agree on it to agree on a single key. It says nothing
 *          of clients who can see which replica answered (X-Served-By) and ask again and again; that takes
 *          no arithmetic.
 *
 * There is no secret by default: one that is printed here would protect nobody. Who reads lb.conf knows it.
 *
 * H(i) hashes the bytes of the key. PHI(i, j) is the j-th number of the sequence (common/sequence.h) that
 * the hash of the ring name seeds. Places are as secret as their seed.
 */
#include "lb_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/hex.h"
#include "../common/sequence.h"
#include "siphash.h"

#define KEY_DIGITS 32

static const struct lb_option options[] = {
    { .name = "key",
      .type = LB_TEXT,
      .dflt = "",
      .min = 0,
      .max = KEY_DIGITS,
      .help = "the secret, 32 hexadecimal digits (16 bytes), the same on every balancer" },
    { .name = NULL },
};

/* 32 digits to the paper's 16 bytes, which are two little-endian words. Returns 0, or -1 when they are
 * something else. */
static int parse_key(const char *text, struct siphash_key *key)
{
    uint64_t first, second;

    if (strlen(text) != KEY_DIGITS || hex_number(text, 16, &first) || hex_number(text + 16, 16, &second))
        return -1;
    *key = (struct siphash_key){ .k0 = __builtin_bswap64(first), .k1 = __builtin_bswap64(second) };
    return 0;
}

/* The reasons do not repeat what was written: it is a secret, or nearly one, and reasons are logged. */
static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    struct siphash_key key, *kept;

    if (!values[0].s[0]) {
        snprintf(why->text, sizeof why->text,
                 "it needs a secret of its own: set key to 32 hexadecimal digits, the same on every balancer "
                 "(openssl rand -hex 16 makes some)");
        return -1;
    }
    if (parse_key(values[0].s, &key)) {
        snprintf(why->text, sizeof why->text,
                 "key is not 32 hexadecimal digits (0-9, a-f); it has %zu characters", strlen(values[0].s));
        return -1;
    }
    kept = malloc(sizeof *kept);
    if (!kept) {
        snprintf(why->text, sizeof why->text, "no memory for a key");
        return -1;
    }
    *kept = key;
    *self = kept;
    return 0;
}

static void destroy(void *self)
{
    explicit_bzero(self, sizeof(struct siphash_key));
    free(self);
}

static uint64_t hash_key(const void *self, const struct lb_key *key)
{
    return siphash_2_4(*(const struct siphash_key *)self, key->bytes, key->len);
}

static uint64_t hash_place(const void *self, const struct lb_member *member, uint32_t copy)
{
    uint64_t name = siphash_2_4(*(const struct siphash_key *)self, member->key, member->key_len);

    return sequence_at(name, copy);
}

static const struct lb_hash_ops ops = {
    .struct_size = sizeof ops, .create = create, .destroy = destroy, .key = hash_key, .place = hash_place
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_HASH, "hash_siphash", "1.0", "SipHash-2-4 under a secret: clients cannot aim at a replica",
              0, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
