/*
 * moves.h - who gets which key: shares, and what a death, a removal or a newcomer changes.
 *
 * Owns     nothing that lasts.
 * Used by  main.c.
 * Thread   the program's only one.
 */
#ifndef BENCH_STRATEGIES_MOVES_H
#define BENCH_STRATEGIES_MOVES_H

#include <jansson.h>
#include <stdint.h>

struct keys;
struct subject;

/* Adds to out, over n members: keys, max_over_mean (of the keys), chance_over_mean (what equal chances alone show), exact_over_mean and
 * slots_apart where the table tells; for key strategies died, returned, removed, added (keys moved that need not have,
 * of all asked) and same_again (the digest after a removal and a return). keys are hashed by the subject's hash. */
void moves_measure(json_t *out, const struct subject *s, uint32_t n, const struct keys *keys);

#endif
