/*
 * crc32c.h - the CRC with Castagnoli's polynomial, by tables and by the processor's instruction.
 *
 * Owns     nothing: pure functions of bytes, and of tables that the caller keeps.
 * Used by  hash_crc32c.c; the unit test, which compares the two ways.
 * Uses     ../common/words.h.
 * Thread   any.
 *
 * CRC-32C of RFC 3720 (section 12.1, check values in appendix B.4): polynomial 0x1edc6f41, reflected
 * (0x82f63b78), start and final exclusive or all ones. The functions here go from one inner state to the
 * next, without those two.
 *
 * By tables: eight bytes a turn, one look-up for each (Kounavis and Berry, "A systematic approach to
 * building high performance software-based CRC generators", 2005: slicing-by-8). By instruction: SSE4.2's
 * CRC32, which has this polynomial built in.
 */
#ifndef HASH_CRC32C_CRC32C_H
#define HASH_CRC32C_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "../common/words.h"

#define CRC32C_POLYNOMIAL 0x82f63b78u

/* row[k][b]: what byte b, followed by k zero bytes, makes of state 0. */
struct crc32c_tables {
    uint32_t row[8][256];
};

static inline void crc32c_fill(struct crc32c_tables *t)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t state = byte;

        for (int bit = 0; bit < 8; bit++)
            state = state >> 1 ^ (state & 1 ? CRC32C_POLYNOMIAL : 0);
        t->row[0][byte] = state;
    }
    for (int k = 1; k < 8; k++) {
        for (uint32_t byte = 0; byte < 256; byte++)
            t->row[k][byte] = t->row[k - 1][byte] >> 8 ^ t->row[0][t->row[k - 1][byte] & 0xff];
    }
}

static inline uint32_t crc32c_by_tables(const struct crc32c_tables *t, uint32_t state, const void *bytes,
                                        size_t len)
{
    const unsigned char *p = bytes;

    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word = words_read(p) ^ state;

        state = t->row[7][word & 0xff] ^ t->row[6][word >> 8 & 0xff] ^ t->row[5][word >> 16 & 0xff] ^
                t->row[4][word >> 24 & 0xff] ^ t->row[3][word >> 32 & 0xff] ^ t->row[2][word >> 40 & 0xff] ^
                t->row[1][word >> 48 & 0xff] ^ t->row[0][word >> 56];
    }
    for (; len > 0; len--, p++)
        state = state >> 8 ^ t->row[0][(state ^ *p) & 0xff];
    return state;
}

#if defined(__x86_64__)
/* Only on a processor that has it: crc32c_has_instruction. */
__attribute__((target("sse4.2"))) static inline uint32_t crc32c_by_instruction(uint32_t state,
                                                                               const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    for (; len >= 8; len -= 8, p += 8)
        state = (uint32_t)_mm_crc32_u64(state, words_read(p));
    for (; len > 0; len--, p++)
        state = _mm_crc32_u8(state, *p);
    return state;
}

static inline int crc32c_has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}
#else
static inline uint32_t crc32c_by_instruction(uint32_t state, const void *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    return state; /* never called: crc32c_has_instruction says no */
}

static inline int crc32c_has_instruction(void)
{
    return 0;
}
#endif

#endif
