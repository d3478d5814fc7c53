/*
 * hash_kit.h - hash plugins for tests, through the real .so files.
 *
 * Owns     what the kit_hash_ functions hand out until it is given back.
 * Used by  unit/plugins/test_hash_*.c, test_hashes.c, test_vectors.c.
 * Thread   the test's.
 */
#ifndef UNIT_PLUGINS_HASH_KIT_H
#define UNIT_PLUGINS_HASH_KIT_H

#include "unit/plugins/strategy_kit.h"

#define KIT_HASH_OPTIONS 8

/* A plugin with one instance. */
struct kit_hash {
    struct plugin *plugin;
    const struct lb_hash_ops *ops;
    void *self;
    char *words; /* the texts of its options */
};

/* Loads a shipped hash and makes an instance. options is "bits=32 seed=5": each value is what the plugin's
 * own table says it is, so that "5" may be a text; what is not named has its default. Fails the test when
 * create refuses. */
struct kit_hash kit_hash_open(const char *name, const char *options);
void kit_hash_close(struct kit_hash *h);

/* The reason for which create refuses these options; fails the test when it does not. The caller frees it. */
char *kit_hash_refusal(const char *name, const char *options);

/* H of these bytes, with id and flags as the balancer sets them. */
uint64_t kit_hash_key(const struct kit_hash *h, const void *bytes, size_t len);
uint64_t kit_hash_text(const struct kit_hash *h, const char *text);
uint64_t kit_hash_number(const struct kit_hash *h, uint64_t number);

/* PHI of a member with this id and ring name. */
uint64_t kit_hash_place(const struct kit_hash *h, uint64_t id, const char *name, uint32_t copy);

/* What every hash of ring names owes: PHI depends on ring name and copy alone, another instance says the
 * same, and no two of 200,000 places are equal. */
void kit_hash_check_places(const char *name, const char *options);

/* H depends on the bytes alone: not on where they lie in memory, nor on what follows them. */
void kit_hash_check_bytes(const struct kit_hash *h);

/* Two ASCII hexadecimal digits a byte; returns the bytes, which the caller frees, and how many. */
unsigned char *kit_hex(const char *hex, size_t *len);

#endif
