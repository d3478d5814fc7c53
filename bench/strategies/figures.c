/*
 * figures.c - balls in bins, chosen keys, orders of events: see figures.h. The bounds are in bounded.c.
 */
#include "figures.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "keys.h"
#include "subject.h"
#include "world/replica.h"

/* ------------------------------------------------------------------ balls in bins */

static double throw_balls(struct strategy *strategy, uint32_t n, uint32_t m, uint64_t random)
{
    static const struct lb_key key = { .bytes = "1", .len = 1, .id = 1, .flags = LB_KEY_INTEGER };
    struct bench_pool p;
    uint32_t most = 0;

    pool_make(&p, subject_build(strategy, n, 0));
    p.random = random;
    for (uint32_t i = 0; i < m; i++) {
        struct pick_question q = pool_question(&p, &key, 0);
        uint32_t member = pick_member(&p.pick, &q); /* takes a place, and keeps it */

        uint32_t held = replica_in_flight(p.pool.replicas[member]);
        most = held > most ? held : most;
    }
    pool_free(&p);
    return (double)most - (double)m / n;
}

static int compare_reals(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

json_t *figure_balls(const struct subject *s, uint32_t n, uint32_t m, unsigned trials)
{
    struct strategy *strategy = subject_make(s);
    double *apart = mem_alloc(trials * sizeof *apart);
    json_t *list = json_array();

    for (unsigned trial = 0; trial < trials; trial++)
        apart[trial] = throw_balls(strategy, n, m, lb_mix64(trial + 1));
    qsort(apart, trials, sizeof *apart, compare_reals);
    for (unsigned trial = 0; trial < trials; trial++)
        json_array_append_new(list, json_real(apart[trial]));
    free(apart);
    strategy_release(strategy);
    return json_pack("{s:i, s:i, s:o}", "members", (int)n, "balls", (int)m, "apart", list);
}

/* ------------------------------------------------------------------ chosen keys */

struct jury {
    struct strategy *strategy;
    struct bench_pool pool;
};

static void jury_open(struct jury *j, const struct subject *s, uint32_t n)
{
    j->strategy = subject_make(s);
    pool_make(&j->pool, subject_build(j->strategy, n, 0));
}

static void jury_close(struct jury *j)
{
    pool_free(&j->pool);
    strategy_release(j->strategy);
}

static uint32_t jury_ask(struct jury *j, const struct lb_key *key)
{
    struct pick_question q = pool_question(&j->pool, key, strategy_hash(j->strategy, key));

    return pick_ask(&j->pool.pick, &q);
}

static double most_over_mean(const uint32_t *hits, uint32_t n, uint32_t n_keys)
{
    uint32_t most = 0;

    for (uint32_t m = 0; m < n; m++)
        most = hits[m] > most ? hits[m] : most;
    return (double)most * n / n_keys;
}

json_t *figure_chosen(const struct subject *open, const struct subject *keyed, uint32_t n, uint32_t n_keys)
{
    struct jury known, secret;
    uint32_t *hits = mem_zero(3u * n, sizeof *hits), found = 0;
    uint64_t random = 99;

    jury_open(&known, open, n);
    jury_open(&secret, keyed, n);
    for (uint64_t number = 1; found < n_keys; number++) {
        char text[24];
        struct lb_key key = { .bytes = text,
                              .len =
                                  (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number) };

        strategy_key_finish(&key);
        if (jury_ask(&known, &key) != 0)
            continue; /* not where the attacker aims */
        hits[0]++;
        hits[n + jury_ask(&secret, &key)]++;
        hits[2 * n + lb_scale(lb_random(&random), n)]++;
        found++;
    }
    json_t *out =
        json_pack("{s:i, s:i, s:f, s:f, s:f}", "members", (int)n, "keys", (int)n_keys, "open_over_mean",
                  most_over_mean(hits, n, n_keys), "keyed_over_mean", most_over_mean(hits + n, n, n_keys),
                  "chance_over_mean", most_over_mean(hits + 2 * n, n, n_keys));
    jury_close(&known);
    jury_close(&secret);
    free(hits);
    return out;
}

/* ------------------------------------------------------------------ orders of events */

/* Who is there, by number. */
struct crowd {
    bool *there;
    uint32_t most;
};

static uint64_t digest_of(struct strategy *strategy, const struct crowd *c)
{
    struct lb_error why;
    uint32_t all, n = 0;
    struct lb_member *members = subject_members(c->most, 0, &all);

    for (uint32_t i = 0; i < all; i++)
        if (c->there[members[i].id - 1])
            members[n++] = members[i];
    struct table *t = strategy_build(strategy, members, n, &why);
    uint64_t digest = t ? t->digest : 0;
    table_release(t);
    free(members);
    return digest;
}

/* From a random half of twice as many, through EVENTS random comings and goings, to exactly the first n. */
static uint64_t live_through(const struct subject *s, uint32_t n, uint64_t *random)
{
    enum { EVENTS = 4 };
    struct strategy *strategy = subject_make(s);
    struct crowd c = { .there = mem_zero(2u * n, sizeof *c.there), .most = 2 * n };

    for (uint32_t i = 0; i < c.most; i++)
        c.there[i] = lb_random(random) & 1;
    for (unsigned event = 0; event < EVENTS; event++) {
        c.there[lb_scale(lb_random(random), c.most)] ^= true;
        c.there[0] |= event == 0; /* never nobody */
        digest_of(strategy, &c);
    }
    for (uint32_t i = 0; i < c.most; i++)
        c.there[i] = i < n;
    uint64_t digest = digest_of(strategy, &c);
    free(c.there);
    strategy_release(strategy);
    return digest;
}

json_t *figure_orders(const struct subject *s, uint32_t n, unsigned rounds)
{
    uint64_t random = 5;
    unsigned same = 0;

    for (unsigned round = 0; round < rounds; round++) {
        uint64_t first = live_through(s, n, &random);

        same += live_through(s, n, &random) == first && live_through(s, n, &random) == first;
    }
    return json_pack("{s:i, s:i, s:i}", "members", (int)n, "rounds", (int)rounds, "same", (int)same);
}
