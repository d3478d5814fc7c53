/*
 * hash_reads_on.c - takes the key for a text that ends with a zero.
 */
#include "../decent.h"

static uint64_t key(const void *self, const struct lb_key *k)
{
    uint64_t sum = 0;

    (void)self;
    for (const volatile char *c = k->bytes; *c; c++)
        sum = lb_mix64(sum + (unsigned char)*c);
    return sum;
}

HASH("hash_reads_on", key, decent_place)
