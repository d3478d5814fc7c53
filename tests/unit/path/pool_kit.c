/*
 * pool_kit.c - a pool of replicas that exist only here, over a table of a shipped strategy.
 */
#include "unit/path/pool_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/load.h"
#include "world/replica.h"

static struct replica *make_replica(const struct lb_member *member, uint32_t index, unsigned n_workers)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)member->key_len, member->key);
    struct replica_identity who = {
        .name = name, .ring_name = name, .id = member->id, .weight = member->weight, .index = index
    };
    struct replica *made = replica_new(&who, n_workers);
    replica_set_ready(made, true);
    return made;
}

void pool_open(struct pool_kit *kit, struct kit_part scheduler, struct kit_part hash, struct kit_part probe,
               uint32_t n, const uint32_t *weights, unsigned n_workers)
{
    struct lb_member *members = kit_members(n);
    for (uint32_t i = 0; weights && i < n; i++)
        members[i].weight = weights[i];
    kit->strategy = kit_strategy(scheduler, hash, probe);
    kit->pool = (struct pool){ .n_replicas = n };
    kit->pool.table = kit_build(kit->strategy, members, n);
    kit->pool.load = load_new(n_workers);
    kit->pool.replicas = mem_zero(n + 1, sizeof(struct replica *));
    kit->pool.live = mem_zero(n + 1, sizeof(const struct lb_live *));
    for (uint32_t i = 0; i < n; i++) {
        kit->pool.replicas[i] = make_replica(&members[i], i, n_workers);
        kit->pool.live[i] = &kit->pool.replicas[i]->live;
    }
    kit_members_free(members, n);
}

void pool_close(struct pool_kit *kit)
{
    for (uint32_t i = 0; i < kit->pool.n_replicas; i++)
        replica_release(kit->pool.replicas[i]);
    free(kit->pool.replicas);
    free(kit->pool.live);
    load_free(kit->pool.load);
    table_release(kit->pool.table);
    strategy_release(kit->strategy);
}

void pool_sit(struct pool_worker *w, struct pool_kit *kit, unsigned number, uint32_t bound)
{
    *w = (struct pool_worker){ .kit = kit, .number = number, .bound = bound, .random = number + 1 };
    pick_open(&w->pick);
    w->seat = pick_take_seat(&w->pick, kit->pool.table);
}

void pool_leave(struct pool_worker *w)
{
    pick_leave_seat(w->seat);
    pick_close(&w->pick);
}

struct pick_question pool_question(struct pool_worker *w, struct lb_key *key, uint64_t number, char *text)
{
    *key = kit_key(number, text);
    return (struct pick_question){ .pool = &w->kit->pool,
                                   .seat = w->seat,
                                   .key = key,
                                   .hash = strategy_hash(w->kit->strategy, key),
                                   .random = &w->random,
                                   .worker = w->number,
                                   .bound = w->bound };
}

uint32_t pool_pick(struct pool_worker *w, uint64_t number, const uint32_t *tried, uint32_t n_tried)
{
    struct lb_key key;
    char text[24];
    struct pick_question q = pool_question(w, &key, number, text);
    q.tried = tried;
    q.n_tried = q.attempt = n_tried;
    return pick_member(&w->pick, &q);
}

void pool_give_back(struct pool_worker *w, uint32_t member)
{
    pick_give_back(w->kit->pool.load, w->number, w->kit->pool.replicas[member]);
}
