/*
 * load.c - how many requests a pool holds, all workers together.
 *
 * Owns     the lines.
 * Used by  path/pick.c, control/publish.c.
 * Uses     mem.h.
 * Thread   see load.h.
 *
 * The sum is a snapshot by double collect (Afek and others 1993, "Atomic snapshots of shared memory", section 3): when two
 * looks at all lines find the same words, all of them held at once in between. Words are added up rather than compared one
 * by one: every change adds more than 0, so sums are equal only when nothing changed.
 */
#include "world/load.h"

#include <stdlib.h>

#include "base/mem.h"

#define LOOKS_MAX 4

struct load *load_new(unsigned n_workers)
{
    struct load *l = mem_aligned(_Alignof(struct load_line), sizeof *l + n_workers * sizeof l->lines[0]);
    l->n_workers = n_workers;
    return l;
}

void load_free(struct load *l)
{
    free(l);
}

static uint64_t look(const struct load *l)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < l->n_workers; i++)
        sum += atomic_load_explicit(&l->lines[i].word, memory_order_acquire);
    return sum;
}

uint32_t load_total(const struct load *l)
{
    uint64_t seen = look(l);
    for (unsigned looks = 1; looks < LOOKS_MAX && l->n_workers > 1; looks++) {
        uint64_t again = look(l);
        if (again == seen)
            break;
        seen = again;
    }
    return (uint32_t)seen;
}
