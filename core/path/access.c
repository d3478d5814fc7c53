/*
 * access.c - the access log of one worker: see access.h.
 *
 * Owns     the worker's blocks, and which of an exchange's facts make its line.
 * Used by  exchange.c, exchange_attempt.c, worker.c.
 * Uses     access_line.c for the formats, base/spool.h for the file.
 * Thread   the worker.
 */
#include "path/access.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "path/client.h"
#include "path/exchange.h"
#include "path/tally.h"
#include "path/worker.h"
#include "world/config.h"
#include "world/replica.h"

#define KIB        1024u
#define SPARE_MOST 2 /* empty blocks kept after the disk was slow */

/* ------------------------------------------------------------------ blocks */

void access_open(struct access_log *a, struct spool *spool)
{
    *a = (struct access_log){ .spool = spool };
}

void access_apply(struct access_log *a, const struct config *config)
{
    access_flush(a);
    a->on = a->spool && *config->log.access.path;
}

static void drop_block(struct access_log *a, struct spool_block *block)
{
    a->n_blocks--;
    free(block);
}

/* What came home, as far as it is of use: a reload may have changed the size. */
static void take_home(struct access_log *a, uint32_t size)
{
    uint32_t kept = 0;
    for (struct spool_block *b = a->spare; b; b = b->next)
        kept++;
    for (struct spool_block *b = spool_take_home(&a->home), *next; b; b = next) {
        next = b->next;
        if (b->size != size || kept == SPARE_MOST) {
            drop_block(a, b);
            continue;
        }
        b->next = a->spare;
        a->spare = b;
        kept++;
    }
}

static struct spool_block *take_spare(struct access_log *a, uint32_t size)
{
    struct spool_block *b;
    take_home(a, size);
    while ((b = a->spare)) {
        a->spare = b->next;
        if (b->size == size)
            return b;
        drop_block(a, b);
    }
    return NULL;
}

/* False: the disk has all the blocks there may be. */
static bool need_block(struct access_log *a, const struct config *config, uint64_t now_ns)
{
    if (a->block)
        return true;
    uint32_t size = config->log.access.buffer_kib * KIB;
    uint32_t most = config->log.access.queue_kib / config->log.access.buffer_kib;
    a->block = take_spare(a, size);
    if (!a->block && a->n_blocks < (most < 2 ? 2 : most)) {
        a->block = spool_block_new(&a->home, size);
        a->n_blocks++;
    }
    a->since_ns = now_ns;
    a->wall_ns = (int64_t)clock_wall_ns() - (int64_t)clock_now_ns();
    return a->block != NULL;
}

void access_flush(struct access_log *a)
{
    if (a->block && a->block->lines > 0) {
        spool_post(a->spool, a->block);
        a->block = NULL;
    }
}

bool access_tick(struct access_log *a, const struct config *config, uint64_t now_ns)
{
    if (!a->block || a->block->lines == 0)
        return false;
    if (now_ns < a->since_ns + config->log.access.flush_ms * CLOCK_NS_PER_MS)
        return true;
    access_flush(a);
    return false;
}

static void free_all(struct spool_block *b)
{
    for (struct spool_block *next; b; b = next) {
        next = b->next;
        free(b);
    }
}

void access_close(struct access_log *a)
{
    free_all(a->spare);
    free_all(spool_take_home(&a->home));
    free(a->block);
    a->spare = a->block = NULL;
}

/* ------------------------------------------------------------------ what is said of an exchange */

void access_note_replica(struct exchange *x, const struct replica *replica)
{
    x->note.released_ns = x->worker->now_ns;
    if (x->worker->access.on)
        memcpy(x->note.replica, replica->name, sizeof x->note.replica);
}

static struct access_text text_of(const char *text)
{
    return (struct access_text){ *text ? text : NULL, strlen(text) };
}

static struct access_text span_of(const struct exchange *x, struct span span)
{
    return (struct access_text){ exchange_head(x) + span.at, span.len };
}

static struct access_text field_of(const struct exchange *x, const struct head_field *field)
{
    return field ? span_of(x, field->value) : (struct access_text){ NULL, 0 };
}

static struct access_text field_called(const struct exchange *x, const char *name, size_t len)
{
    return field_of(x, head_find_text(&x->request, exchange_head(x), name, len));
}

static const char *ending_of(const struct exchange *x)
{
    if (x->note.cut)
        return "cut";
    if (x->note.timed_out)
        return "timeout";
    if (x->aborted)
        return "client_gone";
    return x->step == STEP_FINISH ? "done" : "stopped";
}

/* What stands in the request's head, as far as it was understood. */
static void describe_request(const struct exchange *x, struct access_line *l)
{
    bool has_line = x->request.past_first_line && exchange_head(x);
    l->minor = has_line ? x->request.minor : -1;
    if (!has_line)
        return;
    l->method = span_of(x, x->request.method);
    l->target = span_of(x, x->request.target);
    if (x->head_len == 0)
        return;
    l->user_agent = field_called(x, "user-agent", 10);
    l->referer = field_called(x, "referer", 7);
    if (x->request.has_request_id)
        l->request_id = field_of(x, head_find(&x->request, HEAD_X_REQUEST_ID));
    else
        l->request_id = text_of(x->request_id);
    if (x->note.generation)
        l->key = (struct access_text){ x->key.bytes, x->key.len };
}

static void describe_attempts(const struct exchange *x, struct access_line *l)
{
    const struct access_note *n = &x->note;
    bool asked = n->released_ns > 0, replied = n->reply_ns > 0;
    l->replica = text_of(n->replica);
    l->attempts = n->attempts;
    l->upstream_us = asked ? (n->released_ns - x->picked_ns) / 1000 : ACCESS_NO_TIME;
    l->first_byte_us = replied ? (n->reply_ns - x->picked_ns) / 1000 : ACCESS_NO_TIME;
    l->generation = n->generation;
}

static void describe(struct exchange *x, uint64_t now_ns, char client[EXCHANGE_IP], struct access_line *l)
{
    const struct access_note *n = &x->note;
    uint64_t sent = x->downward.written;
    l->when_us = (uint64_t)((int64_t)now_ns + x->worker->access.wall_ns) / 1000;
    l->client = text_of(exchange_print_from(x, client));
    describe_request(x, l);
    describe_attempts(x, l);
    l->status = n->status ? n->status : 499;
    l->end = ending_of(x);
    l->bytes_out = sent;
    l->body_out = sent > n->reply_head ? sent - n->reply_head : 0;
    l->bytes_in = x->head_len + x->upward.body + x->call_len;
    l->duration_us = (now_ns - x->started_ns) / 1000;
}

static size_t write_line(struct access_log *a, const struct config *config, const struct access_line *l)
{
    struct spool_block *b = a->block;
    char *out = b->bytes + b->used;
    size_t room = b->size - b->used;
    return config->log.access.format == ACCESS_JSON ? access_write_json(l, &a->stamp, out, room)
                                                    : access_write_combined(l, &a->stamp, out, room);
}

/* Into the block at hand, or else into the next one, where any line fits. */
static bool add_line(struct access_log *a, const struct config *config, const struct access_line *l,
                     uint64_t now_ns)
{
    size_t len = write_line(a, config, l);
    if (len == 0) {
        access_flush(a);
        if (!need_block(a, config, now_ns))
            return false;
        len = write_line(a, config, l);
    }
    a->block->used += (uint32_t)len;
    a->block->lines += len > 0;
    return len > 0;
}

void access_finish(struct exchange *x)
{
    struct worker *w = x->worker;
    struct access_log *a = &w->access;
    if (!a->on || (x->head_len == 0 && x->note.status == 0))
        return;
    uint64_t now_ns = clock_now_ns();
    if (!*x->client_ip)
        exchange_print_client(x);
    struct access_line line = { 0 };
    char client[EXCHANGE_IP];
    if (need_block(a, w->config, now_ns)) {
        describe(x, now_ns, client, &line);
        if (add_line(a, w->config, &line, now_ns)) {
            worker_need_tick(w);
            return;
        }
    }
    tally_count(w, access_lost);
}
