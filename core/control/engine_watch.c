/*
 * engine_watch.c - an engine that comes and goes: reached, lost, reached again.
 *
 * Owns     the stream of the engine's events, the time of the next list and of the next attempt.
 * Used by  spawner_docker.c, spawner_swarm.c.
 * Uses     engine.h.
 * Thread   control.
 */
#include "control/engine_watch.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/engine.h"
#include "lb_plugin.h"

enum watch_state { LOST, GREETING, OPENING, UP };

struct engine_watch {
    struct engine *engine;
    struct engine_watch_hooks hooks;
    enum watch_state state;
    char *events;
    struct engine_call *greeting, *stream; /* NULL: none under way */
    struct event timer;                    /* LOST: try again. UP: tick */
    uint32_t every_ms, pause_ms;
    uint64_t random;
    bool is_told;      /* the present trouble is in the log */
    char trouble[256]; /* "": none known */
};

static void arm(struct engine_watch *w, uint32_t ms)
{
    struct timeval wait = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
    evtimer_add(&w->timer, &wait);
}

static void drop_calls(struct engine_watch *w)
{
    if (w->greeting) {
        engine_cancel(w->greeting);
        w->greeting = NULL;
    }
    if (w->stream) {
        engine_cancel(w->stream);
        w->stream = NULL;
    }
}

/* The same trouble again is not worth a line. */
static void lose(struct engine_watch *w, const char *why)
{
    bool was_up = w->state == UP;
    drop_calls(w);
    if (was_up || !w->is_told || strcmp(w->trouble, why) != 0) {
        log_warn("engine: %s; what runs goes on, and it is tried again", why);
        w->is_told = true;
    }
    snprintf(w->trouble, sizeof w->trouble, "%s", why);
    w->state = LOST;
    uint32_t pause = w->pause_ms - (uint32_t)lb_scale(lb_random(&w->random), w->pause_ms / 4 + 1);
    arm(w, pause);
    uint32_t most = w->every_ms < ENGINE_PAUSE_MAX_MS ? w->every_ms : ENGINE_PAUSE_MAX_MS;
    w->pause_ms = w->pause_ms * 2 < most ? w->pause_ms * 2 : most;
    if (was_up) {
        w->hooks.down(w->hooks.ctx, w->trouble);
    }
}

static void rise(struct engine_watch *w)
{
    log_info("engine %s: reached, API %s", engine_address(w->engine), engine_version(w->engine));
    w->state = UP;
    w->is_told = false;
    w->trouble[0] = '\0';
    arm(w, w->every_ms);
    w->hooks.up(w->hooks.ctx);
}

/* ------------------------------------------------------------------ the stream */

static void on_opened(void *ctx, const json_t *nothing)
{
    (void)nothing;
    rise(ctx);
}

static void on_event(void *ctx, const json_t *object)
{
    struct engine_watch *w = ctx;
    w->hooks.event(w->hooks.ctx, object);
}

static void on_stream_end(void *ctx, const struct engine_answer *answer)
{
    struct engine_watch *w = ctx;
    char why[256];
    w->stream = NULL;
    snprintf(why, sizeof why, "%s", answer->why);
    if (!*why) {
        snprintf(why, sizeof why, "the engine at %s ended its events", engine_address(w->engine));
    }
    lose(w, why);
}

/* ------------------------------------------------------------------ the greeting */

static void on_greeted(void *ctx, const struct engine_answer *answer)
{
    struct engine_watch *w = ctx;
    w->greeting = NULL;
    if (*answer->why) {
        lose(w, answer->why);
        return;
    }
    if (!w->events) {
        rise(w);
        return;
    }
    w->state = OPENING;
    arm(w, ENGINE_TIMEOUT_MS);
    w->stream = engine_stream(w->engine, w->events, on_opened, on_event, on_stream_end, w);
}

static void greet(struct engine_watch *w)
{
    w->state = GREETING;
    w->greeting = engine_greet(w->engine, on_greeted, w);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct engine_watch *w = arg;
    (void)fd;
    (void)what;
    if (w->state == LOST) {
        greet(w);
    } else if (w->state == OPENING) {
        lose(w, "the engine does not open its stream of events");
    } else if (w->state == UP) {
        arm(w, w->every_ms);
        w->pause_ms = ENGINE_PAUSE_MIN_MS; /* it has stayed for a while */
        w->hooks.tick(w->hooks.ctx);
    }
}

/* ------------------------------------------------------------------ the whole */

struct engine_watch *engine_watch_open(struct event_base *base, struct engine *engine, const char *events,
                                       uint32_t every_ms, const struct engine_watch_hooks *hooks)
{
    struct engine_watch *w = mem_zero(1, sizeof *w);
    w->engine = engine;
    w->hooks = *hooks;
    w->events = mem_text(events);
    w->every_ms = every_ms;
    w->pause_ms = ENGINE_PAUSE_MIN_MS;
    if (getrandom(&w->random, sizeof w->random, 0) != sizeof w->random) {
        w->random = clock_now_ns();
    }
    evtimer_assign(&w->timer, base, on_timer, w);
    greet(w);
    return w;
}

void engine_watch_close(struct engine_watch *w)
{
    drop_calls(w);
    event_del(&w->timer);
    free(w->events);
    free(w);
}

bool engine_watch_is_up(const struct engine_watch *w)
{
    return w->state == UP;
}

const char *engine_watch_trouble(const struct engine_watch *w)
{
    return w->trouble;
}

void engine_watch_lost(struct engine_watch *w, const char *why)
{
    if (w->state != LOST) {
        lose(w, why);
    }
}
