/*
 * vetting.c - no plugin's code is mapped before it has shown elsewhere that it behaves.
 *
 * Owns     the verdicts so far.
 * Used by  control.c, reload.c, main.c.
 * Uses     vetting_child.h, vetting_text.h; world/strategy.h, world/vet_order.h, world/config.h.
 * Thread   see vetting.h.
 */
#include "control/vetting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/problem.h"
#include "control/vetting_child.h"
#include "control/vetting_text.h"
#include "world/config.h"
#include "world/plugin.h"
#include "world/strategy.h"
#include "world/vet.h"
#include "world/vet_order.h"

#define PASSED_MAX 64 /* strategies that are remembered; the oldest makes room, and would be tried again */

#ifdef RM_SANITIZED
#define SLOWNESS 10 /* what a sanitizer costs, at the worst */
#else
#define SLOWNESS 1
#endif

struct passed {
    uint64_t key[2]; /* of bytes and options as written; 0, 0: none */
    struct vet_report report;
};

struct vetting {
    char *program;
    int cancel; /* an eventfd: readable for ever, once */
    struct passed passed[PASSED_MAX];
    size_t next; /* the oldest */
};

struct vetting *vetting_new(const char *program)
{
    int cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel < 0)
        return NULL;
    struct vetting *v = mem_zero(1, sizeof *v);
    v->program = mem_text(program);
    v->cancel = cancel;
    return v;
}

void vetting_free(struct vetting *v)
{
    if (!v)
        return;
    close(v->cancel);
    free(v->program);
    free(v);
}

void vetting_cancel(struct vetting *v)
{
    uint64_t one = 1;
    if (v && write(v->cancel, &one, sizeof one) != sizeof one)
        return; /* the counter is full: it is readable */
}

/* ------------------------------------------------------------------ what is known already */

static void digest_text(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void digest_written(XXH3_state_t *state, const struct config_plugin *written)
{
    XXH3_128bits_update(state, &written->n_options, sizeof written->n_options);
    for (size_t i = 0; i < written->n_options; i++) {
        const struct config_value *value = &written->options[i];
        digest_text(state, value->name);
        XXH3_128bits_update(state, &value->type, sizeof value->type);
        XXH3_128bits_update(state, &value->i, sizeof value->i);
        XXH3_128bits_update(state, &value->f, sizeof value->f);
        digest_text(state, value->s);
    }
}

/* Equal keys: the same bytes, called the same, with the same options written. */
static void make_key(const struct strategy_source *source, uint64_t key[2])
{
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        abort(); /* as mem.c does: out of memory */
    XXH3_128bits_reset(state);
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        const struct plugin_file *file = source->files[part];
        static const uint64_t none[2];
        XXH3_128bits_update(state, file ? file->content : none, sizeof none);
        digest_written(state, source->written[part]);
    }
    XXH128_hash_t sum = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    key[0] = sum.low64;
    key[1] = sum.high64;
}

static const struct vet_report *find_passed(const struct vetting *v, const uint64_t key[2])
{
    for (size_t i = 0; i < PASSED_MAX; i++)
        if (v->passed[i].key[0] == key[0] && v->passed[i].key[1] == key[1] && (key[0] | key[1]))
            return &v->passed[i].report;
    return NULL;
}

static const struct vet_report *remember(struct vetting *v, const uint64_t key[2],
                                         const struct vet_report *report)
{
    struct passed *p = &v->passed[v->next++ % PASSED_MAX];
    memcpy(p->key, key, sizeof p->key);
    p->report = *report;
    return &p->report;
}

/* ------------------------------------------------------------------ who is tried on */

struct expected {
    struct lb_member *members;
    char **names;
    uint32_t n;
};

/* The replicas that a configuration asks for, before there are any. Their names only have to look alike. */
static void expect_members(struct expected *e, const struct config *config)
{
    bool is_static = config->replicas.driver == DRIVER_STATIC;
    size_t n = is_static ? config->replicas.n_members : config->replicas.count;
    e->n = n < VET_MEMBERS ? (uint32_t)n : VET_MEMBERS;
    e->members = mem_zero(e->n + 1u, sizeof *e->members);
    e->names = mem_zero(e->n + 1u, sizeof *e->names);
    for (uint32_t i = 0; i < e->n; i++) {
        const struct config_member *written = is_static ? &config->replicas.members[i] : NULL;
        e->names[i] = written && written->name ? mem_text(written->name) : mem_format("Server %u", i + 1);
        e->members[i] = (struct lb_member){ .id = i + 1,
                                            .key = e->names[i],
                                            .key_len = (uint32_t)strlen(e->names[i]),
                                            .weight = written ? written->weight : 1 };
    }
    qsort(e->members, e->n, sizeof *e->members, strategy_compare_members);
}

static void free_expected(struct expected *e)
{
    for (uint32_t i = 0; i < e->n; i++)
        free(e->names[i]);
    free(e->names);
    free(e->members);
}

/* Of many members so many that lie evenly among them. The array is the caller's to free. */
static struct lb_member *thin_out(const struct lb_member *members, uint32_t n, uint32_t *left)
{
    *left = n < VET_MEMBERS ? n : VET_MEMBERS;
    struct lb_member *out = mem_alloc((*left + 1u) * sizeof *out);
    for (uint32_t i = 0; i < *left; i++)
        out[i] = members[(uint64_t)i * n / *left];
    return out;
}

/* ------------------------------------------------------------------ the trial */

static struct vet_order make_order(const struct strategy_source *source, const struct config *config,
                                   bool is_partial)
{
    return (struct vet_order){ .memory = (uint64_t)config->strategy.vet_memory_mib << 20,
                               .cpu_ms = config->strategy.vet_timeout_ms * SLOWNESS,
                               .source = *source,
                               .is_partial = is_partial };
}

/* True and the report when it has passed; else what is wrong is added to problems. */
static bool try_out(struct vetting_visit *visit, struct vet_order *order, const struct config *config,
                    struct vet_report *report, struct problems *problems)
{
    struct vetting_end end;
    uint64_t begun = clock_now_ns();

    vetting_child_run(visit->vetting->program, order, visit->vetting->cancel, &end);
    visit->vet_ns += clock_now_ns() - begun;
    bool passed = end.cause == VETTING_ENDED && atomic_load(&end.page->end) == VET_PASSED;
    if (passed)
        *report = end.page->report;
    else
        vetting_tell(&end, order, config, visit->has_old, problems);
    vetting_end_free(&end);
    return passed;
}

/* With the members there are, or as many as there will be. */
static bool try_on_members(struct vetting_visit *visit, const struct strategy_source *source,
                           const struct config *config, bool is_candidate, struct vet_report *report,
                           struct problems *problems)
{
    struct vet_order order = make_order(source, config, problems->count > 0);
    struct expected expected = { 0 };
    const struct lb_member *members = visit->members;
    uint32_t n = visit->n_members;

    if (n == 0) {
        expect_members(&expected, config);
        members = expected.members;
        n = expected.n;
    }
    order.must_fit = visit->n_members > 0 && !is_candidate;
    order.members = thin_out(members, n, &order.n_members);
    bool passed = try_out(visit, &order, config, report, problems);
    free(order.members);
    free_expected(&expected);
    /* The copies that were made belong to the files, which are the source's: nothing else of order is to be
     * freed. */
    return passed;
}

static bool has_files(const struct strategy_source *source)
{
    for (int part = 0; part < STRATEGY_PARTS; part++)
        if (source->files[part])
            return true;
    return false;
}

static bool is_whole(const struct strategy_source *source)
{
    for (int part = 0; part < STRATEGY_PARTS; part++)
        if (source->missing[part])
            return false;
    return true;
}

/* The report of whoever passes, now or before; NULL with problems. */
static const struct vet_report *vet(struct vetting_visit *visit, const struct strategy_source *source,
                                    const struct config *config, bool is_candidate, struct problems *problems)
{
    const struct vet_report *report;
    struct vet_report fresh;
    uint64_t key[2];

    if (!has_files(source)) {
        strategy_compose(source, problems); /* says what is missing; there is no code */
        return NULL;
    }
    make_key(source, key);
    report = is_whole(source) ? find_passed(visit->vetting, key) : NULL;
    if (!report && try_on_members(visit, source, config, is_candidate, &fresh, problems))
        report = remember(visit->vetting, key, &fresh);
    return report;
}

static struct strategy *make(struct vetting_visit *visit, const struct config *config, bool is_candidate,
                             struct problems *problems)
{
    struct strategy_source source;
    struct strategy *s = NULL;
    size_t before = problems->count;

    strategy_read(&source, config);
    const struct vet_report *report = vet(visit, &source, config, is_candidate, problems);
    if (report && before == 0)
        s = strategy_compose(&source, problems);
    strategy_source_close(&source);
    if (s) {
        s->vet = mem_alloc(sizeof *s->vet);
        *s->vet = *report;
    }
    return s;
}

struct strategy *vetting_make(struct vetting_visit *visit, const struct config *config,
                              struct problems *problems)
{
    return make(visit, config, false, problems);
}

struct strategy *vetting_make_candidate(void *ctx, const struct config *config, struct problems *problems)
{
    return make(ctx, config, true, problems);
}

static void try_only(struct vetting_visit *visit, const struct config *config, bool is_candidate,
                     struct problems *problems)
{
    struct strategy_source source;
    strategy_read(&source, config);
    vet(visit, &source, config, is_candidate, problems);
    strategy_source_close(&source);
}

void vetting_try(struct vetting_visit *visit, const struct config *config, struct problems *problems)
{
    try_only(visit, config, false, problems);
}

struct strategy *vetting_try_candidate(void *ctx, const struct config *config, struct problems *problems)
{
    try_only(ctx, config, true, problems);
    return NULL;
}
