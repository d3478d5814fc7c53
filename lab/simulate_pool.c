/*
 * simulate_pool.c - replicas that are not there: see simulate_pool.h.
 *
 * Owns     what sim_pool_open makes.
 * Used by  simulate_measure.c, simulate_load.c, cmd_replay.c.
 * Uses     path/pick.h, world/strategy.h, world/replica.h, world/load.h; candidate.h for members.
 * Thread   the program's only one.
 */
#include "lab/simulate_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/candidate.h"
#include "world/load.h"
#include "world/replica.h"
#include "world/strategy.h"

static struct replica *make_replica(const struct lb_member *m, uint32_t index)
{
    struct replica_identity who = {
        .name = m->key, .ring_name = m->key, .id = m->id, .weight = m->weight, .index = index
    };
    struct replica *r = replica_new(&who, 1);
    replica_set_ready(r, true);
    return r;
}

static double weight_of(const struct table *t, uint32_t member)
{
    return t->strategy->caps & LB_CAP_WEIGHTS ? t->members[member].weight : 1;
}

bool sim_pool_open(struct sim_pool *p, const struct candidate *c, uint32_t n, uint32_t without,
                   struct lb_error *why)
{
    struct lb_member *members = candidate_members(c, n);
    if (without < n) {
        memmove(&members[without], &members[without + 1], (n - without - 1) * sizeof *members);
        n--;
    }
    struct table *table = strategy_build(c->strategy, members, n, why);
    free(members);
    if (!table)
        return false;
    *p = (struct sim_pool){ .bound = c->config.strategy.bounded_load };
    p->pool.table = table;
    p->pool.n_replicas = n;
    p->pool.replicas = mem_alloc((n + 1) * sizeof(struct replica *));
    p->pool.live = mem_alloc((n + 1) * sizeof(const struct lb_live *));
    p->pool.load = load_new(1);
    for (uint32_t i = 0; i < n; i++) {
        p->pool.replicas[i] = make_replica(&table->members[i], i);
        p->pool.live[i] = &p->pool.replicas[i]->live;
        p->weights += weight_of(table, i);
    }
    pick_open(&p->pick);
    p->seat = pick_take_seat(&p->pick, table);
    return true;
}

void sim_pool_close(struct sim_pool *p)
{
    pick_leave_seat(p->seat);
    pick_close(&p->pick);
    for (uint32_t i = 0; i < p->pool.n_replicas; i++)
        replica_release(p->pool.replicas[i]);
    table_release(p->pool.table);
    load_free(p->pool.load);
    free(p->pool.replicas);
    free(p->pool.live);
}

static struct pick_question question(struct sim_pool *p, const struct lb_key *key)
{
    return (struct pick_question){
        .pool = &p->pool,
        .seat = p->seat,
        .key = key,
        .hash = strategy_hash(p->pool.table->strategy, key),
        .now_ns = p->now_ns,
        .random = &p->random,
        .bound = p->bound,
    };
}

uint32_t sim_pool_ask(struct sim_pool *p, const struct lb_key *key)
{
    struct pick_question q = question(p, key);
    return pick_ask(&p->pick, &q);
}

uint32_t sim_pool_place(struct sim_pool *p, const struct lb_key *key)
{
    struct pick_question q = question(p, key);
    return pick_member(&p->pick, &q);
}

void sim_pool_answer(struct sim_pool *p, uint32_t member, uint64_t took_ns)
{
    struct lb_reply reply = { .struct_size = sizeof reply,
                              .member = member,
                              .first_byte_ns = took_ns,
                              .now_ns = p->now_ns,
                              .outcome = LB_ANSWERED,
                              .status = 200 };
    replica_note_latency(p->pool.replicas[member], took_ns);
    pick_reply(p->seat, &reply);
    pick_give_back(p->pool.load, 0, p->pool.replicas[member]);
}

double sim_pool_fair(const struct sim_pool *p, uint32_t member)
{
    return weight_of(p->pool.table, member) / p->weights;
}
