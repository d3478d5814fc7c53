/*
 * keys.h - a million different keys, as requests bring them, and what a hash plugin makes of them.
 *
 * Owns     the keys.
 * Used by  every file of bench/strategies.
 * Thread   the program's only one.
 *
 * Key i is the decimal text of a number below 10^9 that i is mixed to: scattered, and reproducible.
 */
#ifndef BENCH_STRATEGIES_KEYS_H
#define BENCH_STRATEGIES_KEYS_H

#include <stdint.h>

#include "lb_plugin.h"

struct strategy;

struct keys {
    uint32_t n;
    struct lb_key *key;
    char (*text)[16];
    uint64_t *hash; /* by the strategy of keys_hash */
};

void keys_make(struct keys *k, uint32_t n);
void keys_hash(struct keys *k, const struct strategy *s);
void keys_free(struct keys *k);

#endif
