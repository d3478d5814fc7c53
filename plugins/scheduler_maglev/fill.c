/*
 * fill.c - members take turns until every slot has an owner.
 *
 * Owns     the walks, the order of turns and the bitmap of taken slots, while a table is filled.
 * Used by  scheduler_maglev.c's build.
 * Uses     maglev.h; the composed hash for offset and skip.
 * Thread   builder thread.
 *
 * offset is PHI(i, 0) modulo slots and skip is PHI(i, 1) modulo (slots - 1), plus 1. With R being the largest
 * quota, the k-th turn (k = 0, 1, …) of member i falls into round floor(k R / quota[i]) of 0 .. R - 1:
 * everybody takes part in the first round, and lighter members' turns are spread evenly over the others.
 * Within a round turns go by ring name. With equal weights that is one turn a round for each, as in the
 * paper.
 *
 * A walk meets on average log(slots) taken slots for each free one, so nearly all the time goes into looking
 * whether a slot is taken. The bitmap for that is 8 KiB for 65,537 slots: it stays in the nearest cache,
 * where the table of owners would not.
 */
#include "maglev.h"

#include <string.h>

#include "../common/build.h"

struct walk {
    uint32_t at, skip; /* the next slot to look at */
};

struct work {
    struct walk *walks; /* one a member */
    uint64_t *taken;    /* a bit a slot */
    uint32_t *start;    /* of each round: where its turns begin */
    uint16_t *turns;    /* slots of them: whose it is */
    uint32_t rounds;
};

/* In which round a member's turns fall, one after another. */
struct stepper {
    uint32_t round, rest, quota, whole, part;
};

static struct stepper stepper_make(uint32_t rounds, uint32_t quota)
{
    return (struct stepper){ .quota = quota, .whole = rounds / quota, .part = rounds % quota };
}

static void stepper_next(struct stepper *s)
{
    s->round += s->whole;
    s->rest += s->part;
    if (s->rest >= s->quota) {
        s->rest -= s->quota;
        s->round++;
    }
}

/* Sorts all turns by round, and those of a round by member, by counting. */
static void order_turns(const struct maglev *t, struct work *w)
{
    memset(w->start, 0, (w->rounds + 1u) * sizeof *w->start);
    for (uint32_t m = 0; m < t->n_members; m++) {
        struct stepper s = stepper_make(w->rounds, t->quota[m]);

        for (uint32_t k = 0; k < t->quota[m]; k++, stepper_next(&s))
            w->start[s.round + 1]++;
    }
    for (uint32_t round = 1; round < w->rounds; round++)
        w->start[round] += w->start[round - 1];
    for (uint32_t m = 0; m < t->n_members; m++) {
        struct stepper s = stepper_make(w->rounds, t->quota[m]);

        for (uint32_t k = 0; k < t->quota[m]; k++, stepper_next(&s))
            w->turns[w->start[s.round]++] = (uint16_t)m;
    }
}

static void start_walks(const struct maglev *t, const struct lb_build *in, struct walk *walks)
{
    const struct lb_hash *hash = &in->hash;

    for (uint32_t m = 0; m < t->n_members; m++) {
        const struct lb_member *member = &in->members[m];

        walks[m] = (struct walk){
            .at = (uint32_t)(hash->ops->place(hash->self, member, 0) % t->slots),
            .skip = (uint32_t)(hash->ops->place(hash->self, member, 1) % (t->slots - 1) + 1),
        };
    }
}

static void take_turns(struct maglev *t, struct work *w)
{
    uint64_t *taken = w->taken;

    for (uint32_t turn = 0; turn < t->slots; turn++) {
        struct walk *walk = &w->walks[w->turns[turn]];
        uint32_t at = walk->at, skip = walk->skip, back = t->slots - skip;

        while (taken[at >> 6] >> (at & 63) & 1)
            at = at >= back ? at - back : at + skip;
        taken[at >> 6] |= 1ull << (at & 63);
        t->owners[at] = w->turns[turn];
        walk->at = at;
    }
}

int fill_owners(struct maglev *t, const struct lb_build *in, struct lb_error *why)
{
    static const char what[] = "a Maglev table";
    size_t words = t->slots / 64 + 1u;
    struct work w = { .rounds = 0 };
    int complete;

    for (uint32_t m = 0; m < t->n_members; m++)
        w.rounds = t->quota[m] > w.rounds ? t->quota[m] : w.rounds;
    w.walks = build_alloc(in->alloc, t->n_members, sizeof *w.walks, what, why);
    w.taken = build_alloc(in->alloc, words, sizeof *w.taken, what, why);
    w.start = build_alloc(in->alloc, w.rounds + 1u, sizeof *w.start, what, why);
    w.turns = build_alloc(in->alloc, t->slots, sizeof *w.turns, what, why);
    complete = w.walks && w.taken && w.start && w.turns;
    if (complete) {
        memset(w.taken, 0, words * sizeof *w.taken);
        order_turns(t, &w);
        start_walks(t, in, w.walks);
        take_turns(t, &w);
    }
    build_free(in->alloc, w.turns);
    build_free(in->alloc, w.start);
    build_free(in->alloc, w.taken);
    build_free(in->alloc, w.walks);
    return complete ? 0 : -1;
}
