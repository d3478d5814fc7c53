/*
 * conn.h - one non-blocking socket on a worker's loop.
 *
 * Owns     its descriptor and its event.
 * Used by  client.c and upstream.c (each embeds one), relay.c (moves bytes).
 * Uses     libevent, raw events.
 * Thread   the worker.
 *
 * Registered once, edge-triggered. An edge comes once: readable and writable remember it until the kernel has
 * said "would block" (or moved less than was asked, which means the same), so whoever resumes work first
 * tries and only then waits.
 */
#ifndef PATH_CONN_H
#define PATH_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/hint.h"
#include "path/deadline.h"

struct conn {
    struct event event;
    struct deadline deadline;
    int fd;             /* -1: closed */
    bool readable;      /* a read may give bytes, an end or an error */
    bool writable;      /* a write may take bytes */
    bool hangup;        /* the peer has sent its end; bytes before it may still be unread */
    bool watches_write; /* the event asks for EV_WRITE too */
    bool read_short;    /* the last read gave less than was asked for: a reset may lie behind it, see below */
};

/* Results of conn_read and conn_write below 0. */
enum { CONN_END = -1, CONN_FAILED = -2 };

/* Takes over fd, which is non-blocking, and registers it. watch_write: from the start (a connect is under
 * way), else only once a write has blocked. Returns 0; or -1, with fd closed. */
int conn_open(struct conn *c, struct event_base *base, int fd, bool watch_write, event_callback_fn on_event,
              void *arg);

/* Notes what an event says. To be called first by every callback. */
static inline void conn_note(struct conn *c, short what)
{
    if (what & (EV_READ | EV_CLOSED))
        c->readable = true;
    if (what & EV_CLOSED)
        c->hangup = true;
    if (what & EV_WRITE)
        c->writable = true;
}

/* Bytes read (above 0), 0: nothing now, CONN_END, CONN_FAILED (errno). room above 0. */
long conn_read(struct conn *c, char *into, size_t room);

/* To be asked before waiting for more of a message whose beginning was read. A reset that came together with bytes was
 * told together with them (libevent drops EV_CLOSED where epoll says EPOLLERR), and will not be told again: after a short
 * read one more is due. True: read once more. */
static inline bool conn_look_again(struct conn *c)
{
    bool again = c->read_short;
    c->read_short = false;
    c->readable = c->readable || again;
    return again;
}

/* n is 1 or more. Bytes written (perhaps fewer than asked), 0: the peer must read first, CONN_FAILED (errno). */
long conn_write(struct conn *c, const struct iovec *parts, int n);

/* A write that went another way (splice) has blocked. */
RARELY void conn_blocked(struct conn *c);

/* Open, and nothing has come that was not read. Asks the kernel only when that is not certain. */
bool conn_is_quiet(struct conn *c);

/* Of one that is not quiet: has the peer closed or reset it, or else spoken? */
RARELY bool conn_has_ended(const struct conn *c);

/* The result of a connect under way: 0 connected, else errno. */
int conn_connect_result(const struct conn *c);

/* Closes; harmless when closed already. The deadline is the caller's to disarm. */
void conn_close(struct conn *c);

#endif
