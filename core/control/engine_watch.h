/*
 * engine_watch.h - an engine that comes and goes: reached, lost, reached again.
 *
 * Owns     the stream of the engine's events, the time of the next list and of the next attempt.
 * Used by  spawner_docker.c, spawner_swarm.c.
 * Uses     engine.h.
 * Thread   control.
 *
 * The stream is open before up is called, so nothing that happens after the owner's list is missed. While the engine
 * is lost it is asked for again after a pause that doubles up to ENGINE_PAUSE_MAX_MS, or every_ms when that is less,
 * and is short again once it has stayed for every_ms.
 *
 *     LOST --> GREETING --> OPENING (the stream) --> UP --> LOST --> ...
 */
#ifndef CONTROL_ENGINE_WATCH_H
#define CONTROL_ENGINE_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct engine_watch;
struct event_base;

#define ENGINE_PAUSE_MIN_MS 100
#define ENGINE_PAUSE_MAX_MS 5000

struct engine_watch_hooks {
    void *ctx;
    void (*up)(void *ctx);   /* reached: list */
    void (*tick)(void *ctx); /* up, and every_ms have passed since up or the last tick */
    void (*event)(void *ctx, const json_t *object); /* NULL when there is no stream */
    void (*down)(void *ctx, const char *why);       /* it was up */
};

/* events: the path of the stream ("/events?filters=…"), or NULL: none. Begins at once; hooks are called from the loop.
 * engine is borrowed. */
struct engine_watch *engine_watch_open(struct event_base *base, struct engine *engine, const char *events,
                                       uint32_t every_ms, const struct engine_watch_hooks *hooks);
void engine_watch_close(struct engine_watch *w);

bool engine_watch_is_up(const struct engine_watch *w);
/* Why it is not up: a sentence; "" while nothing is known yet. */
const char *engine_watch_trouble(const struct engine_watch *w);

/* A request was not answered: it is lost, whatever the stream says. Calls down when it was up. */
void engine_watch_lost(struct engine_watch *w, const char *why);

#endif
