/*
 * pick.c - asking the strategy: see pick.h.
 *
 * Owns     the tried-set of one question.
 * Used by  exchange.c, exchange_attempt.c, worker.c.
 * Thread   the worker.
 */
#include "path/pick.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/replica.h"
#include "world/strategy.h"
#include "world/view.h"

/* So many unready members are found one by one; then all of them are marked at once, so that a question costs
 * O(members) at most even when half of a large pool is down. */
#define ASKS_BEFORE_SWEEP 4

void pick_open(struct pick *p)
{
    list_init(&p->seats);
    p->tried = NULL;
    p->n_words = 0;
}

void pick_close(struct pick *p)
{
    free(p->tried);
}

static void make_room(struct pick *p, uint32_t n_members)
{
    uint32_t words = (n_members + 63) / 64;
    if (words <= p->n_words)
        return;
    free(p->tried);
    p->tried = mem_zero(words, sizeof *p->tried);
    p->n_words = words;
}

struct pick_seat *pick_take_seat(struct pick *p, struct table *table)
{
    make_room(p, table->n_members);
    for (struct link *l = p->seats.next; l != &p->seats; l = l->next) {
        struct pick_seat *seat = LIST_OWNER(l, struct pick_seat, link);
        if (seat->table == table) {
            seat->refs++;
            return seat;
        }
    }
    struct pick_seat *seat = mem_zero(1, sizeof *seat);
    seat->table = table;
    seat->refs = 1;
    if (table->scratch_size)
        seat->scratch = mem_aligned(64, table->scratch_size);
    list_push_back(&p->seats, &seat->link);
    return seat;
}

void pick_leave_seat(struct pick_seat *seat)
{
    if (--seat->refs)
        return;
    list_remove(&seat->link);
    free(seat->scratch);
    free(seat);
}

static void mark(struct pick *p, uint32_t member)
{
    p->tried[member >> 6] |= 1ull << (member & 63);
}

static void mark_unready(struct pick *p, const struct pool *pool)
{
    for (uint32_t i = 0; i < pool->n_replicas; i++)
        if (!replica_is_ready(pool->replicas[i]))
            mark(p, i);
}

static uint32_t ask(struct pick *p, const struct pick_question *q)
{
    const struct table *table = q->seat->table;
    struct lb_pick question = { .struct_size = sizeof question,
                                .n_members = table->n_members,
                                .key = q->key,
                                .hash = q->hash,
                                .tried = p->tried,
                                .live = q->pool->live,
                                .now_ns = q->now_ns,
                                .random = q->random,
                                .attempt = q->attempt };
    const struct lb_scheduler_ops *ops = table->strategy->ops;
    for (unsigned asks = 1;; asks++) {
        uint32_t member = ops->pick(table->made, &question, q->seat->scratch);
        if (member >= table->n_members)
            return LB_NONE;
        if (replica_is_ready(q->pool->replicas[member]) && !lb_is_tried(&question, member))
            return member;
        if (asks > ASKS_BEFORE_SWEEP + 1)
            return LB_NONE; /* it repeats itself: a member it was told not to name */
        question.attempt++;
        if (asks == ASKS_BEFORE_SWEEP)
            mark_unready(p, q->pool);
        else
            mark(p, member);
    }
}

uint32_t pick_member(struct pick *p, const struct pick_question *q)
{
    if (q->pool->n_replicas == 0)
        return LB_NONE;
    for (uint32_t i = 0; i < q->n_tried; i++)
        mark(p, q->tried[i]);
    uint32_t member = ask(p, q);
    memset(p->tried, 0, (q->pool->n_replicas + 63) / 64 * sizeof *p->tried);
    return member;
}

void pick_reply(const struct pick_seat *seat, const struct lb_reply *reply)
{
    const struct lb_scheduler_ops *ops = seat->table->strategy->ops;
    if (ops->on_reply)
        ops->on_reply(seat->table->made, reply, seat->scratch);
}
