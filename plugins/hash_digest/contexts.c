/*
 * contexts.c - digest contexts for many threads, made beforehand.
 *
 * Owns     the fetched algorithm and a fixed number of libcrypto's contexts for it.
 * Used by  hash_digest.c, once a hash.
 * Uses     libcrypto's EVP interface.
 * Thread   open and close: one. borrow and give back: any, at the same time.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getcpu */
#endif
#include "contexts.h"

#include <sched.h>
#include <stdlib.h>

/* Neighbouring processors begin this far from each other: libcrypto's memory for contexts that were made
 * one after another may share a cache line. Odd, so that all are reached. */
#define STRIDE 5u

int contexts_open(struct contexts *c, const char *algorithm)
{
    int digest_size;

    *c = (struct contexts){ .algorithm = EVP_MD_fetch(NULL, algorithm, NULL) };
    if (!c->algorithm)
        return -1;
    digest_size = EVP_MD_get_size(c->algorithm);
    c->all = aligned_alloc(_Alignof(struct context), CONTEXTS_COUNT * sizeof *c->all);
    if (digest_size <= 0 || !c->all) {
        contexts_close(c);
        return -1;
    }
    c->digest_size = (unsigned)digest_size;
    for (unsigned i = 0; i < CONTEXTS_COUNT; i++)
        c->all[i] = (struct context){ .taken = ATOMIC_FLAG_INIT };
    for (unsigned i = 0; i < CONTEXTS_COUNT; i++) {
        c->all[i].evp = EVP_MD_CTX_new();
        if (!c->all[i].evp || !EVP_DigestInit_ex2(c->all[i].evp, c->algorithm, NULL)) {
            contexts_close(c);
            return -1;
        }
    }
    return 0;
}

void contexts_close(struct contexts *c)
{
    for (unsigned i = 0; c->all && i < CONTEXTS_COUNT; i++)
        EVP_MD_CTX_free(c->all[i].evp);
    free(c->all);
    EVP_MD_free(c->algorithm);
    *c = (struct contexts){ 0 };
}

/* Goes round until one is free; the first round finds one unless more than CONTEXTS_COUNT threads are
 * inside. */
struct context *contexts_borrow(const struct contexts *c)
{
    unsigned at = (unsigned)sched_getcpu() * STRIDE;

    while (atomic_flag_test_and_set_explicit(&c->all[at % CONTEXTS_COUNT].taken, memory_order_acquire))
        at++;
    return &c->all[at % CONTEXTS_COUNT];
}

void contexts_give_back(struct context *context)
{
    atomic_flag_clear_explicit(&context->taken, memory_order_release);
}
