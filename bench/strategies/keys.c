/*
 * keys.c - a million different keys: see keys.h.
 */
#include "keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "world/strategy.h"

void keys_make(struct keys *k, uint32_t n)
{
    *k = (struct keys){ .n = n };
    k->key = mem_alloc(n * sizeof *k->key);
    k->text = mem_alloc(n * sizeof *k->text);
    k->hash = mem_zero(n, sizeof *k->hash);
    for (uint32_t i = 0; i < n; i++) {
        /* An odd factor permutes the numbers below 2^29, and the finaliser's first half scatters them: no two are equal. */
        uint32_t number = (i * 0x0a3b195bu) & 0x1fffffffu;
        number ^= number >> 15;
        int len = snprintf(k->text[i], sizeof k->text[i], "%u", 100000000u + number);
        k->key[i] = (struct lb_key){ .bytes = k->text[i], .len = (size_t)len };
        strategy_key_finish(&k->key[i]);
    }
}

void keys_hash(struct keys *k, const struct strategy *s)
{
    for (uint32_t i = 0; i < k->n; i++)
        k->hash[i] = strategy_hash(s, &k->key[i]);
}

void keys_free(struct keys *k)
{
    free(k->key);
    free(k->text);
    free(k->hash);
}
