/*
 * load.c - the load generator's loop: see load.h.
 *
 * Owns     every connection, the list of idle ones, the timers.
 * Used by  cmd_load.c and the experiments.
 * Uses     libevent, reply.h, load_result.c.
 * Thread   the one that calls load_run.
 *
 * A connection has one request at a time: begin (connect if need be), write, read until the reply ends, finish. In the
 * closed loop finish begins the next one; in the open loop it gives the connection back to the list of idle ones, and the
 * timer of due times takes one from there. A connection that failed rests until the next tick, so that a target that
 * refuses everything is not asked a million times a second.
 */
#include "lab/load.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lab/load_result.h"
#include "lab/reply.h"

#define TICK_MS       20
#define PROGRESS_NS   (50 * CLOCK_NS_PER_MS)
#define GIVE_UP_NS    (3000 * CLOCK_NS_PER_MS) /* refused for so long: it has gone */
#define REQUEST_BYTES 2048

struct run;

struct conn {
    struct run *run;
    int fd; /* -1: none */
    bool busy, connecting, resting;
    struct event readable, writable;
    struct load_sample now;
    uint64_t deadline_ns;
    size_t written, request_len;
    char request[REQUEST_BYTES];
    struct reply reply;
    struct conn *next_idle;
};

struct run {
    const struct load_plan *plan;
    struct load_result *out;
    struct event_base *base;
    struct event tick, due;
    uint64_t start_ns, end_ns;        /* end: when no more requests are begun; UINT64_MAX: by number alone */
    uint64_t begun, ended, in_flight; /* requests */
    struct conn **conns;
    size_t n_conns;
    struct conn *idle;
    bool sending_due, over;
    bool answered; /* at least once */
    uint64_t last_answer_ns, last_progress_ns;
    unsigned failures; /* connecting, since the last answer */
    enum load_error last_failure;
    char buffer[65536];
};

static void finish(struct conn *c, enum load_error error);
static void send_due(struct run *r);

/* ------------------------------------------------------------------ ending */

static bool may_begin(const struct run *r)
{
    return !r->over && (r->plan->requests == 0 || r->begun < r->plan->requests) && clock_now_ns() < r->end_ns;
}

static bool has_nothing_to_do(const struct run *r)
{
    if (r->in_flight > 0)
        return false;
    if (r->over || (r->plan->requests && r->begun >= r->plan->requests))
        return true;
    return clock_now_ns() >= r->end_ns;
}

static void end_early(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void end_early(struct run *r, const char *format, ...)
{
    if (r->over)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->out->why, sizeof r->out->why, format, args);
    va_end(args);
    r->out->ended_early = true;
    r->over = true;
    event_base_loopbreak(r->base);
}

/* ------------------------------------------------------------------ one connection */

static void close_socket(struct conn *c)
{
    if (c->fd < 0)
        return;
    event_del(&c->readable);
    event_del(&c->writable);
    close(c->fd);
    c->fd = -1;
    c->connecting = false;
}

static enum load_error error_of(int number, bool connecting)
{
    switch (number) {
    case ECONNREFUSED: return LOAD_REFUSED;
    case ECONNRESET:
    case EPIPE: return LOAD_RESET;
    case EMFILE:
    case ENFILE:
    case EADDRNOTAVAIL: return LOAD_DESCRIPTORS;
    default: return connecting ? LOAD_CONNECT : LOAD_RESET;
    }
}

static void write_request(struct conn *c)
{
    while (c->written < c->request_len) {
        ssize_t n = send(c->fd, c->request + c->written, c->request_len - c->written, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            event_add(&c->writable, NULL);
            return;
        }
        if (n < 0) {
            finish(c, error_of(errno, false));
            return;
        }
        c->written += (size_t)n;
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct conn *c = arg;
    if (c->connecting) {
        int problem = 0;
        socklen_t len = sizeof problem;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len);
        if (problem) {
            finish(c, error_of(problem, true));
            return;
        }
        c->connecting = false;
        c->run->out->connects++;
        event_add(&c->readable, NULL);
    }
    if (c->busy)
        write_request(c);
}

/* The peer closed, or worse. */
static void take_end(struct conn *c, int problem)
{
    if (!c->busy)
        close_socket(c); /* an idle one: it is the peer's right */
    else if (problem)
        finish(c, error_of(problem, false));
    else if (reply_end(&c->reply) == REPLY_DONE)
        finish(c, LOAD_NONE);
    else
        finish(c, reply_is_untouched(&c->reply) ? LOAD_CLOSED : LOAD_CUT);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct conn *c = arg;
    struct run *r = c->run;
    ssize_t n = recv(fd, r->buffer, sizeof r->buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        take_end(c, n < 0 ? errno : 0);
        return;
    }
    r->out->bytes += (uint64_t)n;
    if (!c->busy) {
        close_socket(c); /* bytes that nobody asked for */
        return;
    }
    size_t used;
    enum reply_result got = reply_feed(&c->reply, r->buffer, (size_t)n, &used);
    if (got == REPLY_BAD || (got == REPLY_DONE && used < (size_t)n))
        finish(c, LOAD_GARBLED);
    else if (got == REPLY_DONE)
        finish(c, LOAD_NONE);
}

static void connect_socket(struct conn *c)
{
    const struct load_plan *plan = c->run->plan;
    int one = 1;
    c->fd = socket(plan->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        finish(c, error_of(errno, true));
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    event_assign(&c->readable, c->run->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, c->run->base, c->fd, EV_WRITE, on_writable, c);
    if (connect(c->fd, (const struct sockaddr *)&plan->address, plan->address_len) < 0 &&
        errno != EINPROGRESS) {
        finish(c, error_of(errno, true));
        return;
    }
    c->connecting = true;
    event_add(&c->writable, NULL);
}

/* ------------------------------------------------------------------ one request */

static void compose_request(struct conn *c)
{
    const struct load_plan *plan = c->run->plan;
    const char *mark = strstr(plan->path, "{id}");
    int head = mark ? (int)(mark - plan->path) : (int)strlen(plan->path), len;
    char id[24] = "";
    if (mark)
        snprintf(id, sizeof id, "%llu", (unsigned long long)c->now.id);
    len = snprintf(c->request, sizeof c->request, "GET %.*s%s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", head,
                   plan->path, id, mark ? mark + 4 : "", plan->host,
                   plan->close ? "Connection: close\r\n" : "");
    c->request_len = (size_t)len < sizeof c->request ? (size_t)len : sizeof c->request - 1;
    c->written = 0;
}

static void begin(struct conn *c, uint64_t due_ns)
{
    struct run *r = c->run;
    const struct load_plan *plan = r->plan;
    uint64_t now = clock_now_ns(), k = r->begun++;
    c->now = (struct load_sample){ .id = plan->ids ? plan->ids[k % plan->n_ids] : 100000 + k % 900000,
                                   .due_ns = (due_ns ? due_ns : now) - r->start_ns,
                                   .sent_ns = now - r->start_ns };
    c->deadline_ns = now + plan->timeout_ms * CLOCK_NS_PER_MS;
    c->busy = true;
    r->in_flight++;
    reply_begin(&c->reply);
    compose_request(c);
    if (c->fd < 0)
        connect_socket(c);
    else
        write_request(c);
}

static void note_reachable(struct run *r, enum load_error error)
{
    if (error == LOAD_REFUSED || error == LOAD_CONNECT) {
        r->failures++;
        r->last_failure = error;
    } else if (error == LOAD_NONE) {
        r->failures = 0;
        r->answered = true;
        r->last_answer_ns = clock_now_ns();
    }
}

static void finish(struct conn *c, enum load_error error)
{
    struct run *r = c->run;
    c->now.done_ns = clock_now_ns() - r->start_ns;
    load_result_add(r->out, r->plan, &c->now, error, &c->reply);
    if (r->plan->done)
        atomic_fetch_add_explicit(r->plan->done, 1, memory_order_relaxed);
    c->busy = false;
    r->in_flight--;
    r->ended++;
    note_reachable(r, error);
    if (error != LOAD_NONE || c->reply.close || r->plan->close)
        close_socket(c);
    if (has_nothing_to_do(r)) {
        event_base_loopbreak(r->base);
    } else if (r->plan->rate > 0) {
        c->next_idle = r->idle;
        r->idle = c;
        if (!r->sending_due)
            send_due(r);
    } else if (error != LOAD_NONE) {
        c->resting = true;
    } else if (may_begin(r)) {
        begin(c, 0);
    }
}

/* ------------------------------------------------------------------ when requests are due */

static struct conn *make_conn(struct run *r)
{
    struct conn *c = mem_zero(1, sizeof *c);
    c->run = r;
    c->fd = -1;
    r->conns = mem_grow(r->conns, (r->n_conns + 1) * sizeof *r->conns);
    r->conns[r->n_conns++] = c;
    return c;
}

static struct conn *take_idle(struct run *r)
{
    struct conn *c = r->idle;
    if (c)
        r->idle = c->next_idle;
    else if (r->n_conns < r->plan->concurrency)
        c = make_conn(r);
    return c;
}

static uint64_t due_time(const struct run *r, uint64_t k)
{
    return r->start_ns + (uint64_t)((double)k * 1e9 / r->plan->rate);
}

/* Sends what is due as far as there are connections; what has to wait for one keeps its due time. */
static void send_due(struct run *r)
{
    r->sending_due = true;
    uint64_t due = due_time(r, r->begun);
    while (may_begin(r) && due < r->end_ns && due <= clock_now_ns()) {
        struct conn *c = take_idle(r);
        if (!c)
            break; /* the next that ends comes back here */
        begin(c, due);
        due = due_time(r, r->begun);
    }
    r->sending_due = false;
    if (has_nothing_to_do(r))
        event_base_loopbreak(r->base);
    uint64_t now = clock_now_ns();
    if (may_begin(r) && due > now) {
        uint64_t us = (due - now + 999) / 1000;
        struct timeval wait = { (time_t)(us / 1000000), (suseconds_t)(us % 1000000) };
        event_add(&r->due, &wait);
    }
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    send_due(arg);
}

/* ------------------------------------------------------------------ the tick */

static void check_reachable(struct run *r, uint64_t now)
{
    if (r->failures == 0 || (r->answered && now - r->last_answer_ns < GIVE_UP_NS))
        return;
    if (!r->answered && r->last_failure != LOAD_REFUSED && now - r->start_ns < GIVE_UP_NS)
        return;
    if (r->answered)
        end_early(r, "the target has gone: %s, for %.0f s, after %llu answers",
                  load_error_text(r->last_failure), (double)GIVE_UP_NS / 1e9,
                  (unsigned long long)(r->out->good));
    else
        end_early(r, "nobody answers at %s: %s", r->plan->host, load_error_text(r->last_failure));
}

static void show_progress(struct run *r, uint64_t now)
{
    const struct load_plan *plan = r->plan;
    if (!plan->on_progress || now - r->last_progress_ns < PROGRESS_NS)
        return;
    r->last_progress_ns = now;
    double by_count = plan->requests ? (double)r->ended / (double)plan->requests : 0;
    double by_time = plan->seconds > 0 ? (double)(now - r->start_ns) / 1e9 / plan->seconds : 0;
    double share = by_count > by_time ? by_count : by_time;
    plan->on_progress(plan->progress_arg, r->ended, plan->requests, share < 1 ? share : 1);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct run *r = arg;
    uint64_t now = clock_now_ns();
    if (load_is_interrupted())
        end_early(r, "interrupted");
    if (r->plan->stop && atomic_load_explicit(r->plan->stop, memory_order_relaxed))
        end_early(r, "stopped");
    check_reachable(r, now);
    for (size_t i = 0; i < r->n_conns && !r->over; i++) {
        struct conn *c = r->conns[i];
        if (c->busy && now >= c->deadline_ns) {
            finish(c, LOAD_TIMEOUT);
        } else if (c->resting && may_begin(r)) {
            c->resting = false;
            begin(c, 0);
        }
    }
    show_progress(r, now);
    if (has_nothing_to_do(r))
        event_base_loopbreak(r->base);
}

/* ------------------------------------------------------------------ the run */

static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static void start(struct run *r)
{
    const struct timeval tick = { 0, TICK_MS * 1000 };
    event_assign(&r->tick, r->base, -1, EV_PERSIST, on_tick, r);
    event_assign(&r->due, r->base, -1, 0, on_due, r);
    event_add(&r->tick, &tick);
    r->start_ns = clock_now_ns();
    r->out->start_ns = r->start_ns;
    r->out->wall_ms = clock_wall_ms();
    r->end_ns = r->plan->seconds > 0 ? r->start_ns + (uint64_t)(r->plan->seconds * 1e9) : UINT64_MAX;
    if (r->plan->rate > 0) {
        send_due(r);
        return;
    }
    for (unsigned i = 0; i < r->plan->concurrency && may_begin(r); i++)
        begin(make_conn(r), 0);
}

static void clean_up(struct run *r)
{
    for (size_t i = 0; i < r->n_conns; i++) {
        struct conn *c = r->conns[i];
        if (c->busy) {
            c->now.done_ns = clock_now_ns() - r->start_ns;
            load_result_add(r->out, r->plan, &c->now, LOAD_STOPPED, &c->reply);
        }
        close_socket(c);
        free(c);
    }
    free(r->conns);
    event_del(&r->tick);
    event_del(&r->due);
    event_base_free(r->base);
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

bool load_run(const struct load_plan *plan, struct load_result *out)
{
    struct run *r = mem_zero(1, sizeof *r);
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    r->plan = plan;
    r->out = out;
    r->base = make_base();
    start(r);
    if (!has_nothing_to_do(r) && !r->over)
        event_base_dispatch(r->base);
    out->seconds = (double)(clock_now_ns() - r->start_ns) / 1e9;
    getrusage(RUSAGE_THREAD, &after);
    out->cpu_user_s = seconds_of(after.ru_utime) - seconds_of(before.ru_utime);
    out->cpu_sys_s = seconds_of(after.ru_stime) - seconds_of(before.ru_stime);
    out->sent = r->begun;
    out->connections_most = (unsigned)r->n_conns;
    clean_up(r);
    free(r);
    if (plan->on_progress)
        plan->on_progress(plan->progress_arg, out->sent, plan->requests, out->ended_early ? -1 : 1);
    return !out->ended_early;
}
