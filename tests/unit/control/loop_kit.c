/*
 * loop_kit.c - a loop that runs until: see loop_kit.h.
 *
 * Owns     a wait's timer, while it lasts.
 * Used by  the tests of unit/control that have a loop of their own.
 * Uses     libevent, base/clock.h.
 * Thread   the test's.
 */
#include "unit/control/loop_kit.h"

#include <event2/event.h>

#include "base/clock.h"

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

void loop_wait_begin(struct loop_wait *wait, struct event_base *base)
{
    struct timeval often = { .tv_usec = 2000 };
    wait->base = base;
    wait->end_ns = clock_now_ns() + LOOP_PATIENCE_MS * CLOCK_NS_PER_MS;
    wait->tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    event_add(wait->tick, &often);
}

bool loop_wait_on(struct loop_wait *wait)
{
    event_base_loop(wait->base, EVLOOP_ONCE);
    return clock_now_ns() < wait->end_ns;
}

void loop_wait_end(struct loop_wait *wait)
{
    event_free(wait->tick);
}

void loop_turn(struct event_base *base)
{
    struct timeval soon = { .tv_usec = 5000 };
    event_base_loopexit(base, &soon);
    event_base_dispatch(base);
}
