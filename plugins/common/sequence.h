/*
 * sequence.h - as many places for a name as are asked for.
 *
 * Owns     nothing: a pure function.
 * Used by  the hashes that hash ring names: hash_xxh3, hash_siphash, hash_fnv1a, hash_crc32c.
 * Thread   any.
 *
 * A ring asks for a thousand places a member. Hashing name and copy together would cost a hash of some
 * twenty bytes each; here the name's hash seeds a sequence of 64-bit numbers, of which copy j gets the
 * j-th: a Weyl sequence (steps of 2^64 divided by the golden ratio) through the finaliser of splitmix64
 * (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). Copies of one name never
 * meet: step and finaliser are bijections.
 */
#ifndef PLUGINS_COMMON_SEQUENCE_H
#define PLUGINS_COMMON_SEQUENCE_H

#include "lb_plugin.h"

static inline uint64_t sequence_at(uint64_t seed, uint32_t j)
{
    return lb_mix64(seed + j * 0x9e3779b97f4a7c15ull);
}

#endif
