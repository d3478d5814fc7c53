/*
 * test_bounded.c - bounded load: the bound to the request, who may go where when members are full, unready or tried, and
 * that no number of workers exceeds it. What it costs is printed: checks a pick, allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "unit/path/pool_kit.h"
#include "world/load.h"
#include "world/replica.h"

#include <pthread.h>

static const struct kit_part ring = { "scheduler_ring", "slots=4294967296 virtual_nodes=1000" };
static const struct kit_part murmur = { "hash_murmur", "" }, linear = { "probe_linear", "" },
                             none = { "", "" };
static const struct kit_part in_turn = { "scheduler_round_robin", "" };

/* ------------------------------------------------------------------ allocations are counted */

static unsigned long allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 0
#else
#define COUNTS_ALLOCATIONS 1
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

void *malloc(size_t bytes)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_calloc(count, bytes);
}
void *realloc(void *old, size_t bytes)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_realloc(old, bytes);
}
#endif

/* ------------------------------------------------------------------ the bound, by its formula */

static uint32_t bound_of(uint32_t thousandths, uint64_t total, uint64_t weight, uint64_t all)
{
    uint64_t above = (uint64_t)thousandths * total * weight, below = 1000 * all;
    return (uint32_t)((above + below - 1) / below);
}

static uint32_t held_by(const struct pool_kit *kit, uint32_t member)
{
    return replica_in_flight(kit->pool.replicas[member]);
}

static uint64_t full_of(const struct pool_kit *kit, uint32_t member)
{
    struct replica_totals sum;
    stats_sum_replica(kit->pool.replicas[member]->lines, kit->pool.replicas[member]->n_workers, &sum);
    return sum.full;
}

/* ------------------------------------------------------------------ one worker */

static void without_a_bound_one_key_goes_to_one_member(void **state)
{
    (void)state;
    struct pool_kit kit;
    struct pool_worker w;
    pool_open(&kit, ring, murmur, linear, 5, NULL, 1);
    pool_sit(&w, &kit, 0, 0);
    uint32_t first = pool_pick(&w, 132574, NULL, 0);
    for (int i = 1; i < 100; i++)
        assert_int_equal(pool_pick(&w, 132574, NULL, 0), first);
    assert_int_equal(held_by(&kit, first), 100);
    assert_int_equal(load_total(kit.pool.load), 100);
    for (int i = 0; i < 100; i++)
        pool_give_back(&w, first);
    assert_int_equal(held_by(&kit, first), 0);
    assert_int_equal(load_total(kit.pool.load), 0);
    pool_leave(&w);
    pool_close(&kit);
}

/* The k-th request of one key finds exactly the members below their bound for k. */
static void the_bound_holds_to_the_request(void **state)
{
    (void)state;
    static const uint32_t bounds[] = { 1000, 1001, 1250, 2000, 3333, 100000 };
    static const uint32_t weights[] = { 1, 2, 3, 4, 7 };
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        struct pool_kit kit;
        struct pool_worker w;
        pool_open(&kit, ring, murmur, linear, 5, weights, 1);
        pool_sit(&w, &kit, 0, bounds[b]);
        uint32_t most = 0;
        for (uint32_t k = 1; k <= 400; k++) {
            uint32_t member = pool_pick(&w, 132574, NULL, 0);
            assert_in_range(member, 0, 4);
            assert_in_range(held_by(&kit, member), 1,
                            bound_of(bounds[b], k, kit.pool.table->members[member].weight, 17));
            most = held_by(&kit, w.pick.first);
        }
        uint32_t first = w.pick.first;
        uint32_t bound = bound_of(bounds[b], 400, kit.pool.table->members[first].weight, 17);
        assert_int_equal(most, bound < 400 ? bound : 400); /* its bound to the last place, or all of them */
        assert_int_equal(full_of(&kit, first), 400 - most);
        pool_leave(&w);
        pool_close(&kit);
    }
}

static void who_is_passed_over_stays_where_it_would_be_next(void **state)
{
    (void)state;
    struct pool_kit kit;
    struct pool_worker w;
    pool_open(&kit, ring, murmur, linear, 8, NULL, 1);
    pool_sit(&w, &kit, 0, 1250);
    uint32_t first = pool_pick(&w, 7, NULL, 0);
    uint32_t second = pool_pick(&w, 7, NULL, 0); /* 1.25 * 2 / 8 < 1: one each */
    assert_int_not_equal(second, first);
    assert_int_equal(w.pick.first, first);
    uint32_t tried[] = { first };
    pool_give_back(&w, second);
    pool_give_back(&w, first);
    assert_int_equal(pool_pick(&w, 7, tried, 1), second); /* where a retry goes too */
    pool_leave(&w);
    pool_close(&kit);
}

/* Half of them unready: the rest carry everything, each within its share of what is ready. */
static void unready_members_hold_nobody_up(void **state)
{
    (void)state;
    struct pool_kit kit;
    struct pool_worker w;
    pool_open(&kit, ring, murmur, linear, 10, NULL, 1);
    pool_sit(&w, &kit, 0, 1000);
    for (uint32_t i = 0; i < 10; i += 2)
        replica_set_ready(kit.pool.replicas[i], false);
    for (uint32_t k = 1; k <= 50; k++) {
        uint32_t member = pool_pick(&w, 99, NULL, 0);
        assert_int_equal(member % 2, 1);
        assert_in_range(held_by(&kit, member), 1, bound_of(1000, k, 1, 5));
    }
    replica_set_ready(kit.pool.replicas[0], true); /* at once it counts */
    uint32_t to_new = 0;
    for (uint32_t k = 0; k < 10; k++)
        to_new += pool_pick(&w, 99, NULL, 0) == 0;
    assert_int_equal(to_new, 10);
    for (uint32_t i = 0; i < 10; i++)
        replica_set_ready(kit.pool.replicas[i], false);
    assert_int_equal(pool_pick(&w, 99, NULL, 0), LB_NONE);
    assert_int_equal(load_total(kit.pool.load), 60); /* who found nobody is not counted */
    replica_set_ready(kit.pool.replicas[3], true);
    for (uint32_t k = 0; k < 100; k++) /* the only one is never full */
        assert_int_equal(pool_pick(&w, k, NULL, 0), 3);
    pool_leave(&w);
    pool_close(&kit);
}

/* A member that refuses everybody while it still counts as ready: its requests find room at the others. */
static void a_retry_always_finds_room(void **state)
{
    (void)state;
    struct pool_kit kit;
    struct pool_worker w;
    pool_open(&kit, ring, murmur, linear, 2, NULL, 1);
    pool_sit(&w, &kit, 0, 1000);
    uint32_t tried[] = { 0 };
    for (uint32_t k = 0; k < 100; k++)
        assert_int_equal(pool_pick(&w, k, tried, 1), 1);
    tried[0] = 1;
    assert_int_equal(pool_pick(&w, 1, tried, 1), 0);
    uint32_t both[] = { 0, 1 };
    assert_int_equal(pool_pick(&w, 1, both, 2), LB_NONE);
    pool_leave(&w);
    pool_close(&kit);
}

static void switched_on_while_requests_run(void **state)
{
    (void)state;
    struct pool_kit kit;
    struct pool_worker w;
    pool_open(&kit, ring, murmur, linear, 4, NULL, 1);
    pool_sit(&w, &kit, 0, 0);
    uint32_t crowded = pool_pick(&w, 5, NULL, 0);
    for (int i = 1; i < 40; i++)
        pool_pick(&w, 5, NULL, 0);
    w.bound = 1250; /* ceil(1.25 * 41 / 4) is 13, and 40 are there */
    for (int i = 0; i < 36; i++)
        assert_int_not_equal(pool_pick(&w, 5, NULL, 0), crowded);
    while (held_by(&kit, crowded) > 10)
        pool_give_back(&w, crowded);
    assert_int_equal(pool_pick(&w, 5, NULL, 0), crowded);
    pool_leave(&w);
    pool_close(&kit);
}

static void it_bounds_any_scheduler(void **state)
{
    (void)state;
    struct pool_kit kit;
    struct pool_worker w;
    pool_open(&kit, in_turn, none, none, 3, NULL, 1);
    pool_sit(&w, &kit, 0, 1000);
    for (uint32_t k = 1; k <= 30; k++)
        assert_in_range(held_by(&kit, pool_pick(&w, k, NULL, 0)), 1, (k + 2) / 3);
    pool_leave(&w);
    pool_close(&kit);
}

/* ------------------------------------------------------------------ several workers */

#define WORKERS 4
#define HELD    25 /* requests of each at most */
#define STEPS   300000

struct crowd {
    struct pool_kit *kit;
    unsigned number;
    uint32_t bound, limit;
    uint64_t exceeded, nobody;
    pthread_barrier_t *start;
};

static void *crowd_run(void *arg)
{
    struct crowd *c = arg;
    struct pool_worker w;
    uint32_t held[HELD], n = 0;
    uint64_t dice = 77 + c->number;
    pool_sit(&w, c->kit, c->number, c->bound);
    pthread_barrier_wait(c->start);
    for (int step = 0; step < STEPS; step++) {
        if (n < HELD && (n == 0 || lb_random(&dice) % 16)) {
            uint32_t member = pool_pick(&w, 132574, NULL, 0); /* all want the same */
            if (member == LB_NONE) {
                c->nobody++;
                continue;
            }
            c->exceeded += held_by(c->kit, member) > c->limit;
            held[n++] = member;
        } else {
            uint32_t k = (uint32_t)(lb_random(&dice) % n);
            pool_give_back(&w, held[k]);
            held[k] = held[--n];
        }
    }
    while (n > 0)
        pool_give_back(&w, held[--n]);
    pool_leave(&w);
    return NULL;
}

/* At most 100 at a time, so nobody may ever hold more than ceil(c * 100 / 7), whoever looks whenever. */
static void no_number_of_workers_exceeds_it(void **state)
{
    (void)state;
    static const uint32_t bounds[] = { 1000, 1250 };
    for (size_t b = 0; b < 2; b++) {
        struct pool_kit kit;
        struct crowd crowds[WORKERS];
        pthread_t threads[WORKERS];
        pthread_barrier_t start;
        pool_open(&kit, ring, murmur, linear, 7, NULL, WORKERS);
        pthread_barrier_init(&start, NULL, WORKERS);
        for (unsigned i = 0; i < WORKERS; i++) {
            crowds[i] = (struct crowd){ .kit = &kit,
                                        .number = i,
                                        .bound = bounds[b],
                                        .limit = bound_of(bounds[b], WORKERS * HELD, 1, 7),
                                        .start = &start };
            assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowds[i]), 0);
        }
        uint64_t nobody = 0;
        for (unsigned i = 0; i < WORKERS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(crowds[i].exceeded, 0);
            nobody += crowds[i].nobody;
        }
        assert_int_equal(nobody, 0);
        assert_int_equal(load_total(kit.pool.load), 0);
        uint64_t full = 0;
        for (uint32_t i = 0; i < 7; i++) {
            assert_int_equal(held_by(&kit, i), 0);
            full += full_of(&kit, i);
        }
        assert_true(full > 0); /* it was tight */
        pthread_barrier_destroy(&start);
        pool_close(&kit);
    }
}

/* ------------------------------------------------------------------ what it costs */

#define ZIPF_KEYS 100000

/* Keys 0 … ZIPF_KEYS - 1, key k with a weight of 1 / (k + 1). */
static double *zipf_table(void)
{
    double *sums = mem_alloc(ZIPF_KEYS * sizeof *sums), sum = 0;
    for (uint32_t k = 0; k < ZIPF_KEYS; k++)
        sums[k] = sum += 1.0 / (k + 1);
    for (uint32_t k = 0; k < ZIPF_KEYS; k++)
        sums[k] /= sum;
    return sums;
}

static uint64_t zipf_draw(const double *sums, uint64_t *dice)
{
    double u = (double)(lb_random(dice) >> 11) / 9007199254740992.0;
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

/* Mean checks a pick, that is members asked for until one has room, when `load` requests a member run at a time and each
 * new one takes the place of a random old one. */
static double measure(uint32_t n, uint32_t load, const double *zipf, double *largest)
{
    struct pool_kit kit;
    struct pool_worker w;
    uint32_t m = n * load, *held = mem_alloc(m * sizeof *held);
    uint64_t dice = 4711, passed = 0, picks = 0;
    pool_open(&kit, ring, murmur, linear, n, NULL, 1);
    pool_sit(&w, &kit, 0, 1250);
    *largest = 0;
    for (uint32_t i = 0; i < m + 200000; i++) {
        uint32_t slot = i < m ? i : (uint32_t)(lb_random(&dice) % m);
        if (i >= m)
            pool_give_back(&w, held[slot]);
        if (i == m) { /* from here on it is steady */
            for (uint32_t k = 0; k < n; k++)
                passed -= full_of(&kit, k);
            allocations = 0;
        }
        uint64_t number = zipf ? zipf_draw(zipf, &dice) : lb_random(&dice) >> 2;
        held[slot] = pool_pick(&w, number, NULL, 0);
        assert_true(held[slot] < n);
        assert_in_range(held_by(&kit, held[slot]), 1, bound_of(1250, i < m ? i + 1 : m, 1, n));
        picks += i >= m;
    }
    if (COUNTS_ALLOCATIONS)
        assert_int_equal(allocations, 0);
    for (uint32_t k = 0; k < n; k++) {
        passed += full_of(&kit, k);
        double share = (double)held_by(&kit, k) / load;
        *largest = share > *largest ? share : *largest;
    }
    pool_leave(&w);
    pool_close(&kit);
    free(held);
    return 1 + (double)passed / (double)picks;
}

/* Few members in flight: the bound is a small integer, and more often reached. Many members under Zipf(1): the first of the
 * 100,000 keys is 8.3 % of all requests and must spread over 0.083 * N / 1.25 members, 66 of 1,000, so its requests pass
 * by full ones whatever the scheme; that is the price of 1.25, not of this code. Only counts are asserted, no times. */
static void mean_checks_are_few(void **state)
{
    (void)state;
    static const uint32_t members[] = { 3, 10, 100, 1000 }, loads[] = { 4, 16, 64 };
    double *zipf = zipf_table();
    printf(
        "# bounded load 1.25, ring of 2^32 with 1,000 places: mean checks a pick (largest load over the mean)\n");
    printf("# members  in flight a member     uniform        Zipf(1)\n");
    for (size_t n = 0; n < 4; n++) {
        for (size_t l = 0; l < 3; l++) {
            double largest[2];
            double uniform = measure(members[n], loads[l], NULL, &largest[0]);
            double skewed = measure(members[n], loads[l], zipf, &largest[1]);
            printf("# %7u  %19u  %.3f (%.2f)  %.3f (%.2f)\n", members[n], loads[l], uniform, largest[0],
                   skewed, largest[1]);
            if (loads[l] == 64) {
                assert_true(uniform <= 1.1);
                assert_true(skewed <= 2.2 || members[n] > 100);
            }
        }
    }
    free(zipf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_bound_one_key_goes_to_one_member),
        cmocka_unit_test(the_bound_holds_to_the_request),
        cmocka_unit_test(who_is_passed_over_stays_where_it_would_be_next),
        cmocka_unit_test(unready_members_hold_nobody_up),
        cmocka_unit_test(a_retry_always_finds_room),
        cmocka_unit_test(switched_on_while_requests_run),
        cmocka_unit_test(it_bounds_any_scheduler),
        cmocka_unit_test(no_number_of_workers_exceeds_it),
        cmocka_unit_test(mean_checks_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
