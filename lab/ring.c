/*
 * ring.c - a strategy asked in process: see ring.h.
 *
 * Owns     the strategy and its table while it asks.
 * Used by  a4.c, accept.c.
 * Uses     world/asker.h, world/config.h, world/strategy.h.
 * Thread   the program's main one.
 */
#include "lab/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/lab.h"
#include "lab/out.h"
#include "world/asker.h"
#include "world/config.h"
#include "world/strategy.h"

#define MEMBERS_MAX 64
#define FIRST_ID    100000u
#define IDS         900000u
#define DRAWN_MAX   2048u   /* slots of a larger ring are drawn at so many places */
#define REACH_IDS   131072u /* in a row: they meet every residue of a small ring */

struct asked {
    struct config *config;
    struct strategy *strategy;
    struct table *table;
    struct asker asker;
    uint32_t n;
    char names[MEMBERS_MAX][16];
    uint32_t number[MEMBERS_MAX]; /* of member i: "Server k" is k */
};

/* ------------------------------------------------------------------ a table */

static bool build(struct asked *a)
{
    struct lb_member members[MEMBERS_MAX];
    struct lb_error why = { "" };
    for (uint32_t i = 0; i < a->n; i++) {
        int len = snprintf(a->names[i], sizeof a->names[i], "Server %u", i + 1);
        members[i] =
            (struct lb_member){ .id = i + 1, .key = a->names[i], .key_len = (uint32_t)len, .weight = 1 };
    }
    qsort(members, a->n, sizeof *members, strategy_compare_members);
    for (uint32_t i = 0; i < a->n; i++)
        a->number[i] = (uint32_t)members[i].id;
    a->table = strategy_build(a->strategy, members, a->n, &why);
    if (!a->table)
        lab_complain("%s: cannot build over %u replicas: %s", a->config->path, a->n, why.text);
    return a->table != NULL;
}

static bool open_strategy(struct asked *a, const char *conf, uint32_t n)
{
    struct problems problems = { 0 };
    *a = (struct asked){ .n = n < MEMBERS_MAX ? n : MEMBERS_MAX };
    a->config = config_load(conf, &problems);
    a->strategy = a->config && problems.count == 0 ? strategy_make(a->config, &problems) : NULL;
    for (size_t i = 0; i < problems.count; i++)
        problem_print(&problems.items[i], stderr);
    problems_free(&problems);
    if (!a->strategy)
        lab_complain("%s: its strategy cannot be loaded here", conf);
    bool built = a->strategy && build(a);
    if (built)
        asker_open(&a->asker, a->table, NULL);
    return built;
}

static void close_strategy(struct asked *a)
{
    if (a->table) {
        asker_close(&a->asker);
        table_release(a->table);
    }
    if (a->strategy)
        strategy_release(a->strategy);
    if (a->config)
        config_release(a->config);
}

static void make_key(uint32_t id, char text[16], struct lb_key *key)
{
    int len = snprintf(text, 16, "%u", id);
    *key = (struct lb_key){ .bytes = text, .len = (size_t)len };
    strategy_key_finish(key);
}

/* ------------------------------------------------------------------ shares */

bool ring_predict(const char *conf, uint32_t n, struct prediction *out)
{
    struct asked a;
    uint64_t counts[MEMBERS_MAX] = { 0 }, most = 0;
    *out = (struct prediction){ 0 };
    bool opened = open_strategy(&a, conf, n);
    if (opened)
        out->bounded_load = (double)a.config->strategy.bounded_load / 1000;
    if (opened && (a.strategy->caps & LB_CAP_KEYED)) {
        for (uint32_t id = FIRST_ID; id < FIRST_ID + IDS; id++) {
            char text[16];
            struct lb_key key;
            make_key(id, text, &key);
            uint32_t member = asker_ask(&a.asker, &key, 0);
            if (member != LB_NONE)
                counts[a.number[member] - 1]++;
        }
        for (uint32_t i = 0; i < a.n; i++) {
            out->shares[i] = (double)counts[i] / IDS;
            most = counts[i] > most ? counts[i] : most;
        }
        out->keyed = true;
        out->max_over_mean = (double)most * a.n / IDS;
    }
    close_strategy(&a);
    return opened;
}

/* ------------------------------------------------------------------ the circle */

struct walk {
    uint64_t slot, node_slot;
    bool has_slot, has_node;
};

static void take_number(void *ctx, const char *name, uint64_t value)
{
    struct walk *w = ctx;
    if (strcmp(name, "slot") == 0)
        w->slot = value, w->has_slot = true;
    else if (strcmp(name, "node slot") == 0)
        w->node_slot = value, w->has_node = true;
}

static void take_text(void *ctx, const char *name, const char *value)
{
    (void)ctx, (void)name, (void)value;
}

static void take_member(void *ctx, const char *name, uint32_t member)
{
    (void)ctx, (void)name, (void)member;
}

static bool can_explain(const struct asked *a)
{
    const struct lb_scheduler_ops *ops = a->strategy->ops;
    return ops->struct_size >= offsetof(struct lb_scheduler_ops, explain) + sizeof ops->explain &&
           ops->explain;
}

static bool explain(struct asked *a, uint32_t id, struct walk *w)
{
    char text[16];
    struct lb_key key;
    struct lb_pick question;
    struct lb_explain say = {
        .struct_size = sizeof say, .ctx = w, .number = take_number, .text = take_text, .member = take_member
    };
    *w = (struct walk){ 0 };
    make_key(id, text, &key);
    asker_question(&a->asker, &key, 0, &question);
    a->strategy->ops->explain(a->table->made, &question, a->asker.scratch, &say);
    return w->has_slot;
}

static uint64_t slots_of(const struct asked *a)
{
    struct lb_inspect i = { .struct_size = sizeof i, .n_members = a->n };
    struct walk w;
    if (!can_explain(a) || !explain((struct asked *)a, FIRST_ID, &w))
        return 0;
    return a->strategy->ops->inspect(a->table->made, &i) == 0 ? i.slots : 0;
}

static uint32_t owner_of(const struct asked *a, uint64_t slot)
{
    struct lb_inspect i = { .struct_size = sizeof i, .n_members = a->n, .slot = slot };
    i.slot_owner = LB_NONE;
    if (a->strategy->ops->inspect(a->table->made, &i) != 0 || i.slot_owner >= a->n)
        return 0;
    return a->number[i.slot_owner];
}

static json_t *draw(struct asked *a, uint64_t slots, struct out *o, const char *name)
{
    uint32_t drawn = slots < DRAWN_MAX ? (uint32_t)slots : DRAWN_MAX, reached = 0, nodes = 0, most = 0;
    uint32_t *hits = mem_zero(drawn, sizeof *hits);
    bool *node = mem_zero(drawn, sizeof *node);
    for (uint32_t k = 0; k < REACH_IDS; k++) {
        struct walk w;
        explain(a, FIRST_ID + k, &w);
        hits[(uint32_t)((lb_u128)(w.slot % slots) * drawn / slots)]++;
        if (w.has_node)
            node[(uint32_t)((lb_u128)(w.node_slot % slots) * drawn / slots)] = true;
    }
    FILE *f = out_file(o, name);
    if (f)
        fputs("turn,slot,owner,keys,node_reached\n", f);
    for (uint32_t p = 0; f && p < drawn; p++) {
        uint64_t slot = (uint64_t)((lb_u128)p * slots / drawn);
        fprintf(f, "%.6f,%llu,%u,%u,%d\n", (double)p / drawn, (unsigned long long)slot, owner_of(a, slot),
                hits[p], node[p]);
        reached += hits[p] > 0;
        most = hits[p] > most ? hits[p] : most;
        nodes += node[p];
    }
    free(hits);
    free(node);
    if (!out_end(o, f, name))
        return NULL;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "slots", (json_int_t)slots, "drawn", (json_int_t)drawn,
                     "reached", (json_int_t)reached, "nodes_reached", (json_int_t)nodes, "n",
                     (json_int_t)a->n, "fullest_slot", (double)most / REACH_IDS);
}

json_t *ring_draw(const char *conf, uint32_t n, struct out *o, const char *name)
{
    struct asked a;
    json_t *result = NULL;
    if (open_strategy(&a, conf, n)) {
        uint64_t slots = slots_of(&a);
        result = slots ? draw(&a, slots, o, name) : json_null();
    }
    close_strategy(&a);
    return result;
}
