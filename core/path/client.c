/*
 * client.c - a client's connection, from accept to close: see client.h.
 *
 * Owns     what happens between two requests: idling, pipelining, lingering.
 * Used by  accept.c, upstream.c, worker.c.
 * Thread   the worker.
 */
#include "path/client.h"
#include "base/hint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "path/accept.h"
#include "path/exchange.h"
#include "path/memory.h"
#include "path/tally.h"
#include "path/worker.h"
#include "world/quota.h"

static void on_event(evutil_socket_t fd, short what, void *arg);

/* ------------------------------------------------------------------ coming and going */

/* Whether one client more may have its requests answered. */
static bool admit(struct client *c)
{
    struct worker *w = c->worker;
    if (!accept_is_full(w) || client_drop_idle(w))
        return true;
    tally_count(w, refused_full);
    return false;
}

/* And whether one more of its address may. */
static bool admit_address(struct client *c)
{
    struct worker *w = c->worker;
    uint32_t most = w->config->limits.connections_per_client;
    if (most == 0)
        return true;
    switch (quota_connect(w->quota, &c->peer.any, most, w->now_ns, &c->place)) {
    case QUOTA_TAKEN: break;
    case QUOTA_UNTRACKED: tally_count(w, untracked); break;
    case QUOTA_FULL: tally_count(w, refused_client); return false;
    }
    return true;
}

/* Whoever may begin with a PROXY header may say to be anybody. */
static RARELY void refuse_stranger(struct worker *w, int fd)
{
    if (!w->stranger_told)
        log_warn(
            "a connection where listen says proxy, from an address that is not in proxy_from, was closed; "
            "further ones are only counted (proxy_refused)");
    w->stranger_told = true;
    tally_count(w, proxy_refused);
    close(fd);
}

void client_open(struct worker *w, int fd, const struct sockaddr *peer, bool proxy)
{
    if (proxy && !config_networks_hold(w->config->proxy_from, w->config->n_proxy_from, peer)) {
        refuse_stranger(w, fd);
        return;
    }
    struct client *c = slab_take(&w->client_slab);
    memset(c, 0, sizeof *c);
    c->worker = w;
    c->awaits_proxy = proxy;
    list_init(&c->ready_link);
    if (peer->sa_family == AF_INET)
        memcpy(&c->peer.v4, peer, sizeof c->peer.v4);
    else
        memcpy(&c->peer.v6, peer, sizeof c->peer.v6);
    if (conn_open(&c->conn, w->base, fd, false, on_event, c) < 0) {
        tally_count(w, refused_clients);
        slab_give(&w->client_slab, c);
        return;
    }
    c->turned_away = !admit(c) || (!proxy && !admit_address(c));
    list_push_back(&w->clients, &c->link);
    w->n_clients++;
    w->n_turned_away += c->turned_away;
    tally_count(w, accepted);
    worker_wait(w, &c->conn.deadline, c->turned_away ? DEADLINE_LINGER : DEADLINE_HEAD);
}

void client_close(struct client *c)
{
    struct worker *w = c->worker;
    if (c->exchange)
        exchange_end(c->exchange);
    c->exchange = NULL;
    deadline_disarm(&w->deadlines, &c->conn.deadline);
    conn_close(&c->conn);
    free(c->relayed);
    buffer_give(&w->buffer_slab, &c->in);
    list_remove(&c->link);
    list_remove(&c->ready_link);
    w->n_clients--;
    w->n_turned_away -= c->turned_away;
    quota_disconnect(w->quota, c->place);
    tally_count(w, closed);
    slab_give(&w->client_slab, c);
    worker_client_gone(w);
}

/* ------------------------------------------------------------------ lingering */

/* Reads and throws away until the client closes or the deadline comes: an unread byte at close would reset
 * the connection, and a reset may overtake the answer. */
static void linger(struct client *c)
{
    char waste[4096];
    for (int reads = 0; c->conn.readable; reads++) {
        if (reads == 16) {
            client_run_later(c);
            return;
        }
        if (conn_read(&c->conn, waste, sizeof waste) < 0) {
            client_close(c);
            return;
        }
    }
}

static void start_lingering(struct client *c)
{
    buffer_give(&c->worker->buffer_slab, &c->in);
    c->lingering = true;
    shutdown(c->conn.fd, SHUT_WR);
    worker_wait(c->worker, &c->conn.deadline, DEADLINE_LINGER);
    linger(c);
}

/* ------------------------------------------------------------------ one too many */

/* Something of its request has come, so that it waits for an answer: before that none would be expected. */
static RARELY void turn_away(struct client *c)
{
    bool has_come = c->conn.readable || (c->in && buffer_used(c->in) > 0); /* with its PROXY header */
    if (!has_come)
        return;
    exchange_turn_away(&c->conn, "too many connections");
    start_lingering(c);
}

bool client_drop_idle(struct worker *w)
{
    struct link *idle = &w->deadlines.lists[DEADLINE_IDLE];
    if (list_is_empty(idle))
        return false;
    struct client *c = LIST_OWNER(idle->next, struct client, conn.deadline.link);
    if (c->exchange)
        return false;
    tally_count(w, idle_dropped);
    client_close(c);
    return true;
}

/* ------------------------------------------------------------------ the PROXY header */

/* From here on the client is whom the header names. */
static void take_header(struct client *c, const struct proxy_header *h)
{
    c->awaits_proxy = false;
    if (h->kind == PROXY_LOCAL)
        return;
    c->relayed = mem_zero(1, sizeof *c->relayed);
    c->relayed->unknown = h->kind == PROXY_UNKNOWN;
    c->relayed->tls = h->tls;
    if (h->kind != PROXY_KNOWN)
        return; /* nobody's address: it is not counted */
    c->peer = h->from;
    c->relayed->to = h->to;
    if (admit_address(c))
        return;
    c->turned_away = true;
    c->worker->n_turned_away++;
    worker_wait(c->worker, &c->conn.deadline, DEADLINE_LINGER);
}

/* False: it is not whole yet, or the client is gone. Its time is that of the first request's head, which it is a
 * part of. */
static bool read_header(struct client *c)
{
    struct worker *w = c->worker;
    struct proxy_header header;
    for (;;) {
        int len = c->in ? proxy_parse(buffer_data(c->in), buffer_used(c->in), &header) : PROXY_MORE;
        if (len > 0) {
            c->in->start += (uint32_t)len;
            take_header(c, &header);
            return true;
        }
        if (len == PROXY_BAD || (c->in && buffer_room(c->in) == 0)) {
            tally_count(w, proxy_refused);
            client_close(c);
            return false;
        }
        if (!c->conn.readable)
            return false;
        if (!c->in)
            c->in = buffer_take(&w->buffer_slab);
        long n = conn_read(&c->conn, c->in->bytes + c->in->end, buffer_room(c->in));
        if (n < 0) {
            client_close(c);
            return false;
        }
        c->in->end += (uint32_t)n;
        if (buffer_used(c->in) == 0)
            buffer_give(&w->buffer_slab, &c->in);
    }
}

/* ------------------------------------------------------------------ requests */

/* Pipelined bytes move to the front: spans of a head are offsets from its first byte. */
static bool has_bytes(struct client *c)
{
    struct buffer *in = c->in;
    if (!in || buffer_used(in) == 0)
        return false;
    if (in->start > 0) {
        memmove(in->bytes, in->bytes + in->start, buffer_used(in));
        in->end -= in->start;
        in->start = 0;
    }
    return true;
}

/* First bytes of a request. False: none now, or the client is gone (*open is false). */
static bool read_first(struct client *c, bool *open)
{
    struct worker *w = c->worker;
    if (!c->in && c->conn.readable && !memory_has_room_for_exchange(w)) {
        tally_count(w, refused_memory);
        exchange_turn_away(&c->conn, "no memory is left for more requests");
        start_lingering(c);
        return *open = false;
    }
    if (!c->in)
        c->in = buffer_take(&w->buffer_slab);
    c->in->start = c->in->end = 0;
    long n = c->conn.readable ? conn_read(&c->conn, c->in->bytes, c->in->size) : 0;
    if (n > 0) {
        c->in->end = (uint32_t)n;
        return true;
    }
    buffer_give(&w->buffer_slab, &c->in);
    *open = n == 0;
    if (n < 0)
        client_close(c);
    return false;
}

/* The next request begins, or the client idles. False: nothing to run now. */
static bool begin(struct client *c, bool *open)
{
    if (!has_bytes(c) && !read_first(c, open))
        return false;
    c->requests++;
    c->exchange = exchange_begin(c);
    return true;
}

/* What becomes of the connection after an exchange. True: it goes on. */
static bool finish(struct client *c)
{
    enum exchange_ending ending = c->exchange->ending;
    exchange_end(c->exchange);
    c->exchange = NULL;
    if (ending == ENDING_KEEP) {
        worker_wait(c->worker, &c->conn.deadline, DEADLINE_IDLE);
        return true;
    }
    if (ending == ENDING_LINGER)
        start_lingering(c);
    else
        client_close(c);
    return false;
}

void client_run(struct client *c)
{
    bool open = true;
    if (c->lingering) {
        linger(c);
        return;
    }
    if (c->awaits_proxy && !c->turned_away && !read_header(c))
        return;
    if (c->turned_away) {
        turn_away(c);
        return;
    }
    while (open) {
        if (!c->exchange && !begin(c, &open))
            return;
        if (exchange_run(c->exchange) == STEP_PARKED)
            return;
        open = finish(c);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct client *c = arg;
    worker_wake(c->worker);
    conn_note(&c->conn, what);
    client_run(c);
}

void client_run_later(struct client *c)
{
    list_remove(&c->ready_link);
    list_push_back(&c->worker->ready, &c->ready_link);
}

void client_expired(struct client *c, enum deadline_class class)
{
    if (!c->exchange) {
        client_close(c);
        return;
    }
    exchange_expired(c->exchange, class);
    client_run(c);
}

void client_drain(struct client *c)
{
    if (c->exchange || c->lingering)
        return; /* the exchange sees worker.draining when it ends */
    if (c->requests > 0)
        client_close(c);
    else /* its first request may be on the way: a short while for it */
        worker_wait(c->worker, &c->conn.deadline, DEADLINE_LINGER);
}
