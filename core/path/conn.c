/*
 * conn.c - reading and writing a socket: see conn.h.
 *
 * Owns     nothing beyond struct conn.
 * Used by  client.c, upstream.c, relay.c.
 * Thread   the worker.
 */
#include "path/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library's recv and send may be cancelled, and switching that on and off costs two atomic operations in each call of a
 * program with threads: more than a hundredth of a small request. No worker is ever cancelled. Sanitizers want to see the calls. */
#if defined(RM_SANITIZED) || !defined(SYS_recvfrom) || !defined(SYS_sendto)
#define RECV(fd_, into_, room_, flags_) recv(fd_, into_, room_, flags_)
#define SEND(fd_, from_, len_, flags_)  send(fd_, from_, len_, flags_)
#else
#define RECV(fd_, into_, room_, flags_) syscall(SYS_recvfrom, fd_, into_, room_, flags_, NULL, NULL)
#define SEND(fd_, from_, len_, flags_)  syscall(SYS_sendto, fd_, from_, len_, flags_, NULL, 0)
#endif

#define READ_EVENTS (EV_READ | EV_CLOSED | EV_ET | EV_PERSIST)

int conn_open(struct conn *c, struct event_base *base, int fd, bool watch_write, event_callback_fn on_event,
              void *arg)
{
    c->fd = fd;
    c->readable = c->hangup = c->read_short = false;
    c->writable = !watch_write;
    c->watches_write = watch_write;
    deadline_init(&c->deadline);
    event_assign(&c->event, base, fd, (short)(READ_EVENTS | (watch_write ? EV_WRITE : 0)), on_event, arg);
    if (event_add(&c->event, NULL) == 0)
        return 0;
    close(fd);
    c->fd = -1;
    return -1;
}

long conn_read(struct conn *c, char *into, size_t room)
{
    ssize_t n;
    do
        n = RECV(c->fd, into, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        /* A short read has emptied the socket; only a pending end would not be announced again. */
        c->read_short = (size_t)n < room;
        if (c->read_short && !c->hangup)
            c->readable = false;
        return n;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        c->readable = false;
        return 0;
    }
    return n == 0 ? CONN_END : CONN_FAILED;
}

/* From now on an edge tells when the peer has made room. Adding the event again also reports what is true
 * already. */
static void watch_write(struct conn *c)
{
    event_del(&c->event);
    event_assign(&c->event, event_get_base(&c->event), c->fd, (short)(READ_EVENTS | EV_WRITE),
                 event_get_callback(&c->event), event_get_callback_arg(&c->event));
    event_add(&c->event, NULL);
    c->watches_write = true;
}

void conn_blocked(struct conn *c)
{
    c->writable = false;
    if (!c->watches_write)
        watch_write(c);
}

static ssize_t send_parts(const struct conn *c, const struct iovec *parts, int n_parts)
{
    struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n_parts };
    return sendmsg(c->fd, &message, MSG_NOSIGNAL);
}

long conn_write(struct conn *c, const struct iovec *parts, int n_parts)
{
    size_t asked = parts[0].iov_len;
    for (int i = 1; i < n_parts; i++)
        asked += parts[i].iov_len;
    ssize_t n;
    do
        n = n_parts == 1 ? SEND(c->fd, parts[0].iov_base, asked, MSG_NOSIGNAL)
                         : send_parts(c, parts, n_parts);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return CONN_FAILED;
    if (n < 0 || (size_t)n < asked)
        conn_blocked(c);
    return n < 0 ? 0 : n;
}

bool conn_is_quiet(struct conn *c)
{
    if (c->hangup)
        return false;
    if (!c->readable)
        return true;
    char byte;
    if (RECV(c->fd, &byte, 1, MSG_PEEK) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
        return false;
    c->readable = false;
    return true;
}

bool conn_has_ended(const struct conn *c)
{
    char byte;
    return c->hangup || RECV(c->fd, &byte, 1, MSG_PEEK) <= 0;
}

int conn_connect_result(const struct conn *c)
{
    int result = 0;
    socklen_t len = sizeof result;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &result, &len) < 0)
        return errno;
    return result;
}

void conn_close(struct conn *c)
{
    if (c->fd < 0)
        return;
    event_del(&c->event);
    close(c->fd);
    c->fd = -1;
}
