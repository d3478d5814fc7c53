/*
 * ring.h - a ring of slots with virtual nodes on it.
 *
 * Owns     the layout of the table; scheduler_ring.c makes and frees it.
 * Used by  scheduler_ring.c (answers), nodes.c (decides which slot each virtual node gets), points.c (sorts
 *          and indexes), explain.c (tells why).
 * Thread   built by one, then read-only.
 *
 * A slot belongs to the first virtual node at or after it, clockwise. So the nodes, sorted by slot, are the
 * whole truth; they are called points then, and a point is one number: slot in the high half, member in the
 * low half.
 *
 *   points    p0 < p1 < … < pn-1, then a sentinel above all slots with the member of p0: the wrap-around
 *   buckets   buckets[b] is the first point whose slot is at least b << shift. There are one to two buckets a
 *             point, so a look-up reads one pair of buckets and on average less than one point too many.
 *   owners    a small ring also keeps the member of each slot: a look-up is then one load
 */
#ifndef SCHEDULER_RING_RING_H
#define SCHEDULER_RING_RING_H

#include <stdbool.h>

#include "../common/build.h"

struct ring_options {
    uint64_t slots;
    uint64_t virtual_nodes;
    uint64_t dense_up_to;
};

/* The virtual nodes, in the order of members and then of copies. Node first[m] + j is copy j of member m. */
struct nodes {
    uint32_t n, n_members;
    uint32_t *first;   /* n_members + 1 */
    uint32_t *slot_of; /* n, all different once placed */
};

struct ring {
    uint64_t slots;
    uint64_t mask; /* slots - 1 when that is a power of two, else 0 */
    uint64_t *points;
    uint32_t *buckets;
    uint16_t *owners; /* NULL: the ring is too large for it */
    uint32_t n_members, n_points, n_buckets;
    unsigned shift;
    uint64_t names; /* a digest of the ring names and of some hashed keys */
    const struct lb_alloc *alloc;

    /* for explain alone: no pick looks at these */
    struct nodes nodes;
    struct lb_member *members; /* with their ring names, in one block of member_bytes */
    size_t member_bytes;
    struct lb_hash hash;
    struct lb_probe probe;
};

/* Points a walk passes before it stops caring about their order; only reached when nearly all members are
 * tried. */
#define RING_WALK_MAX 256u

/* Attempts a virtual node makes before it takes the next free slot; at most as many as there are slots. */
#define RING_ATTEMPTS_MAX 1024u

static inline uint64_t ring_slot(uint64_t slots, uint64_t mask, uint64_t hash)
{
    return mask ? hash & mask : hash % slots;
}

static inline uint64_t ring_mask(uint64_t slots)
{
    return slots & (slots - 1) ? 0 : slots - 1;
}

/* What a table of this kind is called when there is no memory for it. */
#define RING_WHAT "a ring"

/* Gives every virtual node of in->members its own slot. Returns 0, or -1 with why and nothing allocated. */
int nodes_place(const struct lb_build *in, const struct ring_options *o, struct nodes *nodes,
                struct lb_error *why);
void nodes_free(const struct lb_alloc *alloc, struct nodes *nodes);

/* What the probe is told of copy j of a member: its home and second hash, attempt 0. */
struct lb_probe_try nodes_try(const struct lb_hash *hash, const struct lb_member *member, uint32_t copy,
                              uint64_t slots);

/* One of the members that are not tried, chosen by the key: where a walk that found nobody ends. LB_NONE when all are
 * tried. */
uint32_t ring_any_untried(const struct ring *r, const struct lb_pick *p);

/* The callback explain: see lb_plugin.h. */
uint32_t ring_explain(const void *table, const struct lb_pick *p, const void *scratch,
                      const struct lb_explain *say);

/* Fills points, buckets and (when dense) owners of a ring from at least one node. Returns 0, or -1 with why;
 * what was allocated is in the ring either way. */
int points_make(struct ring *r, const struct nodes *nodes, bool dense, struct lb_error *why);

/* The first point at or after slot; n_points, the sentinel, when that is beyond the last. */
static inline uint32_t points_find(const struct ring *r, uint64_t slot)
{
    uint64_t bucket = slot >> r->shift, from = slot << 32;
    uint32_t low = r->buckets[bucket], high = r->buckets[bucket + 1];

    /* A hash that crowds the ring fills few buckets: halving keeps even that look-up short. */
    while (high - low > 8) {
        uint32_t middle = low + (high - low) / 2;

        if (r->points[middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < high && r->points[low] < from)
        low++;
    return low;
}

static inline uint32_t point_member(uint64_t point)
{
    return (uint32_t)point;
}

static inline uint64_t point_slot(uint64_t point)
{
    return point >> 32;
}

#endif
