/*
 * siphash.h - SipHash-2-4, a keyed hash of 64 bits.
 *
 * Owns     nothing: pure functions of key and bytes.
 * Used by  hash_siphash.c.
 * Uses     ../common/words.h.
 * Thread   any.
 *
 * Written from Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012, section 2: four
 * words of state, two rounds for each word of the message, four at the end. Words are little-endian.
 */
#ifndef HASH_SIPHASH_SIPHASH_H
#define HASH_SIPHASH_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#include "../common/words.h"

struct siphash_key { /* 16 bytes as two little-endian words */
    uint64_t k0, k1;
};

struct siphash_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t siphash_rotate(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

/* SipRound: figure 2.1 of the paper, its two halves side by side. */
static inline void siphash_round(struct siphash_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
    s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
    s->v0 = siphash_rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
    s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
    s->v2 = siphash_rotate(s->v2, 32);
}

static inline void siphash_absorb(struct siphash_state *s, uint64_t word)
{
    s->v3 ^= word;
    siphash_round(s);
    siphash_round(s);
    s->v0 ^= word;
}

/* The last 0 to 7 bytes, with the length modulo 256 in the highest byte. */
static inline uint64_t siphash_last(const unsigned char *p, size_t len)
{
    uint64_t word = (uint64_t)len << 56;

    for (size_t i = 0; i < len % 8; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

static inline uint64_t siphash_2_4(struct siphash_key key, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    struct siphash_state s = { /* "somepseudorandomlygeneratedbytes" */
                               .v0 = key.k0 ^ 0x736f6d6570736575ull,
                               .v1 = key.k1 ^ 0x646f72616e646f6dull,
                               .v2 = key.k0 ^ 0x6c7967656e657261ull,
                               .v3 = key.k1 ^ 0x7465646279746573ull
    };

    for (size_t left = len; left >= 8; left -= 8, p += 8)
        siphash_absorb(&s, words_read(p));
    siphash_absorb(&s, siphash_last(p, len));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        siphash_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
