/*
 * bounded.c - bounded load, as path/pick.c does it: see figures.h.
 *
 * Checks are members asked for until one has room: one for each pick, and one more for each that was full (the
 * balancer's own counter). Allocations are counted at the C library's door, which is ours here.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "figures.h"
#include "subject.h"
#include "timing.h"
#include "world/replica.h"
#include "world/strategy.h"

#define C         1250u /* thousandths */
#define ZIPF_KEYS 100000u
#define PICKS     200000u

#ifndef RM_SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static unsigned long allocations;

void *malloc(size_t size)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_realloc(memory, size);
}

static json_t *render_allocations(unsigned long before)
{
    return json_integer((json_int_t)(allocations - before));
}
#else
static unsigned long allocations; /* a sanitizer has an allocator of its own */

static json_t *render_allocations(unsigned long before)
{
    (void)before;
    return json_null();
}
#endif

/* Running sums of 1, 1/2, 1/3, …, scaled to end at 1. */
static double *zipf_make(void)
{
    double *sums = mem_alloc(ZIPF_KEYS * sizeof *sums), sum = 0;

    for (uint32_t k = 0; k < ZIPF_KEYS; k++)
        sums[k] = sum += 1.0 / (k + 1);
    for (uint32_t k = 0; k < ZIPF_KEYS; k++)
        sums[k] /= sum;
    return sums;
}

static uint64_t zipf_draw(const double *sums, uint64_t *random)
{
    double u = (double)(lb_random(random) >> 11) / 9007199254740992.0;
    uint32_t from = 0, to = ZIPF_KEYS - 1;

    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (sums[middle] < u)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct crowd {
    struct strategy *strategy;
    struct bench_pool pool;
    const double *zipf; /* NULL: all keys are different */
    uint64_t random;
    uint32_t most;
    uint64_t exceeded;
};

/* What no member may hold when m run, the new one included. */
static uint32_t bound_of(uint32_t m, uint32_t n)
{
    return (uint32_t)(((uint64_t)C * m + 1000u * n - 1) / (1000u * n));
}

static uint32_t begin_one(struct crowd *c, uint32_t m)
{
    uint64_t number = c->zipf ? zipf_draw(c->zipf, &c->random) : lb_random(&c->random) >> 2;
    struct lb_key key = { .bytes = &number, .len = sizeof number, .id = number };
    struct pick_question q = pool_question(&c->pool, &key, strategy_hash(c->strategy, &key));

    q.bound = C;
    uint32_t member = pick_member(&c->pool.pick, &q);
    uint32_t held = replica_in_flight(c->pool.pool.replicas[member]);
    c->most = held > c->most ? held : c->most;
    c->exceeded += held > bound_of(m, c->pool.pool.n_replicas);
    return member;
}

static uint64_t count_full(const struct crowd *c)
{
    uint64_t full = 0;

    for (uint32_t i = 0; i < c->pool.pool.n_replicas; i++)
        full += c->pool.pool.replicas[i]->lines[0].counters.full;
    return full;
}

json_t *figure_bounded(const struct subject *s, uint32_t n, uint32_t load, int zipf)
{
    double *sums = zipf_make();
    struct crowd c = { .strategy = subject_make(s), .zipf = zipf ? sums : NULL, .random = 4711 };
    uint32_t m = n * load, *held = mem_alloc(m * sizeof *held);

    pool_make(&c.pool, subject_build(c.strategy, n, 0));
    for (uint32_t i = 0; i < m; i++)
        held[i] = begin_one(&c, i + 1);
    uint64_t full = count_full(&c);
    unsigned long before = allocations;
    c.most = 0;
    uint64_t began = timing_now();
    for (uint32_t i = 0; i < PICKS; i++) {
        uint32_t at = (uint32_t)lb_scale(lb_random(&c.random), m);

        pick_give_back(c.pool.pool.load, 0, c.pool.pool.replicas[held[at]]);
        held[at] = begin_one(&c, m);
    }
    double turn_ns = (double)(timing_now() - began) / PICKS;
    json_t *allocated = render_allocations(before);
    full = count_full(&c) - full;
    json_t *out =
        json_pack("{s:i, s:i, s:b, s:i, s:f, s:i, s:i, s:I, s:o, s:f, s:f}", "members", (int)n, "load",
                  (int)load, "zipf", zipf, "picks", (int)PICKS, "checks", 1 + (double)full / PICKS, "bound",
                  (int)bound_of(m, n), "most", (int)c.most, "exceeded", (json_int_t)c.exceeded, "allocations",
                  allocated, "hot_members", zipf ? sums[0] * m / bound_of(m, n) : 0.0, "turn_ns", turn_ns);
    pool_free(&c.pool);
    strategy_release(c.strategy);
    free(held);
    free(sums);
    return out;
}
