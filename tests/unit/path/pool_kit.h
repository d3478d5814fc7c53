/*
 * pool_kit.h - a pool of replicas that exist only here, over a table of a shipped strategy.
 *
 * Owns     what pool_open makes, until pool_close.
 * Used by  unit/path/test_bounded.c, test_shadow.c.
 * Thread   the test's; a pool may be shared by threads as workers share one.
 */
#ifndef UNIT_PATH_POOL_KIT_H
#define UNIT_PATH_POOL_KIT_H

#include "path/pick.h"
#include "unit/plugins/strategy_kit.h"
#include "world/view.h"

struct pool_kit {
    struct strategy *strategy;
    struct pool pool; /* all ready */
};

/* n members, "Server 1" … "Server n"; weights may be NULL: 1 each. */
void pool_open(struct pool_kit *kit, struct kit_part scheduler, struct kit_part hash, struct kit_part probe,
               uint32_t n, const uint32_t *weights, unsigned n_workers);
void pool_close(struct pool_kit *kit);

/* A worker that asks the pool. */
struct pool_worker {
    struct pool_kit *kit;
    struct pick pick;
    struct pick_seat *seat;
    unsigned number;
    uint64_t random;
    uint32_t bound;
};
void pool_sit(struct pool_worker *w, struct pool_kit *kit, unsigned number, uint32_t bound);
void pool_leave(struct pool_worker *w);

/* Picks for a key, a place included; the member, or LB_NONE. */
uint32_t pool_pick(struct pool_worker *w, uint64_t key, const uint32_t *tried, uint32_t n_tried);
void pool_give_back(struct pool_worker *w, uint32_t member);

/* The question that pool_pick asks. text has room for 24 and lives as long as key. */
struct pick_question pool_question(struct pool_worker *w, struct lb_key *key, uint64_t number, char *text);

#endif
