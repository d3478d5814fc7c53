/*
 * contexts.h - digest contexts for many threads, made beforehand.
 *
 * Owns     the fetched algorithm and a fixed number of libcrypto's contexts for it.
 * Used by  hash_digest.c, once a hash.
 * Uses     libcrypto's EVP interface.
 * Thread   open and close: one. borrow and give back: any, at the same time.
 *
 * Digesting needs a context to write in, and an instance of a hash serves all workers. The obvious forms do
 * not fit the data path:
 *
 *   EVP_Q_digest, SHA1()       look the algorithm up by name, under a lock, and allocate, each time
 *   EVP_Digest                 allocates a context each time
 *   MD5(), MD5_Init() …        deprecated since OpenSSL 3.0
 *   a thread-local context     must be freed when its thread ends: C11's and C++'s way of doing so pins the
 *                              plugin's code in memory for ever, and the way of pthread_key_create runs
 *                              code that may be gone
 *
 * So there are more contexts than threads that can be inside at a time, each with a flag. A thread takes
 * the first free one, beginning at the one of its processor: nearly always that very one, with its memory
 * still in that processor's cache. It is free again before anything else happens on that thread. Results do
 * not depend on which it was.
 *
 * OpenSSL 3.0 allocates about 100 bytes whenever a context starts again (its issue 16947), which malloc has
 * in the thread's own cache, without a lock; since 3.1 it keeps them, and a hash allocates nothing.
 */
#ifndef HASH_DIGEST_CONTEXTS_H
#define HASH_DIGEST_CONTEXTS_H

#include <openssl/evp.h>
#include <stdatomic.h>

#define CONTEXTS_COUNT 128u /* a power of two; the balancer has up to 64 workers */

struct context {
    _Alignas(64) atomic_flag taken; /* on a line of its own: nobody else's flag shares it */
    EVP_MD_CTX *evp;
};

struct contexts {
    EVP_MD *algorithm;
    unsigned digest_size; /* in bytes */
    struct context *all;
};

/* Fetches the algorithm ("MD5") and makes the contexts. Returns 0, or -1 when libcrypto does not have it or
 * there is no memory; nothing is left then. */
int contexts_open(struct contexts *c, const char *algorithm);
void contexts_close(struct contexts *c);

/* A context for this thread alone until it is given back. Start it again before use (EVP_DigestInit_ex2
 * without an algorithm). Never fails. */
struct context *contexts_borrow(const struct contexts *c);
void contexts_give_back(struct context *context);

#endif
