/*
 * hash_by_address.c - puts a member where its name happens to lie in memory.
 */
#include "../decent.h"

static uint64_t place(const void *self, const struct lb_member *m, uint32_t j)
{
    (void)self;
    return lb_mix64((uint64_t)(uintptr_t)m->key + j);
}

HASH("hash_by_address", decent_key, place)
