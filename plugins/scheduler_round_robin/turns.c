/*
 * turns.c - earliest deadline first, over one cycle.
 *
 * Owns     a calendar and a heap while it works.
 * Used by  scheduler_round_robin.c's build.
 * Thread   builder thread.
 *
 * A member is in one place at a time: in the calendar, under the turn at which its next window opens, or in
 * the heap, with the turn by which that window closes. The heap is never empty when a turn is given: all
 * windows together ask for exactly W turns and all are kept, so none is left over.
 */
#include "turns.h"

#include <stdbool.h>
#include <string.h>

#include "../common/build.h"

struct cycle {
    const uint32_t *weight;
    uint32_t n, sum;
    uint32_t *done;    /* turns each member has had */
    uint32_t *opening; /* calendar: the first member whose window opens at a turn, as number + 1 */
    uint32_t *next;    /* the next one at the same turn, as number + 1 */
    uint64_t *heap;    /* deadline << 32 | member, the smallest on top */
    uint32_t n_heap;
};

static uint64_t window_opens(const struct cycle *c, uint32_t member)
{
    return (uint64_t)c->done[member] * c->sum / c->weight[member];
}

static uint64_t window_closes(const struct cycle *c, uint32_t member)
{
    uint64_t weight = c->weight[member];

    return (((uint64_t)c->done[member] + 1) * c->sum + weight - 1) / weight;
}

static void heap_push(struct cycle *c, uint32_t member)
{
    uint64_t item = window_closes(c, member) << 32 | member;
    uint32_t at = c->n_heap++;

    for (; at > 0 && c->heap[(at - 1) / 2] > item; at = (at - 1) / 2)
        c->heap[at] = c->heap[(at - 1) / 2];
    c->heap[at] = item;
}

static uint32_t heap_pop(struct cycle *c)
{
    uint32_t member = (uint32_t)c->heap[0], at = 0;
    uint64_t last = c->heap[--c->n_heap];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= c->n_heap)
            break;
        if (child + 1 < c->n_heap && c->heap[child + 1] < c->heap[child])
            child++;
        if (last <= c->heap[child])
            break;
        c->heap[at] = c->heap[child];
        at = child;
    }
    c->heap[at] = last;
    return member;
}

static void calendar_add(struct cycle *c, uint32_t member, uint64_t turn)
{
    c->next[member] = c->opening[turn];
    c->opening[turn] = member + 1;
}

static void run(struct cycle *c, uint32_t *turns)
{
    for (uint32_t m = 0; m < c->n; m++)
        heap_push(c, m);
    for (uint32_t turn = 0; turn < c->sum; turn++) {
        uint32_t member;

        for (uint32_t entry = c->opening[turn]; entry; entry = c->next[entry - 1])
            heap_push(c, entry - 1);
        member = turns[turn] = heap_pop(c);
        if (++c->done[member] == c->weight[member])
            continue;
        if (window_opens(c, member) > turn + 1)
            calendar_add(c, member, window_opens(c, member));
        else
            heap_push(c, member);
    }
}

int turns_make(const struct lb_alloc *alloc, const uint32_t *weight, uint32_t n, uint32_t sum,
               uint32_t *turns, struct lb_error *why)
{
    static const char what[] = "a rotation";
    struct cycle c = { .weight = weight, .n = n, .sum = sum };
    bool complete;

    c.done = build_alloc(alloc, n, sizeof *c.done, what, why);
    c.opening = build_alloc(alloc, sum, sizeof *c.opening, what, why);
    c.next = build_alloc(alloc, n, sizeof *c.next, what, why);
    c.heap = build_alloc(alloc, n, sizeof *c.heap, what, why);
    complete = c.done && c.opening && c.next && c.heap;
    if (complete) {
        memset(c.done, 0, n * sizeof *c.done);
        memset(c.opening, 0, sum * sizeof *c.opening);
        run(&c, turns);
    }
    build_free(alloc, c.done);
    build_free(alloc, c.opening);
    build_free(alloc, c.next);
    build_free(alloc, c.heap);
    return complete ? 0 : -1;
}
