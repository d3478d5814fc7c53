/*
 * vet_exercise.h - what a strategy is put through, part by part.
 *
 * Owns     nothing that lasts.
 * Used by  vet.c.
 * Uses     vet_watch.h: what is wrong ends the process there.
 * Thread   the process that tries out has one.
 *
 * Everything is asked of two instances, made with the same options, and of the first one twice, out of order:
 * who keeps something, looks at a clock or at an address, answers differently. The questions are the same in
 * every process.
 */
#ifndef WORLD_VET_EXERCISE_H
#define WORLD_VET_EXERCISE_H

#include <stdbool.h>
#include <stdint.h>

#include "lb_plugin.h"
#include "world/strategy.h"
#include "world/vet.h"

/* Two instances of one strategy. */
struct vet_pair {
    struct strategy *a, *b;
};

/* Keys, members and copies through key, place and mix. members are tried beside made up ones. */
void vet_exercise_hash(const struct vet_pair *pair, const struct lb_member *members, uint32_t n);

/* Rings of many sizes through at and yields. */
void vet_exercise_probe(const struct vet_pair *pair);

/* Tables over several memberships; `members` last, which must fit if must_fit. Returns the table over them,
 * or over the largest membership that the scheduler builds, with one reference. */
struct table *vet_exercise_scheduler(const struct vet_pair *pair, const struct lb_member *members, uint32_t n,
                                     bool must_fit, struct vet_report *report);

/* Asks the table many questions in the orders that a worker may come up with: with tried and unready members,
 * with load, to the last member and beyond. again is the same table built once more, other the one of the
 * other instance. */
void vet_exercise_picks(struct table *table, struct table *again, struct table *other);

/* Fills in what can be measured of the table, while processor time is left (ns, of clock_gettime on the
 * process). */
void vet_measure(struct table *table, uint64_t until_cpu_ns, struct vet_report *report);

#endif
