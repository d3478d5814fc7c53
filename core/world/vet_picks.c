/*
 * vet_picks.c - a table, asked everything that a worker may come to ask.
 *
 * Owns     what the questions point to: keys, live blocks, tried-sets, scratch.
 * Used by  vet_scheduler.c.
 * Uses     asker.h for sample keys, vet_watch.h (who names a member that cannot be is found there),
 *          vet_guard.h.
 * Thread   the process that tries out has one.
 *
 * Three tables that must be equal get the same question, with the same random state, one after the other. A
 * scheduler without keys may remember what was asked before, but only in its scratch; each table has one of
 * its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/asker.h"
#include "world/vet_exercise.h"
#include "world/vet_guard.h"
#include "world/vet_watch.h"

#define TABLES    3
#define QUESTIONS 384u
#define EXPLAINED 16u

struct bench {
    struct table *tables[TABLES];
    struct guard scratch[TABLES];
    uint32_t n;
    struct guard tried, live_blocks, live, key_bytes;
    struct lb_key key;
    struct lb_pick question;
    uint64_t random;
    uint32_t *answers; /* one for each question */
};

static void bench_open(struct bench *b, struct table *table, struct table *again, struct table *other)
{
    *b = (struct bench){ .tables = { table, again, other }, .n = table->n_members };
    for (int i = 0; i < TABLES; i++)
        if (table->scratch_size)
            guard_open_framed(&b->scratch[i], table->scratch_size);
    guard_open(&b->tried, (b->n + 63) / 64 * sizeof(uint64_t), 8);
    guard_open(&b->live_blocks, b->n * sizeof(struct lb_live), 8);
    guard_open(&b->live, b->n * sizeof(struct lb_live *), 8);
    guard_open(&b->key_bytes, 16, 1);
    struct lb_live *blocks = (struct lb_live *)(void *)b->live_blocks.data;
    const struct lb_live **live = (const struct lb_live **)(void *)b->live.data;
    for (uint32_t i = 0; i < b->n; i++)
        live[i] = &blocks[i];
    b->answers = mem_zero(QUESTIONS, sizeof *b->answers);
}

static void bench_close(struct bench *b)
{
    for (int i = 0; i < TABLES; i++)
        guard_close(&b->scratch[i]);
    guard_close(&b->tried);
    guard_close(&b->live_blocks);
    guard_close(&b->live);
    guard_close(&b->key_bytes);
    free(b->answers);
}

/* ------------------------------------------------------------------ the world at a question */

static void mark(struct bench *b, uint32_t member)
{
    uint64_t *tried = (uint64_t *)(void *)b->tried.data;
    tried[member >> 6] |= 1ull << (member & 63);
}

/* Nobody; some; all but one; all that are not ready. */
static void set_tried(struct bench *b, uint32_t q)
{
    const struct lb_live *live = (const struct lb_live *)(void *)b->live_blocks.data;
    uint32_t spared = b->n ? (uint32_t)(lb_mix64(q) % b->n) : 0;

    memset(b->tried.data, 0, b->tried.size);
    for (uint32_t i = 0; i < b->n; i++) {
        bool is_tried = false;
        switch (q % 6) {
        case 3: is_tried = lb_mix64(q ^ lb_mix64(i)) & 1; break;
        case 4: is_tried = i != spared; break;
        case 5: is_tried = !live[i].ready; break;
        default: break;
        }
        if (is_tried)
            mark(b, i);
    }
}

/* Idle; loaded, some slow, some not ready; loaded alike. */
static void set_live(struct bench *b, uint32_t q)
{
    struct lb_live *live = (struct lb_live *)(void *)b->live_blocks.data;
    for (uint32_t i = 0; i < b->n; i++) {
        uint64_t random = lb_mix64(lb_mix64(q) + i);
        switch (q / 6 % 3) {
        case 0: live[i] = (struct lb_live){ .ready = 1 }; break;
        case 1:
            live[i] = (struct lb_live){ .in_flight = (uint32_t)random % 50,
                                        .ready = random >> 32 & 3 ? 1 : 0,
                                        .latency_ns = random >> 40 & 7 ? random >> 36 : 0 };
            break;
        default: live[i] = (struct lb_live){ .in_flight = 7, .ready = 1, .latency_ns = 1000000 }; break;
        }
    }
}

static void set_key(struct bench *b, uint32_t q)
{
    char text[16];
    struct lb_key key;
    asker_sample_key(q, text, &key);
    unsigned char *at = b->key_bytes.data + b->key_bytes.size - key.len;
    memcpy(at, text, key.len);
    key.bytes = at;
    b->key = key;
}

static void set_question(struct bench *b, uint32_t q, uint32_t attempt)
{
    set_key(b, q);
    b->question = (struct lb_pick){ .struct_size = sizeof b->question,
                                    .n_members = b->n,
                                    .key = &b->key,
                                    .tried = (const uint64_t *)(const void *)b->tried.data,
                                    .live = (const struct lb_live *const *)(const void *)b->live.data,
                                    .now_ns = 1000000000ull + q * 1000003ull,
                                    .random = &b->random,
                                    .attempt = attempt };
}

/* ------------------------------------------------------------------ asking */

static void check_scratch(const struct bench *b, int i, const char *call)
{
    if (b->scratch[i].pages && !guard_is_whole(&b->scratch[i]))
        vet_refuse(PART_SCHEDULER, "writes past its scratch, which is %zu bytes, %s", b->scratch[i].size,
                   call);
}

static uint32_t ask(struct bench *b, int i, uint32_t q)
{
    struct table *table = b->tables[i];
    struct lb_pick shown =
        b->question; /* each time from another place, and untouched by who was asked before */
    b->random = lb_mix64(q);
    shown.hash = strategy_hash(table->strategy, &b->key);
    uint32_t member = table->strategy->ops->pick(table->made, &shown, b->scratch[i].data);
    check_scratch(b, i, "in pick");
    return member;
}

static void name_answer(char text[32], uint32_t member)
{
    snprintf(text, 32, member == LB_NONE ? "nobody" : "member %u", member);
}

static _Noreturn void refuse_difference(const struct bench *b, uint32_t one, uint32_t other, const char *how)
{
    char first[32], second[32];
    name_answer(first, one);
    name_answer(second, other);
    vet_refuse(
        PART_SCHEDULER,
        "picks %s for the key %.*s, and %s %s; with the same members, load and random state pick must answer "
        "alike",
        first, (int)b->key.len, (const char *)b->key.bytes, second, how);
}

/* All three tables; their answers must be one. */
static uint32_t ask_all(struct bench *b, uint32_t q)
{
    uint32_t answers[TABLES];
    for (int k = 0; k < TABLES; k++) { /* in another order each time */
        int i = (int)((q + (uint32_t)k) % TABLES);
        answers[i] = ask(b, i, q);
    }
    if (answers[1] != answers[0])
        refuse_difference(b, answers[0], answers[1], "from a table built once more");
    if (answers[2] != answers[0])
        refuse_difference(b, answers[0], answers[2], "from the table of another instance");
    return answers[0];
}

static void reply_all(struct bench *b, uint32_t q, uint32_t member)
{
    static const enum lb_outcome outcomes[] = { LB_ANSWERED, LB_ANSWERED,  LB_FAILED,
                                                LB_ANSWERED, LB_TIMED_OUT, LB_CANCELLED };
    enum lb_outcome outcome = outcomes[q % (sizeof outcomes / sizeof *outcomes)];
    bool answered = outcome == LB_ANSWERED;
    for (int i = 0; i < TABLES; i++) {
        struct lb_reply reply = { .struct_size = sizeof reply,
                                  .member = member,
                                  .first_byte_ns = answered ? lb_mix64(q) >> 40 : 0,
                                  .now_ns = b->question.now_ns + 5000000,
                                  .outcome = outcome,
                                  .status = answered ? q % 9 ? 200 : 503 : 0 };
        const struct table *table = b->tables[i];
        if (!table->strategy->ops->on_reply)
            return;
        table->strategy->ops->on_reply(table->made, &reply, b->scratch[i].data);
        check_scratch(b, i, "in on_reply");
    }
}

static void ask_many(struct bench *b)
{
    for (uint32_t q = 0; q < QUESTIONS; q++) {
        set_live(b, q);
        set_tried(b, q);
        set_question(b, q, q % 6 < 3 ? 0 : 1 + q % 3);
        b->answers[q] = ask_all(b, q);
        if (b->answers[q] != LB_NONE && q % 5)
            reply_all(b, q, b->answers[q]);
    }
}

/* The key decides, and the load if it is one of those: what was answered before is answered again. */
static void ask_again(struct bench *b)
{
    uint64_t caps = b->tables[0]->strategy->caps;
    if (!(caps & LB_CAP_KEYED) || caps & LB_CAP_LOAD)
        return;
    for (uint32_t q = QUESTIONS; q-- > 0;) {
        set_live(b, q);
        set_tried(b, q);
        set_question(b, q, q % 6 < 3 ? 0 : 1 + q % 3);
        uint32_t answer = ask(b, 0, q);
        if (answer != b->answers[q])
            refuse_difference(b, b->answers[q], answer, "when asked again");
    }
}

/* From the first attempt to the one that finds nobody left. */
static void walk(struct bench *b, uint32_t q)
{
    set_live(b, q);
    memset(b->tried.data, 0, b->tried.size);
    for (uint32_t attempt = 0; attempt <= b->n; attempt++) {
        set_question(b, q, attempt);
        uint32_t member = ask_all(b, q + attempt);
        if (member == LB_NONE)
            return;
        mark(b, member);
    }
}

/* ------------------------------------------------------------------ explaining */

static void say_number(void *ctx, const char *name, uint64_t value)
{
    (void)ctx, (void)value;
    if (!name)
        vet_refuse(PART_SCHEDULER, "explain tells a number without a name");
}

static void say_text(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    if (!name || !value)
        vet_refuse(PART_SCHEDULER, "explain tells a text that is NULL, or has no name");
}

static void say_member(void *ctx, const char *name, uint32_t member)
{
    const struct bench *b = ctx;
    if (!name)
        vet_refuse(PART_SCHEDULER, "explain tells of a member without a name for it");
    if (member >= b->n && member != LB_NONE)
        vet_refuse(PART_SCHEDULER, "explain tells of member %u, and there are %u", member, b->n);
}

static void explain_some(struct bench *b)
{
    const struct table *table = b->tables[0];
    const struct lb_explain say = {
        .struct_size = sizeof say, .ctx = b, .number = say_number, .text = say_text, .member = say_member
    };
    if (!table->strategy->ops->explain)
        return;
    unsigned char *before = mem_alloc(table->scratch_size);
    for (uint32_t q = 0; q < EXPLAINED; q++) {
        set_live(b, q * 5);
        set_tried(b, q * 5);
        set_question(b, q * 5, 0);
        b->random = lb_mix64(q);
        b->question.hash = strategy_hash(table->strategy, &b->key);
        if (table->scratch_size)
            memcpy(before, b->scratch[0].data, table->scratch_size);
        table->strategy->ops->explain(table->made, &b->question, b->scratch[0].data, &say);
        if (table->scratch_size && memcmp(before, b->scratch[0].data, table->scratch_size) != 0)
            vet_refuse(PART_SCHEDULER, "changes its scratch in explain, which is only to look");
    }
    free(before);
}

/* ------------------------------------------------------------------ all of it */

void vet_exercise_picks(struct table *table, struct table *again, struct table *other)
{
    struct bench b;
    bench_open(&b, table, again, other);
    ask_many(&b);
    ask_again(&b);
    for (uint32_t q = 0; q < (b.n <= 16 ? 12u : 3u); q++)
        walk(&b, q);
    explain_some(&b);
    bench_close(&b);
}
