/*
 * roster.c - a rotation that outlives the turn of the loop it was taken in.
 *
 * Owns     a reference to each replica of the rotation.
 * Used by  publish.c, reload.c, and those who ask whether a replica is in a view.
 * Uses     supervisor.h, strategy.h, replica.h, view.h.
 * Thread   control.
 */
#include "control/roster.h"

#include <stdlib.h>
#include <string.h>

#include "control/supervisor.h"
#include "world/replica.h"
#include "world/strategy.h"
#include "world/view.h"

void roster_hold(struct rotation *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        replica_retain(r->replicas[i]);
}

void roster_free(struct rotation *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        replica_release(r->replicas[i]);
    rotation_free(r);
    memset(r, 0, sizeof *r);
}

static const struct lb_member *find_member(const struct table *table, const struct lb_member *like)
{
    if (!table->n_members)
        return NULL;
    return bsearch(like, table->members, table->n_members, sizeof *like, strategy_compare_members);
}

uint32_t roster_count_newcomers(const struct rotation *r, const struct table *table)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->n; i++)
        count += find_member(table, &r->members[i]) == NULL;
    return count;
}

void roster_trim(struct rotation *r, const struct table *table, uint32_t keep)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        bool known = find_member(table, &r->members[i]) != NULL;
        if (!known && keep == 0) {
            replica_release(r->replicas[i]);
            continue;
        }
        keep -= !known;
        r->members[kept] = r->members[i];
        r->replicas[kept++] = r->replicas[i];
    }
    r->n = kept;
}

uint64_t roster_digest(const struct rotation *r)
{
    return strategy_digest_members(r->members, r->n);
}

bool roster_is_in_view(const struct rotation *r, const struct view *view)
{
    const struct pool *pool = &view->pools[0];
    return pool->n_replicas == r->n &&
           (r->n == 0 || memcmp(pool->replicas, r->replicas, r->n * sizeof(struct replica *)) == 0);
}

int64_t roster_index(const struct view *view, const struct replica *replica)
{
    const struct pool *pool = &view->pools[0];
    struct lb_member like = { .key = replica->ring_name, .key_len = (uint32_t)strlen(replica->ring_name) };
    const struct lb_member *found = find_member(pool->table, &like);
    if (!found)
        return -1;
    int64_t index = found - pool->table->members;
    return pool->replicas[index] == replica ? index : -1;
}
