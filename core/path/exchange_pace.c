/*
 * exchange_pace.c - a client that is waited for keeps a pace, or is ended (limits.min_rate).
 *
 * Owns     the rule for slow bodies and slow readers; slow heads have timeouts.head for all of them.
 * Used by  exchange_attempt.c, exchange_answer.c (who wait for a client), worker.c (the window is over).
 * Uses     ioctl SIOCOUTQ: what the client's kernel has not acknowledged.
 * Thread   the worker.
 *
 * timeouts.body and timeouts.relay are about silence; one byte now and then satisfies them for ever. This rule looks at
 * windows of limits.min_rate_ms in which the client alone was waited for: for bytes of a request's body, or for room to send
 * it more. Whatever else is waited for in between (a replica that thinks) ends the window and the next one starts afresh.
 *
 * What a client has read is what its kernel acknowledged, not what ours has taken: a socket's buffer may be large, and tells
 * of room only when a good part of it is free.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "path/client.h"
#include "path/exchange.h"
#include "path/tally.h"
#include "path/worker.h"

static uint64_t count_moved(const struct exchange *x)
{
    int unread = 0;
    if (!x->pace_out)
        return x->upward.body + x->call_len;
    if (ioctl(x->client->conn.fd, SIOCOUTQ, &unread) < 0 || unread < 0)
        unread = 0;
    uint64_t sent = x->downward.written;
    return sent > (uint64_t)unread ? sent - (uint64_t)unread : 0;
}

static void open_window(struct exchange *x, bool out)
{
    x->pace_out = out;
    x->pace_moved = count_moved(x);
    worker_wait(x->worker, &x->pace, DEADLINE_PACE);
}

enum step_result exchange_wait_for_client(struct exchange *x, enum deadline_class class, bool out)
{
    bool running = deadline_is_armed(&x->pace) && x->pace_out == out;
    if (!running && x->worker->config->limits.min_rate > 0)
        open_window(x, out);
    worker_wait(x->worker, &x->client->conn.deadline, class);
    return STEP_PARKED;
}

/* A reader that does not read would leave all that was sent to it with our kernel, for a long time: it is dropped. */
static void drop_unread(struct exchange *x)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(x->client->conn.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void end_slow(struct exchange *x)
{
    tally_count(x->worker, too_slow);
    if (!x->pace_out && !x->replied) {
        x->keep_alive = false;
        exchange_fail(x, 408, "the request's body arrived too slowly");
        return;
    }
    x->note.timed_out = true;
    if (x->pace_out)
        drop_unread(x);
    exchange_abort(x);
}

void exchange_pace_expired(struct exchange *x)
{
    const struct config *config = x->worker->config;
    uint64_t need = (uint64_t)config->limits.min_rate * config->limits.min_rate_ms / 1000;
    uint64_t moved = count_moved(x);
    if (config->limits.min_rate == 0)
        return;
    if (moved >= x->pace_moved + need) {
        open_window(x, x->pace_out);
        return;
    }
    end_slow(x);
    client_run(x->client);
}
