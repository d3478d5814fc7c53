/*
 * pick.h - which replica for this request.
 *
 * Owns     the worker's bitmap of tried members, and the scratch of each table in force.
 * Used by  exchange.c (PICK), exchange_attempt.c (how it went), worker.c (views come and go).
 * Uses     world/strategy.h, world/view.h.
 * Thread   the worker.
 *
 * The strategy answers; this file owns what was tried, and skips whom control says is unready.
 *
 * BOUNDED LOAD. With strategy.bounded_load = c no member may hold more than
 *
 *      ceil(c * T * w / W)
 *
 * requests: T what the pool holds, this request included (load.h), w the member's weight, W that of all members that may
 * get this request. One that is full is treated as tried, and the scheduler is asked again: consistent hashing with
 * bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018, section 2), around any scheduler. The place is taken by
 * compare-and-swap on the one counter that all workers share, so no number of workers exceeds the bound.
 *
 * What holds exactly: at the moment a request takes its place, its member holds, with it, at most the bound for T as it
 * was during that same pick. Requests that run on while T falls keep their places (nothing that was sent can be taken
 * back); their member gets no new one until it is below the bound again. With at most K clients at a time no member ever
 * holds more than ceil(c * K * w / W). Unready members hold nobody up: they are not in W, though what they still hold is
 * in T. Who retries has fewer to choose from: those it failed on are not in its W either, so that a member's death leaves
 * its requests somewhere to go. A reload that switches the option on counts what runs already; a request that began
 * before keeps the option it began with.
 *
 * WARMING UP. A replica that is new, has recovered or is on trial is not given all that the scheduler gives it (slow start,
 * outlier detection): with warmth w (replica.h), and m the largest warmth of those that are ready, it takes a pick with
 * probability w / m, else it is treated as tried. When nobody else takes the request, it gets it all the same. Relative to m,
 * because replicas that all started together must not send their keys around.
 *
 * Somebody always has room: the bounds of those in W add up to at least c * T >= T, they hold at most T - 1 without this
 * request, so one of them is below its bound. That is true of one moment, and members are looked at one after the other
 * while other workers place and end requests; so when everybody seems full, all is counted afresh and asked again.
 */
#ifndef PATH_PICK_H
#define PATH_PICK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "lb_plugin.h"

struct load;
struct pool;
struct replica;
struct table;

/* A table this worker looks at, with its scratch. Consecutive views share a table, and then also its scratch.
 * */
struct pick_seat {
    struct link link;
    struct table *table;
    void *scratch;
    uint32_t refs;

    /* W, for bounded load: remembered until a member becomes ready or unready */
    const struct pool *weighed; /* NULL: not yet */
    uint32_t readiness;
    uint64_t weight;
};

struct pick {
    struct link seats;
    uint64_t *tried; /* a bit a member; all 0 between picks */
    uint32_t n_words;
    uint32_t passed;  /* in this pick: times that one was passed over because it warms up */
    uint32_t warmest; /* m, of the pool and at the time below; it is looked for once a millisecond */
    const struct pool *warmest_of;
    uint64_t warmest_ns;
    uint32_t first; /* of the last pick: whom the scheduler named before any bound; LB_NONE: nobody */
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
    unsigned worker; /* this one's number */
    uint32_t bound;  /* strategy.bounded_load in thousandths; 0: none */
};

/* The member, ready, not tried and within its bound, with a place taken at its replica; LB_NONE when there is none. */
uint32_t pick_member(struct pick *p, const struct pick_question *q);

/* Gives the place back. */
void pick_give_back(struct load *load, unsigned worker, struct replica *replica);

/* Whom the scheduler names: ready and not tried. Takes no place and asks nobody about bounds. */
uint32_t pick_ask(struct pick *p, const struct pick_question *q);

/* Tells the scheduler how a pick went. */
void pick_reply(const struct pick_seat *seat, const struct lb_reply *reply);

#endif
