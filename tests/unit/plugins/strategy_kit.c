/*
 * strategy_kit.c - strategies, members and questions for tests, through the real .so files.
 *
 * Owns     what the kit_ functions hand out until it is given back.
 * Used by  unit/plugins/test_*.c, unit/world/test_strategy.c.
 * Thread   the test's.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void parse_value(char *text, struct config_value *value)
{
    char *end;

    value->i = strtoll(text, &end, 0);
    if (*end == 0 && end != text) {
        value->type = CONFIG_INT;
        value->f = (double)value->i;
        return;
    }
    value->f = strtod(text, &end);
    if (*end == 0 && end != text) {
        value->type = CONFIG_FLOAT;
        return;
    }
    value->i = strcmp(text, "true") == 0;
    value->type = value->i || strcmp(text, "false") == 0 ? CONFIG_BOOL : CONFIG_TEXT;
    if (value->type == CONFIG_TEXT)
        value->s = mem_text(text);
}

static void fill_part(struct config_plugin *out, struct kit_part part, int line)
{
    char *options = mem_text(part.options ? part.options : ""), *rest = options, *word;

    out->name = mem_text(part.name);
    out->place = (struct place){ .file = "test.conf", .line = line, .column = 1 };
    out->options = mem_zero(strlen(options) + 1, sizeof *out->options);
    while ((word = strsep(&rest, " "))) {
        char *equals = strchr(word, '=');
        struct config_value *value = &out->options[out->n_options];

        if (!equals)
            continue;
        *equals = 0;
        value->name = mem_text(word);
        value->place = (struct place){ .file = "test.conf", .line = line, .column = (int)out->n_options + 1 };
        parse_value(equals + 1, value);
        out->n_options++;
    }
    free(options);
}

struct config *kit_config(const char *plugin_dir, struct kit_part scheduler, struct kit_part hash,
                          struct kit_part probe)
{
    struct config *config = mem_zero(1, sizeof *config);

    config->plugin_dir = mem_text(plugin_dir);
    fill_part(&config->strategy.scheduler, scheduler, 1);
    fill_part(&config->strategy.hash, hash, 2);
    fill_part(&config->strategy.probe, probe, 3);
    return config;
}

static void free_part(struct config_plugin *part)
{
    for (size_t i = 0; i < part->n_options; i++) {
        free(part->options[i].name);
        free(part->options[i].s);
    }
    free(part->options);
    free(part->name);
}

void kit_config_free(struct config *config)
{
    free_part(&config->strategy.scheduler);
    free_part(&config->strategy.hash);
    free_part(&config->strategy.probe);
    free(config->plugin_dir);
    free(config);
}

struct strategy *kit_strategy(struct kit_part scheduler, struct kit_part hash, struct kit_part probe)
{
    struct config *config = kit_config(RM_PLUGIN_DIR, scheduler, hash, probe);
    struct problems problems = { 0 };
    struct strategy *s = strategy_make(config, &problems);

    for (size_t i = 0; i < problems.count; i++)
        print_error("%s\n", problems.items[i].message);
    assert_non_null(s);
    assert_int_equal(problems.count, 0);
    problems_free(&problems);
    kit_config_free(config);
    return s;
}

char *kit_problems(const char *plugin_dir, struct kit_part scheduler, struct kit_part hash,
                   struct kit_part probe)
{
    struct config *config = kit_config(plugin_dir, scheduler, hash, probe);
    struct problems problems = { 0 };
    struct strategy *s = strategy_make(config, &problems);
    char *all = mem_text("");

    assert_true(!s == (problems.count > 0));
    strategy_release(s);
    for (size_t i = 0; i < problems.count; i++) {
        const struct problem *p = &problems.items[i];
        char *longer = mem_format("%s%s%d:%d: %s%s%s%s", all, i ? "\n" : "", p->line, p->column, p->message,
                                  p->hint ? " [" : "", p->hint ? p->hint : "", p->hint ? "]" : "");
        free(all);
        all = longer;
    }
    problems_free(&problems);
    kit_config_free(config);
    return all;
}

struct lb_member *kit_members(uint32_t n)
{
    struct lb_member *members = mem_zero(n + 1u, sizeof *members);

    for (uint32_t i = 0; i < n; i++) {
        char *name = mem_format("Server %u", i + 1);
        members[i] =
            (struct lb_member){ .id = i + 1, .key = name, .key_len = (uint32_t)strlen(name), .weight = 1 };
    }
    qsort(members, n, sizeof *members, strategy_compare_members);
    return members;
}

void kit_members_free(struct lb_member *members, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        free((char *)(uintptr_t)members[i].key);
    free(members);
}

struct table *kit_build(struct strategy *s, const struct lb_member *members, uint32_t n)
{
    struct lb_error why = { "" };
    struct table *t = strategy_build(s, members, n, &why);

    if (!t)
        print_error("%s\n", why.text);
    assert_non_null(t);
    return t;
}

uint32_t kit_index(const struct table *t, uint64_t id)
{
    for (uint32_t i = 0; i < t->n_members; i++) {
        if (t->members[i].id == id)
            return i;
    }
    fail_msg("no member has id %llu", (unsigned long long)id);
    return LB_NONE;
}

struct kit_seat kit_sit(const struct table *t, uint64_t random)
{
    static const struct lb_live idle = { .ready = 1 };
    struct kit_seat seat = { .table = t, .random = random };

    seat.tried = mem_zero(t->n_members / 64 + 1u, sizeof *seat.tried);
    seat.live = mem_alloc((t->n_members + 1u) * sizeof *seat.live);
    for (uint32_t i = 0; i < t->n_members; i++)
        seat.live[i] = &idle;
    if (t->scratch_size)
        seat.scratch = mem_aligned(64, t->scratch_size);
    return seat;
}

void kit_leave(struct kit_seat *seat)
{
    free(seat->tried);
    free(seat->live);
    free(seat->scratch);
}

struct lb_key kit_key(uint64_t number, char *text)
{
    struct lb_key key = { .bytes = text, .len = (size_t)sprintf(text, "%llu", (unsigned long long)number) };

    strategy_key_finish(&key);
    return key;
}

static uint32_t ask(struct kit_seat *seat, const struct lb_key *key, uint64_t hash)
{
    struct lb_pick p = {
        .struct_size = sizeof p,
        .n_members = seat->table->n_members,
        .key = key,
        .hash = hash,
        .tried = seat->tried,
        .live = seat->live,
        .random = &seat->random,
    };

    return seat->table->strategy->ops->pick(seat->table->made, &p, seat->scratch);
}

uint32_t kit_ask(struct kit_seat *seat, const struct lb_key *key)
{
    return ask(seat, key, strategy_hash(seat->table->strategy, key));
}

uint32_t kit_ask_hash(struct kit_seat *seat, uint64_t hash)
{
    struct lb_key key = { .bytes = "", .id = hash };

    return ask(seat, &key, hash);
}

void kit_mark(struct kit_seat *seat, uint32_t member)
{
    seat->tried[member >> 6] |= 1ull << (member & 63);
}

void kit_unmark_all(struct kit_seat *seat)
{
    memset(seat->tried, 0, (seat->table->n_members / 64 + 1u) * sizeof *seat->tried);
}

struct lb_inspect kit_inspect(const struct table *t, double *shares, uint64_t slot)
{
    struct lb_inspect seen = {
        .struct_size = sizeof seen, .n_members = t->n_members, .shares = shares, .slot = slot
    };

    assert_int_equal(t->strategy->ops->inspect(t->made, &seen), 0);
    return seen;
}

static void *scarce_alloc(void *ctx, size_t bytes)
{
    struct kit_scarce *scarce = ctx;

    if (scarce->left == 0)
        return NULL;
    scarce->left--;
    scarce->out++;
    return malloc(bytes);
}

static void scarce_release(void *ctx, void *memory)
{
    struct kit_scarce *scarce = ctx;

    scarce->out--;
    free(memory);
}

struct lb_alloc kit_scarce_alloc(struct kit_scarce *scarce)
{
    return (struct lb_alloc){ .alloc = scarce_alloc, .release = scarce_release, .ctx = scarce };
}
