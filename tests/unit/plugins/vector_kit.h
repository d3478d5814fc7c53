/*
 * vector_kit.h - the vectors of other implementations, and the digests they were made with.
 *
 * Owns     the vectors, from kit_vectors_open to kit_vectors_close.
 * Used by  unit/plugins/test_scheduler_vectors.c, test_scheduler_circle_vectors.c.
 * Uses     scheduler_kit.h, jansson.
 * Thread   the test's.
 */
#ifndef UNIT_PLUGINS_VECTOR_KIT_H
#define UNIT_PLUGINS_VECTOR_KIT_H

#include <jansson.h>

#include "unit/plugins/scheduler_kit.h"

/* Reads tests/data/hash_vectors.json; for cmocka_run_group_tests. */
int kit_vectors_open(void **state);
int kit_vectors_close(void **state);

/* Fails the test when our answer is another than the vector's. Returns false when it may be, and only what
 * must be the same was compared. */
typedef bool kit_vector_fn(const json_t *params, const json_t *vector);

/* Hands every vector of this kind to check, and prints how many passed, which must be ours, in a line that script/test
 * shows (it begins with "vectors: "); why is the reason for the others, NULL when there are none. */
void kit_each_vector(const char *algo, const char *plugin, kit_vector_fn *check, unsigned ours,
                     const char *why);

/* A value that must be a whole number below 2^32, or a text. */
uint32_t kit_number(const json_t *value);
const char *kit_text(const json_t *value);

/* A key of this text, which the caller keeps. */
struct lb_key kit_text_key(const char *bytes);

/* A hash's key: the key's id. */
uint64_t kit_key_id(const void *self, const struct lb_key *key);

/* Members from [[name, weight], …], which are in the order of names. */
struct lb_member *kit_servers(const json_t *servers, uint32_t *n);

/* MD5 and SHA-256 of libcrypto, out being 16 and 32 bytes; len bytes in hexadecimal, out being 2 len + 1. */
void kit_md5(const void *bytes, size_t len, unsigned char *out);
void kit_sha256(const void *bytes, size_t len, unsigned char *out);
void kit_to_hex(const unsigned char *bytes, size_t len, char *out);

#endif
