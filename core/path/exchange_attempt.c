/*
 * exchange_attempt.c - one try on one replica: CONNECT, SEND, REPLY_HEAD, RELAY; and what becomes of a failed
 * one.
 *
 * Owns     the rules of retrying (DECISIONS on retries and upstream).
 * Used by  exchange.c through the step list.
 * Uses     upstream.c for sockets, relay.c for bodies, forward.c for heads.
 * Thread   the worker.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hint.h"
#include "base/log.h"
#include "path/client.h"
#include "path/exchange.h"
#include "path/forward.h"
#include "path/memory.h"
#include "path/pick.h"
#include "path/tally.h"
#include "path/upgrade.h"
#include "path/upstream.h"
#include "path/worker.h"
#include "world/replica.h"

/* A replica may send so many interim replies before the final one. */
#define INTERIM_MAX 16

/* ------------------------------------------------------------------ failed attempts */

/* How an attempt ended without a usable reply. */
enum attempt_end {
    ATTEMPT_REFUSED,   /* no connection: nothing was sent */
    ATTEMPT_CLOSED,    /* closed or reset before the first reply byte */
    ATTEMPT_TIMED_OUT, /* too slow to connect or to answer */
};

void exchange_drop_attempt(struct exchange *x, bool clean)
{
    struct worker *w = x->worker;
    exchange_settle(x, LB_CANCELLED, 0);
    if (x->up) {
        tally_bytes(w, x->seat->replica, x->upward.written, x->downward.written);
        upstream_return(x->up, clean);
        x->up = NULL;
        x->upward.to = NULL;
        x->downward.from = NULL;
    }
    if (x->seat) {
        access_note_replica(x, x->seat->replica);
        pick_give_back(x->load, w->number, x->seat->replica);
        upstream_leave(w, x->seat);
        x->seat = NULL;
    }
}

/* The request as it came can be sent once more: its body, if any, is still in the first buffer. */
static bool is_held(const struct exchange *x)
{
    if (!x->upward_begun)
        return true;
    return x->upward.kept && x->upward.in == x->upward.kept && !x->upward.spliced &&
           x->upward.body <= x->worker->config->limits.replay;
}

static bool may_repeat(const struct exchange *x, enum attempt_end end)
{
    if (x->interim > 0 || !is_held(x))
        return false;
    return end == ATTEMPT_REFUSED || head_is_idempotent(&x->request);
}

/* Time-outs cost: a slow pool must not get twice the load for it. */
static bool has_budget(struct exchange *x)
{
    struct worker *w = x->worker;
    const struct config *config = w->config;
    if (x->attempts >= config->retry.attempts)
        return false;
    uint32_t most = w->n_exchanges * config->retry.budget_percent / 100;
    if (most < config->retry.budget_min)
        most = config->retry.budget_min;
    if (!x->retrying && w->n_retrying >= most)
        return false;
    x->attempts++;
    if (!x->retrying)
        w->n_retrying++;
    x->retrying = true;
    return true;
}

/* The request stands in the client's buffer as at first. */
static RARELY void rewind_request(struct exchange *x)
{
    if (x->upward_begun)
        x->client->in->start = x->head_len;
    relay_stop(&x->upward);
    relay_start(&x->upward, &x->client->conn, NULL, &x->worker->relay_means);
    buffer_give(&x->worker->buffer_slab, &x->reply_in);
    x->upward_begun = x->upward_done = x->upward_broken = false;
}

/* A worker says it once; control clears the mark when it says READY again. */
static RARELY void tell_refused(struct worker *w, struct replica *replica)
{
    if (atomic_exchange_explicit(&replica->refusal_told, true, memory_order_relaxed))
        return;
    struct letter_replica *letter = mem_zero(1, sizeof *letter);
    letter->letter.kind = MESSAGE_REFUSED;
    letter->worker = w->number;
    letter->replica = replica;
    mailbox_post(w->control, &letter->letter);
}

/* A kept socket that closes under us says nothing of the replica: once more on a fresh one, to the same
 * replica. */
static RARELY enum step_result try_fresh(struct exchange *x)
{
    upstream_return(x->up, false);
    x->up = NULL;
    x->fresh_only = true;
    rewind_request(x);
    return exchange_go(x, STEP_CONNECT);
}

static RARELY enum step_result attempt_failed(struct exchange *x, enum attempt_end end)
{
    struct worker *w = x->worker;
    struct replica *replica = x->seat->replica;
    bool repeat = may_repeat(x, end);
    if (end == ATTEMPT_CLOSED && repeat && x->up->reused && !x->fresh_only)
        return try_fresh(x);
    if (end == ATTEMPT_REFUSED)
        tell_refused(w, replica);
    log_debug("%s: %s", replica->name,
              end == ATTEMPT_REFUSED  ? "refused a connection"
              : end == ATTEMPT_CLOSED ? "closed before its reply"
                                      : "timed out");
    tally_failure(w, replica);
    exchange_settle(x, end == ATTEMPT_TIMED_OUT ? LB_TIMED_OUT : LB_FAILED, 0);
    exchange_drop_attempt(x, false);
    x->timed_out = end == ATTEMPT_TIMED_OUT;
    x->tried[x->n_tried++] = x->member;
    bool again = repeat && x->n_tried < EXCHANGE_TRIED_MAX && (end != ATTEMPT_TIMED_OUT || has_budget(x));
    if (!again)
        return exchange_fail(x, end == ATTEMPT_TIMED_OUT ? 504 : 502,
                             end == ATTEMPT_TIMED_OUT ? "the replica was too slow"
                                                      : "the replica closed before its reply");
    tally_count(w, retries);
    rewind_request(x);
    return exchange_go(x, STEP_PICK);
}

/* A reply that can't be trusted: the socket is dropped, and it is nobody else's. */
static RARELY enum step_result bad_reply(struct exchange *x, const char *what)
{
    log_debug("%s: %s", x->seat->replica->name, what);
    tally_failure(x->worker, x->seat->replica);
    exchange_settle(x, LB_FAILED, 0);
    return exchange_fail(x, 502, "the replica's reply was malformed");
}

enum step_result exchange_attempt_expired(struct exchange *x, enum deadline_class class)
{
    if (x->step == STEP_RELAY) {
        tally_count(x->worker, cut_bodies);
        x->note.timed_out = true;
        return exchange_abort(x);
    }
    if (class == DEADLINE_BODY) {
        x->keep_alive = false;
        return exchange_fail(x, 408, "the request's body took too long to arrive");
    }
    return attempt_failed(x, ATTEMPT_TIMED_OUT);
}

/* While nothing of a reply has gone out another replica may do. */
void exchange_cut(struct exchange *x)
{
    if (x->replied) {
        tally_count(x->worker, cut_bodies);
        x->note.cut = true;
        exchange_abort(x);
        return;
    }
    x->fresh_only = true; /* no second try on this one */
    attempt_failed(x, ATTEMPT_CLOSED);
}

static bool has_other(const struct exchange *x)
{
    for (uint32_t i = 0; i < x->pool->n_replicas; i++) {
        bool tried = i == x->member || !replica_is_ready(x->pool->replicas[i]);
        for (unsigned t = 0; t < x->n_tried; t++)
            tried = tried || x->tried[t] == i;
        if (!tried)
            return true;
    }
    return false;
}

void exchange_move(struct exchange *x, bool is_dead)
{
    bool has_begun = x->replied || (x->reply_in && buffer_used(x->reply_in) > 0);
    if (has_begun || !may_repeat(x, x->upward_begun ? ATTEMPT_TIMED_OUT : ATTEMPT_REFUSED) ||
        x->n_tried + 1 >= EXCHANGE_TRIED_MAX || !has_other(x) || (!is_dead && !has_budget(x)))
        return;
    log_debug("%s: answers no heartbeats, a request moves on", x->seat->replica->name);
    exchange_settle(x, LB_TIMED_OUT, 0);
    exchange_drop_attempt(x, false);
    x->tried[x->n_tried++] = x->member;
    tally_count(x->worker, retries);
    rewind_request(x);
    exchange_go(x, STEP_PICK);
}

/* ------------------------------------------------------------------ CONNECT */

/* A request that must not be repeated avoids sockets that the replica may be closing this moment. */
static uint32_t max_idle_ms(const struct exchange *x)
{
    const struct config *config = x->worker->config;
    if (x->fresh_only)
        return 0;
    return head_is_idempotent(&x->request) ? config->upstream.idle_ms : config->upstream.safe_idle_ms;
}

/* connect(2) failed. Our own want of descriptors or ports is not the replica's fault. */
static RARELY enum step_result connect_failed(struct exchange *x, int why)
{
    if (why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM || why == EADDRNOTAVAIL) {
        exchange_drop_attempt(x, false);
        return exchange_fail(x, 503, "no descriptor or port is left for a connection to a replica");
    }
    return attempt_failed(x, ATTEMPT_REFUSED);
}

/* With upstream.proxy_protocol: what a connection that carries this client's requests begins with. NULL: nothing. */
static const struct upstream_origin *find_origin(const struct exchange *x, struct upstream_origin *origin)
{
    const struct client *c = x->client;
    union proxy_address to = { .any = { .sa_family = AF_UNSPEC } };
    if (x->worker->config->upstream.proxy_protocol == PROXY_PROTOCOL_OFF)
        return NULL;
    if (c->relayed)
        to = c->relayed->to;
    socklen_t len = sizeof to;
    bool known = !(c->relayed && c->relayed->unknown);
    if (known && to.any.sa_family == AF_UNSPEC)
        known = getsockname(c->conn.fd, &to.any, &len) == 0;
    origin->len = (uint8_t)proxy_write(known ? &c->peer.any : NULL, &to.any, origin->bytes);
    return origin;
}

enum step_result exchange_connect(struct exchange *x)
{
    struct worker *w = x->worker;
    if (!x->up) {
        struct upstream_origin origin;
        x->up = upstream_borrow(w, x->seat, x, max_idle_ms(x), find_origin(x, &origin));
        if (!x->up)
            return connect_failed(x, errno);
        if (x->up->reused)
            tally_replica(w, x->seat->replica, reuses, 1);
        else
            tally_replica(w, x->seat->replica, connects, 1);
    }
    if (x->up->connecting) {
        if (!x->up->conn.writable)
            return exchange_wait(x, DEADLINE_CONNECT);
        int result = conn_connect_result(&x->up->conn);
        if (result != 0)
            return connect_failed(x, result);
        x->up->connecting = false;
    }
    return exchange_go(x, STEP_SEND);
}

/* ------------------------------------------------------------------ SEND */

static bool begin_request(struct exchange *x)
{
    struct client *c = x->client;
    char offer[UPGRADE_TEXT];
    x->upgrades = x->request.upgrade &&
                  upgrade_offer(&x->view->view->config->upgrade, &x->request, c->in->bytes, offer) > 0;
    struct forward_request f = { .head = &x->request,
                                 .upgrade = x->upgrades ? offer : NULL,
                                 .bytes = c->in->bytes,
                                 .client_ip = x->client_ip,
                                 .proto = c->relayed && c->relayed->tls ? "https" : "http",
                                 .trusted = x->trusted,
                                 .host = x->seat->replica->address_text,
                                 .request_id = x->request_id };
    x->upward.to = &x->up->conn;
    x->downward.from = &x->up->conn;
    struct buffer *out = relay_out(&x->upward);
    if (x->up->origin && !x->up->reused) {
        memcpy(out->bytes + out->end, x->up->origin->bytes, x->up->origin->len);
        out->end += x->up->origin->len;
    }
    size_t n = forward_write_request(&f, out->bytes + out->end, buffer_room(out));
    if (n == 0)
        return false;
    out->end += (uint32_t)n;
    c->in->start = x->head_len;
    relay_body(&x->upward, &(struct relay_body){ .in = c->in,
                                                 .keep_in = true,
                                                 .decode = x->request_framing,
                                                 .encode = x->request_framing,
                                                 .length = x->request.content_length,
                                                 .limit = x->worker->config->limits.body });
    x->upward_begun = true;
    head_start(&x->reply, x->reply_fields, x->worker->max_fields, x->worker->config->limits.head, UINT16_MAX);
    return true;
}

/* Moves the request on. True: the attempt goes on, and *class says what it would wait for; false: *out is
 * what to do. */
static bool push_request(struct exchange *x, enum deadline_class *class, enum step_result *out)
{
    if (x->upward_done || x->upward_broken)
        return true;
    if (relay_needs_buffer(&x->upward) && !memory_has_room(x->worker, 0, 2)) {
        *out = exchange_no_memory(x);
        return false;
    }
    switch (relay_pump(&x->upward, x->worker->config->limits.turn_bytes)) {
    case RELAY_DONE: x->upward_done = true; return true;
    case RELAY_READ: *class = DEADLINE_BODY; return true;
    case RELAY_WRITE: return true;
    case RELAY_TURN: client_run_later(x->client); return true;
    case RELAY_SINK_FAILED: /* it may have answered before it stopped reading: its reply decides */
        x->upward_broken = true;
        x->up->conn.readable = true;
        return true;
    case RELAY_MALFORMED:
        x->keep_alive = false;
        *out = exchange_fail(x, 400, "malformed chunk in the request body");
        return false;
    case RELAY_TOO_LARGE:
        x->keep_alive = false;
        *out = exchange_fail(x, 413, "request body too large");
        return false;
    case RELAY_SOURCE_END:
    case RELAY_SOURCE_FAILED: break;
    }
    tally_count(x->worker, client_gone);
    *out = exchange_abort(x);
    return false;
}

/* BODY: for the client; anything else: for the replica. */
static enum step_result wait_in_send(struct exchange *x, enum deadline_class class)
{
    return class == DEADLINE_BODY ? exchange_wait_for_client(x, class, false) : exchange_wait(x, class);
}

enum step_result exchange_send(struct exchange *x)
{
    enum deadline_class class = DEADLINE_REPLY;
    enum step_result out = STEP_PARKED;
    if (!x->upward_begun && !memory_has_room(x->worker, 0, 1))
        return exchange_no_memory(x);
    if (!x->upward_begun && !begin_request(x)) {
        exchange_drop_attempt(x, false);
        return exchange_fail(x, 431, "head too large to pass on");
    }
    if (!push_request(x, &class, &out))
        return out;
    if (x->upward_done || x->up->conn.readable)
        return exchange_go(x, STEP_REPLY_HEAD);
    return wait_in_send(x, class);
}

/* ------------------------------------------------------------------ REPLY_HEAD */

/* While the replica thinks, the client may go away, or send its next request. */
static bool client_is_gone(struct exchange *x)
{
    struct client *c = x->client;
    if (!c->conn.readable || x->client_ended || !x->upward_done || x->upward.in != c->in ||
        buffer_room(c->in) == 0)
        return false;
    long n = conn_read(&c->conn, c->in->bytes + c->in->end, buffer_room(c->in));
    if (n == CONN_FAILED)
        return true;
    if (n == CONN_END) /* it may still read: it gets all its answers, and the read after them ends it */
        x->client_ended = true;
    else
        c->in->end += (uint32_t)n;
    return false;
}

/* An interim reply goes on at once; to an HTTP/1.0 client it does not exist. */
static RARELY enum step_result pass_interim(struct exchange *x, int len)
{
    struct worker *w = x->worker;
    if (x->reply.status == 101)
        return exchange_switch(x, len) == STEP_MORE ? STEP_MORE : bad_reply(x, "switched protocols unasked");
    tally_replica(w, x->seat->replica, status_1xx, 1);
    if (++x->interim > INTERIM_MAX)
        return bad_reply(x, "too many interim replies");
    if (x->request.minor > 0) {
        struct forward_reply f = { .head = &x->reply, .bytes = buffer_data(x->reply_in), .keep_alive = true };
        struct buffer *out = relay_out(&x->downward);
        size_t n = forward_write_reply(&f, out->bytes + out->end, buffer_room(out));
        if (n == 0)
            return bad_reply(x, "interim replies too large for the client to keep up");
        out->end += (uint32_t)n;
        if (relay_flush(&x->downward) == RELAY_SINK_FAILED)
            return exchange_abort(x);
    }
    x->reply_in->start += (uint32_t)len;
    head_start(&x->reply, x->reply_fields, w->max_fields, w->config->limits.head, UINT16_MAX);
    return STEP_MORE;
}

/* How the client is to see the end of the body. A close-delimited one becomes chunked where the client can
 * read that. */
static enum framing client_framing(const struct exchange *x, enum framing of_reply)
{
    if (of_reply != FRAMING_CHUNKED && of_reply != FRAMING_CLOSE)
        return of_reply;
    return x->request.minor > 0 ? FRAMING_CHUNKED : FRAMING_CLOSE;
}

static enum step_result begin_reply(struct exchange *x, int len)
{
    struct worker *w = x->worker;
    enum framing decode = head_reply_framing(&x->reply, x->head_request);
    enum framing encode = client_framing(x, decode);
    exchange_settle(x, LB_ANSWERED, x->reply.status);
    tally_reply(x, x->seat->replica, x->reply.status);
    exchange_release_view(x);
    if (encode == FRAMING_CLOSE || !x->upward_done || w->draining)
        x->keep_alive = false;
    struct forward_reply f = { .head = &x->reply,
                               .bytes = buffer_data(x->reply_in),
                               .served_by = x->seat->replica->name,
                               .framing = encode,
                               .keep_alive = x->keep_alive,
                               .client_is_1_0 = x->request.minor == 0 };
    struct buffer *out = relay_out(&x->downward);
    size_t n = forward_write_reply(&f, out->bytes + out->end, buffer_room(out));
    if (n == 0)
        return bad_reply(x, "its head is too large to pass on");
    out->end += (uint32_t)n;
    x->note.status = x->reply.status;
    x->note.reply_ns = w->now_ns;
    x->note.reply_head = (uint32_t)x->downward.written + buffer_used(out);
    x->reply_in->start += (uint32_t)len;
    relay_body(&x->downward, &(struct relay_body){ .in = x->reply_in,
                                                   .decode = decode,
                                                   .encode = encode,
                                                   .length = x->reply.content_length });
    x->reply_in = NULL;
    x->replied = true;
    return exchange_go(x, STEP_RELAY);
}

/* One read of reply bytes: MORE when some came, PARKED when none can come now. */
static enum step_result read_reply(struct exchange *x)
{
    struct conn *up = &x->up->conn;
    if (!up->readable && !conn_look_again(up))
        return STEP_PARKED;
    if (!x->reply_in)
        x->reply_in = buffer_take(&x->worker->buffer_slab);
    if (buffer_used(x->reply_in) == 0)
        x->reply_in->start = x->reply_in->end = 0;
    if (buffer_room(x->reply_in) == 0)
        return bad_reply(x, "its head is too large");
    long n = conn_read(up, x->reply_in->bytes + x->reply_in->end, buffer_room(x->reply_in));
    if (n == 0)
        return STEP_PARKED;
    if (n > 0) {
        x->reply_in->end += (uint32_t)n;
        return STEP_MORE;
    }
    if (x->interim > 0 || buffer_used(x->reply_in) > 0)
        return bad_reply(x, "closed within its reply's head");
    return attempt_failed(x, ATTEMPT_CLOSED);
}

static enum step_result wait_for_reply(struct exchange *x, enum deadline_class class)
{
    if (x->reply_in && buffer_used(x->reply_in) == 0)
        buffer_give(&x->worker->buffer_slab, &x->reply_in);
    if (client_is_gone(x)) {
        tally_count(x->worker, client_gone);
        return exchange_abort(x);
    }
    return wait_in_send(x, class);
}

enum step_result exchange_reply_head(struct exchange *x)
{
    enum deadline_class class = DEADLINE_REPLY;
    enum step_result out = STEP_PARKED;
    if (!push_request(x, &class, &out))
        return out;
    if (relay_flush(&x->downward) == RELAY_SINK_FAILED) /* what is left of an interim reply */
        return exchange_abort(x);
    for (;;) {
        if (x->reply_in && buffer_used(x->reply_in) > 0) {
            int len = head_parse_reply(&x->reply, buffer_data(x->reply_in), buffer_used(x->reply_in));
            if (len < 0)
                return bad_reply(x, head_error_text(len));
            if (len > 0 && x->reply.status >= 200)
                return begin_reply(x, len);
            if (len > 0) {
                out = pass_interim(x, len);
                if (x->step != STEP_REPLY_HEAD)
                    return out;
                continue;
            }
        }
        out = read_reply(x);
        if (x->step != STEP_REPLY_HEAD)
            return out;
        if (out == STEP_PARKED)
            return wait_for_reply(x, class);
    }
}

/* ------------------------------------------------------------------ RELAY */

/* Only a socket whose last reply was read to its very end, and whose peer says it stays, may be used again.
 * */
static bool is_clean(struct exchange *x)
{
    const struct relay *down = &x->downward;
    return x->upward_done && !x->upward_broken && down->decode != FRAMING_CLOSE && relay_surplus(down) == 0 &&
           head_keeps_alive(&x->reply) && conn_is_quiet(&x->up->conn);
}

/* The reply's body is not what its head has promised. While not a byte of it has gone out a 502 can say so;
 * later only closing can. */
static RARELY enum step_result cut_short(struct exchange *x, const char *what)
{
    log_debug("%s: %s within a reply's body", x->seat->replica->name, what);
    tally_failure(x->worker, x->seat->replica);
    if (x->downward.written == 0) {
        relay_stop(&x->downward);
        relay_start(&x->downward, NULL, &x->client->conn, &x->worker->relay_means);
        x->replied = false;
        return exchange_fail(x, 502, "the replica's reply was malformed");
    }
    tally_count(x->worker, cut_bodies);
    x->note.cut = true;
    return exchange_abort(x);
}

enum step_result exchange_relay(struct exchange *x)
{
    enum deadline_class class = DEADLINE_RELAY;
    enum step_result out = STEP_PARKED;
    if (!push_request(x, &class, &out))
        return out;
    switch (relay_pump(&x->downward, x->worker->config->limits.turn_bytes)) {
    case RELAY_DONE: exchange_drop_attempt(x, is_clean(x)); return exchange_go(x, STEP_FINISH);
    case RELAY_TURN: client_run_later(x->client); return exchange_wait(x, DEADLINE_RELAY);
    case RELAY_WRITE: return exchange_wait_for_client(x, DEADLINE_RELAY, true);
    case RELAY_READ:
        return class == DEADLINE_BODY ? exchange_wait_for_client(x, DEADLINE_RELAY, false)
                                      : exchange_wait(x, DEADLINE_RELAY);
    case RELAY_SINK_FAILED: tally_count(x->worker, client_gone); return exchange_abort(x);
    case RELAY_MALFORMED: return cut_short(x, "malformed chunk");
    case RELAY_SOURCE_END:
    case RELAY_SOURCE_FAILED:
    case RELAY_TOO_LARGE: break;
    }
    return cut_short(x, "closed");
}
