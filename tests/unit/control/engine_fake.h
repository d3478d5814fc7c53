/*
 * engine_fake.h - a small Docker Engine on a thread of its own: enough of one to be asked, listed, watched and lost.
 *
 * Owns     its containers, as JSON; its port.
 * Used by  test_engine.c, test_spawner_docker.c, test_spawner_swarm.c.
 * Thread   the functions: the test's. The engine's own thread and they share a lock.
 */
#ifndef TESTS_ENGINE_FAKE_H
#define TESTS_ENGINE_FAKE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct fake;

/* Speaks the API from oldest to newest ("1.12", "1.41"). */
struct fake *fake_open(const char *oldest, const char *newest);
void fake_close(struct fake *f);
const char *fake_address(const struct fake *f); /* "tcp://127.0.0.1:PORT" */

/* Away: connections are closed, new ones refused. Back: the same port. Both have happened when they return. */
void fake_away(struct fake *f);
void fake_back(struct fake *f);
/* Requests whose path contains `part` are answered with this status and message from now on; status 0: never. NULL part:
 * no more. */
void fake_fail(struct fake *f, const char *part, int status, const char *message);

/* From now on requests for this path (without a version) are answered so, whatever else would be; body is taken and may be
 * NULL, and then nothing is. */
void fake_serve(struct fake *f, const char *path, int status, json_t *body);
/* What the last POST to such a path was told; to be released. */
json_t *fake_told(struct fake *f);
/* An event for all who listen; it is taken. */
void fake_tell(struct fake *f, json_t *event);

/* A container that runs, with one label; it is not created by a request. */
void fake_add(struct fake *f, const char *name, const char *state, const char *instance, const char *replica,
              const char *position);
/* It dies; `tells`: with an event. */
void fake_die(struct fake *f, const char *name, int code, bool tells);

/* "running", "exited" … ; "" when there is none of that name. */
void fake_state(struct fake *f, const char *name, char *out, size_t size);
/* How many containers there are; requests so far whose line ("POST /v1.41/containers/create?…") contains part. */
unsigned fake_count(struct fake *f);
unsigned fake_asked(struct fake *f, const char *part);
/* What the last create was told; to be released. */
json_t *fake_created(struct fake *f);

#endif
