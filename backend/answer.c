/*
 * answer.c - one answer on its way: wait, begin, stream, finish.
 *
 * Owns     every answer from its request to its last byte.
 * Used by  routes.c.
 * Uses     evhttp, access.h for the line in the log.
 * Thread   the loop's.
 *
 * An answer ends in exactly one of three places: evhttp says that the last byte is written (answer_written),
 * evhttp says that the connection is gone (connection_closed), or it was decided never to answer
 * (answer_never). What evhttp 2.1 does with the request itself differs: once the reply was handed over it
 * frees the request; before that, a connection that fails lets go of the request and leaves it to us.
 */
#include "answer.h"

#include "access.h"
#include "backend.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATTERN_PERIOD = 65521, PATTERN_BLOCKS_AT_ONCE = 16 };

struct answer {
    struct backend *backend;
    struct evhttp_request *req;
    struct event *timer;          /* while it waits for delay_ms */
    void (*due)(struct answer *); /* what comes after the wait */
    uint64_t begun;               /* microseconds, monotonic */
    uint64_t bytes;               /* of the body as a whole */
    uint64_t left;                /* of the body, still to be made */
    int status;
    bool handed_over; /* evhttp has the whole reply and frees the request */
    bool heartbeat;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

const char *request_method(struct evhttp_request *req)
{
    switch (evhttp_request_get_command(req)) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_POST: return "POST";
    case EVHTTP_REQ_HEAD: return "HEAD";
    case EVHTTP_REQ_PUT: return "PUT";
    case EVHTTP_REQ_DELETE: return "DELETE";
    case EVHTTP_REQ_OPTIONS: return "OPTIONS";
    case EVHTTP_REQ_TRACE: return "TRACE";
    case EVHTTP_REQ_CONNECT: return "CONNECT";
    case EVHTTP_REQ_PATCH: return "PATCH";
    }
    return "-";
}

/* ---- never answering ----------------------------------------------------------------------------------- */

static void ignored_more(struct bufferevent *connection, void *arg)
{
    (void)arg;
    struct evbuffer *input = bufferevent_get_input(connection);
    evbuffer_drain(input, evbuffer_get_length(input));
}

static void ignored_end(struct bufferevent *connection, short what, void *evcon)
{
    (void)connection, (void)what;
    evhttp_connection_free(evcon);
}

void request_ignore(struct evhttp_request *req)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    struct bufferevent *connection = evhttp_connection_get_bufferevent(evcon);
    bufferevent_setcb(connection, ignored_more, NULL, ignored_end, evcon);
    bufferevent_enable(connection, EV_READ);
}

/* ---- begin and end ------------------------------------------------------------------------------------- */

/* evhttp 2.1 reads no body for these methods: the bytes of one would be taken for the next request. */
static bool body_was_left(struct evhttp_request *req)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(req);
    if (method == EVHTTP_REQ_POST || method == EVHTTP_REQ_PUT || method == EVHTTP_REQ_PATCH)
        return false;
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(req);
    const char *length = evhttp_find_header(headers, "Content-Length");
    return evhttp_find_header(headers, "Transfer-Encoding") != NULL ||
           (length != NULL && strcmp(length, "0") != 0);
}

static void answer_end(struct answer *answer)
{
    struct backend *backend = answer->backend;
    const struct options *options = &backend->options;
    if (answer->status != 0 && !options->quiet && (!answer->heartbeat || options->log_heartbeats)) {
        const char *target = evhttp_request_get_uri(answer->req);
        access_note(request_method(answer->req), target == NULL ? "-" : target, answer->status,
                    answer->bytes - answer->left, now_us() - answer->begun);
    }
    if (answer->handed_over && !answer->heartbeat)
        backend->answered++;
    if (answer->timer != NULL)
        event_free(answer->timer);
    free(answer);
    backend->open--;
    backend_leave_if_done(backend);
}

static void answer_written(struct evhttp_request *req, void *arg)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), NULL, NULL);
    answer_end(arg);
}

static void connection_closed(struct evhttp_connection *evcon, void *arg)
{
    (void)evcon;
    struct answer *answer = arg;
    struct evhttp_request *abandoned = NULL;
    if (!answer->handed_over && evhttp_request_get_connection(answer->req) == NULL)
        abandoned = answer->req;
    evhttp_request_set_on_complete_cb(answer->req, NULL, NULL);
    answer_end(answer);
    if (abandoned != NULL)
        evhttp_request_free(abandoned);
}

struct answer *answer_begin(struct backend *backend, struct evhttp_request *req)
{
    struct answer *answer = calloc(1, sizeof(*answer));
    if (answer == NULL) {
        evhttp_send_error(req, 500, NULL);
        return NULL;
    }
    answer->backend = backend;
    answer->req = req;
    answer->begun = now_us();
    backend->open++;
    evhttp_request_set_on_complete_cb(req, answer_written, answer);
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), connection_closed, answer);
    return answer;
}

static void delay_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct answer *answer = arg;
    answer->due(answer);
}

int answer_delay(struct answer *answer, uint32_t milliseconds, void (*due)(struct answer *))
{
    struct timeval wait = { milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000 };
    answer->due = due;
    answer->timer = evtimer_new(answer->backend->base, delay_over, answer);
    return answer->timer == NULL ? -1 : event_add(answer->timer, &wait);
}

struct evhttp_request *answer_request(const struct answer *answer)
{
    return answer->req;
}

struct backend *answer_backend(const struct answer *answer)
{
    return answer->backend;
}

void answer_never(struct answer *answer)
{
    struct evhttp_request *req = answer->req;
    evhttp_request_set_on_complete_cb(req, NULL, NULL);
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), NULL, NULL);
    answer_end(answer);
    request_ignore(req);
}

void answer_is_heartbeat(struct answer *answer)
{
    answer->heartbeat = true;
}

/* ---- small answers ------------------------------------------------------------------------------------- */

static void add_content_length(struct evhttp_request *req, uint64_t bytes)
{
    char number[24];
    snprintf(number, sizeof(number), "%" PRIu64, bytes);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Length", number);
}

static void add_connection_close(struct answer *answer)
{
    if (answer->backend->draining || body_was_left(answer->req))
        evhttp_add_header(evhttp_request_get_output_headers(answer->req), "Connection", "close");
}

void answer_send_empty(struct answer *answer, int status)
{
    answer->status = status;
    answer->handed_over = true;
    add_content_length(answer->req, 0);
    add_connection_close(answer);
    evhttp_send_reply(answer->req, status, NULL, NULL);
}

void answer_send_json(struct answer *answer, int status, const char *bytes, size_t length)
{
    struct evbuffer *body = answer->backend->scratch;
    bool head = evhttp_request_get_command(answer->req) == EVHTTP_REQ_HEAD;
    answer->status = status;
    answer->bytes = head ? 0 : length;
    answer->handed_over = true;
    evhttp_add_header(evhttp_request_get_output_headers(answer->req), "Content-Type", "application/json");
    add_content_length(answer->req, length);
    add_connection_close(answer);
    if (!head) /* evhttp 2.1 would send the body to a HEAD too */
        evbuffer_add(body, bytes, length);
    evhttp_send_reply(answer->req, status, NULL, body);
}

/* ---- large answers ------------------------------------------------------------------------------------- */

char pattern_byte(uint64_t i)
{
    uint64_t k = i % PATTERN_PERIOD;
    return (char)('!' + k * k % PATTERN_PERIOD % 94);
}

static const char *pattern_block(void)
{
    static char block[PATTERN_PERIOD];
    if (block[0] == '\0') {
        for (uint64_t i = 0; i < PATTERN_PERIOD; i++)
            block[i] = pattern_byte(i);
    }
    return block;
}

/* Hands the next part to evhttp by reference: no byte of it is copied or kept. Called again once the part is
 * in the socket, so a slow client holds no more than one part. */
static void send_next_part(struct evhttp_connection *evcon, void *arg)
{
    (void)evcon;
    struct answer *answer = arg;
    struct evbuffer *part = answer->backend->scratch;
    if (answer->left == 0) {
        answer->handed_over = true;
        evhttp_send_reply_end(answer->req);
        return;
    }
    for (int i = 0; i < PATTERN_BLOCKS_AT_ONCE && answer->left > 0; i++) {
        size_t length = answer->left < PATTERN_PERIOD ? (size_t)answer->left : PATTERN_PERIOD;
        evbuffer_add_reference(part, pattern_block(), length, NULL, NULL);
        answer->left -= length;
    }
    evhttp_send_reply_chunk_with_cb(answer->req, part, send_next_part, answer);
}

void answer_send_pattern(struct answer *answer, uint64_t bytes, bool chunked)
{
    struct evhttp_request *req = answer->req;
    bool head = evhttp_request_get_command(req) == EVHTTP_REQ_HEAD;
    answer->status = 200;
    answer->bytes = head ? 0 : bytes;
    answer->left = answer->bytes;
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "application/octet-stream");
    if (!chunked)
        add_content_length(req, bytes);
    add_connection_close(answer);
    evhttp_send_reply_start(req, 200, NULL);
    send_next_part(NULL, answer);
}
