/*
 * engine_wait.h - questions to an engine that are waited for.
 *
 * Owns     a loop and a client of its own.
 * Used by  spawner_docker.c and spawner_swarm.c, when they open and when they close.
 * Uses     engine.h, libevent.
 * Thread   control, while nothing else is to be done on it: before the first replica and after the last.
 *
 * Whether the engine can be reached decides whether the balancer starts at all (exit code 4), and which replicas run
 * already decides which ones there are. So the start waits, for a limited time, on a loop that nobody else uses.
 */
#ifndef CONTROL_ENGINE_WAIT_H
#define CONTROL_ENGINE_WAIT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct engine_wait;

/* Greets the engine. within_ms is for this and all questions together. NULL with a sentence. */
struct engine_wait *engine_wait_open(const char *address, uint32_t within_ms, char *why, size_t why_size);
void engine_wait_close(struct engine_wait *w);

/* Returns the status, 0 for none, with a sentence in why when it is no good. *out, unless NULL, is the answer, to be
 * released, or NULL when it has none. body may be NULL. */
int engine_wait_ask(struct engine_wait *w, const char *method, const char *path, const json_t *body,
                    json_t **out, char *why, size_t why_size);

#endif
