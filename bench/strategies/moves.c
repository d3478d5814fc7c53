/*
 * moves.c - who gets which key: see moves.h.
 *
 * A death is what the balancer makes of it: the replica is not ready, the table stays, and path/pick.c passes it over.
 * A removal and a newcomer are builds over other members by the same instance. Each is done with several victims, and
 * what is counted are the keys that moved though their member was there before and after. A removal must move the
 * leaver's keys, a newcomer takes its own: these are not counted.
 */
#include "moves.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "keys.h"
#include "subject.h"
#include "world/replica.h"

#define VICTIMS 3u
#define NOBODY  UINT32_MAX

/* The number ("Server NUMBER") of each key's member, as the balancer would pick. */
static void ask_all(struct bench_pool *p, const struct keys *keys, uint32_t *owner)
{
    for (uint32_t i = 0; i < keys->n; i++) {
        struct pick_question q = pool_question(p, &keys->key[i], keys->hash[i]);
        uint32_t member = pick_ask(&p->pick, &q);

        owner[i] = member == LB_NONE ? NOBODY : (uint32_t)p->pool.table->members[member].id;
    }
}

/* Keys whose member changed, though it was neither `from` before nor is `to` now. */
static uint64_t count_moved(const uint32_t *had, const uint32_t *has, uint32_t n, uint32_t from, uint32_t to)
{
    uint64_t moved = 0;

    for (uint32_t i = 0; i < n; i++)
        moved += had[i] != has[i] && had[i] != from && has[i] != to;
    return moved;
}

static double over_mean(const uint32_t *owner, uint32_t n_keys, uint32_t n)
{
    uint32_t *hits = mem_zero(n + 2u, sizeof *hits), most = 0;

    for (uint32_t i = 0; i < n_keys; i++)
        hits[owner[i] <= n ? owner[i] : 0]++;
    for (uint32_t m = 0; m <= n; m++)
        most = hits[m] > most ? hits[m] : most;
    free(hits);
    return (double)most * n / n_keys;
}

static double chance_over_mean(uint32_t n_keys, uint32_t n)
{
    uint32_t *owner = mem_alloc(n_keys * sizeof *owner);
    uint64_t random = n;

    for (uint32_t i = 0; i < n_keys; i++)
        owner[i] = 1 + (uint32_t)lb_scale(lb_random(&random), n);
    double most = over_mean(owner, n_keys, n);
    free(owner);
    return most;
}

static void add_exact(json_t *out, const struct table *t)
{
    struct lb_inspect seen = { .struct_size = sizeof seen, .n_members = t->n_members };
    double most = 0, least = 2;

    if (!t->shares)
        return;
    for (uint32_t m = 0; m < t->n_members; m++) {
        most = t->shares[m] > most ? t->shares[m] : most;
        least = t->shares[m] < least ? t->shares[m] : least;
    }
    json_object_set_new(out, "exact_over_mean", json_real(most * t->n_members));
    if (t->strategy->ops->inspect(t->made, &seen) == 0 && seen.slots > 0)
        json_object_set_new(out, "slots_apart",
                            json_integer((json_int_t)((most - least) * (double)seen.slots + 0.5)));
}

struct moved {
    uint64_t died, returned, removed, added;
    bool same_again;
};

static uint32_t victim_of(uint32_t n, uint32_t turn)
{
    return 1 + (turn * 7919u + n / 3) % n;
}

/* One of them dies, and comes back. */
static void die(struct bench_pool *p, const struct keys *keys, const uint32_t *had, uint32_t *has,
                uint32_t victim, struct moved *moved)
{
    struct replica *replica = p->pool.replicas[pool_index(p, victim)];

    replica_set_ready(replica, false);
    ask_all(p, keys, has);
    moved->died += count_moved(had, has, keys->n, victim, NOBODY);
    replica_set_ready(replica, true);
    ask_all(p, keys, has);
    moved->returned += count_moved(had, has, keys->n, NOBODY, NOBODY);
}

/* Adds what differs between had and a table over n members without one of them; frees it. */
static uint64_t compare(struct table *t, const struct keys *keys, const uint32_t *had, uint32_t *has,
                        uint32_t from, uint32_t to)
{
    struct bench_pool p;

    pool_make(&p, t);
    ask_all(&p, keys, has);
    pool_free(&p);
    return count_moved(had, has, keys->n, from, to);
}

static void disturb(const struct subject *s, uint32_t n, const struct keys *keys, const uint32_t *had,
                    uint32_t *has, struct moved *moved)
{
    for (uint32_t turn = 0; turn < VICTIMS; turn++) {
        uint32_t victim = victim_of(n, turn);
        struct strategy *strategy = subject_make(s);
        struct table *all = subject_build(strategy, n, 0), *without = subject_build(strategy, n, victim),
                     *again;
        uint64_t digest = all->digest;

        table_release(all);
        moved->removed += compare(without, keys, had, has, victim, NOBODY);
        again = subject_build(strategy, n, 0);
        moved->same_again &= again->digest == digest;
        table_release(again);
        strategy_release(strategy);
    }
    struct strategy *strategy = subject_make(s);
    struct table *more;

    table_release(subject_build(strategy, n, 0));
    more = s->most && n + 1 > s->most ? NULL : subject_build(strategy, n + 1, 0);
    if (more)
        moved->added = compare(more, keys, had, has, NOBODY, n + 1);
    strategy_release(strategy);
}

void moves_measure(json_t *out, const struct subject *s, uint32_t n, const struct keys *keys)
{
    struct strategy *strategy = subject_make(s);
    struct bench_pool p;
    uint32_t *had = mem_alloc(keys->n * sizeof *had), *has = mem_alloc(keys->n * sizeof *has);
    struct moved moved = { .same_again = true };

    pool_make(&p, subject_build(strategy, n, 0));
    ask_all(&p, keys, had);
    json_object_set_new(out, "keys", json_integer(keys->n));
    json_object_set_new(out, "max_over_mean", json_real(over_mean(had, keys->n, n)));
    json_object_set_new(out, "chance_over_mean", json_real(chance_over_mean(keys->n, n)));
    add_exact(out, p.pool.table);
    if (strategy->caps & LB_CAP_KEYED) {
        for (uint32_t turn = 0; turn < VICTIMS; turn++)
            die(&p, keys, had, has, victim_of(n, turn), &moved);
        disturb(s, n, keys, had, has, &moved);
        double asked = (double)keys->n * VICTIMS;
        json_object_set_new(out, "died", json_real((double)moved.died / asked));
        json_object_set_new(out, "returned", json_real((double)moved.returned / asked));
        json_object_set_new(out, "removed", json_real((double)moved.removed / asked));
        json_object_set_new(out, "added", json_real((double)moved.added / keys->n));
        json_object_set_new(out, "same_again", json_boolean(moved.same_again));
    }
    pool_free(&p);
    strategy_release(strategy);
    free(had);
    free(has);
}
