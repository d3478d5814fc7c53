/*
 * numbered.h - a scheduler that turns a hash into the number of a bucket, and knows members no other way.
 *
 * Owns     the table.
 * Used by  scheduler_jump, scheduler_modulo: they bring the rule.
 * Uses     buckets.h, telling.h, untried.h.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * A member of weight w has w buckets in a row, after division by the weights' common divisor. A key whose member was
 * tried is hashed again, with a salt, and the rule is asked anew.
 */
#ifndef PLUGINS_COMMON_NUMBERED_H
#define PLUGINS_COMMON_NUMBERED_H

#include "buckets.h"
#include "telling.h"
#include "untried.h"

struct numbered {
    struct buckets buckets;
    struct lb_hash hash;
    uint64_t names; /* a digest of who the members are and of some hashed keys */
    const struct lb_alloc *alloc;
};

/* From a hash to a bucket, 0 .. n - 1; n is at least 1. */
typedef uint32_t numbered_rule(uint64_t hash, uint32_t n);

static inline void numbered_destroy(void *table)
{
    struct numbered *t = table;
    const struct lb_alloc *alloc = t->alloc;

    buckets_free(alloc, &t->buckets);
    build_free(alloc, t);
}

/* what is the table's name in a sentence: "the buckets of jump hash". */
static inline int numbered_build(const struct lb_build *in, void **table, struct lb_error *why,
                                 const char *what)
{
    struct numbered *t = build_alloc(in->alloc, 1, sizeof *t, what, why);

    if (!t)
        return -1;
    *t = (struct numbered){ .hash = in->hash, .names = build_digest(in), .alloc = in->alloc };
    if (in->n_members > 0 && buckets_make(&t->buckets, in, what, why)) {
        numbered_destroy(t);
        return -1;
    }
    *table = t;
    return 0;
}

/* pick with say = NULL, and explain. Inlined, so that the rule is no call. */
static inline __attribute__((always_inline)) uint32_t numbered_choose(const struct numbered *t,
                                                                      const struct lb_pick *p,
                                                                      const struct lb_explain *say,
                                                                      numbered_rule *rule)
{
    uint32_t bucket, member;

    if (t->buckets.n == 0) {
        tell_text(say, "end", "there are no members");
        return LB_NONE;
    }
    bucket = rule(p->hash, t->buckets.n);
    member = buckets_member(&t->buckets, bucket);
    tell_number(say, "buckets", t->buckets.n);
    tell_number(say, "bucket", bucket);
    for (uint64_t salt = 1; lb_is_tried(p, member); salt++) {
        tell_member(say, "tried owner", member);
        if (salt > UNTRIED_LOOKS) {
            tell_text(say, "end", "all of these were tried: the key chooses among the rest");
            return untried_any(p->tried, t->buckets.n_members, lb_mix64(p->hash));
        }
        bucket = rule(lb_hash_mix(&t->hash, p->hash, salt), t->buckets.n);
        member = buckets_member(&t->buckets, bucket);
        tell_number(say, "bucket by another salt", bucket);
    }
    tell_member(say, "owner", member);
    return member;
}

/* What both can say: bytes, shares, digest. */
static inline void numbered_inspect(const struct numbered *t, struct lb_inspect *out)
{
    out->bytes = sizeof *t + buckets_bytes(&t->buckets);
    out->used = t->buckets.n;
    out->slot_owner = LB_NONE;
    out->digest = t->names;
    if (out->shares && t->buckets.n > 0) {
        buckets_share(&t->buckets, out->shares);
        out->exact = 1;
    }
}

#endif
