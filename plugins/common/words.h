/*
 * words.h - eight bytes as a number, the same on every machine.
 *
 * Owns     nothing: a pure function.
 * Used by  hash_siphash, hash_crc32c.
 * Thread   any.
 */
#ifndef PLUGINS_COMMON_WORDS_H
#define PLUGINS_COMMON_WORDS_H

#include <stdint.h>
#include <string.h>

/* Little-endian, from any address. */
static inline uint64_t words_read(const void *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#endif
