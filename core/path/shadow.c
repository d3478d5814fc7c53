/*
 * shadow.c - asking the candidates about one of so many live requests.
 *
 * Owns     nothing that lasts; the sampler is the worker's, the counters are the shadow's.
 * Used by  exchange.c, worker.c.
 * Uses     pick.h, world/shadow.h, world/strategy.h.
 * Thread   the worker.
 */
#include "path/shadow.h"

#include "world/strategy.h"

void shadow_open(struct shadow_sampler *s, uint64_t seed)
{
    *s = (struct shadow_sampler){ .random = seed };
}

void shadow_take_seats(struct pick *p, const struct shadow *shadow, struct shadow_seats *out)
{
    *out = (struct shadow_seats){ .shadow = shadow };
    for (uint32_t i = 0; shadow && i < shadow->set->n; i++)
        if (shadow->items[i].table)
            out->seats[i] = pick_take_seat(p, shadow->items[i].table);
}

void shadow_leave_seats(struct shadow_seats *seats)
{
    for (uint32_t i = 0; i < SHADOW_MAX; i++)
        if (seats->seats[i])
            pick_leave_seat(seats->seats[i]);
}

void shadow_draw(struct shadow_sampler *s, uint32_t every)
{
    s->every = every;
    s->left = 1 + (uint32_t)lb_scale(lb_random(&s->random), 2 * (uint64_t)every - 1);
}

void shadow_ask(struct shadow_sampler *s, struct pick *p, const struct shadow_seats *seats,
                const struct pick_question *q)
{
    const struct shadow *shadow = seats->shadow;
    struct pick_question own = *q;
    own.random = &s->random;
    for (uint32_t i = 0; i < shadow->set->n; i++) {
        if (!seats->seats[i])
            continue;
        own.seat = seats->seats[i];
        own.hash = strategy_hash(own.seat->table->strategy, q->key);
        s->named[i] = pick_ask(p, &own);
    }
}

static void note(const struct shadow_item *item, unsigned worker, uint32_t n_members, uint32_t named,
                 uint32_t in_force)
{
    shadow_count(item->picks, worker, SHADOW_SAMPLED(n_members));
    shadow_count(item->picks, worker, named == LB_NONE ? SHADOW_NOBODY(n_members) : named);
    if (in_force == LB_NONE)
        return;
    shadow_count(item->versus, worker, SHADOW_COMPARED);
    if (named != in_force)
        shadow_count(item->versus, worker, SHADOW_MOVED);
}

void shadow_note(const struct shadow_sampler *s, const struct shadow_seats *seats, unsigned worker,
                 uint32_t in_force)
{
    const struct shadow *shadow = seats->shadow;
    uint32_t n_members = shadow->force->n_members;
    shadow_count(shadow->force_picks, worker, SHADOW_SAMPLED(n_members));
    shadow_count(shadow->force_picks, worker, in_force == LB_NONE ? SHADOW_NOBODY(n_members) : in_force);
    for (uint32_t i = 0; i < shadow->set->n; i++)
        if (seats->seats[i])
            note(&shadow->items[i], worker, n_members, s->named[i], in_force);
}
