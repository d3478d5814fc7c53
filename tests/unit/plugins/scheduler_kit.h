/*
 * scheduler_kit.h - the shipped schedulers, and what tests of all of them need.
 *
 * Owns     nothing that lasts.
 * Used by  unit/plugins/test_scheduler*.c.
 * Uses     strategy_kit.h.
 * Thread   the test's.
 */
#ifndef UNIT_PLUGINS_SCHEDULER_KIT_H
#define UNIT_PLUGINS_SCHEDULER_KIT_H

#include "unit/plugins/strategy_kit.h"

/* A scheduler under hash_murmur and probe_linear. */
struct strategy *kit_scheduler(const char *name, const char *options);

/* Puts another hash in the place of a strategy's own, and returns that one. It must be put back before the
 * strategy is released. */
struct lb_hash kit_set_hash(struct strategy *s, struct lb_hash hash);

/* Members with weights 1 + i mod 5, but for the last one, which has heaviest when that is not 0. */
struct lb_member *kit_weighted_members(uint32_t n, uint32_t heaviest);

/* Members named as listed, in that order, which must be bytewise; ids 1, 2, …; weights may be NULL. Names are
 * copied; kit_members_free frees. */
struct lb_member *kit_named_members(const char *const *names, const uint32_t *weights, uint32_t n);

/* All but one of n members; the texts stay with the original. free() frees. */
struct lb_member *kit_members_without(const struct lb_member *members, uint32_t n, uint32_t gone);

/* Marks member after member as tried until nobody is left: each is named once, and none that is tried. Clears
 * the marks in the end. */
void kit_walk_all(struct kit_seat *seat, const struct lb_key *key);

/* Builds with an allocator that refuses the k-th request, for every k: each refusal says that there is no
 * memory, and leaves nothing behind. */
void kit_check_scarce(struct strategy *s, const struct lb_member *members, uint32_t n);

/* Expects build to refuse with a sentence that contains expected. */
void kit_check_refusal(struct strategy *s, const struct lb_member *members, uint32_t n, const char *expected);

#endif
