/*
 * engine_wait.c - questions to an engine that are waited for.
 *
 * Owns     a loop and a client of its own.
 * Used by  spawner_docker.c and spawner_swarm.c, when they open and when they close.
 * Uses     engine.h, libevent.
 * Thread   control, while nothing else is to be done on it.
 */
#include "control/engine_wait.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control/engine.h"

struct engine_wait {
    struct event_base *base;
    struct engine *engine;
    uint64_t until_ns;
    struct engine_call *call; /* NULL: it was answered */
    int status;
    json_t *body;
    char *why;
    size_t why_size;
};

static void on_answer(void *ctx, const struct engine_answer *a)
{
    struct engine_wait *w = ctx;
    w->call = NULL;
    w->status = a->status;
    w->body = json_deep_copy(a->body);
    snprintf(w->why, w->why_size, "%s", a->why);
    event_base_loopbreak(w->base);
}

static void expect(struct engine_wait *w, char *why, size_t why_size)
{
    w->status = 0;
    w->body = NULL;
    w->why = why;
    w->why_size = why_size;
}

/* Runs the loop until the answer is there, or the time is over. */
static void wait_answer(struct engine_wait *w)
{
    uint64_t now = clock_now_ns();
    uint64_t left_ms = now < w->until_ns ? (w->until_ns - now) / CLOCK_NS_PER_MS : 0;
    struct timeval left = { .tv_sec = (time_t)(left_ms / 1000),
                            .tv_usec = (suseconds_t)(left_ms % 1000 * 1000) };
    event_base_loopexit(w->base, &left);
    event_base_dispatch(w->base);
    if (w->call) {
        engine_cancel(w->call);
        w->call = NULL;
        snprintf(w->why, w->why_size, "the engine at %s does not answer", engine_address(w->engine));
    }
}

struct engine_wait *engine_wait_open(const char *address, uint32_t within_ms, char *why, size_t why_size)
{
    struct event_base *base = event_base_new();
    if (!base) {
        snprintf(why, why_size, "cannot make an event loop");
        return NULL;
    }
    struct engine *engine = engine_open(base, address, why, why_size);
    if (!engine) {
        event_base_free(base);
        return NULL;
    }
    struct engine_wait *w = mem_zero(1, sizeof *w);
    w->base = base;
    w->engine = engine;
    w->until_ns = clock_now_ns() + within_ms * CLOCK_NS_PER_MS;
    expect(w, why, why_size);
    w->call = engine_greet(engine, on_answer, w);
    wait_answer(w);
    json_decref(w->body);
    if (w->status == 200) {
        return w;
    }
    engine_wait_close(w);
    return NULL;
}

int engine_wait_ask(struct engine_wait *w, const char *method, const char *path, const json_t *body,
                    json_t **out, char *why, size_t why_size)
{
    uint64_t now = clock_now_ns();
    uint64_t left_ms = now < w->until_ns ? (w->until_ns - now) / CLOCK_NS_PER_MS + 1 : 1;
    expect(w, why, why_size);
    w->call = engine_ask(w->engine, method, path, body, (uint32_t)left_ms, on_answer, w);
    wait_answer(w);
    if (out) {
        *out = w->body;
    } else {
        json_decref(w->body);
    }
    return w->status;
}

void engine_wait_close(struct engine_wait *w)
{
    engine_close(w->engine);
    event_base_free(w->base);
    free(w);
}
