/*
 * load_kit.h - members whose load a test can set: for schedulers that look at it.
 *
 * Owns     the live blocks, which take the place of a seat's own.
 * Used by  unit/plugins/test_scheduler_least_request.c, _p2c.c, _peak_ewma.c.
 * Uses     strategy_kit.h.
 * Thread   the test's.
 */
#ifndef UNIT_PLUGINS_LOAD_KIT_H
#define UNIT_PLUGINS_LOAD_KIT_H

#include "unit/plugins/scheduler_kit.h"

/* A table of n members with a seat, and a load for each. */
struct kit_load {
    struct strategy *strategy;
    struct lb_member *members;
    struct table *table;
    struct kit_seat seat;
    struct lb_live *live; /* of each member: write to it */
    uint32_t n;
};

/* weights may be NULL: all 1. */
struct kit_load kit_load_open(const char *scheduler, const char *options, const uint32_t *weights, uint32_t n,
                              uint64_t random);
void kit_load_close(struct kit_load *load);

/* Asks at this time. */
uint32_t kit_load_ask(struct kit_load *load, uint64_t now_ns);

/* Tells the scheduler how it went. */
void kit_load_reply(struct kit_load *load, uint32_t member, uint32_t outcome, uint64_t first_byte_ns,
                    uint64_t now_ns);

#endif
