/*
 * test_schedulers.c - what every scheduler promises, asked of each one that is shipped.
 *
 * A new scheduler is found by its file and must be added to the list below, with what its algorithm can keep.
 */
#include "unit/plugins/scheduler_kit.h"

#include <glob.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#ifdef RM_SANITIZED
enum { MANY = 1, SANITIZED = 1 };
#else
enum { MANY = 10, SANITIZED = 0 };
#endif

struct scheduler {
    const char *name, *options;
    bool keyed;
    double excess;      /* share of all keys that may move beyond the minimum when one of 100 members goes */
    const char *reason; /* why, or until when not; NULL: nothing ever does */
    double off;         /* how far a member's share may be from its weight's, relative */
};

static const struct scheduler schedulers[] = {
    { "scheduler_ring", "virtual_nodes=400", true, 0, NULL, 0.35 },
    { "scheduler_ring", "slots=65536 virtual_nodes=20", true, 0.05,
      "virtual nodes that had collided with the one that leaves go back to where they wanted to be", 1 },
    { "scheduler_maglev", "slots=65537", true, 0.006,
      "members take turns, and one turn less lets others come sooner to slots they share", 0.02 },
    { "scheduler_maglev", "slots=10007", true, 0.02,
      "as above, with 100 slots a member where 655 are advised", 0.1 },
    { "scheduler_rendezvous", "", true, 0, NULL, 0 },
    { "scheduler_jump", "", true, 1, "buckets are numbered: all members behind the one that leaves move up",
      0 },
    { "scheduler_multiprobe", "", true, 0, NULL, 0.6 },
    { "scheduler_anchor", "", true, 0,
      "as long as the instance lives that saw who came and went; a new one starts anew", 0 },
    { "scheduler_ketama", "", true, 0, NULL, 0.5 },
    { "scheduler_modulo", "", true, 1, "the modulus changes for every key", 0 },
    { "scheduler_round_robin", "", false, 0, NULL, 0 },
    { "scheduler_random", "", false, 0, NULL, 0 },
    { "scheduler_least_request", "", false, 0, NULL, 0 },
    { "scheduler_p2c", "", false, 0, NULL, 0 },
    { "scheduler_peak_ewma", "", false, 0, NULL, 0 },
};

enum { SCHEDULERS = sizeof schedulers / sizeof schedulers[0] };

#define EACH_SCHEDULER(sch) \
    for (const struct scheduler *sch = schedulers; sch < schedulers + SCHEDULERS; sch++)

static struct strategy *make(const struct scheduler *sch)
{
    return kit_scheduler(sch->name, sch->options);
}

static void test_list_is_complete(void **state)
{
    glob_t found;

    (void)state;
    assert_int_equal(glob(RM_PLUGIN_DIR "/scheduler_*.so", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *file = strrchr(found.gl_pathv[i], '/') + 1;
        bool listed = false;

        EACH_SCHEDULER(sch)
        listed |= strlen(file) == strlen(sch->name) + 3 && strncmp(file, sch->name, strlen(sch->name)) == 0;
        if (!listed)
            print_error("%s is not in the list of this test\n", file);
        assert_true(listed);
    }
    globfree(&found);
}

static void test_capabilities(void **state)
{
    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);

        assert_int_equal(!!(s->caps & LB_CAP_KEYED), sch->keyed);
        assert_true(s->caps & LB_CAP_WEIGHTS);
        strategy_release(s);
    }
}

/* ------------------------------------------------------------------ range, determinism, attempts */

static const struct kit_part hashes[] = { { "hash_murmur", "" }, { "hash_quadratic", "" } };

/* A member that exists; of a keyed one the same whatever the worker's random state is. */
static void test_range_and_determinism(void **state)
{
    static const uint32_t counts[] = { 1, 2, 3, 10, 100 };

    (void)state;
    for (size_t c = 0; c < 2 * sizeof counts / sizeof counts[0]; c++) {
        EACH_SCHEDULER(sch)
        {
            struct strategy *s = kit_strategy((struct kit_part){ sch->name, sch->options }, hashes[c % 2],
                                              (struct kit_part){ "probe_linear", "" });
            uint32_t n = counts[c / 2];
            struct lb_member *members = kit_weighted_members(n, 0);
            struct table *t = kit_build(s, members, n);
            struct kit_seat seat = kit_sit(t, 1), other = kit_sit(t, 99);

            for (uint64_t k = 0; k < 1000; k++) {
                char text[24];
                struct lb_key key = kit_key(lb_mix64(k) % 1000000, text);
                uint32_t member = kit_ask(&seat, &key);

                assert_true(member < n);
                if (sch->keyed)
                    assert_int_equal(kit_ask(&other, &key), member);
            }
            kit_leave(&seat);
            kit_leave(&other);
            table_release(t);
            kit_members_free(members, n);
            strategy_release(s);
        }
    }
}

static uint64_t mix_of_its_own(const void *self, uint64_t x, uint64_t salt)
{
    (void)self;
    return lb_mix64(x * 3 + lb_mix64(salt + 5));
}

/* A hash may bring its own re-hash: then that is asked, and in the end everybody is found by it too. */
static void test_hash_with_a_mix_of_its_own(void **state)
{
    enum { N = 40 };

    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);
        struct lb_member *members = kit_weighted_members(N, 0);
        struct lb_hash own = s->with_hash;
        struct lb_hash_ops ops;
        struct table *t;
        struct kit_seat seat;

        if (s->caps & LB_CAP_NEEDS_HASH) {
            ops = *own.ops;
            ops.mix = mix_of_its_own;
            kit_set_hash(s, (struct lb_hash){ .ops = &ops, .self = own.self });
        }
        t = kit_build(s, members, N);
        seat = kit_sit(t, 1);
        for (uint64_t k = 0; k < 10; k++) {
            char text[24];
            struct lb_key key = kit_key(k, text);

            kit_walk_all(&seat, &key);
        }
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, N);
        kit_set_hash(s, own);
        strategy_release(s);
    }
}

/* Equal weights; different ones; one member that has nearly all the weight and is tried first. */
static void test_never_a_tried_one(void **state)
{
    static const uint32_t counts[] = { 1, 2, 3, 63, 64, 65, 128, 500 };

    (void)state;
    for (size_t c = 0; c < 3 * sizeof counts / sizeof counts[0]; c++) {
        EACH_SCHEDULER(sch)
        {
            uint32_t n = counts[c / 3];
            struct strategy *s = make(sch);
            struct lb_member *members = kit_weighted_members(n, c % 3 == 2 ? 20000 : 0);
            struct table *t;
            struct kit_seat seat;

            for (uint32_t i = 0; c % 3 == 0 && i < n; i++)
                members[i].weight = 1;
            if (c % 3 == 2 && strcmp(sch->name, "scheduler_ring") == 0)
                members[n - 1].weight = 50; /* a ring has room for so many virtual nodes */
            t = kit_build(s, members, n);
            seat = kit_sit(t, c);
            for (uint64_t k = 0; k < 10; k++) {
                char text[24];
                struct lb_key key = kit_key(k * 7919, text);

                kit_walk_all(&seat, &key);
            }
            kit_leave(&seat);
            table_release(t);
            kit_members_free(members, n);
            strategy_release(s);
        }
    }
}

/* Nine of ten members are tried: the rest share the requests, and nobody is left out. */
static void test_few_left_share(void **state)
{
    enum { N = 100, PICKS = 4000 };

    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);
        struct lb_member *members = kit_members(N);
        struct table *t = kit_build(s, members, N);
        struct kit_seat seat = kit_sit(t, 5);
        unsigned hits[N] = { 0 };

        for (uint32_t m = 0; m < N; m++) {
            if (m % 10 != 3)
                kit_mark(&seat, m);
        }
        for (uint64_t k = 0; k < PICKS; k++) {
            char text[24];
            struct lb_key key = kit_key(lb_mix64(k) % 1000000, text);

            hits[kit_ask(&seat, &key)]++;
        }
        for (uint32_t m = 3; m < N; m += 10) {
            if (hits[m] < PICKS / 30 || hits[m] > PICKS / 4)
                print_error("%s: member %u has %u of %u\n", sch->name, m, hits[m], PICKS);
            assert_in_range(hits[m], PICKS / 30, PICKS / 4);
        }
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, N);
        strategy_release(s);
    }
}

static void test_nobody_and_one(void **state)
{
    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);
        struct lb_member *members = kit_members(1);
        struct table *none = kit_build(s, members, 0), *one = kit_build(s, members, 1);
        struct kit_seat no_seat = kit_sit(none, 1), seat = kit_sit(one, 1);

        assert_int_equal(kit_ask_hash(&no_seat, 1), LB_NONE);
        assert_int_equal(kit_inspect(none, NULL, 0).slot_owner, LB_NONE);
        assert_null(none->shares);
        for (uint64_t hash = 0; hash < 20; hash++)
            assert_int_equal(kit_ask_hash(&seat, lb_mix64(hash)), 0);
        kit_mark(&seat, 0);
        assert_int_equal(kit_ask_hash(&seat, 1), LB_NONE);
        if (one->shares)
            assert_true(one->shares[0] == 1);
        assert_true(one->digest != none->digest);
        kit_leave(&no_seat);
        kit_leave(&seat);
        table_release(none);
        table_release(one);
        kit_members_free(members, 1);
        strategy_release(s);
    }
}

/* As many members as anybody will have, and a walk through all of them. */
static void test_ten_thousand_members(void **state)
{
    enum { N = 10000 };
    struct lb_member *members = kit_members(N);

    (void)state;
    EACH_SCHEDULER(sch)
    {
        bool few_slots = strstr(sch->options, "slots=") != NULL;
        struct strategy *s = few_slots ? kit_scheduler(sch->name, "") : make(sch);
        struct table *t = kit_build(s, members, N);
        struct kit_seat seat = kit_sit(t, 1);
        char text[24];
        struct lb_key key = kit_key(132574, text);

        kit_walk_all(&seat, &key);
        kit_leave(&seat);
        table_release(t);
        strategy_release(s);
    }
    kit_members_free(members, N);
}

/* ------------------------------------------------------------------ explain */

struct listener {
    uint32_t n, facts;
};

static void hear_number(void *ctx, const char *name, uint64_t value)
{
    (void)value;
    assert_true(name && name[0]);
    ((struct listener *)ctx)->facts++;
}

static void hear_text(void *ctx, const char *name, const char *value)
{
    assert_true(name && name[0] && value && value[0]);
    ((struct listener *)ctx)->facts++;
}

static void hear_member(void *ctx, const char *name, uint32_t member)
{
    assert_true(name && name[0]);
    assert_true(member < ((struct listener *)ctx)->n);
    ((struct listener *)ctx)->facts++;
}

/* explain answers, and leaves the random state as it was. */
static uint32_t ask_why(const struct kit_seat *seat, const struct lb_key *key)
{
    const struct table *t = seat->table;
    struct listener listener = { .n = t->n_members };
    const struct lb_explain say = { .struct_size = sizeof say,
                                    .ctx = &listener,
                                    .number = hear_number,
                                    .text = hear_text,
                                    .member = hear_member };
    uint64_t random = seat->random;
    struct lb_pick p = { .struct_size = sizeof p,
                         .n_members = t->n_members,
                         .key = key,
                         .hash = strategy_hash(t->strategy, key),
                         .tried = seat->tried,
                         .live = seat->live,
                         .random = &random };
    uint32_t member = t->strategy->ops->explain(t->made, &p, seat->scratch, &say);

    assert_true(random == seat->random);
    assert_in_range(listener.facts, 1, 256); /* the balancer passes on so many */
    return member;
}

/* What explain says is what pick then does: through all members, equal ones and weighted ones, to the last.
 * */
static void test_explain_says_what_pick_does(void **state)
{
    static const uint32_t counts[] = { 0, 1, 2, 10, 150 };

    (void)state;
    for (size_t c = 0; c < 2 * sizeof counts / sizeof counts[0]; c++) {
        EACH_SCHEDULER(sch)
        {
            uint32_t n = counts[c / 2];
            struct strategy *s = make(sch);
            struct lb_member *members = c % 2 ? kit_weighted_members(n, 0) : kit_members(n);
            struct table *t = kit_build(s, members, n);
            struct kit_seat seat = kit_sit(t, c);

            assert_non_null(s->ops->explain);
            for (uint64_t k = 0; k < 10; k++) {
                char text[24];
                struct lb_key key = kit_key(lb_mix64(k) % 1000000, text);

                for (uint32_t asked = 0; asked <= n; asked++) {
                    uint32_t said = ask_why(&seat, &key);

                    assert_int_equal(kit_ask(&seat, &key), said);
                    if (said != LB_NONE)
                        kit_mark(&seat, said);
                }
                kit_unmark_all(&seat);
            }
            kit_leave(&seat);
            table_release(t);
            kit_members_free(members, n);
            strategy_release(s);
        }
    }
}

/* ------------------------------------------------------------------ digests */

enum { WANTED = 9, CROWDED = 14, EVENTS = 3 };

static bool knows_the_order(const struct scheduler *sch)
{
    return strcmp(sch->name, "scheduler_anchor") == 0;
}

/* Of a table over those of the crowd whose bit is set. */
static uint64_t digest_of(struct strategy *s, const struct lb_member *crowd, uint64_t there)
{
    struct lb_member members[CROWDED];
    uint32_t n = 0;
    struct table *t;
    uint64_t digest;

    for (uint32_t i = 0; i < CROWDED; i++) {
        if (there >> i & 1)
            members[n++] = crowd[i];
    }
    t = kit_build(s, members, n);
    digest = t->digest;
    table_release(t);
    return digest;
}

/* What a new instance has in the end that begins with some of the crowd, sees some come and go, and then the first ones
 * be there and nobody else. */
static uint64_t live_through(const struct scheduler *sch, const struct lb_member *crowd, uint64_t *random)
{
    struct strategy *s = make(sch);
    uint64_t there = 1 | lb_random(random), digest;

    for (int event = 0; event < EVENTS; event++) {
        digest_of(s, crowd, there);
        there ^= 2ull << lb_scale(lb_random(random), CROWDED - 1);
    }
    digest = digest_of(s, crowd, (1u << WANTED) - 1);
    strategy_release(s);
    return digest;
}

/* Three balancers that saw the same members come about in orders of their own have the same table; but for who says that
 * it knows the order, of which at least some differ. */
static void test_order_of_events(void **state)
{
    enum { ROUNDS = SANITIZED ? 5 : 40 };
    struct lb_member *crowd = kit_weighted_members(CROWDED, 0);

    (void)state;
    EACH_SCHEDULER(sch)
    {
        uint64_t random = 11;
        unsigned same = 0;

        for (int round = 0; round < ROUNDS; round++) {
            uint64_t first = live_through(sch, crowd, &random);

            same += live_through(sch, crowd, &random) == first && live_through(sch, crowd, &random) == first;
        }
        if ((same == ROUNDS) == knows_the_order(sch))
            print_error("%s %s: %u of %u the same\n", sch->name, sch->options, same, ROUNDS);
        assert_true(knows_the_order(sch) ? same < ROUNDS : same == ROUNDS);
    }
    kit_members_free(crowd, CROWDED);
}

/* Whoever left last and comes back finds all as it was, also where the order is known. */
static void test_remove_and_add_again(void **state)
{
    enum { N = 12 };

    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);
        struct lb_member *members = kit_weighted_members(N, 0);
        struct table *all = kit_build(s, members, N);

        for (uint32_t gone = 0; gone < N; gone++) {
            struct lb_member *rest = kit_members_without(members, N, gone);
            struct table *fewer = kit_build(s, rest, N - 1), *again = kit_build(s, members, N);

            assert_true(fewer->digest != all->digest);
            assert_true(again->digest == all->digest);
            free(rest);
            table_release(fewer);
            table_release(again);
        }
        table_release(all);
        kit_members_free(members, N);
        strategy_release(s);
    }
}

/* A name, a weight or another hash of keys is another table. */
static void test_digest_differs(void **state)
{
    enum { N = 5 };

    (void)state;
    EACH_SCHEDULER(sch)
    {
        uint64_t digests[4];

        for (int i = 0; i < 4; i++) {
            struct strategy *s = kit_strategy((struct kit_part){ sch->name, sch->options },
                                              (struct kit_part){ "hash_murmur", i == 3 ? "seed=7" : "" },
                                              (struct kit_part){ "probe_linear", "" });
            struct lb_member *members = kit_members(i == 2 ? N + 1 : N);
            struct table *t;

            if (i == 1)
                members[3].weight = 2;
            t = kit_build(s, members + (i == 2), N);
            digests[i] = t->digest;
            for (int j = 0; j < i; j++) {
                if (i < 3 || s->caps & LB_CAP_NEEDS_HASH)
                    assert_true(digests[i] != digests[j]);
            }
            table_release(t);
            kit_members_free(members, i == 2 ? N + 1 : N);
            strategy_release(s);
        }
    }
}

/* ------------------------------------------------------------------ moved keys */

enum { CROWD = 100, VICTIMS = 5, KEYS = 20000 * MANY };

/* The share of keys that moves although its member stays. */
static double excess(const struct table *before, const struct table *after, uint32_t gone)
{
    struct kit_seat had_seat = kit_sit(before, 1), has_seat = kit_sit(after, 1);
    unsigned moved = 0;

    for (uint64_t k = 0; k < KEYS; k++) {
        char text[24];
        struct lb_key key = kit_key(lb_mix64(k * VICTIMS + gone) % 100000000, text);
        uint32_t had = kit_ask(&had_seat, &key), has = kit_ask(&has_seat, &key);

        moved += had != gone && before->members[had].id != after->members[has].id;
    }
    kit_leave(&had_seat);
    kit_leave(&has_seat);
    return (double)moved / KEYS;
}

static void test_one_of_a_hundred_is_removed(void **state)
{
    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct lb_member *members;
        double sum = 0;

        if (!sch->keyed)
            continue;
        members = kit_members(CROWD);
        for (uint32_t v = 0; v < VICTIMS; v++) {
            uint32_t gone = (v * 37 + 11) % CROWD;
            struct lb_member *rest = kit_members_without(members, CROWD, gone);
            struct strategy *s = make(sch);
            struct table *before = kit_build(s, members, CROWD), *after = kit_build(s, rest, CROWD - 1);

            sum += excess(before, after, gone) / VICTIMS;
            free(rest);
            table_release(before);
            table_release(after);
            strategy_release(s);
        }
        print_message("%-22s %-30s of %d keys %.4f %% move beyond the minimum%s%s\n", sch->name, sch->options,
                      KEYS * VICTIMS, sum * 100, sch->reason ? ": " : "", sch->reason ? sch->reason : "");
        assert_true(sum <= sch->excess);
        kit_members_free(members, CROWD);
    }
}

/* A member that is only tried, or unready, stays in the table: nobody else's keys move, and its own go to
 * many. */
static void test_one_of_a_hundred_is_down(void **state)
{
    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s;
        struct lb_member *members;
        struct table *t;
        struct kit_seat seat;
        unsigned taken[CROWD] = { 0 }, takers = 0, moved = 0;

        if (!sch->keyed)
            continue;
        s = make(sch);
        members = kit_members(CROWD);
        t = kit_build(s, members, CROWD);
        seat = kit_sit(t, 1);
        for (uint64_t k = 0; k < KEYS; k++) {
            char text[24];
            struct lb_key key = kit_key(lb_mix64(k) % 100000000, text);
            uint32_t had = kit_ask(&seat, &key), has;

            kit_mark(&seat, 42);
            has = kit_ask(&seat, &key);
            kit_unmark_all(&seat);
            if (had == 42)
                taken[has]++;
            else
                moved += had != has;
        }
        for (uint32_t m = 0; m < CROWD; m++)
            takers += taken[m] > 0;
        assert_int_equal(moved, 0);
        assert_int_equal(taken[42], 0);
        assert_true(takers > CROWD / 10);
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, CROWD);
        strategy_release(s);
    }
}

/* ------------------------------------------------------------------ shares */

/* Exact shares sum to 1, and picks find them: within five standard deviations for every member. */
static void test_shares(void **state)
{
    enum { N = 10, PICKS = 20000 * MANY };

    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);
        struct lb_member *members = kit_weighted_members(N, 0);
        struct table *t = kit_build(s, members, N);
        struct kit_seat seat = kit_sit(t, 3);
        unsigned hits[N] = { 0 };
        double sum = 0;

        for (uint64_t k = 0; k < PICKS; k++) {
            char text[24];
            struct lb_key key = kit_key(lb_mix64(k) >> 4, text);

            hits[kit_ask(&seat, &key)]++;
        }
        for (uint32_t m = 0; m < N; m++) {
            double fair = members[m].weight / 30.0, share = t->shares ? t->shares[m] : fair;
            double off = hits[m] - share * PICKS, variance = share * (1 - share) * PICKS;

            if (t->shares) {
                assert_true(share > fair * (1 - sch->off) - 1e-12 && share < fair * (1 + sch->off) + 1e-12);
                assert_true(off * off < 25 * variance);
            } else {
                assert_true(off * off < 25 * variance + sch->off * sch->off * share * share * PICKS * PICKS);
            }
            sum += share;
        }
        assert_true(sum > 1 - 1e-12 && sum < 1 + 1e-12);
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, N);
        strategy_release(s);
    }
}

/* The keys of one that is down go to all others, by weight too. */
static void test_orphans_go_by_weight(void **state)
{
    enum { N = 10, DOWN = 4, PICKS = 20000 * MANY }; /* of weight 5 in 30 */

    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);
        struct lb_member *members = kit_weighted_members(N, 0);
        struct table *t = kit_build(s, members, N);
        struct kit_seat seat = kit_sit(t, 3);
        double hits[N] = { 0 }, orphans = 0;

        for (uint64_t k = 0; k < PICKS; k++) {
            char text[24];
            struct lb_key key = kit_key(lb_mix64(k) >> 4, text);

            if (sch->keyed && kit_ask(&seat, &key) != DOWN)
                continue;
            kit_mark(&seat, DOWN);
            hits[kit_ask(&seat, &key)]++;
            kit_unmark_all(&seat);
            orphans++;
        }
        for (uint32_t m = 0; m < N; m++) {
            double share = m == DOWN ? 0 : members[m].weight / 25.0, off = hits[m] - share * orphans;
            double loose =
                (sch->off < 0.3 ? sch->off : 3) * share * orphans; /* on circles, neighbours' luck */

            if (off * off > 25 * share * (1 - share) * orphans + loose * loose)
                print_error("%s: %.0f of %.0f orphans go to member %u, where %.0f would be fair\n", sch->name,
                            hits[m], orphans, m, share * orphans);
            assert_true(off * off <= 25 * share * (1 - share) * orphans + loose * loose);
        }
        assert_true(orphans > PICKS / 12);
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, N);
        strategy_release(s);
    }
}

/* Where there are slots, the owner of a slot gets the keys that hash to it. */
static void test_slot_owner_agrees_with_pick(void **state)
{
    enum { N = 37 };
    unsigned with_slots = 0;

    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);
        struct lb_member *members = kit_weighted_members(N, 0);
        struct table *t = kit_build(s, members, N);
        struct kit_seat seat = kit_sit(t, 1);
        uint64_t slots = kit_inspect(t, NULL, 0).slots;

        for (uint64_t i = 0; i < 3000 && slots > 0 && s->caps & LB_CAP_NEEDS_HASH; i++) {
            uint64_t slot = i < slots ? i : lb_mix64(i) % slots;
            uint32_t owner = kit_inspect(t, NULL, slot).slot_owner;

            assert_int_equal(kit_ask_hash(&seat, slot), owner);
            assert_int_equal(kit_ask_hash(&seat, slot + slots * 77), owner);
        }
        with_slots += slots > 0;
        assert_int_equal(kit_inspect(t, NULL, slots).slot_owner, LB_NONE);
        assert_true(kit_inspect(t, NULL, 0).bytes == t->bytes);
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, N);
        strategy_release(s);
    }
    assert_int_equal(with_slots, 6);
}

/* ------------------------------------------------------------------ memory */

#ifndef RM_SANITIZED
/* The C library's, under other names: ours count and pass on. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static atomic_uint allocations;

void *malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(memory, size);
}
#else
static atomic_uint allocations; /* a sanitizer has an allocator of its own, which nobody else can count */
#endif

/* pick allocates nothing: neither from the host nor from the C library. */
static void test_pick_allocates_nothing(void **state)
{
    enum { N = 80 };

    (void)state;
    EACH_SCHEDULER(sch)
    {
        unsigned before = allocations, made;
        struct strategy *s = make(sch);
        struct lb_member *members = kit_weighted_members(N, 0);
        struct table *t = kit_build(s, members, N);
        struct kit_seat seat = kit_sit(t, 1);
        size_t bytes = t->bytes;

        made = allocations - before;
        assert_true(SANITIZED || made > 0); /* they are seen */
        before = allocations;
        for (uint64_t k = 0; k < 200; k++) {
            char text[24];
            struct lb_key key = kit_key(k * 7919, text);

            for (uint32_t tries = 0; tries < N; tries++)
                kit_mark(&seat, kit_ask(&seat, &key));
            kit_unmark_all(&seat);
        }
        assert_int_equal(allocations, before);
        assert_int_equal(t->bytes, bytes);
        kit_leave(&seat);
        table_release(t);
        kit_members_free(members, N);
        strategy_release(s);
    }
}

static void test_no_memory(void **state)
{
    struct lb_member *members = kit_weighted_members(20, 0);

    (void)state;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);

        kit_check_scarce(s, members, 20);
        strategy_release(s);
    }
    kit_members_free(members, 20);
}

/* No weight is 0; a scheduler that is given one all the same says so. */
static void test_weight_of_nothing(void **state)
{
    struct lb_member *members = kit_members(3);

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        members[i].weight = 0;
    EACH_SCHEDULER(sch)
    {
        struct strategy *s = make(sch);

        kit_check_refusal(s, members, 3, "weight 0");
        strategy_release(s);
    }
    kit_members_free(members, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_is_complete),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_range_and_determinism),
        cmocka_unit_test(test_hash_with_a_mix_of_its_own),
        cmocka_unit_test(test_never_a_tried_one),
        cmocka_unit_test(test_few_left_share),
        cmocka_unit_test(test_nobody_and_one),
        cmocka_unit_test(test_ten_thousand_members),
        cmocka_unit_test(test_explain_says_what_pick_does),
        cmocka_unit_test(test_order_of_events),
        cmocka_unit_test(test_remove_and_add_again),
        cmocka_unit_test(test_digest_differs),
        cmocka_unit_test(test_one_of_a_hundred_is_removed),
        cmocka_unit_test(test_one_of_a_hundred_is_down),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_orphans_go_by_weight),
        cmocka_unit_test(test_slot_owner_agrees_with_pick),
        cmocka_unit_test(test_pick_allocates_nothing),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_weight_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
