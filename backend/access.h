/*
 * access.h - one line a request on standard output.
 *
 * Owns     the buffer of lines that wait to be written.
 * Used by  answer.c (one call an answer), main.c (opens and closes it).
 * Uses     libevent's timer.
 * Thread   the loop's.
 */
#ifndef BACKEND_ACCESS_H
#define BACKEND_ACCESS_H

#include <stdint.h>

struct event_base;

/* Starts writing lines. Returns -1 when memory is short. */
int access_open(struct event_base *base);

/* Notes one answered request: the target as the client wrote it, the status, the bytes of the body and the
 * microseconds since its head was read. Never blocks: a reader that does not keep up loses lines, and is
 * told. */
void access_note(const char *method, const char *target, int status, uint64_t bytes, uint64_t microseconds);

/* Writes what waits, as far as the reader takes it, and stops. */
void access_close(void);

#endif
