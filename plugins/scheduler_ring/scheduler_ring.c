/*
 * scheduler_ring.c - consistent hashing on a ring of any size from 2 to 2^32 slots.
 *
 * Owns     instances (the options) and tables (struct ring).
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     ring.h; ../common/build.h, untried.h; the composed hash and probe.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Karger et al., "Consistent Hashing and Random Trees", STOC 1997.
 * Guarantees  Whoever leaves moves no key but its own, and whoever joins takes only what becomes its own,
 *             apart from virtual nodes that had collided with its own: on the ring of 2^32, with a million
 *             of them, one key in 10^7. Shares are the weights' within chance: with K virtual nodes a
 *             member's is off by 1/sqrt(K), one standard deviation. The same members give the same table, in whatever order they came.
 * Cost        A look-up is one load on a small ring (dense_up_to), else the pair of a bucket and one or two
 *             points: 2 to 50 ns, as far as the table fits the caches. 20 to 30 bytes a virtual node; a
 *             million of them take 50 ms to build.
 * Not when    shares must be equal to the percent at a few bytes a member: scheduler_maglev and
 *             scheduler_rendezvous are exact. Not a small ring for members that come and go: who collides
 *             depends on who is there.
 *
 * Each member has weight x virtual_nodes virtual nodes on the ring; a key goes to slot H(key) mod slots, and
 * from there clockwise to the first virtual node at or after it, and on to the first member that was not
 * tried yet.
 */
#include "lb_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/untried.h"
#include "ring.h"

static const struct lb_option options[] = {
    { .name = "slots",
      .type = LB_INT,
      .dflt = "4294967296",
      .min = 2,
      .max = 4294967296.0,
      .help = "size of the ring, in slots" },
    { .name = "virtual_nodes",
      .type = LB_INT,
      .dflt = "1000",
      .min = 1,
      .max = 100000,
      .help = "places on the ring of a member of weight 1, in virtual nodes" },
    { .name = "dense_up_to",
      .type = LB_INT,
      .dflt = "65536",
      .min = 0,
      .max = 16777216,
      .help = "up to this size a ring keeps the owner of every slot (2 bytes each; fastest), in slots" },
    { .name = NULL },
};

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    struct ring_options *o = malloc(sizeof *o);

    if (!o) {
        snprintf(why->text, sizeof why->text, "no memory for the options of a ring");
        return -1;
    }
    o->slots = (uint64_t)values[0].i;
    o->virtual_nodes = (uint64_t)values[1].i;
    o->dense_up_to = (uint64_t)values[2].i;
    *self = o;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static void destroy_table(void *table)
{
    struct ring *r = table;
    const struct lb_alloc *alloc = r->alloc;

    build_free(alloc, r->points);
    build_free(alloc, r->buckets);
    build_free(alloc, r->owners);
    build_free(alloc, r->members);
    nodes_free(alloc, &r->nodes);
    build_free(alloc, r);
}

/* Who the members are: explain computes their hashes again. */
static int keep_members(struct ring *r, const struct lb_build *in, struct lb_error *why)
{
    char *names;

    r->member_bytes = in->n_members * sizeof *r->members;
    for (uint32_t m = 0; m < in->n_members; m++)
        r->member_bytes += in->members[m].key_len;
    r->members = build_alloc(in->alloc, 1, r->member_bytes, RING_WHAT, why);
    if (!r->members)
        return -1;
    names = (char *)(r->members + in->n_members);
    for (uint32_t m = 0; m < in->n_members; m++) {
        r->members[m] = in->members[m];
        r->members[m].key = names;
        if (in->members[m].key_len)
            memcpy(names, in->members[m].key, in->members[m].key_len);
        names += in->members[m].key_len;
    }
    return 0;
}

static int fill(struct ring *r, const struct lb_build *in, struct lb_error *why)
{
    const struct ring_options *o = in->self;
    bool dense = o->slots <= o->dense_up_to && in->n_members <= UINT16_MAX;

    if (build_check_weights(in, why) || keep_members(r, in, why) || nodes_place(in, o, &r->nodes, why))
        return -1;
    return points_make(r, &r->nodes, dense, why);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    const struct ring_options *o = in->self;
    struct ring *r = build_alloc(in->alloc, 1, sizeof *r, RING_WHAT, why);

    if (!r)
        return -1;
    *r = (struct ring){
        .slots = o->slots,
        .mask = ring_mask(o->slots),
        .n_members = in->n_members,
        .alloc = in->alloc,
        .hash = in->hash,
        .probe = in->probe,
    };
    r->names = build_digest(in);
    if (in->n_members > 0 && fill(r, in, why)) {
        destroy_table(r);
        return -1;
    }
    *table = r;
    return 0;
}

uint32_t ring_any_untried(const struct ring *r, const struct lb_pick *p)
{
    return untried_any(p->tried, r->n_members, lb_mix64(p->hash));
}

/* The owner of the key was tried: on clockwise. The walk is bounded; when nearly everybody is tried, the key
 * itself chooses among the last ones, so that they share the work. Kept out of line: it would cost every pick
 * the registers it needs. */
__attribute__((noinline)) static uint32_t walk_on(const struct ring *r, const struct lb_pick *p,
                                                  uint64_t slot)
{
    uint32_t steps = r->n_points < RING_WALK_MAX ? r->n_points : RING_WALK_MAX;
    uint32_t point = points_find(r, slot);

    for (uint32_t step = 0; step < steps; step++, point++) {
        if (point >= r->n_points)
            point = 0;
        if (!lb_is_tried(p, point_member(r->points[point])))
            return point_member(r->points[point]);
    }
    return ring_any_untried(r, p);
}

static uint32_t owner_of(const struct ring *r, uint64_t slot)
{
    return r->owners ? r->owners[slot] : point_member(r->points[points_find(r, slot)]);
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    const struct ring *r = table;
    uint64_t slot = ring_slot(r->slots, r->mask, p->hash);
    uint32_t member;

    (void)scratch;
    if (r->n_members == 0)
        return LB_NONE;
    member = owner_of(r, slot);
    return lb_is_tried(p, member) ? walk_on(r, p, slot) : member;
}

/* A point owns the slots after the point before it, up to its own. The sums are whole numbers below 2^53:
 * exact. */
static void share(const struct ring *r, double *shares)
{
    uint64_t before = 0;

    for (uint32_t m = 0; m < r->n_members; m++)
        shares[m] = 0;
    for (uint32_t i = 0; i < r->n_points; i++) {
        uint64_t end = point_slot(r->points[i]) + 1;

        shares[point_member(r->points[i])] += (double)(end - before);
        before = end;
    }
    shares[point_member(r->points[0])] += (double)(r->slots - before);
    for (uint32_t m = 0; m < r->n_members; m++)
        shares[m] /= (double)r->slots;
}

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct ring *r = table;

    out->bytes = sizeof *r;
    out->slots = r->slots;
    out->used = r->n_points;
    out->slot_owner = LB_NONE;
    out->digest = lb_mix64(r->names ^ r->slots);
    if (r->n_members == 0)
        return 0;
    out->bytes +=
        ((size_t)r->n_points + 1) * sizeof *r->points + ((size_t)r->n_buckets + 1) * sizeof *r->buckets;
    out->bytes += r->owners ? r->slots * sizeof *r->owners : 0;
    out->bytes += r->member_bytes + ((size_t)r->n_members + 1 + r->nodes.n) * sizeof *r->nodes.first;
    /* A sum, so that the multiplications need not wait for each other. No two points are equal. */
    for (uint32_t i = 0; i < r->n_points; i++)
        out->digest += lb_mix64(r->points[i] ^ r->names);
    if (out->slot < r->slots)
        out->slot_owner = owner_of(r, out->slot);
    if (out->shares) {
        share(r, out->shares);
        out->exact = 1;
    }
    return 0;
}

static const struct lb_scheduler_ops ops = {
    .struct_size = sizeof ops,
    .create = create,
    .destroy = destroy,
    .build = build,
    .pick = pick,
    .inspect = inspect,
    .destroy_table = destroy_table,
    .explain = ring_explain,
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_SCHEDULER, "scheduler_ring", "1.0", "consistent hashing on a ring of virtual nodes",
              LB_CAP_KEYED | LB_CAP_NEEDS_HASH | LB_CAP_NEEDS_PROBE | LB_CAP_WEIGHTS, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
