/*
 * hash_not_pure.c - counts how often it is asked, and says so in its numbers.
 */
#include "../decent.h"

static uint64_t key(const void *self, const struct lb_key *k)
{
    static uint64_t asked;

    (void)self;
    return lb_mix64(k->id) + asked++ / 300;
}

HASH("hash_not_pure", key, decent_place)
