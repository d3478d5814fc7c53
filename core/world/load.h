/*
 * load.h - how many requests a pool holds, all workers together.
 *
 * Owns     one line a worker, which only that worker writes.
 * Used by  path/pick.c (enters, leaves, asks for the sum); publish.c makes it, views point at it.
 * Uses     nothing.
 * Thread   enter and leave: the worker of the line. total: any. Made before the workers start, freed after they were
 *          joined: it outlives every view, so a reload neither loses nor doubles a request.
 *
 * Counting costs a worker two stores on its own line and is always done, so that strategy.bounded_load may be switched on
 * while requests run. Only who asks for the sum reads the others' lines. A line is one word: the lower half counts, the
 * upper half changes with every step, so equal words mean that nothing has happened in between, and one load sees both.
 */
#ifndef WORLD_LOAD_H
#define WORLD_LOAD_H

#include <stdatomic.h>
#include <stdint.h>

struct load_line {
    _Alignas(64) _Atomic uint64_t word; /* changes << 32 | requests */
};

struct load {
    unsigned n_workers;
    struct load_line lines[];
};

struct load *load_new(unsigned n_workers);
void load_free(struct load *l);

#define LOAD_CHANGE (UINT64_C(1) << 32)

static inline void load_change(struct load *l, unsigned worker, uint64_t by)
{
    _Atomic uint64_t *word = &l->lines[worker].word;
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + by, memory_order_release);
}

/* One request more, or fewer, is being placed or under way at this worker. A request enters before it takes its place at
 * a replica and leaves after it gave that back: the sum is never below what the replicas hold. */
static inline void load_enter(struct load *l, unsigned worker)
{
    load_change(l, worker, LOAD_CHANGE + 1);
}
static inline void load_leave(struct load *l, unsigned worker)
{
    load_change(l, worker, LOAD_CHANGE - 1);
}

/* The requests of all workers: a number that was true at one moment during the call. With so many workers at work that no
 * two looks agree (four are taken), it may be off by the requests that came and went meanwhile. */
uint32_t load_total(const struct load *l);

#endif
