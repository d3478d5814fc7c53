/*
 * worker.c - a thread of the data path: see worker.h.
 *
 * Owns     the loop, the mail, the tick.
 * Used by  main.c; everything in path/ is handed its worker.
 * Thread   its own, once started.
 */
#include "path/worker.h"

#include <errno.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "path/accept.h"
#include "path/buffer.h"
#include "path/client.h"
#include "path/upstream.h"

#define TICK_MS          50   /* how coarse timeouts are */
#define EXPIRED_PER_TURN 64   /* deadlines that one turn of the loop deals with */
#define BUFFER_SPARE     1024 /* room for the fields we add to a head that fills limits.head */
#define PARKED_NONE      UINT32_MAX

/* ------------------------------------------------------------------ views */

static struct held_view *hold(struct worker *w, struct view *view)
{
    struct held_view *held = mem_zero(1, sizeof *held);
    held->view = view;
    held->refs = 1;
    held->seats = mem_zero(view->n_pools, sizeof *held->seats);
    held->candidates = mem_zero(view->n_pools, sizeof *held->candidates);
    for (uint32_t i = 0; i < view->n_pools; i++) {
        held->seats[i] = pick_take_seat(&w->pick, view->pools[i].table);
        shadow_take_seats(&w->pick, view->pools[i].shadow, &held->candidates[i]);
    }
    list_push_back(&w->views, &held->link);
    return held;
}

struct held_view *worker_hold_view(struct worker *w)
{
    w->now->refs++;
    return w->now;
}

static void post_view(struct worker *w, enum message kind, struct view *view)
{
    struct letter_view *letter = mem_zero(1, sizeof *letter);
    letter->letter.kind = (int)kind;
    letter->worker = w->number;
    letter->view = view;
    mailbox_post(w->control, &letter->letter);
}

void worker_release_view(struct worker *w, struct held_view *held)
{
    if (--held->refs > 0)
        return;
    struct view *view = held->view;
    for (uint32_t i = 0; i < view->n_pools; i++) {
        pick_leave_seat(held->seats[i]);
        shadow_leave_seats(&held->candidates[i]);
    }
    list_remove(&held->link);
    free(held->seats);
    free(held->candidates);
    free(held);
    post_view(w, MESSAGE_RELEASED, view);
}

static void run_view(struct worker *w, struct view *view)
{
    struct held_view *before = w->now;
    w->now = hold(w, view);
    w->config = view->config;
    w->relay_means.most_pipes = view->config->limits.pipes;
    w->relay_means.splice_min = view->config->limits.splice_min;
    access_apply(&w->access, view->config);
    accept_apply(w);
    w->memory_most = ((uint64_t)view->config->limits.memory_mib << 20) / w->n_workers;
    if (before)
        worker_release_view(w, before);
}

/* ------------------------------------------------------------------ parked exchanges */

static void grow_parked(struct worker *w)
{
    uint32_t n = w->n_parked ? 2 * w->n_parked : 16;
    w->parked = mem_grow(w->parked, n * sizeof *w->parked);
    for (uint32_t i = w->n_parked; i < n; i++)
        w->parked[i] = (struct parked_slot){ .next_free = i + 1 < n ? i + 1 : PARKED_NONE };
    w->free_parked = w->n_parked;
    w->n_parked = n;
}

void worker_park(struct worker *w, struct exchange *x, struct parked *out)
{
    if (w->free_parked == PARKED_NONE)
        grow_parked(w);
    uint32_t slot = w->free_parked;
    w->free_parked = w->parked[slot].next_free;
    w->parked[slot].exchange = x;
    w->parked[slot].serial = ++w->parked_serial;
    *out = (struct parked){ .worker = w->number, .slot = slot, .serial = w->parked_serial };
}

void worker_unpark(struct worker *w, uint32_t slot)
{
    w->parked[slot].exchange = NULL;
    w->parked[slot].next_free = w->free_parked;
    w->free_parked = slot;
}

static void take_answer(struct worker *w, struct letter_answer *answer)
{
    const struct parked_slot *slot =
        answer->parked.slot < w->n_parked ? &w->parked[answer->parked.slot] : NULL;
    if (!slot || !slot->exchange || slot->serial != answer->parked.serial) {
        free(answer); /* its client did not wait */
        return;
    }
    struct client *client = slot->exchange->client;
    exchange_answered(slot->exchange, answer);
    client_run(client);
}

/* ------------------------------------------------------------------ draining */

static void tell_drained(struct worker *w)
{
    if (!w->draining || w->drained_told || w->n_clients > 0)
        return;
    struct letter_worker *letter = mem_zero(1, sizeof *letter);
    letter->letter.kind = MESSAGE_DRAINED;
    letter->worker = w->number;
    w->drained_told = true;
    mailbox_post(w->control, &letter->letter);
}

static void drain(struct worker *w)
{
    if (w->draining)
        return;
    accept_stop(w);
    w->draining = true;
    for (struct link *l = w->clients.next, *next; l != &w->clients; l = next) {
        next = l->next;
        client_drain(LIST_OWNER(l, struct client, link));
    }
    tell_drained(w);
}

void worker_client_gone(struct worker *w)
{
    if (w->draining)
        tell_drained(w);
    else
        accept_resume(w);
}

/* A replica that was removed has had its time: what is still on its way to it or from it ends. */
static void cut(struct worker *w, const struct replica *replica)
{
    for (struct link *l = w->clients.next, *next; l != &w->clients; l = next) {
        struct client *c = LIST_OWNER(l, struct client, link);
        next = l->next;
        if (c->exchange && c->exchange->seat && c->exchange->seat->replica == replica) {
            exchange_cut(c->exchange);
            client_run(c);
        }
    }
}

/* Whoever waits for an answer of this replica need not wait any longer. */
static void move(struct worker *w, const struct letter_move *letter)
{
    for (struct link *l = w->clients.next, *next; l != &w->clients; l = next) {
        struct client *c = LIST_OWNER(l, struct client, link);
        next = l->next;
        if (c->exchange && c->exchange->seat && c->exchange->seat->replica == letter->replica) {
            exchange_move(c->exchange, letter->is_dead);
            client_run(c);
        }
    }
}

/* ------------------------------------------------------------------ mail */

static void open_letter(struct worker *w, struct letter *letter)
{
    switch (letter->kind) {
    case MESSAGE_RUN_VIEW: {
        struct letter_view *l = (struct letter_view *)letter;
        run_view(w, l->view);
        post_view(w, MESSAGE_SWITCHED, l->view);
        break;
    }
    case MESSAGE_FORGET: upstream_forget(w, ((struct letter_replica *)letter)->replica); break;
    case MESSAGE_CUT: cut(w, ((struct letter_replica *)letter)->replica); break;
    case MESSAGE_MOVE: move(w, (struct letter_move *)letter); break;
    case MESSAGE_ANSWER:
        take_answer(w, (struct letter_answer *)letter);
        return; /* the letter lives on in the exchange */
    case MESSAGE_DRAIN: drain(w); break;
    case MESSAGE_STOP:
        w->stopping = true;
        event_base_loopbreak(w->base);
        break;
    default: break;
    }
    free(letter);
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *w = arg;
    worker_wake(w);
    for (struct letter *l = mailbox_take(&w->mailbox), *next; l; l = next) {
        next = l->next;
        open_letter(w, l);
    }
}

/* ------------------------------------------------------------------ time */

void worker_wake(struct worker *w)
{
    w->now_ns = clock_now_ns();
}

void worker_need_tick(struct worker *w)
{
    if (w->ticking)
        return;
    struct timeval every = { .tv_sec = 0, .tv_usec = TICK_MS * 1000 };
    event_add(&w->tick_event, &every);
    w->ticking = true;
}

void worker_wait(struct worker *w, struct deadline *d, enum deadline_class class)
{
    deadline_arm(&w->deadlines, d, class, w->now_ns);
    worker_need_tick(w);
}

static uint32_t limit_of(const struct worker *w, enum deadline_class class)
{
    const struct config *c = w->config;
    switch (class) {
    case DEADLINE_HEAD: return c->timeouts.head;
    case DEADLINE_BODY: return c->timeouts.body;
    case DEADLINE_CONNECT: return c->timeouts.connect;
    case DEADLINE_REPLY: return c->timeouts.reply;
    case DEADLINE_RELAY: return c->timeouts.relay;
    case DEADLINE_TUNNEL: return c->timeouts.tunnel;
    case DEADLINE_IDLE: return c->timeouts.idle;
    case DEADLINE_LINGER: return c->timeouts.linger;
    case DEADLINE_PACE: return c->limits.min_rate_ms;
    case DEADLINE_UPSTREAM_IDLE:
    case DEADLINE_CLASSES: break;
    }
    return c->upstream.idle_ms;
}

/* Deals with `room` of them at most; returns how much of that is left. */
static unsigned expire(struct worker *w, enum deadline_class class, unsigned room)
{
    struct deadline *d;
    while (room > 0 && (d = deadline_expired(&w->deadlines, class, limit_of(w, class), w->now_ns))) {
        struct conn *conn = LIST_OWNER(&d->link, struct conn, deadline.link);
        if (class == DEADLINE_PACE)
            exchange_pace_expired(LIST_OWNER(&d->link, struct exchange, pace.link));
        else if (class == DEADLINE_UPSTREAM_IDLE)
            upstream_expired(LIST_OWNER(conn, struct upstream, conn));
        else
            client_expired(LIST_OWNER(conn, struct client, conn), class);
        room--;
    }
    return room;
}

/* Thousands of clients that came together run out of time together. Whoever behaves must not wait for the end of all of
 * them: the rest is for the next turn, behind what came in meanwhile. */
static void expire_some(struct worker *w)
{
    unsigned room = EXPIRED_PER_TURN;
    for (int class = 0; class < DEADLINE_CLASSES; class ++)
        room = expire(w, (enum deadline_class) class, room);
    w->overdue = room == 0;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *w = arg;
    worker_wake(w);
    expire_some(w);
    accept_resume(w);
    bool paused = false;
    for (unsigned i = 0; i < w->n_listeners; i++)
        paused = paused || w->listeners[i].paused;
    bool logging = access_tick(&w->access, w->config, w->now_ns);
    if (w->deadlines.armed > 0 || paused || logging)
        return;
    event_del(&w->tick_event); /* nothing to wait for: an idle balancer sleeps */
    w->ticking = false;
}

/* ------------------------------------------------------------------ the loop */

/* Clients whose relays have moved their share of the last turn. One round: who joins now waits for the next
 * turn. */
static void run_ready(struct worker *w)
{
    struct link round;
    list_init(&round);
    while (!list_is_empty(&w->ready)) {
        struct link *l = w->ready.next;
        list_remove(l);
        list_push_back(&round, l);
    }
    if (!list_is_empty(&round))
        worker_wake(w);
    while (!list_is_empty(&round)) {
        struct link *l = round.next;
        list_remove(l);
        client_run(LIST_OWNER(l, struct client, ready_link));
    }
}

static void close_everything(struct worker *w)
{
    accept_stop(w);
    while (!list_is_empty(&w->clients))
        client_close(LIST_OWNER(w->clients.next, struct client, link));
    upstream_close_all(w);
    access_flush(&w->access);
    worker_release_view(w, w->now);
    w->now = NULL;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    worker_wake(w);
    while (!w->stopping) {
        bool may_rest = list_is_empty(&w->ready) && !w->overdue;
        event_base_loop(w->base, may_rest ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
        run_ready(w);
        if (w->overdue) {
            worker_wake(w);
            expire_some(w);
        }
    }
    w->draining = true;
    close_everything(w);
    return NULL;
}

/* ------------------------------------------------------------------ making one */

static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static void open_slabs(struct worker *w, const struct config *config)
{
    w->max_fields = (uint16_t)config->limits.headers;
    slab_init(&w->client_slab, sizeof(struct client), 256);
    slab_init(&w->exchange_slab, exchange_size(w->max_fields), 16);
    slab_init(&w->upstream_slab, sizeof(struct upstream), 64);
    buffer_slab_init(&w->buffer_slab, config->limits.buffer + BUFFER_SPARE);
    pipe_pool_open(&w->pipes);
    w->relay_means = (struct relay_means){ .buffers = &w->buffer_slab, .pipes = &w->pipes };
}

static int open_listeners(struct worker *w, const struct worker_setup *setup)
{
    w->listeners = mem_zero(setup->n_listeners + 1, sizeof *w->listeners);
    w->n_listeners = setup->n_listeners;
    for (unsigned i = 0; i < setup->n_listeners; i++) {
        struct sockaddr_storage address;
        bool proxy = false;
        config_parse_listener(setup->view->config->listen.items[i], &address, &proxy);
        if (accept_start(&w->listeners[i], w, setup->listeners[i], proxy) < 0)
            return -1;
    }
    return 0;
}

struct worker *worker_new(const struct worker_setup *setup)
{
    struct worker *w = mem_aligned(64, sizeof *w);
    w->number = setup->number;
    w->n_workers = setup->n_workers;
    w->control = setup->control;
    w->random = setup->seed;
    w->quota = setup->quota;
    w->free_parked = PARKED_NONE;
    list_init(&w->views);
    list_init(&w->clients);
    list_init(&w->ready);
    pick_open(&w->pick);
    shadow_open(&w->sampler, lb_mix64(setup->seed)); /* another sequence than the worker's own */
    deadline_open(&w->deadlines);
    open_slabs(w, setup->view->config);
    access_open(&w->access, setup->spool);
    w->base = make_base();
    if (!w->base || mailbox_open(&w->mailbox) < 0 || open_listeners(w, setup) < 0)
        return NULL; /* the program ends: nothing is taken back */
    event_assign(&w->mail_event, w->base, w->mailbox.fd, EV_READ | EV_PERSIST, on_mail, w);
    event_assign(&w->tick_event, w->base, -1, EV_PERSIST, on_tick, w);
    event_add(&w->mail_event, NULL);
    run_view(w, setup->view);
    return w;
}

/* Signals are control's: the thread is born with all of them blocked. */
int worker_start(struct worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0) {
        char name[16]; /* what the kernel keeps: "worker 0" in top and in /proc/PID/task */
        snprintf(name, sizeof name, "worker %u", w->number);
        pthread_setname_np(w->thread, name);
        return 0;
    }
    errno = result;
    return -1;
}

void worker_join(struct worker *w)
{
    pthread_join(w->thread, NULL);
}

void worker_free(struct worker *w)
{
    event_del(&w->mail_event);
    event_del(&w->tick_event);
    for (struct letter *l = mailbox_take(&w->mailbox), *next; l; l = next) {
        next = l->next;
        free(l);
    }
    mailbox_close(&w->mailbox);
    event_base_free(w->base);
    pick_close(&w->pick);
    free(w->listeners);
    free(w->seats);
    free(w->parked);
    pipe_pool_close(&w->pipes);
    access_close(&w->access);
    slab_close(&w->client_slab);
    slab_close(&w->exchange_slab);
    slab_close(&w->upstream_slab);
    slab_close(&w->buffer_slab);
    free(w);
}
