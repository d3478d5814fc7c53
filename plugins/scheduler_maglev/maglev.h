/*
 * maglev.h - the look-up table and how it is filled.
 *
 * Owns     the layout of the table; scheduler_maglev.c makes and frees it.
 * Used by  scheduler_maglev.c (answers), fill.c (who gets which slot), quota.c (how many each gets), prime.h.
 * Thread   built by one, then read-only.
 *
 * Member i walks through all slots in an order of its own: offset[i], offset[i] + skip[i], offset[i] + 2
 * skip[i], …, modulo the number of slots, which is prime, so that every skip visits every slot. Members take
 * turns; each takes the next slot of its walk that is still free. When one leaves, the others still walk the
 * same ways, and most slots go to whom they went before.
 */
#ifndef SCHEDULER_MAGLEV_MAGLEV_H
#define SCHEDULER_MAGLEV_MAGLEV_H

#include "lb_plugin.h"

#define MEMBERS_MAX 65536u /* an entry has 16 bits */

struct maglev {
    uint32_t slots; /* prime */
    uint32_t n_members;
    uint64_t reciprocal; /* floor(2^64 / slots) */
    uint16_t *owners;    /* slots of them */
    uint32_t *quota;     /* slots of each member: their sum is slots */
    struct lb_hash hash;
    uint64_t names; /* a digest of who the members are and of some hashed keys */
    const struct lb_alloc *alloc;
};

/* hash modulo slots without a division: the estimate of the quotient is at most one too small, since the
 * reciprocal is less than 1 below 2^64 / slots and hash is less than 2^64. (Granlund and Montgomery, 1994.)
 * */
static inline uint32_t maglev_slot(uint64_t hash, uint32_t slots, uint64_t reciprocal)
{
    uint64_t rest = hash - lb_scale(hash, reciprocal) * slots;

    return (uint32_t)(rest >= slots ? rest - slots : rest);
}

/* How many of slots each member gets: within one of weight / sum of weights, and at least 1. The remainders
 * decide who is rounded up; of equal ones the first. n <= slots. Returns 0, or -1 with why. O(n log n) for
 * weights that nobody contrived. */
int quota_make(const struct lb_build *in, uint32_t slots, uint32_t *quota, struct lb_error *why);

/* Fills owners from quota. Returns 0, or -1 with why; frees what it took for the work. On average O(slots log
 * slots). */
int fill_owners(struct maglev *t, const struct lb_build *in, struct lb_error *why);

#endif
