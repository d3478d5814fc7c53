/*
 * nodes.c - which slot each virtual node gets.
 *
 * Owns     the register of taken slots, while a ring is built.
 * Used by  scheduler_ring.c's build.
 * Uses     the composed hash (PHI) and probe.
 * Thread   builder thread.
 *
 * Nodes are placed one after another, in the order of members (sorted by ring name) and then of copies: the
 * result depends on the set of members alone. A node whose home is taken asks the probe for attempt 1, 2, …;
 * after as many attempts as there are slots, and after 1,024 at most, it takes the next free slot clockwise
 * from its home. With Robin Hood (the probe's yields) the node in the slot may have to move on instead.
 *
 * The register is an array over all slots on a small ring, and a hash table (open addressing, at most half
 * full) on a large one. An entry is slot << 32 | node + 1, or 0 when free. Both answer the same, so the ring
 * does too.
 */
#include "ring.h"

#include <stdio.h>
#include <string.h>

#define NODES_MAX      (1u << 24)
#define PREFETCH_AHEAD 16u

struct places {
    const struct lb_build *in;
    const struct nodes *nodes;
    uint64_t slots, mask;
    bool dense;
    unsigned shift;   /* of the hash table's multiplication */
    uint64_t n_taken; /* entries in the register */
    uint64_t *taken;  /* the register */
    uint32_t *skip; /* beside each entry: a later slot, all before it taken; 0: unknown. NULL until needed */
    uint32_t *attempt; /* of each node: how many attempts from home it stands. NULL when nobody asks */
    uint32_t attempts_max;
};

/* Where the register keeps slot, or would. */
static inline uint64_t entry_of(const struct places *p, uint64_t slot)
{
    uint64_t at;

    if (p->dense)
        return slot;
    /* Fibonacci hashing: neighbouring slots land far apart (Knuth, TAOCP 3, 6.4). */
    at = (slot * 0x9e3779b97f4a7c15ull) >> p->shift;
    while (p->taken[at] && p->taken[at] >> 32 != slot)
        at = at + 1 == p->n_taken ? 0 : at + 1;
    return at;
}

static inline uint64_t entry_make(uint64_t slot, uint32_t node)
{
    return slot << 32 | (node + 1);
}

static uint32_t member_of(const struct nodes *nodes, uint32_t node)
{
    uint32_t low = 0, high = nodes->n_members;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (nodes->first[middle] <= node)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct lb_probe_try nodes_try(const struct lb_hash *hash, const struct lb_member *member, uint32_t copy,
                              uint64_t slots)
{
    uint64_t value = hash->ops->place(hash->self, member, copy);

    return (struct lb_probe_try){
        .home = ring_slot(slots, ring_mask(slots), value),
        .hash2 = lb_hash_mix(hash, value, 1),
        .slots = slots,
        .copy = copy,
    };
}

/* Of a node that is being placed. Hash and home are computed again: only nodes that collide pay for it. */
static struct lb_probe_try try_of(const struct places *p, uint32_t node)
{
    uint32_t member = member_of(p->nodes, node);

    return nodes_try(&p->in->hash, &p->in->members[member], node - p->nodes->first[member], p->slots);
}

/* The first free slot at or after home. What was passed on the way is remembered in skip, so that a thousand
 * nodes which give up in the same crowd do not each walk through all of it (path compression, as in
 * union-find). */
static int next_free(struct places *p, uint64_t home, uint64_t *found, struct lb_error *why)
{
    uint64_t slot, entry, next;

    if (!p->skip) {
        p->skip = build_alloc(p->in->alloc, p->n_taken, sizeof *p->skip, RING_WHAT, why);
        if (!p->skip)
            return -1;
        memset(p->skip, 0, p->n_taken * sizeof *p->skip);
    }
    for (slot = home; entry = entry_of(p, slot), p->taken[entry]; slot = next)
        next = p->skip[entry] ? p->skip[entry] : (slot + 1) % p->slots;
    *found = slot;
    for (slot = home; slot != *found; slot = next) {
        entry = entry_of(p, slot);
        next = p->skip[entry] ? p->skip[entry] : (slot + 1) % p->slots;
        p->skip[entry] = (uint32_t)*found;
    }
    return 0;
}

static void settle(struct places *p, uint32_t node, uint64_t slot, uint64_t entry, uint32_t attempt)
{
    p->taken[entry] = entry_make(slot, node);
    p->nodes->slot_of[node] = (uint32_t)slot;
    if (p->attempt)
        p->attempt[node] = attempt;
}

/* Robin Hood: whether the node in the entry must make room for one that has come `attempt` attempts. */
static bool yields(const struct places *p, uint64_t entry, uint32_t attempt)
{
    const struct lb_probe *probe = &p->in->probe;
    uint32_t resident = (uint32_t)p->taken[entry] - 1;

    return p->attempt && probe->ops->yields(probe->self, attempt, p->attempt[resident]);
}

/* Finds room for a node whose home is taken. Ends: each turn raises some node's number of attempts, which is
 * bounded. */
static int resolve(struct places *p, uint32_t node, struct lb_error *why)
{
    const struct lb_probe *probe = &p->in->probe;
    struct lb_probe_try try = try_of(p, node);
    uint64_t slot = try.home, entry = entry_of(p, slot);

    while (p->taken[entry]) {
        if (yields(p, entry, try.attempt)) {
            uint32_t evicted = (uint32_t)p->taken[entry] - 1;
            uint32_t attempt = p->attempt[evicted];

            settle(p, node, slot, entry, try.attempt);
            node = evicted;
            try = try_of(p, node);
            try.attempt = attempt;
        }
        if (try.attempt >= p->attempts_max) {
            if (next_free(p, try.home, &slot, why))
                return -1;
        } else {
            try.attempt++;
            slot = probe->ops->at(probe->self, &try);
        }
        if (slot >= p->slots) {
            snprintf(
                why->text, sizeof why->text,
                "the probe plugin answered slot %llu on a ring of %llu slots: its at() must stay below slots",
                (unsigned long long)slot, (unsigned long long)p->slots);
            return -1;
        }
        entry = entry_of(p, slot);
    }
    settle(p, node, slot, entry, try.attempt);
    return 0;
}

/* Every node's home, into slot_of. PHI is called once a node, in one sweep. */
static void find_homes(const struct places *p)
{
    const struct lb_hash *hash = &p->in->hash;

    for (uint32_t m = 0; m < p->nodes->n_members; m++) {
        uint32_t *slot_of = p->nodes->slot_of + p->nodes->first[m];
        uint32_t copies = p->nodes->first[m + 1] - p->nodes->first[m];

        for (uint32_t j = 0; j < copies; j++) {
            uint64_t value = hash->ops->place(hash->self, &p->in->members[m], j);
            slot_of[j] = (uint32_t)ring_slot(p->slots, p->mask, value);
        }
    }
}

static int place_all(struct places *p, struct lb_error *why)
{
    const uint32_t *slot_of = p->nodes->slot_of;

    find_homes(p);
    for (uint32_t node = 0; node < p->nodes->n; node++) {
        uint64_t slot = slot_of[node], entry;

        /* The table is larger than the cache: ask for the entry that will be wanted a little later. */
        if (!p->dense && node + PREFETCH_AHEAD < p->nodes->n)
            __builtin_prefetch(
                &p->taken[(slot_of[node + PREFETCH_AHEAD] * 0x9e3779b97f4a7c15ull) >> p->shift], 1);
        entry = entry_of(p, slot);
        if (!p->taken[entry])
            p->taken[entry] = entry_make(slot, node);
        else if (resolve(p, node, why))
            return -1;
    }
    return 0;
}

/* The register and what goes with it, for as long as the placing takes. */
static int place_with_register(struct places *p, struct lb_error *why)
{
    const struct lb_alloc *alloc = p->in->alloc;
    unsigned bits = 1;
    int result = -1;

    if (p->dense) {
        p->n_taken = p->slots;
    } else {
        while ((1ull << bits) < 2ull * p->nodes->n)
            bits++;
        p->n_taken = 1ull << bits;
        p->shift = 64 - bits;
    }
    p->taken = build_alloc(alloc, p->n_taken, sizeof *p->taken, RING_WHAT, why);
    if (!p->taken)
        return -1;
    memset(p->taken, 0, p->n_taken * sizeof *p->taken);
    if (p->in->probe.ops->yields) {
        p->attempt = build_alloc(alloc, p->nodes->n, sizeof *p->attempt, RING_WHAT, why);
        if (!p->attempt)
            goto release;
        memset(p->attempt, 0, p->nodes->n * sizeof *p->attempt);
    }
    result = place_all(p, why);
release:
    build_free(alloc, p->attempt);
    build_free(alloc, p->skip);
    build_free(alloc, p->taken);
    return result;
}

/* How many nodes there will be, or 0 and why when they do not fit. */
static uint32_t count(const struct lb_build *in, const struct ring_options *o, struct lb_error *why)
{
    uint64_t n = 0;

    /* Cannot wrap: a member has at most 65,535 * 100,000 copies, and there are fewer than 2^31 members. */
    for (uint32_t m = 0; m < in->n_members; m++)
        n += in->members[m].weight * o->virtual_nodes;
    if (n > o->slots) {
        snprintf(
            why->text, sizeof why->text,
            "%u members make %llu virtual nodes, and the ring has only %llu slots: raise slots, or lower "
            "virtual_nodes or the weights",
            in->n_members, (unsigned long long)n, (unsigned long long)o->slots);
        return 0;
    }
    if (n > NODES_MAX) {
        snprintf(why->text, sizeof why->text,
                 "%u members make %llu virtual nodes, and a ring holds at most %u: lower virtual_nodes or "
                 "the weights",
                 in->n_members, (unsigned long long)n, NODES_MAX);
        return 0;
    }
    return (uint32_t)n;
}

int nodes_place(const struct lb_build *in, const struct ring_options *o, struct nodes *nodes,
                struct lb_error *why)
{
    struct places p = {
        .in = in,
        .nodes = nodes,
        .slots = o->slots,
        .mask = ring_mask(o->slots),
        .dense = o->slots <= o->dense_up_to,
        .attempts_max = o->slots < RING_ATTEMPTS_MAX ? (uint32_t)o->slots : RING_ATTEMPTS_MAX,
    };

    *nodes = (struct nodes){ .n = count(in, o, why), .n_members = in->n_members };
    if (nodes->n == 0)
        return -1;
    nodes->first = build_alloc(in->alloc, (size_t)in->n_members + 1, sizeof *nodes->first, RING_WHAT, why);
    nodes->slot_of = build_alloc(in->alloc, nodes->n, sizeof *nodes->slot_of, RING_WHAT, why);
    if (nodes->first && nodes->slot_of) {
        nodes->first[0] = 0;
        for (uint32_t m = 0; m < in->n_members; m++)
            nodes->first[m + 1] = nodes->first[m] + (uint32_t)(in->members[m].weight * o->virtual_nodes);
        if (place_with_register(&p, why) == 0)
            return 0;
    }
    nodes_free(in->alloc, nodes);
    return -1;
}

void nodes_free(const struct lb_alloc *alloc, struct nodes *nodes)
{
    build_free(alloc, nodes->first);
    build_free(alloc, nodes->slot_of);
    nodes->first = nodes->slot_of = NULL;
}
