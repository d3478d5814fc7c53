/*
 * upstream.c - sockets to replicas: see upstream.h.
 *
 * Owns     seats, idle lists, connects.
 * Used by  exchange*.c, worker.c.
 * Thread   the worker.
 */
#include "path/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "path/client.h"
#include "path/exchange.h"
#include "path/worker.h"
#include "world/replica.h"

/* ------------------------------------------------------------------ seats */

struct seat *upstream_seat(struct worker *w, struct replica *replica)
{
    if (replica->index >= w->n_seats) {
        uint32_t n = replica->index + 1 > 2 * w->n_seats ? replica->index + 1 : 2 * w->n_seats;
        w->seats = mem_grow(w->seats, n * sizeof *w->seats);
        memset(w->seats + w->n_seats, 0, (n - w->n_seats) * sizeof *w->seats);
        w->n_seats = n;
    }
    struct seat *seat = w->seats[replica->index];
    if (seat)
        return seat;
    seat = mem_zero(1, sizeof *seat);
    seat->replica = replica;
    list_init(&seat->idle);
    w->seats[replica->index] = seat;
    return seat;
}

static void tell(struct worker *w, enum message kind, struct replica *replica)
{
    struct letter_replica *letter = mem_zero(1, sizeof *letter);
    letter->letter.kind = (int)kind;
    letter->worker = w->number;
    letter->replica = replica;
    mailbox_post(w->control, &letter->letter);
}

static void tell_forgotten(struct worker *w, struct replica *replica)
{
    tell(w, MESSAGE_FORGOTTEN, replica);
}

/* All workers together say it once until control has asked. Most find that it was said, so they look before they write:
 * the line stays in every core's cache. */
static void tell_closed(struct worker *w, struct replica *replica)
{
    if (!replica_is_ready(replica) || atomic_load_explicit(&replica->closed_told, memory_order_relaxed) ||
        atomic_exchange_explicit(&replica->closed_told, true, memory_order_relaxed))
        return;
    tell(w, MESSAGE_CLOSED, replica);
}

static void free_seat(struct worker *w, struct seat *seat)
{
    w->seats[seat->replica->index] = NULL;
    free(seat);
}

void upstream_enter(struct seat *seat)
{
    seat->users++;
}

void upstream_leave(struct worker *w, struct seat *seat)
{
    if (--seat->users > 0 || !seat->forgetting)
        return;
    struct replica *replica = seat->replica;
    free_seat(w, seat);
    tell_forgotten(w, replica);
}

/* ------------------------------------------------------------------ sockets */

static void close_upstream(struct upstream *u)
{
    struct worker *w = u->worker;
    if (!u->exchange) {
        list_remove(&u->link);
        u->seat->n_idle--;
    }
    deadline_disarm(&w->deadlines, &u->conn.deadline);
    conn_close(&u->conn);
    free(u->origin);
    slab_give(&w->upstream_slab, u);
}

/* An idle one that speaks or ends is of no use; only its end says something of the replica. */
static RARELY void drop_spoiled(struct upstream *u)
{
    if (conn_has_ended(&u->conn))
        tell_closed(u->worker, u->seat->replica);
    close_upstream(u);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct upstream *u = arg;
    worker_wake(u->worker);
    conn_note(&u->conn, what);
    if (u->exchange)
        client_run(u->exchange->client);
    else if (!conn_is_quiet(&u->conn))
        drop_spoiled(u);
}

/* A connection that began with a PROXY header is that client's for ever. */
static bool is_of(const struct upstream *u, const struct upstream_origin *origin)
{
    if (!u->origin || !origin)
        return !u->origin && !origin;
    return u->origin->len == origin->len && memcmp(u->origin->bytes, origin->bytes, origin->len) == 0;
}

static struct upstream *take_idle(struct worker *w, struct seat *seat, uint32_t max_idle_ms,
                                  const struct upstream_origin *origin)
{
    struct link *next;
    for (struct link *l = seat->idle.next; max_idle_ms > 0 && l != &seat->idle; l = next) {
        struct upstream *u = LIST_OWNER(l, struct upstream, link);
        next = l->next;
        if (w->now_ns > u->idle_since_ns + max_idle_ms * CLOCK_NS_PER_MS)
            return NULL; /* the last used is first: all others are older */
        if (!is_of(u, origin))
            continue;
        /* What came in this turn of the loop may not have been told yet, and it would be taken for the answer:
         * the kernel is asked. */
        u->conn.readable = true;
        u->conn.read_short = false;
        if (!conn_is_quiet(&u->conn)) {
            drop_spoiled(u);
            continue;
        }
        list_remove(&u->link);
        seat->n_idle--;
        deadline_disarm(&w->deadlines, &u->conn.deadline);
        u->reused = true;
        return u;
    }
    return NULL;
}

static int start_connect(const struct replica *replica)
{
    int fd = socket(replica->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&replica->address, replica->address_len) == 0 ||
        errno == EINPROGRESS)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

bool upstream_drop_idle(struct worker *w)
{
    struct deadline *d = deadline_oldest(&w->deadlines, DEADLINE_UPSTREAM_IDLE);
    if (!d)
        return false;
    close_upstream(LIST_OWNER(LIST_OWNER(d, struct conn, deadline), struct upstream, conn));
    return true;
}

static struct upstream *open_new(struct worker *w, struct seat *seat, const struct upstream_origin *origin)
{
    int fd = start_connect(seat->replica);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && upstream_drop_idle(w))
        fd = start_connect(seat->replica);
    if (fd < 0)
        return NULL;
    struct upstream *u = slab_take(&w->upstream_slab);
    memset(u, 0, sizeof *u);
    u->worker = w;
    u->seat = seat;
    list_init(&u->link);
    if (conn_open(&u->conn, w->base, fd, true, on_event, u) < 0) {
        slab_give(&w->upstream_slab, u);
        errno = ENOMEM;
        return NULL;
    }
    u->connecting = true;
    if (origin) {
        u->origin = mem_zero(1, sizeof *u->origin);
        *u->origin = *origin;
    }
    return u;
}

struct upstream *upstream_borrow(struct worker *w, struct seat *seat, struct exchange *for_whom,
                                 uint32_t max_idle_ms, const struct upstream_origin *origin)
{
    struct upstream *u = take_idle(w, seat, max_idle_ms, origin);
    if (!u)
        u = open_new(w, seat, origin);
    if (u)
        u->exchange = for_whom;
    return u;
}

void upstream_return(struct upstream *u, bool clean)
{
    struct worker *w = u->worker;
    struct seat *seat = u->seat;
    uint32_t most = w->config->upstream.idle;
    /* Full of other clients' sockets, which nobody but they can use: the one unused for longest gives way. */
    if (clean && u->origin && most > 0 && seat->n_idle >= most)
        close_upstream(LIST_OWNER(seat->idle.prev, struct upstream, link));
    if (!clean || seat->forgetting || w->draining || seat->n_idle >= most) {
        close_upstream(u); /* still borrowed: it is in no list */
        return;
    }
    u->exchange = NULL;
    u->idle_since_ns = w->now_ns;
    list_push_front(&seat->idle, &u->link);
    seat->n_idle++;
    worker_wait(w, &u->conn.deadline, DEADLINE_UPSTREAM_IDLE);
}

void upstream_expired(struct upstream *u)
{
    close_upstream(u);
}

static void close_idle(struct seat *seat)
{
    while (!list_is_empty(&seat->idle))
        close_upstream(LIST_OWNER(seat->idle.next, struct upstream, link));
}

void upstream_forget(struct worker *w, struct replica *replica)
{
    struct seat *seat = replica->index < w->n_seats ? w->seats[replica->index] : NULL;
    if (!seat || seat->replica != replica) {
        tell_forgotten(w, replica);
        return;
    }
    close_idle(seat);
    if (seat->users > 0) {
        seat->forgetting = true;
        return;
    }
    free_seat(w, seat);
    tell_forgotten(w, replica);
}

void upstream_close_all(struct worker *w)
{
    for (uint32_t i = 0; i < w->n_seats; i++) {
        if (!w->seats[i])
            continue;
        close_idle(w->seats[i]);
        if (w->seats[i]->users == 0)
            free_seat(w, w->seats[i]);
    }
}
