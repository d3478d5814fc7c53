/*
 * best.h - the largest of many hashes, as fast as the machine can.
 *
 * Owns     nothing.
 * Used by  scheduler_rendezvous.c, in pick.
 * Uses     lb_plugin.h.
 * Thread   any; nothing is written.
 *
 * Score i is lb_mix64(hash ^ seeds[i]), which is the header's re-hash of a key by salt i with lb_mix64(salt)
 * taken out of the loop. Every way of looking gives the same answer: the first of the largest.
 */
#ifndef SCHEDULER_RENDEZVOUS_BEST_H
#define SCHEDULER_RENDEZVOUS_BEST_H

#include "lb_plugin.h"

struct best {
    uint64_t score;
    uint32_t at;
};

/* n is at least 1. */
typedef struct best (*best_fn)(const uint64_t *seeds, uint32_t n, uint64_t hash);

struct best best_one_by_one(const uint64_t *seeds, uint32_t n, uint64_t hash);

/* The fastest way on this machine that looks at no more than lanes at a time: eight where AVX-512 multiplies 64-bit
 * numbers, four with AVX2, which puts such a product together from three, else one by one. */
best_fn best_way(unsigned lanes);

#endif
