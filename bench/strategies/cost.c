/*
 * cost.c - what a table costs: see cost.h.
 *
 *   pick_ns    pick through the .so, the key's hash being there
 *   live_ns    and the balancer's look whether the member is ready
 *   full_ns    and the key hashed before, through the .so, and the member's in-flight count raised after
 *   whole_ns   all that the balancer does for a request: hash, pick_member, and the place given back
 *
 * The keys are 65,536 different ones in an order that repeats: too many for the branch predictor to learn by heart.
 */
#include "cost.h"

#include <stdlib.h>

#include "keys.h"
#include "subject.h"
#include "timing.h"
#include "world/replica.h"

#define KEYS (1u << 16)

struct run {
    const struct lb_scheduler_ops *ops;
    const struct strategy *strategy;
    const struct keys *keys;
    struct bench_pool *pool;
    struct lb_pick question;
    uint64_t *tried;
};

static void ask(struct run *r, uint64_t turn)
{
    r->question.key = &r->keys->key[turn & (KEYS - 1)];
    r->question.hash = r->keys->hash[turn & (KEYS - 1)];
}

static void run_pick(void *ctx, uint64_t turns)
{
    struct run *r = ctx;
    void *scratch = r->pool ? r->pool->seat->scratch : NULL;
    const void *made = r->pool ? r->pool->pool.table->made : NULL;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < turns; i++) {
        ask(r, i);
        sum += r->ops->pick(made, &r->question, scratch);
    }
    timing_sink(sum);
}

static void run_live(void *ctx, uint64_t turns)
{
    struct run *r = ctx;
    uint64_t ready = 0;

    for (uint64_t i = 0; i < turns; i++) {
        ask(r, i);
        uint32_t member = r->ops->pick(r->pool->pool.table->made, &r->question, r->pool->seat->scratch);
        ready += replica_is_ready(r->pool->pool.replicas[member]);
    }
    timing_sink(ready);
}

static void run_full(void *ctx, uint64_t turns)
{
    struct run *r = ctx;
    uint64_t ready = 0;

    for (uint64_t i = 0; i < turns; i++) {
        r->question.key = &r->keys->key[i & (KEYS - 1)];
        r->question.hash = strategy_hash(r->strategy, r->question.key);
        uint32_t member = r->ops->pick(r->pool->pool.table->made, &r->question, r->pool->seat->scratch);
        struct replica *replica = r->pool->pool.replicas[member];
        if (replica_is_ready(replica))
            ready += replica_reserve(replica);
    }
    timing_sink(ready);
}

static void run_whole(void *ctx, uint64_t turns)
{
    struct run *r = ctx;
    struct bench_pool *p = r->pool;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < turns; i++) {
        const struct lb_key *key = &r->keys->key[i & (KEYS - 1)];
        struct pick_question q = pool_question(p, key, strategy_hash(r->strategy, key));
        uint32_t member = pick_member(&p->pick, &q);
        pick_give_back(p->pool.load, 0, p->pool.replicas[member]);
        sum += member;
    }
    timing_sink(sum);
}

static void forget_load(struct bench_pool *p)
{
    for (uint32_t i = 0; i < p->pool.n_replicas; i++)
        p->pool.replicas[i]->live.in_flight = 0;
}

void cost_pick(json_t *out, struct bench_pool *p, const struct keys *keys, struct cost_effort effort)
{
    struct run r = {
        .ops = p->pool.table->strategy->ops, .strategy = p->pool.table->strategy, .keys = keys, .pool = p
    };

    r.tried = calloc(p->pool.n_replicas / 64 + 1u, sizeof *r.tried);
    r.question = (struct lb_pick){ .struct_size = sizeof r.question,
                                   .n_members = p->pool.n_replicas,
                                   .tried = r.tried,
                                   .live = p->pool.live,
                                   .random = &p->random };
    json_object_set_new(out, "pick_ns",
                        timing_render(timing_of(run_pick, &r, effort.runs, effort.run_ns), 1));
    json_object_set_new(out, "live_ns",
                        timing_render(timing_of(run_live, &r, effort.runs, effort.run_ns), 1));
    json_object_set_new(out, "full_ns",
                        timing_render(timing_of(run_full, &r, effort.runs, effort.run_ns), 1));
    forget_load(p);
    json_object_set_new(out, "whole_ns",
                        timing_render(timing_of(run_whole, &r, effort.runs, effort.run_ns), 1));
    free(r.tried);
}

static uint32_t nobody(const void *table, const struct lb_pick *p, void *scratch)
{
    (void)table;
    (void)scratch;
    return (uint32_t)p->hash;
}

json_t *cost_floor(const struct keys *keys, struct cost_effort effort)
{
    static struct lb_scheduler_ops empty = { .pick = nobody };
    struct run r = { .ops = &empty, .keys = keys };

    __asm__ volatile("" : : "r"(&empty) : "memory"); /* who is called is not known here */
    return timing_render(timing_of(run_pick, &r, effort.runs, effort.run_ns), 1);
}

/* ------------------------------------------------------------------ build */

struct build_run {
    struct strategy *strategy;
    struct lb_build in;
};

static void *take(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes ? bytes : 1);
}

static void release(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static void run_build(void *ctx, uint64_t turns)
{
    struct build_run *r = ctx;

    for (uint64_t i = 0; i < turns; i++) {
        struct lb_error why;
        void *made;

        if (r->strategy->ops->build(&r->in, &made, &why) == 0)
            r->strategy->ops->destroy_table(made);
    }
}

void cost_build(json_t *out, struct strategy *s, uint32_t n, struct cost_effort effort)
{
    static const struct lb_alloc alloc = { .alloc = take, .release = release };
    uint32_t made;
    struct lb_member *members = subject_members(n, 0, &made);
    struct build_run r = { .strategy = s,
                           .in = { .struct_size = sizeof r.in,
                                   .n_members = made,
                                   .members = members,
                                   .self = s->self,
                                   .hash = s->with_hash,
                                   .probe = s->with_probe,
                                   .alloc = &alloc } };

    json_object_set_new(out, "build_ms",
                        timing_render(timing_of(run_build, &r, effort.runs, effort.run_ns), 1e6));
    free(members);
}
