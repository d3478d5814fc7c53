/*
 * strategy.c - one scheduler, one hash and one probe, composed.
 *
 * Owns     the instances of the three plugins and the values they were created with.
 * Used by  control's vetting (read, compose), view.c (holds it), path/pick.c (asks).
 * Uses     plugin.c, strategy_options.c, config.h for names and options.
 * Thread   read and compose: builder thread. retain and release: control thread. keys and digests: any.
 *
 * A hash and a probe that are named are loaded and created even under a scheduler that asks neither: their
 * options are checked where they are written, and they are ready when the scheduler is changed.
 */
#include "world/strategy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"
#include "world/config.h"
#include "world/plugin.h"
#include "world/strategy_options.h"

enum lb_kind strategy_kind(enum strategy_part part)
{
    static const enum lb_kind kinds[STRATEGY_PARTS] = { LB_SCHEDULER, LB_HASH, LB_PROBE };

    return kinds[part];
}

static struct plugin **plugin_of(struct strategy *s, enum strategy_part part)
{
    struct plugin **parts[STRATEGY_PARTS] = { &s->scheduler, &s->hash, &s->probe };

    return parts[part];
}

static void keep_instance(struct strategy *s, enum strategy_part part, void *self)
{
    switch (part) {
    case PART_HASH: s->with_hash.self = self; break;
    case PART_PROBE: s->with_probe.self = self; break;
    default: s->self = self; break;
    }
}

static void *instance_of(const struct strategy *s, enum strategy_part part)
{
    const void *instances[STRATEGY_PARTS] = { s->self, s->with_hash.self, s->with_probe.self };

    return (void *)(uintptr_t)instances[part];
}

/* The three kinds of ops begin alike: size, create, destroy. */
static lb_create_fn create_of(const struct plugin *p)
{
    switch (p->info->kind) {
    case LB_HASH: return ((const struct lb_hash_ops *)p->info->ops)->create;
    case LB_PROBE: return ((const struct lb_probe_ops *)p->info->ops)->create;
    default: return ((const struct lb_scheduler_ops *)p->info->ops)->create;
    }
}

static lb_destroy_fn destroy_of(const struct plugin *p)
{
    switch (p->info->kind) {
    case LB_HASH: return ((const struct lb_hash_ops *)p->info->ops)->destroy;
    case LB_PROBE: return ((const struct lb_probe_ops *)p->info->ops)->destroy;
    default: return ((const struct lb_scheduler_ops *)p->info->ops)->destroy;
    }
}

/* ------------------------------------------------------------------ making */

static bool is_named(const struct config_plugin *written)
{
    return written->name && written->name[0];
}

/* plugin_load says it in one sentence; what that suggests at its end is the hint. Cuts it off. */
static const char *cut_hint(char *why)
{
    char *hint = strstr(why, "; did you mean ");
    if (!hint)
        return NULL;
    *hint = '\0';
    return hint + 2;
}

void strategy_read(struct strategy_source *out, const struct config *config)
{
    *out = (struct strategy_source){ .written = { &config->strategy.scheduler, &config->strategy.hash,
                                                  &config->strategy.probe } };
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        const struct config_plugin *written = out->written[part];
        char why[1024];

        if (!is_named(written))
            continue;
        out->files[part] = plugin_file_read(config->plugin_dir, written->name,
                                            strategy_kind((enum strategy_part)part), why, sizeof why);
        if (!out->files[part])
            out->missing[part] = mem_text(why);
    }
}

void strategy_add_missing(const struct strategy_source *source, enum strategy_part part,
                          struct problems *problems)
{
    if (!source->missing[part])
        return;
    char *why = mem_text(source->missing[part]);
    const char *hint = cut_hint(why);
    problem_add(problems, source->written[part]->place, hint, "%s", why);
    free(why);
}

void strategy_source_close(struct strategy_source *source)
{
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        plugin_file_free(source->files[part]);
        free(source->missing[part]);
    }
    *source = (struct strategy_source){ 0 };
}

/* Maps one part and fills in its options. */
static void load_part(struct strategy *s, enum strategy_part part, const struct strategy_source *source,
                      struct problems *problems)
{
    const struct config_plugin *written = source->written[part];
    struct plugin **plugin = plugin_of(s, part);
    char why[1024];

    strategy_add_missing(source, part, problems);
    if (!source->files[part])
        return;
    *plugin = plugin_map(source->files[part], why, sizeof why);
    if (*plugin)
        s->values[part] = options_fill((*plugin)->info, written, problems);
    else
        problem_add(problems, written->place, NULL, "%s", why);
}

/* What the scheduler asks for must be there. */
static void check_parts(const struct strategy *s, const struct strategy_source *source,
                        struct problems *problems)
{
    static const uint64_t needs[STRATEGY_PARTS] = { 0, LB_CAP_NEEDS_HASH, LB_CAP_NEEDS_PROBE };
    const struct config_plugin *scheduler = source->written[PART_SCHEDULER];

    if (!is_named(scheduler)) {
        problem_add(problems, scheduler->place, "scheduler = \"scheduler_ring\";",
                    "no scheduler is named: set "
                    "strategy.scheduler");
        return;
    }
    for (int part = PART_HASH; s->scheduler && part < STRATEGY_PARTS; part++) {
        const char *kind = plugin_kind_name(strategy_kind((enum strategy_part)part));

        if (s->scheduler->info->caps & needs[part] && !is_named(source->written[part]))
            problem_add(problems, scheduler->place, NULL, "%s needs a %s plugin: set strategy.%s",
                        s->scheduler->info->name, kind, kind);
    }
}

/* Makes the instance of one part. Returns true when there is one now. */
static bool create_part(struct strategy *s, enum strategy_part part, const struct strategy_source *source,
                        struct problems *problems)
{
    struct plugin *plugin = *plugin_of(s, part);
    struct lb_error why = { "" };
    void *self = NULL;

    if (!plugin)
        return false;
    if (!create_of(plugin) || create_of(plugin)(s->values[part], &self, &why) == 0) {
        keep_instance(s, part, self);
        return true;
    }
    why.text[sizeof why.text - 1] = 0;
    problem_add(problems, source->written[part]->place, NULL, "%s refuses its options: %s",
                plugin->info->name, why.text[0] ? why.text : "it gave no reason");
    return false;
}

static void destroy_part(struct strategy *s, enum strategy_part part)
{
    struct plugin *plugin = *plugin_of(s, part);

    if (destroy_of(plugin))
        destroy_of(plugin)(instance_of(s, part));
}

/* Creates all three, or none. */
static bool create_all(struct strategy *s, const struct strategy_source *source, struct problems *problems)
{
    size_t before = problems->count;
    bool created[STRATEGY_PARTS];

    for (int part = 0; part < STRATEGY_PARTS; part++)
        created[part] = create_part(s, (enum strategy_part)part, source, problems);
    if (problems->count == before)
        return true;
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        if (created[part])
            destroy_part(s, (enum strategy_part)part);
    }
    return false;
}

static void hash_text(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text, strlen(text) + 1);
}

/* Contents, names and values; the names of options too, since the order in a table means nothing. */
static void fingerprint(struct strategy *s)
{
    XXH3_state_t *state = XXH3_createState();
    XXH128_hash_t sum;

    if (!state)
        abort(); /* as mem.c does: out of memory */
    XXH3_128bits_reset(state);
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        const struct plugin *plugin = *plugin_of(s, (enum strategy_part)part);
        const struct lb_option *option = plugin ? plugin->info->options : NULL;

        hash_text(state, plugin ? plugin->info->name : "");
        if (plugin)
            XXH3_128bits_update(state, plugin->content, sizeof plugin->content);
        for (size_t k = 0; option && option[k].name; k++) {
            hash_text(state, option[k].name);
            if (option[k].type == LB_TEXT)
                hash_text(state, s->values[part][k].s);
            else
                XXH3_128bits_update(state, &s->values[part][k].i, sizeof s->values[part][k].i);
        }
    }
    sum = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    s->fingerprint[0] = sum.low64;
    s->fingerprint[1] = sum.high64;
}

/* Plugins and values, without the instances. */
static void unload(struct strategy *s)
{
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        struct plugin *plugin = *plugin_of(s, (enum strategy_part)part);

        if (plugin) {
            options_free(plugin->info, s->values[part]);
            plugin_release(plugin);
        }
    }
    free(s->vet);
    free(s);
}

struct strategy *strategy_compose(const struct strategy_source *source, struct problems *problems)
{
    struct strategy *s = mem_zero(1, sizeof *s);
    size_t before = problems->count;

    for (int part = 0; part < STRATEGY_PARTS; part++)
        load_part(s, (enum strategy_part)part, source, problems);
    check_parts(s, source, problems);
    if (problems->count > before || !create_all(s, source, problems)) {
        unload(s);
        return NULL;
    }
    s->ops = s->scheduler->info->ops;
    s->caps = s->scheduler->info->caps;
    if (s->caps & LB_CAP_NEEDS_HASH)
        s->with_hash.ops = s->hash->info->ops;
    if (s->caps & LB_CAP_NEEDS_PROBE)
        s->with_probe.ops = s->probe->info->ops;
    fingerprint(s);
    atomic_init(&s->refs, 1);
    return s;
}

struct strategy *strategy_make(const struct config *config, struct problems *problems)
{
    struct strategy_source source;
    struct strategy *s;

    strategy_read(&source, config);
    s = strategy_compose(&source, problems);
    strategy_source_close(&source);
    return s;
}

void strategy_retain(struct strategy *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void strategy_release(struct strategy *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        if (*plugin_of(s, (enum strategy_part)part))
            destroy_part(s, (enum strategy_part)part);
    }
    unload(s);
}

/* ------------------------------------------------------------------ names, ids, keys */

/* 1 to 19 digits, at most 2^63 - 1; leading zeros are digits like others ("007" is 7). */
static bool parse_number(const char *bytes, size_t len, uint64_t *out)
{
    uint64_t number = 0;

    if (len == 0 || len > 19)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(bytes[i] - '0'); /* 19 nines are below 2^64 */
    }
    *out = number;
    return number <= INT64_MAX;
}

uint64_t strategy_id_of_name(const char *name, size_t len)
{
    uint64_t id;

    return parse_number(name, len, &id) ? id : XXH3_64bits(name, len);
}

void strategy_key_finish(struct lb_key *key)
{
    uint64_t id;

    key->reserved = 0;
    if (parse_number(key->bytes, key->len, &id)) {
        key->id = id;
        key->flags = LB_KEY_INTEGER;
    } else {
        key->id = XXH3_64bits(key->bytes, key->len);
        key->flags = 0;
    }
}

int strategy_compare_members(const void *a, const void *b)
{
    const struct lb_member *one = a, *other = b;
    uint32_t shorter = one->key_len < other->key_len ? one->key_len : other->key_len;
    int order = shorter ? memcmp(one->key, other->key, shorter) : 0;

    if (order)
        return order;
    return (one->key_len > other->key_len) - (one->key_len < other->key_len);
}

uint64_t strategy_digest_members(const struct lb_member *members, uint32_t n)
{
    XXH3_state_t *state = XXH3_createState();
    uint64_t digest;

    if (!state)
        abort(); /* as mem.c does: out of memory */
    XXH3_64bits_reset(state);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t fixed[2] = { members[i].id, (uint64_t)members[i].weight << 32 | members[i].key_len };

        XXH3_64bits_update(state, fixed, sizeof fixed);
        XXH3_64bits_update(state, members[i].key, members[i].key_len);
    }
    digest = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return digest;
}
