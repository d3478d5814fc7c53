/*
 * simulate_load.c - requests that take time: see simulate.h for the model.
 *
 * Owns     the simulated clock, the replicas' queues, the order of events.
 * Used by  simulate_measure.c.
 * Uses     simulate_pool.h, keys.h.
 * Thread   the program's only one.
 *
 * Each replica has at most one request in service, so a heap of replicas by the end of that service is the order of all ends.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/keys.h"
#include "lab/simulate.h"
#include "lab/simulate_pool.h"

#define SERVICE_NS 1000000.0 /* the mean; strategies see nanoseconds */
#define CERTAIN    4.0       /* standard deviations of a count */
#define WARM_UP    10u       /* one part of so many is not counted */

/* Requests at a replica, oldest first: that one is in service. A ring that grows. */
struct queue {
    double *arrived; /* room is a power of two */
    uint32_t head, n, room;
    double ends; /* of the service under way */
};

struct crowd {
    const struct sim_plan *plan;
    struct sim_pool *pool;
    struct queue *queues;
    uint32_t *heap; /* replicas that serve, the one that ends first on top */
    uint32_t n_heap;
    uint32_t *at_level; /* replicas that hold so many; levels grow */
    uint32_t n_levels, most;
    uint64_t random, held, *counts; /* counts: requests of each replica */
    double *responses;              /* of counted requests */
    uint64_t n_responses, counted_from, arrivals;
    double spread, in_flight_most;
};

static double draw_exponential(uint64_t *random)
{
    return -log1p(-(double)(lb_random(random) >> 11) * 0x1p-53);
}

/* ------------------------------------------------------------------ the order of ends */

static bool ends_before(const struct crowd *c, uint32_t a, uint32_t b)
{
    return c->queues[a].ends < c->queues[b].ends;
}

static void heap_push(struct crowd *c, uint32_t replica)
{
    uint32_t at = c->n_heap++;
    for (; at > 0 && ends_before(c, replica, c->heap[(at - 1) / 2]); at = (at - 1) / 2)
        c->heap[at] = c->heap[(at - 1) / 2];
    c->heap[at] = replica;
}

static uint32_t heap_pop(struct crowd *c)
{
    uint32_t top = c->heap[0], last = c->heap[--c->n_heap], at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= c->n_heap)
            break;
        if (child + 1 < c->n_heap && ends_before(c, c->heap[child + 1], c->heap[child]))
            child++;
        if (!ends_before(c, c->heap[child], last))
            break;
        c->heap[at] = c->heap[child];
        at = child;
    }
    c->heap[at] = last;
    return top;
}

/* ------------------------------------------------------------------ who holds how many */

static void change_level(struct crowd *c, uint32_t from, uint32_t to)
{
    uint32_t highest = from > to ? from : to;
    if (highest >= c->n_levels) {
        uint32_t room = highest * 2 + 64;
        c->at_level = mem_grow(c->at_level, room * sizeof *c->at_level);
        memset(c->at_level + c->n_levels, 0, (room - c->n_levels) * sizeof *c->at_level);
        c->n_levels = room;
    }
    c->at_level[from]--;
    c->at_level[to]++;
    if (to > c->most)
        c->most = to;
    while (c->most > 0 && c->at_level[c->most] == 0)
        c->most--;
}

static void queue_push(struct queue *q, double arrived)
{
    if (q->n == q->room) {
        uint32_t room = q->room ? q->room * 2 : 4;
        double *more = mem_alloc(room * sizeof *more);
        for (uint32_t i = 0; i < q->n; i++)
            more[i] = q->arrived[(q->head + i) & (q->room - 1)];
        free(q->arrived);
        *q = (struct queue){ .arrived = more, .n = q->n, .room = room, .ends = q->ends };
    }
    q->arrived[(q->head + q->n++) & (q->room - 1)] = arrived;
}

/* ------------------------------------------------------------------ events */

static void begin_service(struct crowd *c, uint32_t replica, double now)
{
    c->queues[replica].ends = now + draw_exponential(&c->random);
    heap_push(c, replica);
}

static void end_service(struct crowd *c)
{
    uint32_t replica = heap_pop(c);
    struct queue *q = &c->queues[replica];
    double now = q->ends, arrived = q->arrived[q->head];
    q->head = (q->head + 1) & (q->room - 1);
    q->n--;
    c->held--;
    change_level(c, q->n + 1, q->n);
    c->pool->now_ns = (uint64_t)(now * SERVICE_NS);
    sim_pool_answer(c->pool, replica, (uint64_t)((now - arrived) * SERVICE_NS) + 1);
    if (c->arrivals > c->counted_from)
        c->responses[c->n_responses++] = now - arrived;
    if (q->n)
        begin_service(c, replica, now);
}

static void arrive(struct crowd *c, const struct lb_key *key, double now)
{
    while (c->n_heap && c->queues[c->heap[0]].ends <= now)
        end_service(c);
    c->pool->now_ns = (uint64_t)(now * SERVICE_NS);
    uint32_t replica = sim_pool_place(c->pool, key);
    struct queue *q = &c->queues[replica];
    queue_push(q, now);
    c->held++;
    c->counts[replica]++;
    change_level(c, q->n - 1, q->n);
    if (q->n == 1)
        begin_service(c, replica, now);
    if (c->arrivals++ >= c->counted_from) {
        c->spread += c->most - (double)c->held / c->pool->pool.n_replicas;
        c->in_flight_most = fmax(c->in_flight_most, c->most);
    }
}

/* ------------------------------------------------------------------ a run */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void conclude(struct crowd *c, struct sim_figures *out)
{
    uint32_t n = c->pool->pool.n_replicas;
    uint64_t largest = 0;
    for (uint32_t i = 0; i < n; i++)
        largest = c->counts[i] > largest ? c->counts[i] : largest;
    qsort(c->responses, c->n_responses, sizeof *c->responses, compare_doubles);
    out->spread = c->spread / (double)(c->arrivals - c->counted_from);
    out->in_flight_most = c->in_flight_most;
    out->response_p50 = c->responses[c->n_responses / 2];
    out->response_p99 = c->responses[c->n_responses * 99 / 100];
    out->busiest = (double)largest * n / (double)c->arrivals * c->plan->load;
    out->overloaded = out->busiest * (1 - CERTAIN / sqrt((double)largest)) > 1;
}

/* All arrivals; then what is left ends. */
static void run(struct crowd *c)
{
    struct keys_batch *batch = mem_alloc(sizeof *batch);
    double rate = c->plan->load * c->pool->pool.n_replicas, now = 0;
    uint64_t wanted = c->plan->arrivals;
    for (uint64_t i = 0, at = 0; i < wanted; i++, at++) {
        if (at % KEYS_BATCH == 0 || at == c->plan->keys->count) {
            at = at == c->plan->keys->count ? 0 : at; /* fewer keys than arrivals: they come again */
            keys_fill(c->plan->keys, at, batch);
        }
        now += draw_exponential(&c->random) / rate;
        arrive(c, &batch->keys[at % KEYS_BATCH], now);
    }
    while (c->n_heap)
        end_service(c);
    free(batch);
}

void sim_run_load(const struct sim_plan *plan, struct sim_pool *p, struct sim_figures *out)
{
    uint32_t n = p->pool.n_replicas;
    struct crowd c = { .plan = plan, .pool = p, .random = lb_mix64(plan->seed + 1) };
    c.counts = mem_zero(n, sizeof *c.counts);
    c.queues = mem_zero(n, sizeof *c.queues);
    c.heap = mem_alloc(n * sizeof *c.heap);
    c.n_levels = 64;
    c.at_level = mem_zero(c.n_levels, sizeof *c.at_level);
    c.at_level[0] = n;
    c.counted_from = plan->arrivals / WARM_UP;
    c.responses = mem_alloc((plan->arrivals + 1) * sizeof *c.responses);
    run(&c);
    conclude(&c, out);
    for (uint32_t i = 0; i < n; i++)
        free(c.queues[i].arrived);
    free(c.queues);
    free(c.heap);
    free(c.at_level);
    free(c.responses);
    free(c.counts);
}
