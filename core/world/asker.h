/*
 * asker.h - asking a table which member it would name, away from the data path.
 *
 * Owns     the tried-set, the scratch and the random state of one who asks.
 * Used by  table.c (moved keys), control's explain, ringctl's checks and benchmarks.
 * Uses     strategy.h, lb_plugin.h.
 * Thread   one at a time: the builder thread, or a program's only one. Reads live blocks while workers write them.
 *
 * The scratch is its own and begins zeroed, so nothing that is asked here changes what a worker picks next.
 */
#ifndef WORLD_ASKER_H
#define WORLD_ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb_plugin.h"

struct table;

struct asker {
    const struct table *table;         /* borrowed */
    const struct lb_live *const *live; /* borrowed, or own_live */
    const struct lb_live **own_live;   /* NULL when the caller gave live blocks */
    uint64_t *tried;                   /* one bit a member */
    void *scratch;                     /* NULL: the scheduler wants none */
    uint64_t random;
};

/* live has one block for each member; NULL: everybody is ready and idle. table and live must outlive the asker. */
void asker_open(struct asker *a, const struct table *t, const struct lb_live *const *live);
void asker_close(struct asker *a);

/* The question as a scheduler gets it, over what is tried now. It points into the asker. */
void asker_question(struct asker *a, const struct lb_key *key, uint32_t attempt, struct lb_pick *out);

/* The member for the key; LB_NONE when the table names none, or none that exists. */
uint32_t asker_ask(struct asker *a, const struct lb_key *key, uint32_t attempt);

/* Marks a member as tried; forgets all marks. */
void asker_mark(struct asker *a, uint32_t member);
void asker_forget(struct asker *a);

/* The sample-th key of a sequence without an end, as text with its id filled in: six digits, 100000 to 999999, like the
 * default key of a request without one. They are scattered, since numbers at equal distances would hit few of the slots
 * that a polynomial hash reaches. out points into text. */
void asker_sample_key(uint32_t sample, char text[16], struct lb_key *out);

#endif
