/*
 * asker.c - asking a table away from the data path: see asker.h.
 *
 * Owns     what asker_open makes.
 * Used by  table.c, control's explain, ringctl.
 * Uses     strategy.h, mem.h.
 * Thread   one at a time.
 */
#include "world/asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "world/strategy.h"

#define SCRATCH_ALIGN 64u /* as lb_plugin.h promises */

void asker_open(struct asker *a, const struct table *t, const struct lb_live *const *live)
{
    static const struct lb_live idle = { .ready = 1 };

    *a = (struct asker){ .table = t, .live = live };
    a->tried = mem_zero(t->n_members / 64 + 1u, sizeof *a->tried);
    if (!live) {
        a->own_live = mem_alloc((t->n_members + 1u) * sizeof *a->own_live);
        for (uint32_t i = 0; i < t->n_members; i++)
            a->own_live[i] = &idle;
        a->live = a->own_live;
    }
    if (t->scratch_size)
        a->scratch = mem_aligned(SCRATCH_ALIGN, t->scratch_size);
}

void asker_close(struct asker *a)
{
    free(a->tried);
    free(a->own_live);
    free(a->scratch);
}

void asker_question(struct asker *a, const struct lb_key *key, uint32_t attempt, struct lb_pick *out)
{
    *out = (struct lb_pick){
        .struct_size = sizeof *out,
        .n_members = a->table->n_members,
        .key = key,
        .hash = strategy_hash(a->table->strategy, key),
        .tried = a->tried,
        .live = a->live,
        .now_ns = clock_now_ns(),
        .random = &a->random,
        .attempt = attempt,
    };
}

uint32_t asker_ask(struct asker *a, const struct lb_key *key, uint32_t attempt)
{
    struct lb_pick p;

    asker_question(a, key, attempt, &p);
    uint32_t member = a->table->strategy->ops->pick(a->table->made, &p, a->scratch);
    return member < a->table->n_members ? member : LB_NONE;
}

void asker_mark(struct asker *a, uint32_t member)
{
    a->tried[member >> 6] |= 1ull << (member & 63);
}

void asker_forget(struct asker *a)
{
    memset(a->tried, 0, (a->table->n_members / 64 + 1u) * sizeof *a->tried);
}

void asker_sample_key(uint32_t sample, char text[16], struct lb_key *out)
{
    int len = snprintf(text, 16, "%u", 100000u + (uint32_t)(lb_mix64(sample) % 900000u));

    *out = (struct lb_key){ .bytes = text, .len = (size_t)len };
    strategy_key_finish(out);
}
