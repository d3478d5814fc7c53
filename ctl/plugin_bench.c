/*
 * plugin_bench.c - ringctl plugin bench: nanoseconds a call, and what a table costs.
 *
 * Owns     nothing.
 * Used by  main.c.
 * Uses     measure.h, part.h, child.h.
 * Thread   the program's only one.
 *
 * Each figure is a line, or with --json a value of one object. Calls go through the callbacks as the balancer makes them. Keys are prepared before, so that only the plugin is
 * timed; of a scheduler the same keys are asked with their hash ready, and with the hash computed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench.h"
#include "child.h"
#include "measure.h"
#include "part.h"
#include "ringctl.h"
#include "world/asker.h"
#include "world/plugin.h"
#include "world/strategy.h"

#define KEYS     1024u /* a power of two */
#define KEY_ROOM 256u

struct bench {
    const struct args *args;
    const char *path;
};

/* One figure: a line under that heading, or the value name of out when there is one. */
static void tell(json_t *out, const char *name, const char *heading, double ns)
{
    if (out)
        json_object_set_new(out, name, json_real(ns));
    else
        printf("  %-24s%8.1f ns\n", heading, ns);
}

/* ------------------------------------------------------------------ hash */

struct hash_run {
    const struct lb_hash_ops *ops;
    const void *self;
    struct lb_key keys[KEYS];
    char (*texts)[KEY_ROOM];
    struct lb_member member;
};

/* Keys of that many digits or, beyond 19, of bytes. */
static void make_keys(struct hash_run *r, size_t len)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        for (size_t at = 0; at < len; at++)
            r->texts[i][at] = (char)('0' + lb_mix64(i * KEY_ROOM + at) % 10);
        r->texts[i][0] = (char)('1' + i % 9);
        r->keys[i] = (struct lb_key){ .bytes = r->texts[i], .len = len };
        strategy_key_finish(&r->keys[i]);
    }
}

static void run_key(void *ctx, uint64_t turns)
{
    struct hash_run *r = ctx;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < turns; i++)
        sum ^= r->ops->key(r->self, &r->keys[i & (KEYS - 1)]);
    measure_sink(sum);
}

static void run_place(void *ctx, uint64_t turns)
{
    struct hash_run *r = ctx;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < turns; i++)
        sum ^= r->ops->place(r->self, &r->member, (uint32_t)i & (KEYS - 1));
    measure_sink(sum);
}

static void bench_hash(const struct part *p, json_t *out)
{
    static const size_t lengths[] = { 6, 36, 250 };
    struct hash_run *r = mem_zero(1, sizeof *r);
    r->texts = mem_zero(KEYS, sizeof *r->texts);
    r->ops = p->plugin->info->ops;
    r->self = p->self;
    r->member = (struct lb_member){ .id = 3, .key = "Server 3", .key_len = 8, .weight = 1 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        make_keys(r, lengths[i]);
        child_doing("calling key with %zu bytes", lengths[i]);
        char name[32], heading[32];
        snprintf(name, sizeof name, "key_%zu_ns", lengths[i]);
        snprintf(heading, sizeof heading, "key of %3zu bytes", lengths[i]);
        tell(out, name, heading, measure_ns(run_key, r));
    }
    child_doing("calling place");
    tell(out, "place_ns", "place", measure_ns(run_place, r));
    free(r->texts);
    free(r);
}

/* ------------------------------------------------------------------ probe */

struct probe_run {
    const struct lb_probe_ops *ops;
    const void *self;
    uint64_t slots;
};

static void run_at(void *ctx, uint64_t turns)
{
    struct probe_run *r = ctx;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < turns; i++) {
        struct lb_probe_try try = { .home = i & (r->slots - 1),
                                    .hash2 = i * 0x9e3779b97f4a7c15ull,
                                    .slots = r->slots,
                                    .copy = (uint32_t)i & 15,
                                    .attempt = 1 + ((uint32_t)i & 31) };
        sum ^= r->ops->at(r->self, &try);
    }
    measure_sink(sum);
}

static void bench_probe(const struct part *p, json_t *out)
{
    struct probe_run r = { .ops = p->plugin->info->ops, .self = p->self };
    static const uint64_t sizes[] = { 512, UINT64_C(1) << 32 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        r.slots = sizes[i];
        child_doing("calling at with %llu slots", (unsigned long long)r.slots);
        char name[32], heading[32];
        snprintf(name, sizeof name, "at_%llu_ns", (unsigned long long)r.slots);
        snprintf(heading, sizeof heading, "at, %10llu slots", (unsigned long long)r.slots);
        tell(out, name, heading, measure_ns(run_at, &r));
    }
}

/* ------------------------------------------------------------------ scheduler */

struct pick_run {
    const struct table *table;
    struct asker asker;
    struct lb_pick question;
    struct lb_key keys[KEYS];
    char texts[KEYS][16];
    uint64_t hashes[KEYS];
};

static void run_pick(void *ctx, uint64_t turns)
{
    struct pick_run *r = ctx;
    const struct lb_scheduler_ops *ops = r->table->strategy->ops;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < turns; i++) {
        r->question.key = &r->keys[i & (KEYS - 1)];
        r->question.hash = r->hashes[i & (KEYS - 1)];
        sum += ops->pick(r->table->made, &r->question, r->asker.scratch);
    }
    measure_sink(sum);
}

static void run_hash_and_pick(void *ctx, uint64_t turns)
{
    struct pick_run *r = ctx;
    const struct lb_scheduler_ops *ops = r->table->strategy->ops;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < turns; i++) {
        r->question.key = &r->keys[i & (KEYS - 1)];
        r->question.hash = strategy_hash(r->table->strategy, r->question.key);
        sum += ops->pick(r->table->made, &r->question, r->asker.scratch);
    }
    measure_sink(sum);
}

static void tell_table(json_t *tables, const struct table *t, double pick_ns, double both_ns)
{
    double build_ms = (double)t->build_ns / (double)CLOCK_NS_PER_MS;
    char digest[24];
    if (!tables) {
        printf("  %7u  %10.3f  %12zu  %8.1f  %14.1f\n", t->n_members, build_ms, t->bytes, pick_ns, both_ns);
        return;
    }
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)t->digest);
    json_array_append_new(tables, json_pack("{s:i, s:f, s:I, s:s, s:f, s:f}", "members", (int)t->n_members,
                                            "build_ms", build_ms, "bytes", (json_int_t)t->bytes, "digest",
                                            digest, "pick_ns", pick_ns, "hash_and_pick_ns", both_ns));
}

static bool bench_members(struct strategy *s, uint32_t n, json_t *tables)
{
    struct table *t = measure_build(s, n, LB_NONE);
    if (!t)
        return false;
    struct pick_run *r = mem_zero(1, sizeof *r);
    r->table = t;
    asker_open(&r->asker, t, NULL);
    for (uint32_t i = 0; i < KEYS; i++) {
        asker_sample_key(i, r->texts[i], &r->keys[i]);
        r->hashes[i] = strategy_hash(s, &r->keys[i]);
    }
    asker_question(&r->asker, &r->keys[0], 0, &r->question);
    child_doing("calling pick with %u members", n);
    double pick_ns = measure_ns(run_pick, r), both_ns = measure_ns(run_hash_and_pick, r);
    tell_table(tables, t, pick_ns, both_ns);
    asker_close(&r->asker);
    free(r);
    table_release(t);
    return true;
}

/* What the table is composed with; in JSON null when it is not asked. Returns where tables go: NULL to be printed. */
static json_t *tell_parts(const struct strategy *s, json_t *out)
{
    const char *hash = s->caps & LB_CAP_NEEDS_HASH ? s->hash->info->name : NULL;
    const char *probe = s->caps & LB_CAP_NEEDS_PROBE ? s->probe->info->name : NULL;
    if (!out) {
        printf("  with %s and %s\n", hash ? hash : "no hash", probe ? probe : "no probe");
        printf("  members    build ms   table bytes   pick ns   hash + pick ns\n");
        return NULL;
    }
    json_t *tables = json_array();
    json_object_set_new(out, "hash", hash ? json_string(hash) : json_null());
    json_object_set_new(out, "probe", probe ? json_string(probe) : json_null());
    json_object_set_new(out, "tables", tables);
    return tables;
}

static bool bench_scheduler(const struct args *a, const struct part *p, json_t *out)
{
    static const uint32_t sizes[] = { 3, 10, 100, 1000 };
    struct strategy *s = part_compose(a, p, 0, 0);
    if (!s)
        return false;
    bool good = true;
    json_t *tables = tell_parts(s, out);
    for (size_t i = 0; !a->members && good && i < sizeof sizes / sizeof *sizes; i++)
        good = bench_members(s, sizes[i], tables);
    if (a->members)
        good = bench_members(s, a->members, tables);
    strategy_release(s);
    return good;
}

/* ------------------------------------------------------------------ all kinds */

bool bench_part(const struct args *a, const struct part *p, json_t *out)
{
    switch (p->plugin->info->kind) {
    case LB_HASH: bench_hash(p, out); return true;
    case LB_PROBE: bench_probe(p, out); return true;
    default: return bench_scheduler(a, p, out);
    }
}

static int bench_all(void *arg)
{
    const struct bench *b = arg;
    struct part p;
    if (!part_open(&p, b->path, b->args->options, b->args->n_options))
        return RINGCTL_FAILED;
    const struct lb_plugin *info = p.plugin->info;
    const char *version = info->version ? info->version : "";
    json_t *out = NULL;
    if (b->args->json)
        out = json_pack("{s:s, s:s, s:s}", "name", info->name, "version", version, "kind",
                        plugin_kind_name((enum lb_kind)info->kind));
    else
        printf("%s %s\n", info->name, version);
    bool good = bench_part(b->args, &p, out);
    if (good && out) {
        json_dumpf(out, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    json_decref(out);
    part_close(&p);
    return good ? RINGCTL_OK : RINGCTL_FAILED;
}

int plugin_bench(const struct args *a)
{
    char *path = part_path(a, a->words[0]);
    int code = child_run(bench_all, &(struct bench){ a, path }, a->timeout_s, path);
    free(path);
    return code;
}
