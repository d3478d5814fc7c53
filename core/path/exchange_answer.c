/*
 * exchange_answer.c - what the balancer says itself: its own errors, and control's answers.
 *
 * Owns     the wording of own answers (CONTRACT 7), the body of a control call until control has it.
 * Used by  exchange.c and exchange_attempt.c.
 * Uses     forward.c for the head; the mailbox to reach control.
 * Thread   the worker.
 *
 * A parked exchange holds no view and has no deadline: control answers when it can, and finds it by slot and
 * serial.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "path/client.h"
#include "path/exchange.h"
#include "path/forward.h"
#include "path/memory.h"
#include "path/route.h"
#include "path/tally.h"
#include "path/upstream.h"
#include "path/worker.h"

/* ------------------------------------------------------------------ ANSWER */

struct own {
    int status, retry_after_s;
    const char *content_type, *allow, *body;
    size_t len;
};

static enum step_result begin_answer(struct exchange *x, const struct own *own)
{
    if (!exchange_body_is_read(x) || x->worker->draining)
        x->keep_alive = false;
    struct forward_own f = { .status = own->status,
                             .content_type = own->content_type,
                             .allow = own->allow,
                             .retry_after_s = own->retry_after_s,
                             .body_len = own->len,
                             .keep_alive = x->keep_alive,
                             .client_is_1_0 = x->head_len > 0 && x->request.minor == 0 };
    struct buffer *out = relay_out(&x->downward);
    out->end += (uint32_t)forward_write_own(&f, out->bytes + out->end, buffer_room(out));
    x->note.status = (uint16_t)own->status;
    x->note.reply_head = (uint32_t)x->downward.written + buffer_used(out);
    x->own_body = own->body;
    x->own_len = x->head_request ? 0 : own->len;
    x->own_sent = 0;
    x->replied = true;
    return exchange_go(x, STEP_ANSWER);
}

#define ERROR_JSON "{\"message\":\"<Error> %s\",\"status\":\"failure\"}"

void exchange_turn_away(struct conn *to, const char *sentence)
{
    char head[512], body[256];
    int n = snprintf(body, sizeof body, ERROR_JSON, sentence);
    struct forward_own f = {
        .status = 503, .content_type = "application/json", .retry_after_s = 1, .body_len = (size_t)n
    };
    struct iovec parts[] = { { head, forward_write_own(&f, head, sizeof head) }, { body, (size_t)n } };
    conn_write(to, parts, 2); /* whatever comes of it: the connection ends */
}

enum step_result exchange_fail(struct exchange *x, int status, const char *sentence)
{
    exchange_drop_attempt(x, false);
    exchange_release_view(x);
    if (x->replied) {
        x->note.cut = true;
        return exchange_abort(x);
    }
    tally_count(x->worker, own_answers);
    int n = snprintf(x->own_text, sizeof x->own_text, ERROR_JSON, sentence);
    struct own own = { .status = status,
                       .retry_after_s = status != 503      ? 0
                                        : x->retry_after_s ? (int)x->retry_after_s
                                                           : 1,
                       .content_type = "application/json",
                       .allow = status == 405 ? "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH" : "",
                       .body = x->own_text,
                       .len = (size_t)n };
    return begin_answer(x, &own);
}

enum step_result exchange_no_memory(struct exchange *x)
{
    tally_count(x->worker, refused_memory);
    x->keep_alive = false;
    return exchange_fail(x, 503, "no memory is left for more requests");
}

static struct iovec *rest_of(const struct exchange *x, struct iovec parts[2], int *n)
{
    const struct buffer *out = x->downward.out;
    *n = 0;
    if (out && buffer_used(out) > 0)
        parts[(*n)++] = (struct iovec){ (char *)(uintptr_t)buffer_data(out), buffer_used(out) };
    if (x->own_sent < x->own_len)
        parts[(*n)++] =
            (struct iovec){ (char *)(uintptr_t)(x->own_body + x->own_sent), x->own_len - x->own_sent };
    return parts;
}

static void note_written(struct exchange *x, size_t n)
{
    struct buffer *out = x->downward.out;
    x->downward.written += n;
    if (out) {
        uint32_t head = buffer_used(out) < n ? buffer_used(out) : (uint32_t)n;
        out->start += head;
        n -= head;
    }
    x->own_sent += n;
}

enum step_result exchange_answer(struct exchange *x)
{
    struct conn *to = &x->client->conn;
    struct iovec parts[2];
    int n;
    for (rest_of(x, parts, &n); n > 0; rest_of(x, parts, &n)) {
        if (!to->writable)
            return exchange_wait_for_client(x, DEADLINE_RELAY, true);
        long moved = conn_write(to, parts, n);
        if (moved < 0) {
            tally_count(x->worker, client_gone);
            return exchange_abort(x);
        }
        note_written(x, (size_t)moved);
    }
    return exchange_go(x, STEP_FINISH);
}

/* ------------------------------------------------------------------ CALL: a control route */

static enum step_result say_continue(struct exchange *x)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct buffer *out = relay_out(&x->downward);
    memcpy(out->bytes + out->end, text, sizeof text - 1);
    out->end += (uint32_t)sizeof text - 1;
    return relay_flush(&x->downward) == RELAY_SINK_FAILED ? exchange_abort(x) : STEP_MORE;
}

/* The body, and its copy in the letter, are counted at once at the size they may have. */
static bool keep_room(struct exchange *x)
{
    struct worker *w = x->worker;
    uint64_t most =
        x->request_framing == FRAMING_LENGTH ? x->request.content_length : w->config->limits.control_body;
    if (!memory_has_room(w, 2 * most, 0))
        return false;
    x->kept = 2 * most;
    w->kept_bytes += x->kept;
    return true;
}

static enum step_result begin_call(struct exchange *x)
{
    struct client *c = x->client;
    c->in->start = x->head_len;
    x->call_begun = true;
    chunk_start(&x->call_chunk);
    tally_count(x->worker, control_calls);
    if (x->request_framing == FRAMING_NONE)
        return STEP_MORE;
    if (x->request_framing == FRAMING_LENGTH &&
        x->request.content_length > x->worker->config->limits.control_body)
        return exchange_fail(x, 413, "request body too large for a control route");
    if (!keep_room(x))
        return exchange_no_memory(x);
    if (x->request.expect_continue && buffer_used(c->in) == 0)
        return say_continue(x);
    return STEP_MORE;
}

static bool keep_body(struct exchange *x, const char *data, size_t len)
{
    if (x->call_len + len > x->worker->config->limits.control_body)
        return false;
    x->call_body = mem_grow(x->call_body, x->call_len + len + 1);
    memcpy(x->call_body + x->call_len, data, len);
    x->call_len += len;
    return true;
}

/* Takes what is in the buffer. 1: the body is whole; 0: more is to come; below 0: the status to refuse it
 * with, negated. */
static int take_chunked_call(struct exchange *x)
{
    struct buffer *in = x->client->in;
    while (buffer_used(in) > 0) {
        size_t used = 0, len = 0;
        const char *data = NULL;
        enum chunk_result r =
            chunk_decode(&x->call_chunk, buffer_data(in), buffer_used(in), &used, &data, &len);
        in->start += (uint32_t)used;
        if (r == CHUNK_BAD)
            return -400;
        if (r == CHUNK_END)
            return 1;
        if (r == CHUNK_DATA && !keep_body(x, data, len))
            return -413;
    }
    return 0;
}

static int take_call(struct exchange *x)
{
    struct buffer *in = x->client->in;
    if (x->request_framing == FRAMING_NONE)
        return 1;
    if (x->request_framing == FRAMING_CHUNKED)
        return take_chunked_call(x);
    uint64_t left = x->request.content_length - x->call_len;
    size_t len = buffer_used(in) < left ? buffer_used(in) : (size_t)left;
    if (len > 0 && !keep_body(x, buffer_data(in), len))
        return -413;
    in->start += (uint32_t)len;
    return x->call_len == x->request.content_length;
}

/* The whole body, however it comes. The head stays in front of it: the letter needs it. */
static enum step_result read_call(struct exchange *x)
{
    struct client *c = x->client;
    for (;;) {
        int whole = take_call(x);
        if (whole < 0) {
            x->keep_alive = false;
            return exchange_fail(x, -whole,
                                 whole == -413 ? "request body too large for a control route"
                                               : "malformed chunk in the request body");
        }
        if (whole > 0) {
            x->call_read = true;
            return STEP_MORE;
        }
        if (!c->conn.readable)
            return exchange_wait_for_client(x, DEADLINE_BODY, false);
        c->in->start = c->in->end = x->head_len;
        long n = conn_read(&c->conn, c->in->bytes + c->in->end, buffer_room(c->in));
        if (n < 0) {
            tally_count(x->worker, client_gone);
            return exchange_abort(x);
        }
        c->in->end += (uint32_t)n;
    }
}

/* Copies a text behind the letter and moves the cursor. */
static const char *put_text(char **cursor, const char *text, size_t len)
{
    char *at = *cursor;
    if (len > 0)
        memcpy(at, text, len);
    at[len] = '\0';
    *cursor = at + len + 1;
    return at;
}

/* Who calls, for control_from: who connected and, behind proxies that are trusted, the one they name; both must be in
 * it, so the one that is not is told. A client that its PROXY header does not name is nobody (AF_UNSPEC). */
static void put_caller(struct exchange *x, struct sockaddr_storage *out)
{
    const struct client *c = x->client;
    union proxy_address room;
    const struct sockaddr *from = &c->peer.any;
    if (c->relayed && c->relayed->unknown)
        return;
    if (config_allows_control(x->worker->config, from))
        from = exchange_from(x, &room);
    memcpy(out, from, sizeof room);
}

static struct letter_call *write_letter(struct exchange *x)
{
    const struct head *h = &x->request;
    const char *bytes = x->client->in->bytes;
    const struct head_field *auth = head_find(h, HEAD_AUTHORIZATION);
    size_t auth_len = auth ? auth->value.len : 0;
    size_t texts = (size_t)h->method.len + h->path.len + h->query.len + auth_len + x->call_len + 5;
    struct letter_call *call = mem_zero(1, sizeof *call + texts);
    char *cursor = (char *)(call + 1);
    char *path = cursor + h->method.len + 1;
    call->letter.kind = MESSAGE_CALL;
    call->method = put_text(&cursor, bytes + h->method.at, h->method.len);
    route_decode(bytes + h->path.at, h->path.len, path,
                 (size_t)h->path.len + 1); /* never longer than it was */
    call->path = path;
    cursor += h->path.len + 1;
    call->query = put_text(&cursor, bytes + h->query.at, h->query.len);
    call->authorization = auth ? put_text(&cursor, bytes + auth->value.at, auth_len) : NULL;
    call->body = put_text(&cursor, x->call_body, x->call_len);
    call->body_len = x->call_len;
    put_caller(x, &call->peer);
    return call;
}

static enum step_result park(struct exchange *x)
{
    struct worker *w = x->worker;
    struct letter_call *call = write_letter(x);
    deadline_disarm(&w->deadlines, &x->client->conn.deadline);
    deadline_disarm(&w->deadlines, &x->pace);
    worker_park(w, x, &call->parked);
    x->parked = true;
    x->parked_slot = call->parked.slot;
    mailbox_post(w->control, &call->letter);
    return STEP_PARKED;
}

static enum step_result pass_answer(struct exchange *x)
{
    const struct letter_answer *a = x->answer;
    struct own own = { .status = a->status,
                       .retry_after_s = a->retry_after_s,
                       .content_type = a->content_type,
                       .allow = a->allow,
                       .body = a->body,
                       .len = a->body_len };
    return begin_answer(x, &own);
}

enum step_result exchange_call(struct exchange *x)
{
    if (x->answer)
        return pass_answer(x);
    if (x->parked)
        return STEP_PARKED;
    if (!x->call_begun) {
        enum step_result begun = begin_call(x);
        if (x->step != STEP_CALL)
            return begun;
    }
    if (!x->call_read) {
        enum step_result read = read_call(x);
        if (read != STEP_MORE || x->step != STEP_CALL)
            return read;
    }
    return park(x);
}

void exchange_answered(struct exchange *x, struct letter_answer *answer)
{
    worker_unpark(x->worker, x->parked_slot);
    x->parked = false;
    x->answer = answer;
}
