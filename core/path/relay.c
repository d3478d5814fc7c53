/*
 * relay.c - the pump: see relay.h.
 *
 * Owns     nothing beyond struct relay.
 * Used by  exchange_attempt.c.
 * Thread   the worker.
 */
#include "path/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/mem.h"

/* Below this much room in `out` it is written before more is framed. */
#define ROOM_MIN 256

/* A body up to so many bytes is copied behind its head: send(2) of one piece is cheaper than sendmsg(2) of two. */
#define COPY_MAX 2048

void relay_start(struct relay *r, struct conn *from, struct conn *to, const struct relay_means *means)
{
    mem_clear(r, sizeof *r);
    r->from = from;
    r->to = to;
    r->means = means;
    r->ended = true;
}

void relay_body(struct relay *r, const struct relay_body *body)
{
    r->in = body->in;
    r->kept = body->keep_in ? body->in : NULL;
    r->decode = body->decode;
    r->encode = body->encode;
    r->left = body->length;
    r->limit = body->limit;
    r->direct = 0;
    r->body = 0;
    r->bulk = false;
    chunk_start(&r->chunk);
    r->ended = r->decode == FRAMING_NONE || (r->decode == FRAMING_LENGTH && r->left == 0);
}

struct buffer *relay_out(struct relay *r)
{
    if (!r->out)
        r->out = buffer_take(r->means->buffers);
    return r->out;
}

/* ------------------------------------------------------------------ taking from `in` */

/* memmove, because the compiler makes a slow loop of a memcpy whose length it knows to be short. */
static void append(struct buffer *out, const void *bytes, size_t len)
{
    memmove(out->bytes + out->end, bytes, len);
    out->end += (uint32_t)len;
}

static void append_data(struct relay *r, const char *data, size_t len)
{
    struct buffer *out = relay_out(r);
    if (r->encode == FRAMING_CHUNKED)
        out->end += (uint32_t)chunk_write_size(out->bytes + out->end, len);
    append(out, data, len);
    if (r->encode == FRAMING_CHUNKED)
        append(out, "\r\n", 2);
}

static void end_body(struct relay *r)
{
    r->ended = true;
    if (r->encode == FRAMING_CHUNKED)
        append(relay_out(r), CHUNK_LAST, sizeof CHUNK_LAST - 1);
}

/* How much of `in` may be framed into `out` now: all the size lines must fit too. */
static uint32_t framing_room(struct relay *r)
{
    uint32_t room = buffer_room(relay_out(r));
    uint32_t spare = CHUNK_OVERHEAD + (uint32_t)sizeof CHUNK_LAST;
    return room > spare ? room - spare : 0;
}

/* Chunked bytes: decodes piece by piece. False when they are malformed. */
static bool take_chunked(struct relay *r)
{
    while (!r->ended && buffer_used(r->in) > 0 && framing_room(r) >= ROOM_MIN) {
        uint32_t len = buffer_used(r->in), room = framing_room(r);
        size_t used = 0, data_len = 0;
        const char *data = NULL;
        enum chunk_result result =
            chunk_decode(&r->chunk, buffer_data(r->in), len < room ? len : room, &used, &data, &data_len);
        r->in->start += (uint32_t)used;
        if (result == CHUNK_BAD)
            return false;
        if (result == CHUNK_DATA) {
            r->body += data_len;
            append_data(r, data, data_len);
        }
        if (result == CHUNK_END)
            end_body(r);
    }
    return true;
}

/* Plain bytes to a sink that wants chunks. */
static void take_framed(struct relay *r)
{
    uint32_t len = buffer_used(r->in), room = framing_room(r);
    if (room < ROOM_MIN || len == 0)
        return;
    if (len > room)
        len = room;
    r->body += len;
    append_data(r, buffer_data(r->in), len);
    r->in->start += len;
}

/* Plain bytes to a sink that takes them as they are. */
static void take_direct(struct relay *r)
{
    uint32_t len = buffer_used(r->in) - r->direct;
    if (r->decode == FRAMING_LENGTH && len > r->left)
        len = (uint32_t)r->left;
    r->direct += len;
    r->body += len;
    if (r->decode != FRAMING_LENGTH)
        return;
    r->left -= len;
    r->ended = r->left == 0;
}

static bool take(struct relay *r)
{
    if (r->ended || !r->in)
        return true;
    if (r->decode == FRAMING_CHUNKED)
        return take_chunked(r);
    if (r->encode == FRAMING_CHUNKED)
        take_framed(r);
    else
        take_direct(r);
    return true;
}

/* ------------------------------------------------------------------ writing */

static bool has_output(const struct relay *r)
{
    return r->direct > 0 || (r->out && buffer_used(r->out) > 0);
}

static void wrote(struct relay *r, size_t n)
{
    r->written += n;
    if (r->out) {
        uint32_t from_out = buffer_used(r->out) < n ? buffer_used(r->out) : (uint32_t)n;
        r->out->start += from_out;
        n -= from_out;
        if (buffer_used(r->out) == 0)
            buffer_give(r->means->buffers, &r->out);
    }
    if (n > 0) {
        r->in->start += (uint32_t)n;
        r->direct -= (uint32_t)n;
    }
}

/* A short body joins what goes before it. */
static void join_short(struct relay *r)
{
    if (r->direct == 0 || r->direct > COPY_MAX || !r->out || buffer_room(r->out) < r->direct)
        return;
    append(r->out, buffer_data(r->in), r->direct);
    r->in->start += r->direct;
    r->direct = 0;
}

/* One write of all that waits. DONE when nothing is left of it. */
static enum relay_result write_waiting(struct relay *r)
{
    join_short(r);
    struct iovec parts[2];
    int n = 0;
    if (r->out && buffer_used(r->out) > 0)
        parts[n++] = (struct iovec){ r->out->bytes + r->out->start, buffer_used(r->out) };
    if (r->direct > 0)
        parts[n++] = (struct iovec){ r->in->bytes + r->in->start, r->direct };
    if (!r->to->writable)
        return RELAY_WRITE;
    long moved = conn_write(r->to, parts, n);
    if (moved < 0)
        return RELAY_SINK_FAILED;
    wrote(r, (size_t)moved);
    return has_output(r) ? RELAY_WRITE : RELAY_DONE;
}

enum relay_result relay_flush(struct relay *r)
{
    return r->out && buffer_used(r->out) > 0 ? write_waiting(r) : RELAY_DONE;
}

/* ------------------------------------------------------------------ reading */

/* Makes room behind end. The first `in` of a keep_in relay is left as it is and a second buffer goes on. */
static void make_room(struct relay *r)
{
    if (!r->in) {
        r->in = buffer_take(r->means->buffers);
    } else if (r->in == r->kept) {
        if (buffer_room(r->in) == 0)
            r->in = buffer_take(r->means->buffers);
    } else {
        r->in->start = r->in->end = 0; /* everything was taken and written, or we would not be reading */
    }
}

/* Nothing to do until the source speaks: a silent connection holds no memory. */
static enum relay_result wait_for_source(struct relay *r)
{
    if (r->out && buffer_used(r->out) == 0)
        buffer_give(r->means->buffers, &r->out);
    if (r->in && r->in != r->kept && buffer_used(r->in) == 0)
        buffer_give(r->means->buffers, &r->in);
    return RELAY_READ;
}

/* An end closes a FRAMING_CLOSE body properly and any other too early. */
static enum relay_result source_ended(struct relay *r)
{
    if (r->decode != FRAMING_CLOSE)
        return RELAY_SOURCE_END;
    end_body(r);
    return RELAY_DONE;
}

/* DONE: something has come (or the body has ended). */
static enum relay_result read_more(struct relay *r)
{
    if (!r->from->readable && !conn_look_again(r->from))
        return wait_for_source(r);
    make_room(r);
    long n = conn_read(r->from, r->in->bytes + r->in->end, buffer_room(r->in));
    r->bulk = n == (long)buffer_room(r->in);
    if (n == CONN_END)
        return source_ended(r);
    if (n < 0)
        return RELAY_SOURCE_FAILED;
    r->in->end += (uint32_t)n;
    return n > 0 ? RELAY_DONE : wait_for_source(r);
}

/* ------------------------------------------------------------------ splicing */

#define SPLICE_ONCE (1024 * 1024) /* asked for in one call; the pipe takes what it holds */
#define BULK_MIN    4096 /* a body without a length that gives less than this at once is copied again */

/* True while the rest of the body may pass unread: nothing of it waits in our buffers, and a pipe can be had. */
static bool can_splice(struct relay *r)
{
    const struct relay_means *m = r->means;
    bool unchanged =
        r->decode == FRAMING_LENGTH || (r->decode == FRAMING_CLOSE && r->encode == FRAMING_CLOSE);
    if (!unchanged || m->splice_min == 0)
        return false;
    if (r->decode == FRAMING_LENGTH ? !r->pipe && r->left < m->splice_min : r->limit > 0)
        return false;
    if (r->decode == FRAMING_CLOSE && !r->bulk) { /* small messages are cheaper to copy */
        pipe_give(m->pipes, &r->pipe);
        return false;
    }
    if (!r->pipe && r->from->readable)
        r->pipe = pipe_take(m->pipes, m->most_pipes);
    return r->pipe != NULL;
}

/* The source is empty: a pipe that waits is of use to somebody else. */
static enum relay_result splice_wait(struct relay *r)
{
    pipe_give(r->means->pipes, &r->pipe);
    return wait_for_source(r);
}

/* Socket to pipe. The pipe is empty before, so "would block" can only mean the socket. */
static enum relay_result splice_in(struct relay *r)
{
    size_t ask = r->decode == FRAMING_LENGTH && r->left < SPLICE_ONCE ? (size_t)r->left : SPLICE_ONCE;
    if (!r->from->readable)
        return splice_wait(r);
    ssize_t n;
    do
        n = splice(r->from->fd, NULL, r->pipe->in, NULL, ask, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return source_ended(r);
    if (n < 0 && errno != EAGAIN)
        return RELAY_SOURCE_FAILED;
    if (n < 0) {
        r->from->readable = false;
        return splice_wait(r);
    }
    r->spliced = true;
    r->bulk = n >= BULK_MIN;
    r->pipe->held = (uint32_t)n;
    r->body += (uint64_t)n;
    if (r->decode == FRAMING_LENGTH) {
        r->left -= (uint64_t)n;
        r->ended = r->left == 0;
    }
    return RELAY_DONE;
}

/* Pipe to socket, until the pipe is empty (DONE) or the sink is full. */
static enum relay_result splice_out(struct relay *r)
{
    while (r->pipe->held > 0) {
        if (!r->to->writable)
            return RELAY_WRITE;
        ssize_t n =
            splice(r->pipe->out, NULL, r->to->fd, NULL, r->pipe->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            conn_blocked(r->to);
            return RELAY_WRITE;
        }
        if (n <= 0)
            return RELAY_SINK_FAILED;
        r->pipe->held -= (uint32_t)n;
        r->written += (uint64_t)n;
    }
    return RELAY_DONE;
}

/* ------------------------------------------------------------------ the pump */

/* All that waits for the sink, whichever way it came. */
static enum relay_result write_out(struct relay *r)
{
    if (has_output(r))
        return write_waiting(r);
    return splice_out(r);
}

enum relay_result relay_pump(struct relay *r, uint32_t budget)
{
    uint64_t stop_at = r->written + budget;
    for (;;) {
        if (!take(r))
            return RELAY_MALFORMED;
        if (r->limit && r->body > r->limit)
            return RELAY_TOO_LARGE;
        if (has_output(r) || (r->pipe && r->pipe->held > 0)) {
            enum relay_result w = write_out(r);
            if (w != RELAY_DONE)
                return w;
            if (r->written >= stop_at && !r->ended)
                return RELAY_TURN;
            continue;
        }
        if (r->ended)
            return RELAY_DONE;
        enum relay_result got = can_splice(r) ? splice_in(r) : read_more(r);
        if (got != RELAY_DONE)
            return got;
    }
}

bool relay_needs_buffer(const struct relay *r)
{
    return !r->ended && (!r->in || (r->in == r->kept && buffer_room(r->in) == 0));
}

uint32_t relay_surplus(const struct relay *r)
{
    return r->in ? buffer_used(r->in) : 0;
}

void relay_stop(struct relay *r)
{
    if (r->in != r->kept)
        buffer_give(r->means->buffers, &r->in);
    r->in = NULL;
    buffer_give(r->means->buffers, &r->out);
    pipe_give(r->means->pipes, &r->pipe);
}
