/*
 * exchange.c - a request's way through the steps: see exchange.h.
 *
 * Owns     the driver, the steps from the first byte to the chosen replica, and the end.
 * Used by  client.c.
 * Uses     exchange_attempt.c and exchange_answer.c for the steps between.
 * Thread   the worker.
 */
#include "path/exchange.h"
#include "base/hint.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "path/client.h"
#include "path/forwarded.h"
#include "path/octet.h"
#include "path/pick.h"
#include "path/route.h"
#include "path/shadow.h"
#include "path/tally.h"
#include "path/upstream.h"
#include "path/worker.h"
#include "world/quota.h"
#include "world/replica.h"
#include "world/strategy.h"

struct step {
    enum step_result (*run)(struct exchange *x);
};

static const struct step steps[STEP_COUNT] = {
#define STEP_ROW(name_, function_, text_) { function_ },
    EXCHANGE_STEPS(STEP_ROW)
#undef STEP_ROW
};

const char *const exchange_step_names[STEP_COUNT + 1] = {
#define STEP_TEXT(name_, function_, text_) text_,
    EXCHANGE_STEPS(STEP_TEXT)
#undef STEP_TEXT
        NULL
};

/* ------------------------------------------------------------------ beginning */

size_t exchange_size(uint16_t max_fields)
{
    return sizeof(struct exchange) + 2u * max_fields * sizeof(struct head_field);
}

/* Dotted decimal without the detour through printf: this runs once a request. */
static void print_v4(uint32_t address, char *out)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        unsigned part = (address >> shift) & 0xff;
        if (part >= 100)
            *out++ = (char)('0' + part / 100);
        if (part >= 10)
            *out++ = (char)('0' + part / 10 % 10);
        *out++ = (char)('0' + part % 10);
        *out++ = shift ? '.' : '\0';
    }
}

static void print_address(const union proxy_address *a, char out[EXCHANGE_IP])
{
    if (a->any.sa_family == AF_INET)
        print_v4(ntohl(a->v4.sin_addr.s_addr), out);
    else if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
        print_v4(ntohl(a->v6.sin6_addr.s6_addr32[3]), out);
    else
        inet_ntop(AF_INET6, &a->v6.sin6_addr, out, EXCHANGE_IP);
}

void exchange_print_client(struct exchange *x)
{
    print_address(&x->client->peer, x->client_ip);
}

const char *exchange_head(const struct exchange *x)
{
    if (x->tunnel)
        return x->tunnel_head;
    return x->client->in ? x->client->in->bytes : NULL;
}

const char *exchange_print_from(struct exchange *x, char out[EXCHANGE_IP])
{
    union proxy_address from;
    const char *head = x->head_len > 0 ? exchange_head(x) : NULL;
    if (!head || !forwarded_from(x->worker->config, &x->request, head, &x->client->peer.any, &from))
        return x->client_ip;
    print_address(&from, out);
    return out;
}

struct exchange *exchange_begin(struct client *client)
{
    struct worker *w = client->worker;
    struct exchange *x = slab_take(&w->exchange_slab);
    mem_clear(x, offsetof(struct exchange, request));
    x->client_ip[0] = x->request_id[0] = '\0';
    x->client = client;
    x->worker = w;
    x->step = STEP_READ_HEAD;
    x->started_ns = x->step_ns = w->now_ns;
    x->request_fields = (struct head_field *)(x + 1);
    x->reply_fields = x->request_fields + w->max_fields;
    head_start(&x->request, x->request_fields, w->max_fields, w->config->limits.head,
               (uint16_t)w->config->limits.target);
    relay_start(&x->upward, &client->conn, NULL, &w->relay_means);
    relay_start(&x->downward, NULL, &client->conn, &w->relay_means);
    deadline_init(&x->pace);
    w->n_exchanges++;
    return x;
}

/* ------------------------------------------------------------------ the driver */

enum step_result exchange_run(struct exchange *x)
{
    enum step_result result;
    do
        result = steps[x->step].run(x);
    while (result == STEP_MORE);
    return result;
}

enum step_result exchange_go(struct exchange *x, enum exchange_step step)
{
    uint64_t now = x->worker->now_ns;
    tally_step(x->worker, x->step, now - x->step_ns);
    x->step_ns = now;
    x->step = step;
    return STEP_MORE;
}

enum step_result exchange_wait(struct exchange *x, enum deadline_class class)
{
    deadline_disarm(&x->worker->deadlines, &x->pace);
    worker_wait(x->worker, &x->client->conn.deadline, class);
    return STEP_PARKED;
}

void exchange_expired(struct exchange *x, enum deadline_class class)
{
    tally_count(x->worker, timeouts);
    if (x->step == STEP_READ_HEAD || x->step == STEP_CALL) {
        x->keep_alive = false;
        exchange_fail(x, 408, "the request took too long to arrive");
    } else if (x->step == STEP_ANSWER || x->step == STEP_TUNNEL) {
        x->note.timed_out = true;
        exchange_abort(x);
    } else {
        exchange_attempt_expired(x, class);
    }
}

/* ------------------------------------------------------------------ READ_HEAD */

static RARELY enum step_result refuse_head(struct exchange *x, int error)
{
    int status = 400;
    if (error == HEAD_TARGET_TOO_LONG)
        status = 414;
    else if (error == HEAD_TOO_LARGE || error == HEAD_TOO_MANY_FIELDS)
        status = 431;
    else if (error == HEAD_BAD_VERSION)
        status = 505;
    else if (error == HEAD_BAD_CODING)
        status = 501;
    x->keep_alive = false;
    return exchange_fail(x, status, head_error_text(error));
}

/* More of the head. Its deadline runs from the first byte, so it is armed once. */
static enum step_result wait_for_head(struct exchange *x)
{
    const struct deadline *d = &x->client->conn.deadline;
    if (deadline_is_armed(d) && d->class == DEADLINE_HEAD)
        return STEP_PARKED;
    return exchange_wait(x, DEADLINE_HEAD);
}

static bool may_keep_alive(const struct exchange *x)
{
    const struct worker *w = x->worker;
    uint32_t most = w->config->limits.requests_per_connection;
    return head_keeps_alive(&x->request) && !w->draining && (most == 0 || x->client->requests < most);
}

/* limits.rate and limits.rate_total; control routes count too. *wait_ns: until it would be within them. */
static bool is_within_rate(struct exchange *x, uint64_t *wait_ns)
{
    struct worker *w = x->worker;
    const struct config *c = w->config;
    union proxy_address room;
    enum quota_result mine = QUOTA_TAKEN, all = QUOTA_TAKEN;
    if (c->limits.rate)
        mine = quota_request(w->quota, exchange_from(x, &room),
                             (struct quota_rate){ c->limits.rate, c->limits.burst }, w->now_ns, wait_ns);
    if (mine == QUOTA_UNTRACKED)
        tally_count(w, untracked);
    if (c->limits.rate_total && mine != QUOTA_FULL)
        all = quota_request_any(w->quota, (struct quota_rate){ c->limits.rate_total, c->limits.burst_total },
                                w->now_ns, wait_ns);
    return mine != QUOTA_FULL && all != QUOTA_FULL;
}

static RARELY enum step_result refuse_rate(struct exchange *x, uint64_t wait_ns)
{
    tally_count(x->worker, refused_rate);
    x->retry_after_s = (uint32_t)(wait_ns / 1000000000) + 1;
    return exchange_fail(x, 503, "too many requests");
}

static enum step_result head_is_whole(struct exchange *x)
{
    struct worker *w = x->worker;
    tally_count(w, requests);
    x->request_framing = head_request_framing(&x->request);
    x->head_request = x->request.method_id == METHOD_HEAD;
    x->keep_alive = may_keep_alive(x);
    uint64_t wait_ns = 0;
    if ((w->config->limits.rate || w->config->limits.rate_total) && !is_within_rate(x, &wait_ns))
        return refuse_rate(x, wait_ns);
    if (x->request.method_id == METHOD_CONNECT) {
        x->keep_alive = false; /* what follows may be meant for a tunnel: it is no request */
        return exchange_fail(x, 405, "CONNECT is not for a load balancer");
    }
    uint64_t most = w->config->limits.body;
    if (most && x->request_framing == FRAMING_LENGTH && x->request.content_length > most)
        return exchange_fail(x, 413, "request body too large");
    return exchange_go(x, STEP_ROUTE);
}

enum step_result exchange_read_head(struct exchange *x)
{
    struct client *c = x->client;
    for (;;) {
        int len = head_parse_request(&x->request, buffer_data(c->in), buffer_used(c->in));
        if (len > 0) {
            x->head_len = (uint32_t)len;
            return head_is_whole(x);
        }
        if (len < 0)
            return refuse_head(x, len);
        if (buffer_room(c->in) == 0)
            return refuse_head(x, HEAD_TOO_LARGE);
        if (!c->conn.readable)
            return wait_for_head(x);
        long n = conn_read(&c->conn, c->in->bytes + c->in->end, buffer_room(c->in));
        if (n < 0) {
            tally_count(x->worker, client_gone);
            return exchange_abort(x);
        }
        c->in->end += (uint32_t)n;
    }
}

/* ------------------------------------------------------------------ ROUTE, MAKE_KEY, PICK */

enum step_result exchange_route(struct exchange *x)
{
    const char *bytes = x->client->in->bytes;
    if (route_path_is_control(bytes + x->request.path.at, x->request.path.len))
        return exchange_go(x, STEP_CALL);
    return exchange_go(x, STEP_MAKE_KEY);
}

/* 32 hex digits: 128 random bits. */
static void make_request_id(struct exchange *x)
{
    for (unsigned half = 0; half < 2; half++) {
        uint64_t bits = lb_random(&x->worker->random);
        octet_put_hex(x->request_id + half * 16, (uint32_t)bits);
        octet_put_hex(x->request_id + half * 16 + 8, (uint32_t)(bits >> 32));
    }
    x->request_id[32] = '\0';
}

const struct sockaddr *exchange_from(struct exchange *x, union proxy_address *room)
{
    const struct client *c = x->client;
    x->trusted = forwarded_from(x->worker->config, &x->request, c->in->bytes, &c->peer.any, room);
    return x->trusted ? &room->any : &c->peer.any;
}

enum step_result exchange_make_key(struct exchange *x)
{
    struct worker *w = x->worker;
    union proxy_address room;
    const struct sockaddr *from = exchange_from(x, &room);
    exchange_print_client(x);
    if (!x->request.has_request_id)
        make_request_id(x);
    x->view = worker_hold_view(w);
    x->pool = &x->view->view->pools[0];
    x->note.generation = x->view->view->generation;
    key_make(w->config, &x->request, x->client->in->bytes, from, &w->random, x->key_text, &x->key);
    x->hash = strategy_hash(x->pool->table->strategy, &x->key);
    return exchange_go(x, STEP_PICK);
}

static RARELY enum step_result nobody(struct exchange *x)
{
    if (x->n_tried > 0)
        return exchange_fail(x, x->timed_out ? 504 : 502, "no replica gave a good answer");
    tally_count(x->worker, no_replica);
    return exchange_fail(x, 503, "no replica is ready");
}

/* Asks the strategy, and about one of so many requests its candidates too. */
static uint32_t ask_strategy(struct exchange *x, const struct pick_question *question)
{
    struct worker *w = x->worker;
    const struct shadow_seats *candidates = &x->view->candidates[x->pool - x->view->view->pools];
    if (x->n_tried > 0 || !shadow_is_due(&w->sampler, candidates, w->config->strategy.shadow_sample))
        return pick_member(&w->pick, question);
    shadow_ask(&w->sampler, &w->pick, candidates, question);
    uint32_t member = pick_member(&w->pick, question);
    shadow_note(&w->sampler, candidates, w->number, w->pick.first);
    return member;
}

enum step_result exchange_pick(struct exchange *x)
{
    struct worker *w = x->worker;
    struct pick_question question = { .pool = x->pool,
                                      .seat = x->view->seats[x->pool - x->view->view->pools],
                                      .worker = w->number,
                                      .bound = x->view->view->config->strategy.bounded_load,
                                      .key = &x->key,
                                      .hash = x->hash,
                                      .tried = x->tried,
                                      .n_tried = x->n_tried,
                                      .attempt = x->n_tried,
                                      .now_ns = w->now_ns,
                                      .random = &w->random };
    x->member = ask_strategy(x, &question);
    if (x->member == LB_NONE)
        return nobody(x);
    struct replica *replica = x->pool->replicas[x->member];
    x->seat = upstream_seat(w, replica);
    upstream_enter(x->seat);
    x->load = x->pool->load;
    tally_replica(w, replica, picked, 1);
    x->note.attempts++;
    if (x->attempts == 0)
        x->attempts = 1;
    x->picked_ns = w->now_ns;
    x->fresh_only = x->settled = false;
    return exchange_go(x, STEP_CONNECT);
}

/* ------------------------------------------------------------------ FINISH */

bool exchange_body_is_read(const struct exchange *x)
{
    return x->head_len > 0 && (x->request_framing == FRAMING_NONE || x->upward_done || x->call_read);
}

/* Bytes of the client that came behind this request. */
static uint32_t surplus(const struct exchange *x)
{
    const struct buffer *in = x->client->in;
    if (x->upward_begun)
        return relay_surplus(&x->upward);
    return x->call_begun ? buffer_used(in) : buffer_used(in) - x->head_len;
}

/* Closing while the client's bytes lie unread would reset the connection, and our answer with it. */
static enum exchange_ending how_to_close(const struct exchange *x)
{
    bool unread = x->client->conn.readable || !exchange_body_is_read(x) || surplus(x) > 0 ||
                  (x->tunnel && !x->upward.ended);
    return unread ? ENDING_LINGER : ENDING_CLOSE;
}

enum step_result exchange_finish(struct exchange *x)
{
    if (x->aborted)
        x->ending = ENDING_CLOSE;
    else if (x->keep_alive && !x->worker->draining && exchange_body_is_read(x))
        x->ending = ENDING_KEEP;
    else
        x->ending = how_to_close(x);
    if (!x->aborted)
        tally_count(x->worker, replies);
    exchange_go(x, STEP_FINISH);
    return STEP_DONE;
}

enum step_result exchange_abort(struct exchange *x)
{
    x->aborted = true;
    exchange_drop_attempt(x, false);
    return exchange_go(x, STEP_FINISH);
}

void exchange_settle(struct exchange *x, enum lb_outcome outcome, int status)
{
    if (!x->view || !x->seat || x->settled)
        return;
    struct worker *w = x->worker;
    struct lb_reply reply = { .struct_size = sizeof reply,
                              .member = x->member,
                              .first_byte_ns = outcome == LB_ANSWERED ? w->now_ns - x->picked_ns : 0,
                              .now_ns = w->now_ns,
                              .outcome = (uint32_t)outcome,
                              .status = (uint32_t)status };
    pick_reply(x->view->seats[x->pool - x->view->view->pools], &reply);
    x->settled = true;
}

void exchange_release_view(struct exchange *x)
{
    if (!x->view)
        return;
    worker_release_view(x->worker, x->view);
    x->view = NULL;
    x->pool = NULL;
}

/* What came behind this request is the beginning of the next. */
static void keep_surplus(struct exchange *x)
{
    struct client *c = x->client;
    struct relay *up = &x->upward;
    if (x->tunnel)
        return;
    if (!x->upward_begun) {
        if (c->in && !x->call_begun)
            c->in->start = x->head_len;
        return;
    }
    if (up->in && up->in != up->kept) { /* a long body went on in a second buffer */
        struct buffer *first = c->in;
        c->in = up->in;
        up->in = NULL;
        buffer_give(&x->worker->buffer_slab, &first);
    } else if (!up->in) {
        c->in->start = c->in->end;
    }
}

void exchange_end(struct exchange *x)
{
    struct worker *w = x->worker;
    exchange_drop_attempt(x, false);
    access_finish(x);
    exchange_release_view(x);
    if (x->parked)
        worker_unpark(w, x->parked_slot);
    if (x->retrying)
        w->n_retrying--;
    if (x->tunnel)
        tally_count(w, tunnels_closed);
    keep_surplus(x);
    relay_stop(&x->upward);
    relay_stop(&x->downward);
    buffer_give(&w->buffer_slab, &x->reply_in);
    deadline_disarm(&w->deadlines, &x->pace);
    w->kept_bytes -= x->kept;
    free(x->call_body);
    free(x->tunnel_head);
    free(x->answer);
    w->n_exchanges--;
    slab_give(&w->exchange_slab, x);
}
