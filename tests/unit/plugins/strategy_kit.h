/*
 * strategy_kit.h - strategies, members and questions for tests, through the real .so files.
 *
 * Owns     what the kit_ functions hand out until it is given back.
 * Used by  unit/plugins/test_*.c, unit/world/test_strategy.c.
 * Thread   the test's.
 */
#ifndef UNIT_PLUGINS_STRATEGY_KIT_H
#define UNIT_PLUGINS_STRATEGY_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/problem.h"
#include "world/config.h"
#include "world/strategy.h"

/* A part as a test writes it: a plugin's name and its options, "slots=512 virtual_nodes=9 name=text". A value
 * is an integer, true or false, a number with a point, or else a text. */
struct kit_part {
    const char *name, *options;
};

/* A configuration with nothing but a strategy. Line numbers: scheduler 1, hash 2, probe 3; option k of a part
 * is in column k + 1. */
struct config *kit_config(const char *plugin_dir, struct kit_part scheduler, struct kit_part hash,
                          struct kit_part probe);
void kit_config_free(struct config *config);

/* Makes a strategy of the shipped plugins; fails the test with the problems when there are any. */
struct strategy *kit_strategy(struct kit_part scheduler, struct kit_part hash, struct kit_part probe);

/* The only problem of a configuration as one text, "message [hint]", or all of them, one a line. The caller
 * frees it. */
char *kit_problems(const char *plugin_dir, struct kit_part scheduler, struct kit_part hash,
                   struct kit_part probe);

/* "Server 1" … "Server n" with their ordinals as ids, weight 1, sorted by ring name. */
struct lb_member *kit_members(uint32_t n);
void kit_members_free(struct lb_member *members, uint32_t n);

/* Builds; fails the test when that is refused. */
struct table *kit_build(struct strategy *s, const struct lb_member *members, uint32_t n);

/* Where the member with this id is in the table. */
uint32_t kit_index(const struct table *t, uint64_t id);

/* A seat at a table: scratch, a random state, and what is tried. */
struct kit_seat {
    const struct table *table;
    uint64_t *tried;
    const struct lb_live **live;
    void *scratch;
    uint64_t random;
};
struct kit_seat kit_sit(const struct table *t, uint64_t random);
void kit_leave(struct kit_seat *seat);

/* A key that is a number. text has room for 24. */
struct lb_key kit_key(uint64_t number, char *text);

/* Asks for a key, with what is marked as tried; the index of a member or LB_NONE. */
uint32_t kit_ask(struct kit_seat *seat, const struct lb_key *key);
uint32_t kit_ask_hash(struct kit_seat *seat, uint64_t hash);
void kit_mark(struct kit_seat *seat, uint32_t member);
void kit_unmark_all(struct kit_seat *seat);

/* What the scheduler says of its table, with shares (n_members + 1 of them, the caller's) when not NULL. */
struct lb_inspect kit_inspect(const struct table *t, double *shares, uint64_t slot);

/* An allocator that grants so many requests and refuses the rest; out counts what was not released. */
struct kit_scarce {
    unsigned left, out;
};
struct lb_alloc kit_scarce_alloc(struct kit_scarce *scarce);

#endif
