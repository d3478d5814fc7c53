/*
 * stats.c - counters: workers add, control sums.
 *
 * Owns     the layout of counters and of the history of request ids.
 * Used by  path/tally.c (adds), control's state and /requests (sum).
 * Uses     mem.h.
 * Thread   each line is written by one worker; reading: any thread, at any time.
 *
 * The history is a ring that its reader never stops. The writer fills entry k and then says head = k + 1.
 * Entry k shares its place with entry k + size, which the writer begins once head is k + size: so a copy of
 * entry k is good when head, read after the copy, was still below k + size. Every store into an entry is a
 * release and every load from it an acquire: a reader that sees anything of entry k + size therefore also
 * sees head >= k + size, and its second read of head can't be moved up before the copy.
 */
#include "world/stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void durations_add_some(struct durations *h, uint64_t ns)
{
    uint64_t us = ns / 1000;
    unsigned bucket = us < 2 ? 0 : 63u - (unsigned)__builtin_clzll(us);
    if (bucket >= DURATIONS_BUCKETS)
        bucket = DURATIONS_BUCKETS - 1;
    STATS_ADD(h->count[bucket], 1);
    STATS_ADD(h->sum_ns, ns);
}

/* ---- the history of request ids */

/* One entry more than is promised: the oldest can always be under the writer's hand. */
static struct history *make_history(struct replica_line *line, uint32_t history_size)
{
    uint32_t size = history_size + 1;
    struct history *history = mem_zero(1, sizeof *history + size * sizeof history->entries[0]);
    history->size = size;
    atomic_store_explicit(&line->history, history, memory_order_release);
    return history;
}

void stats_note_request(struct replica_line *line, uint32_t history_size, uint64_t when_ns,
                        uint64_t request_id)
{
    if (history_size == 0)
        return;
    struct history *history = atomic_load_explicit(&line->history, memory_order_relaxed);
    if (!history)
        history = make_history(line, history_size);
    uint64_t k = atomic_load_explicit(&history->head, memory_order_relaxed);
    struct history_entry *entry = &history->entries[k % history->size];
    atomic_store_explicit(&entry->when_ns, when_ns, memory_order_release);
    atomic_store_explicit(&entry->request_id, request_id, memory_order_release);
    atomic_store_explicit(&history->head, k + 1, memory_order_release);
}

/* Copies of one line's last entries, oldest first; the merge takes them from the end. */
struct copies {
    struct stats_request *first;
    size_t count;
};

static struct copies copy_history(const struct replica_line *line, size_t limit)
{
    struct copies none = { 0 };
    const struct history *history = atomic_load_explicit(&line->history, memory_order_acquire);
    uint64_t head = history ? atomic_load_explicit(&history->head, memory_order_acquire) : 0;
    if (head == 0)
        return none;
    uint64_t want = head < history->size - 1 ? head : history->size - 1;
    if (want > limit)
        want = limit;
    uint64_t from = head - want;

    struct stats_request *all = mem_alloc(want * sizeof *all);
    for (uint64_t k = from; k < head; k++) {
        const struct history_entry *entry = &history->entries[k % history->size];
        all[k - from].when_ns = atomic_load_explicit(&entry->when_ns, memory_order_acquire);
        all[k - from].request_id = atomic_load_explicit(&entry->request_id, memory_order_acquire);
    }
    uint64_t head_now = atomic_load_explicit(&history->head, memory_order_acquire);
    uint64_t good =
        head_now < history->size ? 0 : head_now - history->size + 1; /* the first certainly whole one */
    uint64_t spoilt = good <= from ? 0 : good >= head ? want : good - from;
    if (spoilt)
        memmove(all, all + spoilt, (want - spoilt) * sizeof *all);
    return (struct copies){ .first = all, .count = want - spoilt };
}

/* Fills out from its end with the newest of all lines' last ones. Few lines: a look at each beats a heap. */
static void merge_newest(struct copies *lines, unsigned n_lines, struct stats_request *out, size_t count)
{
    while (count > 0) {
        struct copies *newest = NULL;
        for (unsigned i = 0; i < n_lines; i++) {
            struct copies *c = &lines[i];
            if (c->count &&
                (!newest || c->first[c->count - 1].when_ns > newest->first[newest->count - 1].when_ns))
                newest = c;
        }
        out[--count] = newest->first[--newest->count];
    }
}

size_t stats_requests(const struct replica_line *lines, unsigned n_lines, size_t limit,
                      struct stats_request **out)
{
    struct copies *copies = mem_zero(n_lines, sizeof *copies);
    size_t count = 0;
    for (unsigned i = 0; i < n_lines; i++) {
        copies[i] = copy_history(&lines[i], limit);
        count += copies[i].count;
    }
    if (count > limit)
        count = limit;
    *out = count ? mem_alloc(count * sizeof **out) : NULL;
    merge_newest(copies, n_lines, *out, count);
    for (unsigned i = 0; i < n_lines; i++)
        free(copies[i].first);
    free(copies);
    return count;
}

/* ---- sums */

void stats_sum_replica(const struct replica_line *lines, unsigned n_lines, struct replica_totals *out)
{
    *out = (struct replica_totals){ 0 };
    for (unsigned i = 0; i < n_lines; i++) {
#define SUM_FIELD(name_, help_) out->name_ += STATS_READ(lines[i].counters.name_);
        REPLICA_COUNTERS(SUM_FIELD)
#undef SUM_FIELD
    }
}

void stats_add_worker(const struct worker_counters *counters, struct worker_totals *sum)
{
#define SUM_FIELD(name_, help_) sum->name_ += STATS_READ(counters->name_);
    WORKER_COUNTERS(SUM_FIELD)
#undef SUM_FIELD
}
