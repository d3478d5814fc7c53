/*
 * fuzz.h - what the targets share.
 *
 * A target is fuzz_NAME.c with one function. Under libFuzzer it gets inputs without end; in every other build
 * replay.c feeds it the files of corpus/NAME. A fault is a crash, a sanitizer's report, or a demand that does
 * not hold.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define demand(holds_)                                                           \
    do {                                                                         \
        if (!(holds_)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds_); \
            abort();                                                             \
        }                                                                        \
    } while (0)

/* A copy of exactly that many bytes, so that a sanitizer sees any look beyond. To be freed. */
static inline char *fuzz_copy(const void *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    demand(copy != NULL);
    if (len)
        memcpy(copy, bytes, len);
    return copy;
}

#endif
