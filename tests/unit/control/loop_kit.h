/*
 * loop_kit.h - the one way in which these tests wait: the loop runs until a condition holds, or a deadline is over.
 *
 * Owns     a wait's timer, while it lasts.
 * Used by  unit/control/test_engine.c, test_health.c, test_spawner_docker.c, test_spawner_process.c, test_spawner_swarm.c,
 *          test_supervisor_live.c.
 * Thread   the test's.
 */
#ifndef UNIT_CONTROL_LOOP_KIT_H
#define UNIT_CONTROL_LOOP_KIT_H

#include <stdbool.h>
#include <stdint.h>

#define LOOP_PATIENCE_MS 50000u /* a busy machine is no failure */

struct event;
struct event_base;

struct loop_wait {
    struct event_base *base;
    struct event *tick; /* for conditions that no event announces, and for a loop with nothing to do */
    uint64_t end_ns;
};

void loop_wait_begin(struct loop_wait *wait, struct event_base *base);

/* One turn of the loop, of 2 ms at the most. False: the deadline is over. */
bool loop_wait_on(struct loop_wait *wait);

void loop_wait_end(struct loop_wait *wait);

/* The loop of owner_->base runs until the condition holds; a test whose condition does not in time fails at its line. */
#define WAIT_FOR(owner_, condition_)                     \
    do {                                                 \
        struct loop_wait wait_;                          \
        loop_wait_begin(&wait_, (owner_)->base);         \
        while (!(condition_) && loop_wait_on(&wait_)) {} \
        loop_wait_end(&wait_);                           \
        assert_true(condition_);                         \
    } while (0)

/* 5 ms of the loop: what is due has happened. */
void loop_turn(struct event_base *base);

#endif
