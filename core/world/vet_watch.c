/*
 * vet_watch.c - every call into a plugin that is tried out, seen from the host's side.
 *
 * Owns     the callbacks that stand between the host and the three plugins, and what is known of each table.
 * Used by  vet.c, vet_*.c.
 * Uses     plugin.h, vet_guard.h, mem.h.
 * Thread   the process that tries out has one.
 *
 * A callback has no room for a context of ours, so the plugins' own callbacks are kept in one static place: a
 * process tries out one strategy. Watched callbacks stand in the order of lb_plugin.h.
 */
#include "world/vet_watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "world/plugin.h"
#include "world/vet_guard.h"

/* A table that lives: what it took from the allocator, and the allocator itself. */
struct made {
    struct made *next;
    void *table;
    struct lb_alloc alloc; /* what the plugin was given */
    const struct lb_alloc *host;
    size_t bytes;
};

static struct {
    struct vet_page *page;
    uint64_t memory, memory_before; /* bytes */

    const struct lb_plugin *real[STRATEGY_PARTS]; /* as the plugins say */
    struct lb_plugin shown[STRATEGY_PARTS];       /* as the host sees them */
    struct lb_scheduler_ops scheduler;
    struct lb_hash_ops hash;
    struct lb_probe_ops probe;

    struct made *made;
    uint64_t leaked;
} watch;

/* ------------------------------------------------------------------ the page */

static unsigned noted(void)
{
    return atomic_load_explicit(&watch.page->at, memory_order_relaxed);
}

static void note(unsigned at)
{
    atomic_store_explicit(&watch.page->at, at, memory_order_relaxed);
}

/* Calls nest: build asks the hash. Returns what was noted before, for leave. */
static unsigned enter(enum strategy_part part, enum vet_call call)
{
    unsigned before = noted(), at = (unsigned)part << 16 | (unsigned)call << 1 | 1;
    unsigned long calls = atomic_load_explicit(&watch.page->calls, memory_order_relaxed);
    atomic_store_explicit(&watch.page->calls, calls + 1, memory_order_relaxed);
    if (!VET_IS_INSIDE(before))
        atomic_store_explicit(&watch.page->outer, at, memory_order_relaxed);
    note(at);
    return before;
}

/* The last plugin that ran stays noted: a heap it has broken breaks later. */
static void leave(unsigned before)
{
    note(VET_IS_INSIDE(before) ? before : noted() & ~1u);
}

void vet_watch_enter(enum strategy_part part, enum vet_call call)
{
    enter(part, call);
}

void vet_watch_leave(void)
{
    leave(0);
}

void vet_watch_members(uint32_t n)
{
    atomic_store_explicit(&watch.page->members, n, memory_order_relaxed);
}

void vet_refuse(enum strategy_part part, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(watch.page->sentence, sizeof watch.page->sentence, format, args);
    va_end(args);
    watch.page->part = part;
    atomic_store(&watch.page->end, VET_REFUSED);
    _exit(1); /* nothing of the plugin's is to run any more */
}

/* ------------------------------------------------------------------ memory */

/* A field of /proc/self/status in bytes, which stands there in KiB; 0 when it cannot be read. */
static uint64_t read_status(const char *field)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long kib = 0;
    size_t len = strlen(field);

    while (status && fgets(line, sizeof line, status)) {
        if (strncmp(line, field, len) == 0 && line[len] == ':') {
            kib = strtoull(line + len + 1, NULL, 10);
            break;
        }
    }
    if (status)
        fclose(status);
    return kib * 1024;
}

/* A sanitizer reserves terabytes of addresses: there only the pages in use say something. */
static uint64_t memory_peak(void)
{
#ifdef RM_SANITIZED
    return read_status("VmHWM");
#else
    return read_status("VmPeak");
#endif
}

#define MEMORY_SLACK (16ull << 20) /* who was refused memory stopped so far below the limit, or less */

void vet_check_memory(enum strategy_part part)
{
    uint64_t peak = watch.memory ? memory_peak() : 0;
    if (watch.memory && peak + MEMORY_SLACK > watch.memory + watch.memory_before)
        vet_refuse(part, "took more than %llu MiB of memory %s", (unsigned long long)(watch.memory >> 20),
                   vet_call_text(VET_CALL_OF(noted())));
}

void vet_watch_open(struct vet_page *page, uint64_t memory)
{
    watch.page = page;
    watch.memory = memory;
    watch.memory_before = memory_peak();
}

/* The allocator of a table, counted once more than the host does: per table, and after its end. */
static void *counted_alloc(void *ctx, size_t bytes)
{
    struct made *m = ctx;
    size_t *head = bytes <= SIZE_MAX - 64 ? m->host->alloc(m->host->ctx, bytes + 16) : NULL;
    if (!head)
        return NULL;
    *head = bytes;
    m->bytes += bytes;
    return (unsigned char *)head + 16;
}

static void counted_release(void *ctx, void *memory)
{
    struct made *m = ctx;
    size_t *head = memory ? (size_t *)(void *)((unsigned char *)memory - 16) : NULL;
    if (!head)
        return;
    m->bytes -= *head;
    m->host->release(m->host->ctx, head);
}

uint64_t vet_watch_leaked(void)
{
    return watch.leaked;
}

static struct made *find_made(const void *table)
{
    struct made *m = watch.made;
    while (m && m->table != table)
        m = m->next;
    return m;
}

/* ------------------------------------------------------------------ create and destroy */

static int create(enum strategy_part part, lb_create_fn real, const union lb_value *values, void **self,
                  struct lb_error *why)
{
    unsigned before = enter(part, VET_CALL_CREATE);
    int result = real(values, self, why);
    vet_check_memory(part);
    leave(before);
    return result;
}

static void destroy(enum strategy_part part, lb_destroy_fn real, void *self)
{
    unsigned before = enter(part, VET_CALL_DESTROY);
    real(self);
    leave(before);
}

static int create_scheduler(const union lb_value *values, void **self, struct lb_error *why)
{
    return create(PART_SCHEDULER, vet_watch_scheduler()->create, values, self, why);
}

static void destroy_scheduler(void *self)
{
    destroy(PART_SCHEDULER, vet_watch_scheduler()->destroy, self);
}

static int create_hash(const union lb_value *values, void **self, struct lb_error *why)
{
    return create(PART_HASH, vet_watch_hash()->create, values, self, why);
}

static void destroy_hash(void *self)
{
    destroy(PART_HASH, vet_watch_hash()->destroy, self);
}

static const struct lb_probe_ops *real_probe(void)
{
    return watch.real[PART_PROBE]->ops;
}

static int create_probe(const union lb_value *values, void **self, struct lb_error *why)
{
    return create(PART_PROBE, real_probe()->create, values, self, why);
}

static void destroy_probe(void *self)
{
    destroy(PART_PROBE, real_probe()->destroy, self);
}

/* ------------------------------------------------------------------ hash and probe */

const struct lb_hash_ops *vet_watch_hash(void)
{
    return watch.real[PART_HASH]->ops;
}

static uint64_t hash_key(const void *self, const struct lb_key *key)
{
    unsigned before = enter(PART_HASH, VET_CALL_KEY);
    uint64_t result = vet_watch_hash()->key(self, key);
    leave(before);
    return result;
}

static uint64_t hash_place(const void *self, const struct lb_member *member, uint32_t j)
{
    unsigned before = enter(PART_HASH, VET_CALL_PLACE);
    uint64_t result = vet_watch_hash()->place(self, member, j);
    leave(before);
    return result;
}

static uint64_t hash_mix(const void *self, uint64_t x, uint64_t salt)
{
    unsigned before = enter(PART_HASH, VET_CALL_MIX);
    uint64_t result = vet_watch_hash()->mix(self, x, salt);
    leave(before);
    return result;
}

static uint64_t probe_at(const void *self, const struct lb_probe_try *p)
{
    unsigned before = enter(PART_PROBE, VET_CALL_AT);
    uint64_t slot = real_probe()->at(self, p);
    if (slot >= p->slots)
        vet_refuse(
            PART_PROBE,
            "names slot %llu of a ring that has %llu (at home %llu, attempt %u); at must answer with 0 to "
            "slots - 1",
            (unsigned long long)slot, (unsigned long long)p->slots, (unsigned long long)p->home, p->attempt);
    leave(before);
    return slot;
}

static int probe_yields(const void *self, uint64_t mine, uint64_t theirs)
{
    unsigned before = enter(PART_PROBE, VET_CALL_YIELDS);
    int result = real_probe()->yields(self, mine, theirs);
    leave(before);
    return result;
}

/* ------------------------------------------------------------------ scheduler: build */

const struct lb_scheduler_ops *vet_watch_scheduler(void)
{
    return watch.real[PART_SCHEDULER]->ops;
}

/* Members that nobody may look at when build has returned: a table copies what it needs of them. */
static struct lb_member *copy_members(const struct lb_build *in, struct guard *members, struct guard *names)
{
    size_t len = 0;
    for (uint32_t i = 0; i < in->n_members; i++)
        len += in->members[i].key_len;
    guard_open(members, in->n_members * sizeof(struct lb_member), 8);
    guard_open(names, len, 1);
    struct lb_member *copy = (struct lb_member *)(void *)members->data;
    char *name = (char *)names->data;
    for (uint32_t i = 0; i < in->n_members; i++) {
        copy[i] = in->members[i];
        copy[i].key = name;
        memcpy(name, in->members[i].key, copy[i].key_len);
        name += copy[i].key_len;
    }
    return copy;
}

static int build(const struct lb_build *in, void **table, struct lb_error *why)
{
    struct made *m = mem_zero(1, sizeof *m);
    struct lb_build shown = *in;
    struct guard members, names;

    m->host = in->alloc;
    m->alloc = (struct lb_alloc){ .alloc = counted_alloc, .release = counted_release, .ctx = m };
    shown.alloc = &m->alloc;
    shown.members = copy_members(in, &members, &names);
    unsigned before = enter(PART_SCHEDULER, VET_CALL_BUILD);
    int result = vet_watch_scheduler()->build(&shown, table, why);
    vet_check_memory(PART_SCHEDULER);
    leave(before);
    guard_retire(&members);
    guard_retire(&names);
    if (result == 0)
        m->table = *table;
    else
        watch.leaked += m->bytes;
    m->next = watch.made; /* of a refused one too: what it left allocated may still come back */
    watch.made = m;
    return result;
}

static size_t scratch_size(const void *table)
{
    unsigned before = enter(PART_SCHEDULER, VET_CALL_SCRATCH);
    size_t size = vet_watch_scheduler()->scratch_size(table);
    leave(before);
    if (size > 1ull << 30)
        vet_refuse(PART_SCHEDULER, "wants %zu bytes of scratch for each worker; at most 1 GiB is given",
                   size);
    return size;
}

static void destroy_table(void *table)
{
    struct made **at = &watch.made;
    unsigned before = enter(PART_SCHEDULER, VET_CALL_DESTROY_TABLE);
    vet_watch_scheduler()->destroy_table(table);
    leave(before);
    while (*at && (*at)->table != table)
        at = &(*at)->next;
    if (!*at)
        return;
    struct made *m = *at;
    *at = m->next;
    watch.leaked += m->bytes;
    free(m);
}

/* ------------------------------------------------------------------ scheduler: pick */

/* Members that are not tried. */
static uint32_t count_left(const struct lb_pick *p)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < p->n_members; i++)
        left += !lb_is_tried(p, i);
    return left;
}

static void check_answer(const struct lb_pick *p, uint32_t member)
{
    if (member == LB_NONE) {
        uint32_t left = count_left(p);
        if (left)
            vet_refuse(PART_SCHEDULER, "picks nobody (LB_NONE) while %u of %u members are not tried", left,
                       p->n_members);
    } else if (member >= p->n_members) {
        vet_refuse(PART_SCHEDULER, "picks member %u, and there are %u (0 to %d, or LB_NONE)", member,
                   p->n_members, (int)p->n_members - 1);
    } else if (lb_is_tried(p, member)) {
        uint32_t left = count_left(p);
        if (left)
            vet_refuse(PART_SCHEDULER, "picks member %u again, which is tried, while %u of %u are not",
                       member, left, p->n_members);
        vet_refuse(PART_SCHEDULER, "picks member %u, which is tried, when all are: that is LB_NONE", member);
    }
}

static uint32_t pick(const void *table, const struct lb_pick *p, void *scratch)
{
    unsigned before = enter(PART_SCHEDULER, VET_CALL_PICK);
    uint32_t member = vet_watch_scheduler()->pick(table, p, scratch);
    check_answer(p, member);
    leave(before);
    return member;
}

static void on_reply(const void *table, const struct lb_reply *r, void *scratch)
{
    unsigned before = enter(PART_SCHEDULER, VET_CALL_REPLY);
    vet_watch_scheduler()->on_reply(table, r, scratch);
    leave(before);
}

/* ------------------------------------------------------------------ scheduler: inspect and explain */

/* Exact shares are 0 to 1 each and 1 together, but for rounding. */
static void check_shares(const double *shares, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!(shares[i] >= 0 && shares[i] <= 1.000001))
            vet_refuse(PART_SCHEDULER, "inspect gives member %u of %u a share of %g; shares are 0 to 1", i, n,
                       shares[i]);
        sum += shares[i];
    }
    if (n && !(sum > 0.999999 && sum < 1.000001))
        vet_refuse(PART_SCHEDULER,
                   "inspect gives shares that add up to %.6f over %u members; they must add up to 1", sum, n);
}

/* The size it claims, beside what it took. An author may take memory elsewhere, too; then it is more. */
static void check_bytes(const void *table, uint64_t claimed)
{
    const struct made *m = find_made(table);
    if (m && claimed < m->bytes / 2)
        vet_refuse(PART_SCHEDULER, "inspect says its table is %llu bytes, and build took %zu",
                   (unsigned long long)claimed, m->bytes);
    if (claimed > 1ull << 40)
        vet_refuse(PART_SCHEDULER, "inspect says its table is %llu bytes, more than there can be",
                   (unsigned long long)claimed);
}

static int inspect(const void *table, struct lb_inspect *out)
{
    struct guard frame, shares;
    guard_open_framed(&frame, sizeof *out);
    guard_open_framed(&shares, out->n_members * sizeof(double));
    struct lb_inspect *shown = (struct lb_inspect *)(void *)frame.data;
    *shown = *out;
    if (out->shares)
        shown->shares = (double *)(void *)shares.data;
    unsigned before = enter(PART_SCHEDULER, VET_CALL_INSPECT);
    int result = vet_watch_scheduler()->inspect(table, shown);
    leave(before);
    if (!guard_is_whole(&frame))
        vet_refuse(PART_SCHEDULER, "writes past struct lb_inspect in inspect, which is %zu bytes",
                   sizeof *out);
    if (!guard_is_whole(&shares))
        vet_refuse(PART_SCHEDULER, "writes past the shares of %u members in inspect", out->n_members);
    if (result == 0) {
        if (out->shares && shown->exact)
            check_shares(shown->shares, out->n_members);
        if (shown->slot_owner >= out->n_members && shown->slot_owner != LB_NONE && out->n_members)
            vet_refuse(PART_SCHEDULER, "inspect says slot %llu belongs to member %u, and there are %u",
                       (unsigned long long)out->slot, shown->slot_owner, out->n_members);
        check_bytes(table, shown->bytes);
        if (out->shares && shown->exact)
            memcpy(out->shares, shown->shares, out->n_members * sizeof(double));
        double *own = out->shares;
        *out = *shown;
        out->shares = own;
    }
    guard_close(&frame);
    guard_close(&shares);
    return result;
}

static uint32_t explain(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say)
{
    unsigned before = enter(PART_SCHEDULER, VET_CALL_EXPLAIN);
    uint32_t member = vet_watch_scheduler()->explain(table, p, scratch, say);
    if (member >= p->n_members && member != LB_NONE)
        vet_refuse(PART_SCHEDULER, "explain names member %u, and there are %u", member, p->n_members);
    leave(before);
    return member;
}

/* ------------------------------------------------------------------ in place, and away */

/* A copy of a plugin's struct, no longer than it says it is; the rest is NULL. */
static void copy_ops(void *to, size_t size, const void *from)
{
    uint32_t theirs;
    memcpy(&theirs, from, sizeof theirs); /* every one begins with its size */
    memset(to, 0, size);
    memcpy(to, from, theirs < size ? theirs : size);
}

#define WATCH(ops_, callback_, watched_)   \
    do {                                   \
        if ((ops_).callback_)              \
            (ops_).callback_ = (watched_); \
    } while (0)

static void watch_scheduler(const void *ops)
{
    copy_ops(&watch.scheduler, sizeof watch.scheduler, ops);
    WATCH(watch.scheduler, create, create_scheduler);
    WATCH(watch.scheduler, destroy, destroy_scheduler);
    WATCH(watch.scheduler, build, build);
    WATCH(watch.scheduler, scratch_size, scratch_size);
    WATCH(watch.scheduler, pick, pick);
    WATCH(watch.scheduler, on_reply, on_reply);
    WATCH(watch.scheduler, inspect, inspect);
    WATCH(watch.scheduler, destroy_table, destroy_table);
    WATCH(watch.scheduler, explain, explain);
}

static void watch_hash(const void *ops)
{
    copy_ops(&watch.hash, sizeof watch.hash, ops);
    WATCH(watch.hash, create, create_hash);
    WATCH(watch.hash, destroy, destroy_hash);
    WATCH(watch.hash, key, hash_key);
    WATCH(watch.hash, place, hash_place);
    WATCH(watch.hash, mix, hash_mix);
}

static void watch_probe(const void *ops)
{
    copy_ops(&watch.probe, sizeof watch.probe, ops);
    WATCH(watch.probe, create, create_probe);
    WATCH(watch.probe, destroy, destroy_probe);
    WATCH(watch.probe, at, probe_at);
    WATCH(watch.probe, yields, probe_yields);
}

void vet_watch_put(enum strategy_part part, struct plugin *plugin)
{
    const void *shown[STRATEGY_PARTS] = { &watch.scheduler, &watch.hash, &watch.probe };
    watch.real[part] = plugin->info;
    switch (part) {
    case PART_HASH: watch_hash(plugin->info->ops); break;
    case PART_PROBE: watch_probe(plugin->info->ops); break;
    default: watch_scheduler(plugin->info->ops); break;
    }
    copy_ops(&watch.shown[part], sizeof watch.shown[part], plugin->info);
    watch.shown[part].ops = shown[part];
    plugin->info = &watch.shown[part];
}

void vet_watch_remove(enum strategy_part part, struct plugin *plugin)
{
    plugin->info = watch.real[part];
    watch.real[part] = NULL;
}
