/*
 * tally.c - counting: see tally.h.
 *
 * Owns     nothing; the lines are the replica's and the worker's.
 * Used by  exchange_attempt.c.
 * Thread   the worker.
 */
#include "path/tally.h"

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
    else
        STATS_ADD(line->counters.status_2xx, 1);
    replica_note_latency(replica, w->now_ns - x->picked_ns);
    if ((x->key.flags & LB_KEY_INTEGER) && w->config->limits.history)
        stats_note_request(line, w->config->limits.history, w->now_ns, x->key.id);
}

void tally_bytes(struct worker *w, struct replica *replica, uint64_t up, uint64_t down)
{
    tally_replica(w, replica, bytes_up, up);
    tally_replica(w, replica, bytes_down, down);
}
