/*
 * murmur3.h - MurmurHash3, the 32-bit and the 128-bit form for 64-bit machines.
 *
 * Owns     nothing: pure functions of bytes and seed.
 * Used by  hash_murmur.c; the unit test, which sees all 128 bits here.
 * Thread   any.
 *
 * Written from the public description of the algorithm by Austin Appleby, who placed it in the public domain
 * (SMHasher, MurmurHash3). Input is read as little-endian words whatever the machine, so that all balancers
 * agree.
 */
#ifndef HASH_MURMUR_MURMUR3_H
#define HASH_MURMUR_MURMUR3_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct murmur128 {
    uint64_t low, high; /* h1, h2 of the description */
};

static inline uint32_t murmur_rotate32(uint32_t x, unsigned by)
{
    return (x << by) | (x >> (32 - by));
}

static inline uint64_t murmur_rotate64(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

static inline uint32_t murmur_read32(const unsigned char *p)
{
    uint32_t word;

    memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static inline uint64_t murmur_read64(const unsigned char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The last 0 to 8 bytes as a little-endian number. */
static inline uint64_t murmur_read_tail(const unsigned char *p, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

/* The finalisers: every input bit moves about half of the output bits; both are bijections. */
static inline uint32_t murmur_mix32(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ (x >> 16);
}

static inline uint64_t murmur_mix64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ (x >> 33);
}

static inline uint32_t murmur_word32(uint32_t word)
{
    return murmur_rotate32(word * 0xcc9e2d51u, 15) * 0x1b873593u;
}

static inline uint64_t murmur_word_low(uint64_t word)
{
    return murmur_rotate64(word * 0x87c37b91114253d5ull, 31) * 0x4cf5ad432745937full;
}

static inline uint64_t murmur_word_high(uint64_t word)
{
    return murmur_rotate64(word * 0x4cf5ad432745937full, 33) * 0x87c37b91114253d5ull;
}

/* MurmurHash3_x86_32. */
static inline uint32_t murmur3_32(const void *bytes, size_t len, uint32_t seed)
{
    const unsigned char *p = bytes;
    uint32_t h = seed;

    for (size_t left = len; left >= 4; left -= 4, p += 4)
        h = murmur_rotate32(h ^ murmur_word32(murmur_read32(p)), 13) * 5 + 0xe6546b64u;
    h ^= murmur_word32((uint32_t)murmur_read_tail(p, len & 3));
    return murmur_mix32(h ^ (uint32_t)len);
}

/* MurmurHash3_x64_128. */
static inline struct murmur128 murmur3_128(const void *bytes, size_t len, uint32_t seed)
{
    const unsigned char *p = bytes;
    size_t tail = len & 15;
    uint64_t low = seed, high = seed;

    for (size_t left = len; left >= 16; left -= 16, p += 16) {
        low = murmur_rotate64(low ^ murmur_word_low(murmur_read64(p)), 27) + high;
        low = low * 5 + 0x52dce729u;
        high = murmur_rotate64(high ^ murmur_word_high(murmur_read64(p + 8)), 31) + low;
        high = high * 5 + 0x38495ab5u;
    }
    if (tail > 8)
        high ^= murmur_word_high(murmur_read_tail(p + 8, tail - 8));
    if (tail > 0)
        low ^= murmur_word_low(tail >= 8 ? murmur_read64(p) : murmur_read_tail(p, tail));

    low ^= len;
    high ^= len;
    low += high;
    high += low;
    low = murmur_mix64(low);
    high = murmur_mix64(high);
    low += high;
    high += low;
    return (struct murmur128){ .low = low, .high = high };
}

#endif
