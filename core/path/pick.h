/*
 * pick.h - which replica for this request.
 *
 * Owns     the worker's bitmap of tried members, and the scratch of each table in force.
 * Used by  exchange.c (PICK), exchange_attempt.c (how it went), worker.c (views come and go).
 * Uses     world/strategy.h, world/view.h.
 * Thread   the worker.
 *
 * The strategy answers; this file owns what was tried, and skips whom control says is unready.
 */
#ifndef PATH_PICK_H
#define PATH_PICK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "lb_plugin.h"

struct pool;
struct table;

/* A table this worker looks at, with its scratch. Consecutive views share a table, and then also its scratch.
 * */
struct pick_seat {
    struct link link;
    struct table *table;
    void *scratch;
    uint32_t refs;
};

struct pick {
    struct link seats;
    uint64_t *tried; /* a bit a member; all 0 between picks */
    uint32_t n_words;
};

void pick_open(struct pick *p);
void pick_close(struct pick *p);

/* A view with this table comes into force / is let go. */
struct pick_seat *pick_take_seat(struct pick *p, struct table *table);
void pick_leave_seat(struct pick_seat *seat);

/* One question. */
struct pick_question {
    const struct pool *pool;
    struct pick_seat *seat;
    const struct lb_key *key;
    uint64_t hash;
    const uint32_t *tried; /* members this request has failed on */
    uint32_t n_tried;
    uint32_t attempt;
    uint64_t now_ns;
    uint64_t *random;
};

/* The member, ready and not tried; LB_NONE when there is none. */
uint32_t pick_member(struct pick *p, const struct pick_question *q);

/* Tells the scheduler how a pick went. */
void pick_reply(const struct pick_seat *seat, const struct lb_reply *reply);

#endif
