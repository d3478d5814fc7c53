/*
 * shadow.h - asking the candidates about one of so many live requests.
 *
 * Owns     when the next one is due, the candidates' random state, and their answers about the request under way.
 * Used by  exchange.c (PICK), worker.c (views come and go).
 * Uses     pick.h to ask, world/shadow.h for the candidates and their counters.
 * Thread   the worker; it counts on its own lines.
 *
 * A candidate sees what the scheduler in force sees, at the same moment: the same key, its own hash of it, the live array
 * before this request takes its place, the members that are ready. Its answer is counted and forgotten. Bounds
 * (strategy.bounded_load) are the core's and hold for nobody here: candidates are compared with whom the scheduler in
 * force named first, so that strategies are compared with each other and not with the bound. on_reply is not called for
 * candidates: it tells how a pick of theirs went, and none of theirs is followed.
 */
#ifndef PATH_SHADOW_H
#define PATH_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lb_plugin.h"
#include "path/pick.h"
#include "world/shadow.h"

/* The candidates of a pool in a view this worker holds. */
struct shadow_seats {
    const struct shadow *shadow;         /* NULL: none */
    struct pick_seat *seats[SHADOW_MAX]; /* NULL: it refused these members */
};

struct shadow_sampler {
    uint32_t every; /* one of so many is due; 0: none */
    uint32_t left;  /* requests until the next one */
    uint64_t
        random; /* the candidates', and that of the gaps; never the worker's: nothing in force changes by it */
    uint32_t named[SHADOW_MAX];
};

void shadow_open(struct shadow_sampler *s, uint64_t seed);

void shadow_take_seats(struct pick *p, const struct shadow *shadow, struct shadow_seats *out);
void shadow_leave_seats(struct shadow_seats *seats);

/* The gap to the next one: 1 to 2 * every - 1, each as likely, so `every` on average and in step with nothing. */
void shadow_draw(struct shadow_sampler *s, uint32_t every);

/* True when this request is the next one. A candidate's share of a request that is not: this. */
static inline bool shadow_is_due(struct shadow_sampler *s, const struct shadow_seats *seats, uint32_t every)
{
    if (!seats->shadow || every == 0)
        return false;
    if (s->every != every)
        shadow_draw(s, every);
    if (--s->left > 0)
        return false;
    shadow_draw(s, every);
    return true;
}

/* Asks every candidate. q is the question to the one in force, before that is asked. */
void shadow_ask(struct shadow_sampler *s, struct pick *p, const struct shadow_seats *seats,
                const struct pick_question *q);

/* Counts their answers. in_force is whom the scheduler in force named (pick.first). */
void shadow_note(const struct shadow_sampler *s, const struct shadow_seats *seats, unsigned worker,
                 uint32_t in_force);

#endif
