/*
 * accept.c - listening sockets: see accept.h.
 *
 * Owns     binding, accepting, and the polite pause at a limit.
 * Used by  main.c, worker.c, client.c.
 * Thread   accept_open: main. The rest: the worker.
 */
#include "path/accept.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "path/client.h"
#include "path/tally.h"
#include "path/upstream.h"
#include "path/worker.h"
#include "world/config.h"

#define BACKLOG           4096 /* the kernel cuts it to net.core.somaxconn */
#define ACCEPTS_PER_EVENT 64   /* so that a flood of connections does not starve those that are there */
#define TURNED_AWAY_MIN   64   /* clients being told 503 at a time, at least */
#define TELL_EVERY_S      10   /* a pause for want of descriptors is logged no more often */

/* ------------------------------------------------------------------ opening */

static int bind_one(const struct sockaddr_storage *address, socklen_t len, bool shared)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    if (bind(fd, (const struct sockaddr *)address, len) == 0 && (!shared || listen(fd, BACKLOG) == 0))
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

int accept_open(const char *address, bool probe, char *why, size_t why_size)
{
    struct sockaddr_storage where;
    bool proxy;
    socklen_t len = config_parse_listener(address, &where, &proxy);
    if (len == 0) {
        snprintf(why, why_size, "cannot listen on \"%s\": not an address", address);
        return -1;
    }
    if (probe) {
        int alone = bind_one(&where, len, false);
        if (alone < 0) {
            snprintf(why, why_size, "cannot listen on %s: %s", address, strerror(errno));
            return -1;
        }
        close(alone);
    }
    int fd = bind_one(&where, len, true);
    if (fd < 0)
        snprintf(why, why_size, "cannot listen on %s: %s", address, strerror(errno));
    return fd;
}

/* ------------------------------------------------------------------ accepting */

/* A worker's part of limits.connections, rounded up. */
static uint32_t most_clients(const struct worker *w)
{
    return (w->config->limits.connections + w->n_workers - 1) / w->n_workers;
}

bool accept_is_full(const struct worker *w)
{
    return w->n_clients - w->n_turned_away >= most_clients(w);
}

/* Saying 503 takes a connection too: a sixteenth of limits.connections is there for that. */
static bool may_turn_away(const struct worker *w)
{
    uint32_t most = most_clients(w) / 16;
    return w->n_turned_away < (most < TURNED_AWAY_MIN ? TURNED_AWAY_MIN : most);
}

static void tell_pause(struct worker *w, int why)
{
    if (w->told_full_ns && w->now_ns - w->told_full_ns < TELL_EVERY_S * UINT64_C(1000000000))
        return;
    w->told_full_ns = w->now_ns;
    log_warn("accept: %s; new clients wait until there is room", strerror(why));
}

/* The kernel's queue holds the newcomers: they wait, they are not refused. */
static void pause_listener(struct listener *l)
{
    if (l->paused)
        return;
    tally_count(l->worker, refused_clients);
    event_del(&l->event);
    l->paused = true;
    worker_need_tick(l->worker);
}

/* True when one was taken. */
static bool take_one(struct listener *l)
{
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    } peer;
    socklen_t len = sizeof peer;
    int fd = accept4(l->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        client_open(l->worker, fd, &peer.any, l->proxy);
        return true;
    }
    if (errno == ECONNABORTED || errno == EINTR)
        return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
        if (upstream_drop_idle(l->worker) || client_drop_idle(l->worker))
            return true; /* its descriptor is free: once more */
        tell_pause(l->worker, errno);
        pause_listener(l);
    }
    return false;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct listener *l = arg;
    worker_wake(l->worker);
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        if (!may_turn_away(l->worker)) {
            pause_listener(l);
            return;
        }
        if (!take_one(l))
            return;
    }
}

int accept_start(struct listener *l, struct worker *w, int fd, bool proxy)
{
    *l = (struct listener){ .worker = w, .fd = fd, .proxy = proxy };
    event_assign(&l->event, w->base, fd, EV_READ | EV_PERSIST, on_event,
                 l); /* level-triggered: a pause loses nothing */
    return event_add(&l->event, NULL);
}

/* Accepted sockets inherit it. Only what was not sent yet counts, so a client that reads is not held up: its window is
 * full of what was sent. One that does not would otherwise make the kernel keep megabytes for it. */
void accept_apply(struct worker *w)
{
    uint32_t unsent = w->config->limits.unsent;
    int most = unsent ? (int)unsent : -1;
    for (unsigned i = 0; i < w->n_listeners; i++)
        setsockopt(w->listeners[i].fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
}

void accept_resume(struct worker *w)
{
    if (w->draining || !may_turn_away(w))
        return;
    for (unsigned i = 0; i < w->n_listeners; i++) {
        struct listener *l = &w->listeners[i];
        if (!l->paused)
            continue;
        l->paused = false;
        event_add(&l->event, NULL);
    }
}

void accept_stop(struct worker *w)
{
    for (unsigned i = 0; i < w->n_listeners; i++) {
        struct listener *l = &w->listeners[i];
        if (l->fd < 0)
            continue;
        while (take_one(l))
            continue;
        event_del(&l->event);
        close(l->fd);
        l->fd = -1;
        l->paused = false;
    }
}
