/*
 * digest.h - md5 as four numbers.
 *
 * Owns     nothing.
 * Used by  scheduler_ketama.c, at build for points and in pick for keys.
 * Uses     libcrypto.
 * Thread   any.
 *
 * The old interface of libcrypto on purpose: it works on the stack. The new one (EVP) looks its algorithm up
 * and allocates for every digest, which pick may not do.
 */
#ifndef SCHEDULER_KETAMA_DIGEST_H
#define SCHEDULER_KETAMA_DIGEST_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>

#include <stddef.h>
#include <stdint.h>

/* The digest of a text, as four little-endian numbers of 32 bits. */
static inline void digest_words(const void *text, size_t len, uint32_t words[4])
{
    unsigned char bytes[MD5_DIGEST_LENGTH];
    MD5_CTX state;

    MD5_Init(&state);
    MD5_Update(&state, text, len);
    MD5_Final(bytes, &state);
    for (unsigned i = 0; i < 4; i++)
        words[i] = (uint32_t)bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 |
                   (uint32_t)bytes[4 * i + 2] << 16 | (uint32_t)bytes[4 * i + 3] << 24;
}

#endif
