/*
 * engine.h - a Docker Engine's API: one request after the other, or a stream of objects.
 *
 * Owns     one client of one engine, and the calls under way.
 * Used by  engine_watch.c, spawner_docker*.c, spawner_swarm.c.
 * Uses     curl_loop.h, jansson.
 * Thread   control. Nothing waits: an answer comes from the loop, never from inside of the asking.
 *
 * An engine speaks the versions of its API from some oldest to some newest one. engine_greet asks for its newest and
 * settles on the newest that both know, or on the engine's own when it refuses ours as too old. Until then calls have
 * no version in their path, which every engine takes for its newest.
 */
#ifndef CONTROL_ENGINE_H
#define CONTROL_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct engine_call;
struct event_base;

#define ENGINE_NEWEST_MAJOR 1
#define ENGINE_NEWEST_MINOR 44 /* the newest version of the API that our requests were written for */
#define ENGINE_TIMEOUT_MS   10000
#define ENGINE_CONNECT_MS   2000 /* of a name's several addresses the first one has half of it, and so on */
#define ENGINE_ANSWER_MAX   (64u << 20) /* bytes; a list of 4,096 containers has some ten million */

struct engine_answer {
    int status;         /* 0: none came */
    const json_t *body; /* NULL: there is none, or it is no JSON. Ends with the call */
    const char *text;   /* the body as it came, terminated; "" for a stream */
    size_t text_len;
    const char
        *why; /* a sentence: what the engine said, or why it said nothing; "" when all is well (2xx, 304) */
};

typedef void (*engine_done_fn)(void *ctx, const struct engine_answer *answer);
typedef void (*engine_object_fn)(void *ctx, const json_t *object);

/* address: "unix:///var/run/docker.sock", "tcp://10.0.0.7:2375". Connects to nothing yet. NULL with a sentence. */
struct engine *engine_open(struct event_base *base, const char *address, char *why, size_t why_size);
/* Calls under way are cancelled. */
void engine_close(struct engine *e);

const char *engine_address(const struct engine *e);
/* "1.41"; "" before a greeting has gone well. */
const char *engine_version(const struct engine *e);

/* Asks whether it is there and settles on a version. */
struct engine_call *engine_greet(struct engine *e, engine_done_fn done, void *ctx);

/* path begins after the version: "/containers/json?all=1". body may be NULL; it is read before this returns. done is
 * called once, and the call is gone then. */
struct engine_call *engine_ask(struct engine *e, const char *method, const char *path, const json_t *body,
                               uint32_t timeout_ms, engine_done_fn done, void *ctx);

/* GET of something that goes on: opened is called (with NULL) when the engine has begun to answer 200, object for each
 * line, done when it has ended. object may cancel the call. */
struct engine_call *engine_stream(struct engine *e, const char *path, engine_object_fn opened,
                                  engine_object_fn object, engine_done_fn done, void *ctx);

/* done is not called any more. */
void engine_cancel(struct engine_call *call);

/* Text for a path or a query, percent-encoded. The caller frees it. */
char *engine_escape(const char *text);
/* The same of a JSON object that filters: {"label":["a=b"]}; the object is released. */
char *engine_escape_filters(json_t *filters);

#endif
