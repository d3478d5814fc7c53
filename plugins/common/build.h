/*
 * build.h - what every scheduler does at the beginning of build.
 *
 * Owns     nothing.
 * Used by  the schedulers of this house, at build; a plugin elsewhere needs lb_plugin.h alone.
 * Uses     lb_plugin.h.
 * Thread   builder thread.
 *
 * Memory comes from the host's allocator and is refused with a sentence; weights are checked; and who the
 * members are, and how keys are hashed, becomes a number that a digest can start from.
 */
#ifndef PLUGINS_COMMON_BUILD_H
#define PLUGINS_COMMON_BUILD_H

#include <stdio.h>

#include "lb_plugin.h"

#define BUILD_SAMPLE_KEYS 8u

/* count objects of size bytes, not zeroed; NULL with why when there is no memory. what is the table's name in
 * the sentence, "a ring". */
static inline void *build_alloc(const struct lb_alloc *alloc, size_t count, size_t size, const char *what,
                                struct lb_error *why)
{
    size_t bytes = 0;
    void *memory = __builtin_mul_overflow(count, size, &bytes) ? NULL : alloc->alloc(alloc->ctx, bytes);

    if (!memory)
        snprintf(why->text, sizeof why->text, "no memory for %s: %zu times %zu bytes were refused", what,
                 count, size);
    return memory;
}

static inline void build_free(const struct lb_alloc *alloc, void *memory)
{
    if (memory)
        alloc->release(alloc->ctx, memory);
}

/* 0 when every weight is at least 1; else -1 with why. */
static inline int build_check_weights(const struct lb_build *in, struct lb_error *why)
{
    for (uint32_t m = 0; m < in->n_members; m++) {
        if (in->members[m].weight > 0)
            continue;
        snprintf(why->text, sizeof why->text, "member \"%.*s\" has weight 0: a weight is 1 to 65535",
                 (int)(in->members[m].key_len < 100 ? in->members[m].key_len : 100), in->members[m].key);
        return -1;
    }
    return 0;
}

/* The greatest common divisor of all weights; 0 when there are no members. */
static inline uint32_t build_divisor(const struct lb_build *in)
{
    uint32_t divisor = 0;

    for (uint32_t m = 0; m < in->n_members; m++) {
        uint32_t a = in->members[m].weight, b = divisor;

        while (b) {
            uint32_t rest = a % b;

            a = b;
            b = rest;
        }
        divisor = a;
    }
    return divisor;
}

/* Stands for the ring names, the weights and (by some samples) the hash of keys and its re-hash. */
static inline uint64_t build_digest(const struct lb_build *in)
{
    uint64_t digest = lb_mix64(in->n_members);

    for (uint32_t m = 0; m < in->n_members; m++) {
        const struct lb_member *member = &in->members[m];

        digest = lb_mix64(digest ^ ((uint64_t)member->weight << 32 | member->key_len));
        for (uint32_t i = 0; i < member->key_len; i++)
            digest = lb_mix64(digest ^ (unsigned char)member->key[i]);
    }
    for (unsigned i = 0; in->hash.ops && i < BUILD_SAMPLE_KEYS; i++) {
        char digit = (char)('0' + i);
        struct lb_key key = { .bytes = &digit, .len = 1, .id = i, .flags = LB_KEY_INTEGER };

        digest = lb_mix64(digest ^ in->hash.ops->key(in->hash.self, &key));
        digest = lb_mix64(digest ^ lb_hash_mix(&in->hash, i, i + 1));
    }
    return digest;
}

#endif
