/*
 * scheduler_maglev.c - Google's Maglev hashing: one load a look-up, and shares that are equal to the slot.
 *
 * Owns     instances (the options) and tables (struct maglev).
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     maglev.h; the composed hash.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build.
 *
 * Source      Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
 *             section 3.4.
 * Guarantees  Members of equal weight have equal numbers of slots, or one more; others within one slot of
 *             their exact share, and at least one. The same members give the same table, in whatever order
 *             they came. A member that is only unready moves no key but its own: the table stays.
 * Cost        A look-up is one load. Building takes O(M log M) steps for M slots; the table has two bytes a
 *             slot.
 * Not when    members come and go all the time and every moved key hurts: beside the keys of the one that
 *             goes, up to 0.9 % of all others move too with 65,537 slots, and a third of that with ten times
 *             as many. A ring or rendezvous moves none. Not with fewer than about 100 slots a member: equal
 *             shares then differ by percents.
 *
 * A key whose member was tried is hashed again, with a salt, and looked up anew: so a dead member's keys
 * spread over all others, by weight.
 */
#include "lb_plugin.h"

#include "../common/build.h"
#include "../common/settings.h"
#include "../common/telling.h"
#include "../common/untried.h"
#include "maglev.h"
#include "prime.h"

#define SLOTS_MAX 6553577 /* a prime: 100 slots for each of 65,536 members */

static const struct lb_option options[] = {
    { .name = "slots",
      .type = LB_INT,
      .dflt = "65537",
      .min = 3,
      .max = SLOTS_MAX,
      .help = "size of the table, in slots; a prime, best 100 times the number of members or more" },
    { .name = NULL },
};

enum { SLOTS, OPTIONS };

static int create(const union lb_value *values, void **self, struct lb_error *why)
{
    uint32_t slots = (uint32_t)values[SLOTS].i;

    if (!prime_is(slots)) {
        snprintf(
            why->text, sizeof why->text,
            "slots is %u, which is not a prime, and only on a prime number of slots does every member's walk "
            "reach every slot: the next prime is %u",
            slots, prime_at_least(slots));
        return -1;
    }
    return settings_keep(values, OPTIONS, self, why);
}

static void destroy_table(void *table)
{
    struct maglev *t = table;
    const struct lb_alloc *alloc = t->alloc;

    build_free(alloc, t->owners);
    build_free(alloc, t->quota);
    build_free(alloc, t);
}

static int fill(struct maglev *t, const struct lb_build *in, struct lb_error *why)
{
    if (t->n_members > MEMBERS_MAX || t->n_members > t->slots) {
        snprintf(why->text, sizeof why->text, "%u members, and this table holds at most %u: %s", t->n_members,
                 t->slots < MEMBERS_MAX ? t->slots : MEMBERS_MAX,
                 t->n_members > MEMBERS_MAX ? "use scheduler_ring"
                                            : "raise slots, best to 100 times the members");
        return -1;
    }
    if (build_check_weights(in, why))
        return -1;
    t->owners = build_alloc(t->alloc, t->slots, sizeof *t->owners, "a Maglev table", why);
    t->quota = build_alloc(t->alloc, t->n_members, sizeof *t->quota, "a Maglev table", why);
    if (!t->owners || !t->quota || quota_make(in, t->slots, t->quota, why))
        return -1;
    return fill_owners(t, in, why);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    const uint32_t slots = settings_value(in->self, SLOTS);
    struct maglev *t = build_alloc(in->alloc, 1, sizeof *t, "a Maglev table", why);

    if (!t)
        return -1;
    *t = (struct maglev){ .slots = slots,
                          .n_members = in->n_members,
                          .reciprocal = (uint64_t)(((lb_u128)1 << 64) / slots),
                          .hash = in->hash,
                          .names = build_digest(in),
                          .alloc = in->alloc };
    if (in->n_members > 0 && fill(t, in, why)) {
        destroy_table(t);
        return -1;
    }
    *table = t;
    return 0;
}

static inline uint32_t slot_of(const struct maglev *t, uint64_t hash)
{
    return maglev_slot(hash, t->slots, t->reciprocal);
}

/* The owner was tried: the key is hashed again until another one's slot is found. */
static __attribute__((noinline, cold)) uint32_t look_further(const struct maglev *t, const struct lb_pick *p,
                                                             const struct lb_explain *say)
{
    for (uint64_t salt = 1; salt <= UNTRIED_LOOKS; salt++) {
        uint32_t slot = slot_of(t, lb_hash_mix(&t->hash, p->hash, salt)), member = t->owners[slot];

        tell_number(say, "slot by another salt", slot);
        tell_member(say, lb_is_tried(p, member) ? "tried owner" : "owner", member);
        if (!lb_is_tried(p, member))
            return member;
    }
    tell_text(say, "end", "all of these were tried: the key chooses among the rest");
    return untried_any(p->tried, t->n_members, lb_mix64(p->hash));
}

static inline uint32_t choose(const struct maglev *t, const struct lb_pick *p, const struct lb_explain *say)
{
    uint32_t slot, member;

    if (t->n_members == 0) {
        tell_text(say, "end", "the table is empty");
        return LB_NONE;
    }
    slot = slot_of(t, p->hash);
    member = t->owners[slot];
    tell_number(say, "slots", t->slots);
    tell_number(say, "slot", slot);
    tell_member(say, lb_is_tried(p, member) ? "tried owner" : "owner", member);
    return lb_is_tried(p, member) ? look_further(t, p, say) : member;
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)scratch;
    return choose(table, p, NULL);
}

static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    (void)scratch;
    return choose(table, p, say);
}

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct maglev *t = table;

    out->bytes = sizeof *t;
    out->slots = t->slots;
    out->slot_owner = LB_NONE;
    out->digest = lb_mix64(t->names ^ t->slots);
    if (t->n_members == 0)
        return 0;
    out->bytes += t->slots * sizeof *t->owners + t->n_members * sizeof *t->quota;
    out->used = t->slots;
    /* A sum, so that the multiplications need not wait for each other. */
    for (uint32_t slot = 0; slot < t->slots; slot++)
        out->digest += lb_mix64(((uint64_t)slot << 32 | t->owners[slot]) ^ t->names);
    if (out->slot < t->slots)
        out->slot_owner = t->owners[out->slot];
    if (out->shares) {
        for (uint32_t m = 0; m < t->n_members; m++)
            out->shares[m] = (double)t->quota[m] / (double)t->slots;
        out->exact = 1;
    }
    return 0;
}

static const struct lb_scheduler_ops ops = {
    .struct_size = sizeof ops,
    .create = create,
    .destroy = settings_drop,
    .build = build,
    .pick = pick,
    .inspect = inspect,
    .destroy_table = destroy_table,
    .explain = explain,
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_SCHEDULER, "scheduler_maglev", "1.0", "Maglev hashing: one load a look-up, equal shares",
              LB_CAP_KEYED | LB_CAP_NEEDS_HASH | LB_CAP_WEIGHTS, options, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
