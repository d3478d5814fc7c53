/*
 * quota.c - how many slots each member gets.
 *
 * Owns     nothing.
 * Used by  scheduler_maglev.c's build.
 * Uses     maglev.h.
 * Thread   builder thread.
 *
 * The paper leaves weights open. Here slots are given out as seats in a parliament are: each member gets the
 * whole part of slots * weight / sum, and what is left goes to the largest remainders (Hamilton's method),
 * which keeps everybody within one slot of the exact share. A member that is too light for a slot gets one
 * all the same, since a replica without any would never be asked; the others then divide the rest.
 *
 * With equal weights the first slots mod n members, by ring name, get one slot more: what the paper's turns
 * come to.
 */
#include "maglev.h"

#include "../common/build.h"

struct claim {
    uint64_t remainder;
    uint32_t member, weight;
};

/* Largest remainder first, then the first member: a heap with the next to serve on top. */
static int goes_before(const struct claim *a, const struct claim *b)
{
    return a->remainder != b->remainder ? a->remainder > b->remainder : a->member < b->member;
}

static void sift_down(struct claim *heap, uint32_t n, uint32_t at)
{
    struct claim moving = heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= n)
            break;
        if (child + 1 < n && goes_before(&heap[child + 1], &heap[child]))
            child++;
        if (!goes_before(&heap[child], &moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

/* Gives left slots to the claims with the largest remainders, one each. left is below n. */
static void give_left(struct claim *claims, uint32_t n, uint64_t left, uint32_t *quota)
{
    for (uint32_t at = n / 2; at-- > 0;)
        sift_down(claims, n, at);
    for (; left > 0; left--) {
        quota[claims[0].member]++;
        claims[0] = claims[--n];
        sift_down(claims, n, 0);
    }
}

/* Gives one slot to each claim that has not even one, and takes them and theirs out. Whoever is lighter than
 * a slot makes the others' share of the rest smaller, so this is repeated until nobody is; the heaviest never
 * is, since there are at least as many slots as claims. Returns how many claims are left. */
static uint32_t settle_light(struct claim *claims, uint32_t n, uint64_t *slots, uint64_t *sum,
                             uint32_t *quota)
{
    for (;;) {
        uint64_t slots_before = *slots, sum_before = *sum;
        uint32_t kept = 0;

        for (uint32_t i = 0; i < n; i++) {
            if (claims[i].weight * slots_before >= sum_before) {
                claims[kept++] = claims[i];
                continue;
            }
            quota[claims[i].member] = 1;
            *slots -= 1;
            *sum -= claims[i].weight;
        }
        if (kept == n)
            return n;
        n = kept;
    }
}

int quota_make(const struct lb_build *in, uint32_t slots, uint32_t *quota, struct lb_error *why)
{
    struct claim *claims = build_alloc(in->alloc, in->n_members, sizeof *claims, "a Maglev table", why);
    uint32_t n = in->n_members;
    uint64_t sum = 0, rest = slots, left;

    if (!claims)
        return -1;
    for (uint32_t m = 0; m < n; m++) {
        claims[m] = (struct claim){ .member = m, .weight = in->members[m].weight };
        sum += in->members[m].weight;
    }
    n = settle_light(claims, n, &rest, &sum, quota);
    left = rest;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t product = claims[i].weight * rest;

        quota[claims[i].member] = (uint32_t)(product / sum);
        claims[i].remainder = product % sum;
        left -= product / sum;
    }
    give_left(claims, n, left, quota);
    build_free(in->alloc, claims);
    return 0;
}
