/*
 * scheduler_round_robin.c - each in turn, the heavier ones more often.
 *
 * Owns     tables: the members' weights and, when they differ, one cycle of turns.
 * Used by  the balancer, through lb_plugin_entry.
 * Uses     turns.h for the cycle; ../common/build.h, untried.h.
 * Thread   build: builder thread. pick: any worker. destroy: control thread. A table is never written after
 *          build; where a worker stands in the cycle is in its own scratch.
 *
 * Source      Smooth weighted turns: Tijdeman, "The chairman assignment problem", 1980; see turns.h.
 * Guarantees  After any t turns of one worker each member has had t times its share of them, rounded down or
 *             up. Workers need not know of each other.
 * Cost        A load and a store a pick, some 2 ns. 4 bytes a member, and with different weights 4 bytes for
 *             each turn of a cycle.
 * Not when    keys are to find their replica again: this knows no keys. Not when requests differ much in
 *             length, or replicas in speed: it gives a stalled one its turns all the same (scheduler_p2c,
 *             scheduler_peak_ewma).
 *
 * Workers start at different turns, so that ten of them do not send their first requests to the same member.
 * A tried member's turn is skipped, and the cycle goes on behind the one that was taken: the ready members
 * keep taking turns.
 */
#include "lb_plugin.h"

#include "../common/build.h"
#include "../common/telling.h"
#include "../common/untried.h"
#include "turns.h"

/* Turns of tried members that a pick skips before it takes any untried member instead. */
#define SKIP_MAX 64u

struct rotation {
    uint32_t n_members;
    uint32_t n_turns; /* of a cycle: the sum of weight[] */
    uint32_t *weight; /* divided by their greatest common divisor */
    uint32_t *turns;  /* NULL when all weights are equal: turn t is member t's */
    uint64_t names;   /* a digest of ring names and weights */
    const struct lb_alloc *alloc;
};

/* Of one worker. */
struct position {
    uint32_t turn;
    uint32_t started; /* 0 in fresh scratch */
};

static const char what[] = "a rotation";

static void destroy_table(void *table)
{
    struct rotation *r = table;
    const struct lb_alloc *alloc = r->alloc;

    build_free(alloc, r->weight);
    build_free(alloc, r->turns);
    build_free(alloc, r);
}

/* Weights in lowest terms and their sum; refuses a cycle that is too long. */
static int fill_weights(struct rotation *r, const struct lb_build *in, struct lb_error *why)
{
    uint32_t divisor = build_divisor(in);
    uint64_t sum = 0;

    r->weight = build_alloc(r->alloc, r->n_members, sizeof *r->weight, what, why);
    if (!r->weight || build_check_weights(in, why))
        return -1;
    for (uint32_t m = 0; m < r->n_members; m++) {
        r->weight[m] = in->members[m].weight / divisor;
        sum += r->weight[m];
    }
    if (sum > TURNS_MAX) {
        snprintf(why->text, sizeof why->text,
                 "the weights, divided by %u, add up to a cycle of %llu turns, and at most %u are kept: use "
                 "coarser weights",
                 divisor, (unsigned long long)sum, TURNS_MAX);
        return -1;
    }
    r->n_turns = (uint32_t)sum;
    return 0;
}

static int fill(struct rotation *r, const struct lb_build *in, struct lb_error *why)
{
    if (fill_weights(r, in, why))
        return -1;
    if (r->n_turns == r->n_members)
        return 0; /* all weights are 1: equal */
    r->turns = build_alloc(r->alloc, r->n_turns, sizeof *r->turns, what, why);
    if (!r->turns)
        return -1;
    return turns_make(r->alloc, r->weight, r->n_members, r->n_turns, r->turns, why);
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct rotation *r = build_alloc(in->alloc, 1, sizeof *r, what, why);

    if (!r)
        return -1;
    *r = (struct rotation){ .n_members = in->n_members, .names = build_digest(in), .alloc = in->alloc };
    if (r->n_members > 0 && fill(r, in, why)) {
        destroy_table(r);
        return -1;
    }
    *table = r;
    return 0;
}

static size_t scratch_size(const void *table)
{
    (void)table;
    return sizeof(struct position);
}

/* The first member from start on, round the end, that is not tried. At most one look at each 64 members. */
static uint32_t next_untried(const uint64_t *tried, uint32_t n, uint32_t start)
{
    uint32_t words = (n + 63) / 64, word = start / 64;
    uint64_t left = ~tried[word] & (~0ull << (start % 64));

    for (uint32_t looked = 0; looked <= words; looked++) {
        if (left) {
            uint32_t member = word * 64 + (uint32_t)__builtin_ctzll(left);

            if (member < n)
                return member;
        }
        word = word + 1 == words ? 0 : word + 1;
        left = ~tried[word];
    }
    return LB_NONE;
}

static uint32_t pick_equal(const struct rotation *r, const struct lb_pick *p, struct position *here)
{
    uint32_t member = here->turn;

    if (lb_is_tried(p, member))
        member = next_untried(p->tried, r->n_members, member);
    if (member != LB_NONE)
        here->turn = member + 1 == r->n_members ? 0 : member + 1;
    return member;
}

static uint32_t pick_weighted(const struct rotation *r, const struct lb_pick *p, struct position *here)
{
    uint32_t most = r->n_turns < SKIP_MAX ? r->n_turns : SKIP_MAX;

    for (uint32_t skipped = 0; skipped < most; skipped++) {
        uint32_t member = r->turns[here->turn];

        here->turn = here->turn + 1 == r->n_turns ? 0 : here->turn + 1;
        if (!lb_is_tried(p, member))
            return member;
    }
    /* A heavy member is tried and has all these turns to itself: a random untried one, so that the others
     * share it. */
    return untried_any(p->tried, r->n_members, lb_random(p->random));
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    const struct rotation *r = table;
    struct position *here = scratch;

    if (r->n_members == 0)
        return LB_NONE;
    if (!here->started) {
        here->started = 1;
        here->turn = (uint32_t)lb_scale(lb_random(p->random), r->n_turns);
    }
    return r->turns ? pick_weighted(r, p, here) : pick_equal(r, p, here);
}

static int inspect(const void *table, struct lb_inspect *out)
{
    const struct rotation *r = table;

    out->bytes =
        sizeof *r + r->n_members * sizeof *r->weight + (r->turns ? r->n_turns * sizeof *r->turns : 0);
    out->slot_owner = LB_NONE;
    out->digest = r->names;
    if (out->shares && r->n_members > 0) {
        for (uint32_t m = 0; m < r->n_members; m++)
            out->shares[m] = (double)r->weight[m] / (double)r->n_turns;
        out->exact = 1;
    }
    return 0;
}

/* The next turns of one worker, as pick would take them; nothing is written. */
static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    const struct rotation *r = table;
    const struct position *seen = scratch;
    struct position here = *seen;
    uint64_t random = *p->random;
    struct lb_pick question = *p;
    uint32_t turn;

    if (r->n_members == 0) {
        tell_text(say, "end", "the rotation is empty");
        return LB_NONE;
    }
    tell_number(say, "turns in a cycle", r->n_turns);
    tell_text(say, "order", "the key plays no part: each worker has its own place in the cycle");
    if (!here.started)
        tell_text(say, "place", "not begun: a worker starts at a random turn; this is one of them");
    question.random = &random;
    if (!here.started) {
        here.started = 1;
        here.turn = (uint32_t)lb_scale(lb_random(&random), r->n_turns);
    }
    turn = here.turn;
    tell_number(say, "turn", turn);
    for (uint32_t told = 0; told < r->n_turns && told < TOLD_MAX; told++) {
        uint32_t member = r->turns ? r->turns[turn] : turn;

        tell_member(say, lb_is_tried(p, member) ? "skipped" : "candidate", member);
        turn = turn + 1 == r->n_turns ? 0 : turn + 1;
    }
    return r->turns ? pick_weighted(r, &question, &here) : pick_equal(r, &question, &here);
}

static const struct lb_scheduler_ops ops = {
    .struct_size = sizeof ops,
    .build = build,
    .scratch_size = scratch_size,
    .pick = pick,
    .inspect = inspect,
    .destroy_table = destroy_table,
    .explain = explain,
};

static const struct lb_plugin plugin =
    LB_PLUGIN(LB_SCHEDULER, "scheduler_round_robin", "1.0", "each in turn, smoothly, by weight",
              LB_CAP_WEIGHTS, NULL, &ops);

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
