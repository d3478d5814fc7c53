/*
 * tally.c - counting: see tally.h.
 *
 * Owns     nothing; the lines are the replica's and the worker's.
 * Used by  exchange_attempt.c.
 * Thread   the worker.
 */
#include "path/tally.h"
#include "base/hint.h"

#include "base/mem.h"
#include "world/config.h"

/* Control is told of many in a row: at once by the first one on trial, and not twice before it has looked. */
static RARELY void note_streak(struct worker *w, struct replica *replica, uint32_t in_a_row, uint32_t limit,
                               bool are_errors)
{
    if (limit == 0 || (in_a_row < limit && !replica_is_on_trial(replica)) ||
        atomic_exchange_explicit(&replica->failing_told, true, memory_order_relaxed))
        return;
    struct letter_failing *letter = mem_zero(1, sizeof *letter);
    letter->letter.kind = MESSAGE_FAILING;
    letter->worker = w->number;
    letter->replica = replica;
    letter->in_a_row = in_a_row;
    letter->are_errors = are_errors;
    mailbox_post(w->control, &letter->letter);
}

void tally_failure(struct worker *w, struct replica *replica)
{
    struct replica_line *line = &replica->lines[w->number];
    STATS_ADD(line->counters.failed, 1);
    note_streak(w, replica, ++line->failures, w->config->outlier.failures, false);
}

static void note_status(struct worker *w, struct replica *replica, bool is_error)
{
    struct replica_line *line = &replica->lines[w->number];
    line->failures = 0;
    if (is_error)
        note_streak(w, replica, ++line->errors, w->config->outlier.errors, true);
    else
        line->errors = 0;
}

void tally_reply(struct exchange *x, struct replica *replica, int status)
{
    struct worker *w = x->worker;
    struct replica_line *line = &replica->lines[w->number];
    STATS_ADD(line->counters.answered, 1);
    if (status >= 500)
        STATS_ADD(line->counters.status_5xx, 1);
    else if (status >= 400)
        STATS_ADD(line->counters.status_4xx, 1);
    else if (status >= 300)
        STATS_ADD(line->counters.status_3xx, 1);
    else if (status >= 200)
        STATS_ADD(line->counters.status_2xx, 1);
    else /* 101 */
        STATS_ADD(line->counters.status_1xx, 1);
    note_status(w, replica, status >= 500);
    STATS_ADD(line->counters.reply_us, (w->now_ns - x->picked_ns) / 1000);
    replica_note_latency(replica, w->now_ns - x->picked_ns);
    if ((x->key.flags & LB_KEY_INTEGER) && w->config->limits.history)
        stats_note_request(line, w->config->limits.history, w->now_ns, x->key.id);
}

void tally_bytes(struct worker *w, struct replica *replica, uint64_t up, uint64_t down)
{
    tally_replica(w, replica, bytes_up, up);
    tally_replica(w, replica, bytes_down, down);
}
