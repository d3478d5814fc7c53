/*
 * exchange_tunnel.c - after a 101: bytes both ways, in a protocol that is none of our business.
 *
 * Owns     the step TUNNEL: when a reply opens one, what becomes of an end on either side.
 * Used by  exchange_attempt.c (a 101 that was asked for), exchange.c through the step list.
 * Uses     upgrade.c for what may be switched to, forward.c for the last head, relay.c for the bytes.
 * Thread   the worker.
 *
 * A tunnel holds no view, so it outlives reloads and pins no plugin; it counts in flight on its replica until it
 * ends. Its socket to the replica is never anybody else's. One side may end and still listen: its end is passed on
 * (shutdown), and the other direction goes on until it ends too. While both are open silence may last
 * timeouts.tunnel; once one has ended, timeouts.relay, for then it is a goodbye.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "path/client.h"
#include "path/exchange.h"
#include "path/forward.h"
#include "path/tally.h"
#include "path/upgrade.h"
#include "path/upstream.h"
#include "path/worker.h"
#include "world/replica.h"

/* What the access log will say of the request at the end of the tunnel: it may be switched on until then. */
static void keep_head(struct exchange *x)
{
    const char *head = x->client->in->bytes, *key = x->key.bytes;
    x->tunnel_head = mem_zero(1, x->head_len);
    x->kept = x->head_len;
    x->worker->kept_bytes += x->kept;
    memcpy(x->tunnel_head, head, x->head_len);
    if (key >= head && key < head + x->head_len) /* or it stands in key_text */
        x->key.bytes = x->tunnel_head + (key - head);
}

/* What the client sent behind its request, perhaps before it had our 101, belongs to the tunnel: the buffer with it
 * becomes the relay's, which gives it back when it is empty. */
static void open_directions(struct exchange *x)
{
    struct buffer *early = x->client->in;
    keep_head(x);
    x->client->in = NULL;
    relay_body(&x->upward,
               &(struct relay_body){ .in = early, .decode = FRAMING_CLOSE, .encode = FRAMING_CLOSE });
    relay_body(&x->downward,
               &(struct relay_body){ .in = x->reply_in, .decode = FRAMING_CLOSE, .encode = FRAMING_CLOSE });
    x->reply_in = NULL;
}

enum step_result exchange_switch(struct exchange *x, int head_len)
{
    struct worker *w = x->worker;
    char offer[UPGRADE_TEXT], chosen[UPGRADE_TEXT];
    const char *bytes = buffer_data(x->reply_in);
    if (!x->upgrades)
        return STEP_PARKED;
    upgrade_offer(&x->view->view->config->upgrade, &x->request, x->client->in->bytes, offer);
    if (!upgrade_is_taken_up(offer, &x->reply, bytes, chosen))
        return STEP_PARKED;
    struct forward_reply f = {
        .head = &x->reply, .bytes = bytes, .served_by = x->seat->replica->name, .upgrade = chosen
    };
    struct buffer *out = relay_out(&x->downward);
    size_t n = forward_write_reply(&f, out->bytes + out->end, buffer_room(out));
    if (n == 0)
        return STEP_PARKED;
    out->end += (uint32_t)n;
    x->reply_in->start += (uint32_t)head_len;
    exchange_settle(x, LB_ANSWERED, x->reply.status);
    tally_reply(x, x->seat->replica, x->reply.status);
    tally_count(w, tunnels);
    x->note.status = x->reply.status;
    x->note.reply_ns = w->now_ns;
    x->note.reply_head = (uint32_t)x->downward.written + buffer_used(out);
    exchange_release_view(x);
    x->keep_alive = false;
    x->replied = x->tunnel = true;
    open_directions(x);
    log_debug("%s: a tunnel for %s", x->seat->replica->name, chosen);
    return exchange_go(x, STEP_TUNNEL);
}

/* Moves one direction on. What went wrong, if anything, or DONE when it is over. */
static enum relay_result move(struct exchange *x, struct relay *r)
{
    enum relay_result result = relay_pump(r, x->worker->config->limits.turn_bytes);
    if (result == RELAY_TURN)
        client_run_later(x->client);
    if (result == RELAY_DONE)
        shutdown(r->to->fd, SHUT_WR);
    return result;
}

static enum step_result finish(struct exchange *x)
{
    exchange_drop_attempt(x, false);
    return exchange_go(x, STEP_FINISH);
}

static enum step_result client_gone(struct exchange *x)
{
    tally_count(x->worker, client_gone);
    return exchange_abort(x);
}

enum step_result exchange_tunnel(struct exchange *x)
{
    if (!x->upward_over) {
        enum relay_result up = move(x, &x->upward);
        if (up == RELAY_SOURCE_FAILED)
            return client_gone(x);
        /* Who takes no more may have said something before: it is read to its end. */
        x->upward_over = up == RELAY_DONE || up == RELAY_SINK_FAILED;
        if (up == RELAY_SINK_FAILED)
            x->up->conn.readable = true;
    }
    if (!x->downward_over) {
        enum relay_result down = move(x, &x->downward);
        if (down == RELAY_SINK_FAILED)
            return client_gone(x);
        if (down == RELAY_SOURCE_FAILED)
            return finish(x);
        x->downward_over = down == RELAY_DONE;
    }
    if (x->upward_over && x->downward_over)
        return finish(x);
    return exchange_wait(x, x->upward_over || x->downward_over ? DEADLINE_RELAY : DEADLINE_TUNNEL);
}
