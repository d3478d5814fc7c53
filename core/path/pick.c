/*
 * pick.c - asking the strategy: see pick.h.
 *
 * Owns     the tried-set of one question.
 * Used by  exchange.c, exchange_attempt.c, shadow.c, worker.c.
 * Thread   the worker.
 */
#include "path/pick.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/load.h"
#include "world/replica.h"
#include "world/strategy.h"
#include "world/view.h"

/* So many unready members are found one by one; then all of them are marked at once, so that a question costs
 * O(members) at most even when half of a large pool is down. Full members likewise; they are rarer in a row. */
#define UNREADY_BEFORE_SWEEP 4
#define FULL_BEFORE_SWEEP    32

/* So often a scheduler may name a member it was told not to. */
#define REPEATS_MAX 4

/* So often everybody may seem full, each time with all counted afresh. Once is rare, and takes another worker that ends
 * and places a request just between two looks; this often in one pick is not expected to be seen. Then nobody is named,
 * rather than a bound exceeded. */
#define ROUNDS_MAX 16

void pick_open(struct pick *p)
{
    *p = (struct pick){ .first = LB_NONE };
    list_init(&p->seats);
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
            seat->weighed = NULL; /* a pool may lie where an older one lay */
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

/* ------------------------------------------------------------------ bounds */

/* What a member must be below: in flight * unit < most * weight. unit is 0 where there is no bound. */
struct admission {
    bool reserves; /* false: only asking */
    bool is_last;  /* the second time: who warms up is asked like the others */
    uint64_t unit; /* 1000 * W */
    uint64_t most; /* c in thousandths * T */
};

/* in flight + 1 <= ceil(c * T * w / W), without a division: for an integer n, n < x means n + 1 <= ceil(x). */
static bool is_below(const struct admission *a, uint32_t in_flight, uint32_t weight)
{
    return (lb_u128)in_flight * a->unit < (lb_u128)a->most * weight;
}

/* Takes a place; false: the member is full. */
static bool admit(const struct pick_question *q, const struct admission *a, uint32_t member)
{
    struct replica *replica = q->pool->replicas[member];
    if (!a->reserves)
        return true;
    if (a->unit == 0) {
        replica_reserve(replica);
        return true;
    }
    uint32_t weight = q->seat->table->members[member].weight, now = replica_in_flight(replica);
    do {
        if (!is_below(a, now, weight)) {
            STATS_ADD(replica->lines[q->worker].counters.full, 1);
            return false;
        }
    } while (!replica_reserve_after(replica, &now));
    return true;
}

/* ------------------------------------------------------------------ warming up */

#define WARMEST_FOR_NS 1000000

/* The largest warmth of those that are ready. */
static uint32_t find_warmest(struct pick *p, const struct pick_question *q)
{
    if (p->warmest_of == q->pool && q->now_ns - p->warmest_ns < WARMEST_FOR_NS)
        return p->warmest;
    uint32_t most = 1;
    for (uint32_t i = 0; i < q->pool->n_replicas && most < REPLICA_WHOLE; i++) {
        const struct replica *r = q->pool->replicas[i];
        uint32_t warmth = replica_is_ready(r) ? replica_warmth(r, q->now_ns) : 0;
        most = warmth > most ? warmth : most;
    }
    p->warmest_of = q->pool;
    p->warmest_ns = q->now_ns;
    p->warmest = most;
    return most;
}

/* Does one that warms up take this pick? */
static bool takes_pick(struct pick *p, const struct pick_question *q, const struct replica *replica)
{
    uint32_t most = find_warmest(p, q);
    return lb_scale(lb_random(q->random), most) < replica_warmth(replica, q->now_ns);
}

/* ------------------------------------------------------------------ bounds, for all members */

/* W of those that are ready and not marked. */
static uint64_t sum_weights(const struct pick *p, const struct pick_question *q)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < q->pool->n_replicas; i++)
        if (replica_is_ready(q->pool->replicas[i]) && !(p->tried[i >> 6] >> (i & 63) & 1))
            sum += q->seat->table->members[i].weight;
    return sum;
}

/* W of a first attempt: the same until somebody becomes ready or unready. */
static uint64_t remember_weights(const struct pick *p, const struct pick_question *q)
{
    struct pick_seat *seat = q->seat;
    uint32_t readiness = replica_readiness();
    if (seat->weighed != q->pool || seat->readiness != readiness) {
        seat->weight = sum_weights(p, q);
        seat->weighed = q->pool;
        seat->readiness = readiness;
    }
    return seat->weight;
}

static void mark_full(struct pick *p, const struct pick_question *q, const struct admission *a)
{
    for (uint32_t i = 0; i < q->pool->n_replicas; i++)
        if (!is_below(a, replica_in_flight(q->pool->replicas[i]), q->seat->table->members[i].weight))
            mark(p, i);
}

/* ------------------------------------------------------------------ asking */

/* Asks until a member is ready, untried and admitted. Every answer is marked, or counts as a repetition: it ends. */
static uint32_t ask(struct pick *p, const struct pick_question *q, const struct admission *a)
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
    unsigned unready = 0, full = 0, repeated = 0;
    for (;; question.attempt++) {
        uint32_t member = ops->pick(table->made, &question, q->seat->scratch);
        if (member >= table->n_members)
            return LB_NONE;
        if (lb_is_tried(&question, member)) {
            if (++repeated > REPEATS_MAX)
                return LB_NONE; /* a member it was told not to name */
            continue;
        }
        if (!replica_is_ready(q->pool->replicas[member])) {
            mark(p, member);
            if (++unready == UNREADY_BEFORE_SWEEP)
                mark_unready(p, q->pool);
            continue;
        }
        if (p->first == LB_NONE)
            p->first = member;
        const struct replica *replica = q->pool->replicas[member];
        if (a->reserves && !a->is_last && !replica_is_warm(replica) && !takes_pick(p, q, replica)) {
            mark(p, member);
            p->passed++;
            continue;
        }
        if (admit(q, a, member))
            return member;
        mark(p, member);
        if (++full == FULL_BEFORE_SWEEP)
            mark_full(p, q, a);
    }
}

static void mark_tried(struct pick *p, const struct pick_question *q)
{
    for (uint32_t i = 0; i < q->n_tried; i++)
        mark(p, q->tried[i]);
}

static void wipe(struct pick *p, const struct pick_question *q)
{
    memset(p->tried, 0, (q->pool->n_replicas + 63) / 64 * sizeof *p->tried);
}

static uint32_t ask_within_bounds(struct pick *p, const struct pick_question *q, bool is_last)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        bool usual = round == 0 && q->n_tried == 0;
        uint64_t weight = usual ? remember_weights(p, q) : sum_weights(p, q);
        struct admission a = { .reserves = true,
                               .is_last = is_last,
                               .unit = 1000 * weight,
                               .most = (uint64_t)q->bound * load_total(q->pool->load) };
        if (weight == 0 && !usual)
            break; /* nobody is ready, however we look */
        uint32_t member = weight ? ask(p, q, &a) : LB_NONE;
        if (member != LB_NONE || p->passed)
            return member; /* nobody, but some were passed over: they are asked once more */
        wipe(p, q);
        mark_tried(p, q);
    }
    return LB_NONE;
}

static uint32_t place(struct pick *p, const struct pick_question *q, bool is_last)
{
    const struct admission anybody = { .reserves = true, .is_last = is_last };
    mark_tried(p, q);
    p->passed = 0;
    uint32_t member = q->bound ? ask_within_bounds(p, q, is_last) : ask(p, q, &anybody);
    wipe(p, q);
    return member;
}

uint32_t pick_member(struct pick *p, const struct pick_question *q)
{
    p->first = LB_NONE;
    if (q->pool->n_replicas == 0)
        return LB_NONE;
    load_enter(q->pool->load, q->worker);
    uint32_t member = place(p, q, false);
    if (member == LB_NONE && p->passed)
        member = place(p, q, true);
    if (member == LB_NONE)
        load_leave(q->pool->load, q->worker);
    return member;
}

void pick_give_back(struct load *load, unsigned worker, struct replica *replica)
{
    replica_unreserve(replica);
    load_leave(load, worker);
}

uint32_t pick_ask(struct pick *p, const struct pick_question *q)
{
    static const struct admission only_asking = { .reserves = false };
    if (q->pool->n_replicas == 0)
        return LB_NONE;
    mark_tried(p, q);
    uint32_t member = ask(p, q, &only_asking);
    wipe(p, q);
    return member;
}

void pick_reply(const struct pick_seat *seat, const struct lb_reply *reply)
{
    const struct lb_scheduler_ops *ops = seat->table->strategy->ops;
    if (ops->on_reply)
        ops->on_reply(seat->table->made, reply, seat->scratch);
}
