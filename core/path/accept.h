/*
 * accept.h - listening sockets.
 *
 * Owns     a worker's listeners.
 * Used by  main.c (opens the descriptors before any thread runs), worker.c.
 * Thread   accept_open: main. The rest: the worker.
 */
#ifndef PATH_ACCEPT_H
#define PATH_ACCEPT_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>

struct worker;

struct listener {
    struct event event;
    struct worker *worker;
    int fd;
    bool proxy;  /* connections begin with a PROXY header */
    bool paused; /* at a limit: not watched until the tick or a closed client tries again */
};

/* One descriptor for the address, SO_REUSEPORT; the caller opens one for each worker. A plain bind is tried
 * first when `probe`: a second balancer would otherwise silently take half of the traffic. -1 with a sentence
 * in why. */
int accept_open(const char *address, bool probe, char *why, size_t why_size);

/* Watches the descriptor, which becomes the listener's. proxy: connections must begin with a PROXY header. */
int accept_start(struct listener *l, struct worker *w, int fd, bool proxy);

/* The configuration of the worker applies to connections from now on. */
void accept_apply(struct worker *w);

/* Tries again after a pause. */
void accept_resume(struct worker *w);

/* True while the worker has as many clients as limits.connections gives it. */
bool accept_is_full(const struct worker *w);

/* Takes what waits in the queue, then closes. */
void accept_stop(struct worker *w);

#endif
