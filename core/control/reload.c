/*
 * reload.c - lb.conf is read again: built aside, then swapped, or refused as a whole.
 *
 * Owns     the run under way, and those who wait for it.
 * Used by  control.c, routes.c.
 * Uses     builder.h, publish.h, roster.h, vetting.h, reload_answer.h; world/config.h, world/strategy.h, world/plugin.h.
 * Thread   control; trial_work alone runs on the thread for trials, run_work on the builder's.
 *
 * A run has two errands. The trial reads lb.conf and waits until its plugins have shown, in another process, that they
 * behave; that may take seconds, and the builder builds for others meanwhile. Then the builder makes the strategy and its
 * table. A run holds a reference to everything it compares with, so that nothing can go away under either thread.
 */
#include "control/reload.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/problem.h"
#include "control/builder.h"
#include "control/call.h"
#include "control/candidates.h"
#include "control/publish.h"
#include "control/reload_answer.h"
#include "control/roster.h"
#include "control/routes.h"
#include "control/supervisor.h"
#include "control/vetting.h"
#include "world/config.h"
#include "world/plugin.h"
#include "world/shadow.h"
#include "world/strategy.h"
#include "world/view.h"

#define SAMPLE_KEYS 10000 /* CONTRACT 5: what moved_keys is measured on */

struct waiter {
    struct link link; /* in reload.waiting or reload.later */
    char *who;
    reload_done_fn done; /* NULL: it only wants it done */
    void *arg;
};

struct run {
    struct letter_built built;
    struct reload *r;

    /* what is in force; a reference each */
    struct config *config_before;
    struct strategy *strategy_before;
    struct table *table_before;
    struct shadow_set *set_before;
    struct shadow *shadow_before; /* may be NULL */
    struct rotation rotation;
    unsigned n_workers;

    /* the builder's results; a reference each, or NULL */
    struct config *loaded, *config; /* as written, and as it may run without a restart */
    struct strategy *strategy;
    struct table *table;
    struct shadow_set *made, *set; /* candidates: as made, and with what of set_before is the same */
    struct shadow *shadow;         /* over the next table */
    bool same_strategy;
    struct problems problems;
    char **changed, **restart;
    double moved;
    uint64_t vet_ns; /* 0: nothing was new */
    uint64_t build_ns;

    uint64_t posted_ns; /* when the publication began */
};

struct reload {
    struct builder *trials, *builder;
    struct publish *publish;
    struct vetting *vetting;
    reload_applied_fn applied;
    void *ctx;
    struct run *run;     /* NULL: none */
    struct link waiting; /* for the run under way */
    struct link later;   /* for the one after it */
};

static void start(struct reload *r);

struct reload *reload_new(struct builder *trials, struct builder *builder, struct publish *publish,
                          struct vetting *vetting, reload_applied_fn applied, void *ctx)
{
    struct reload *r = mem_zero(1, sizeof *r);
    r->trials = trials;
    r->builder = builder;
    r->publish = publish;
    r->vetting = vetting;
    r->applied = applied;
    r->ctx = ctx;
    list_init(&r->waiting);
    list_init(&r->later);
    return r;
}

void reload_ask(struct reload *r, const char *who, reload_done_fn done, void *arg)
{
    struct waiter *w = mem_zero(1, sizeof *w);
    w->who = mem_text(who);
    w->done = done;
    w->arg = arg;
    list_push_back(r->run ? &r->later : &r->waiting, &w->link);
    if (!r->run)
        start(r);
}

/* ------------------------------------------------------------------ on the other threads */

static bool is_same_strategy(const struct strategy *a, const struct strategy *b)
{
    return memcmp(a->fingerprint, b->fingerprint, sizeof a->fingerprint) == 0;
}

static struct vetting_visit visit_of(const struct run *run)
{
    return (struct vetting_visit){ .vetting = run->r->vetting,
                                   .members = run->rotation.members,
                                   .n_members = run->rotation.n,
                                   .has_old = true };
}

/* Reads the configuration, and has its plugins tried out with the replicas there are. */
static void trial_work(struct letter_built *built)
{
    struct run *run = (struct run *)built;
    run->loaded = config_load_partial(run->config_before->path, &run->problems);
    if (!run->loaded)
        return;
    if (run->problems.count == 0) {
        run->changed = config_diff(run->config_before, run->loaded, &run->restart);
        run->config = config_merge_running(run->config_before, run->loaded);
    }
    /* One with mistakes will not run; what its plugins think of it belongs to the same list. */
    const struct config *config = run->config ? run->config : run->loaded;
    struct vetting_visit visit = visit_of(run);
    vetting_try(&visit, config, &run->problems);
    shadow_set_release(shadow_set_make(config, vetting_try_candidate, &visit, &run->problems));
    config_sort_problems(config, &run->problems, 0);
    run->vet_ns = visit.vet_ns;
}

/* What has just passed is not tried again, unless a file was overwritten since. */
static void make_strategies(struct run *run)
{
    struct vetting_visit visit = visit_of(run);
    run->strategy = vetting_make(&visit, run->config, &run->problems);
    run->made = shadow_set_make(run->config, vetting_make_candidate, &visit, &run->problems);
    run->vet_ns += visit.vet_ns;
}

static void build_table(struct run *run)
{
    struct lb_error why = { "" };
    uint64_t begun = clock_now_ns();
    run->table = strategy_build(run->strategy, run->rotation.members, run->rotation.n, &why);
    run->build_ns = clock_now_ns() - begun;
    if (!run->table)
        problem_add(&run->problems, run->config->strategy.scheduler.place, NULL, "%s", why.text);
}

/* One that is refused by these members is marked so; it does not make the configuration a bad one. */
static void build_candidates(struct run *run, struct table *next)
{
    if (run->set->n == 0 || next->n_members == 0)
        return;
    run->shadow = shadow_new(run->set, next, run->n_workers, run->shadow_before);
    for (uint32_t i = 0; i < run->set->n; i++)
        shadow_build(run->shadow, i, run->shadow_before);
}

static void run_work(struct letter_built *built)
{
    struct run *run = (struct run *)built;
    make_strategies(run);
    if (!run->strategy || !run->made) {
        config_sort_problems(run->config, &run->problems, 0);
        return;
    }
    run->set = shadow_set_adopt(run->made, run->set_before);
    run->same_strategy = is_same_strategy(run->strategy_before, run->strategy);
    if (!run->same_strategy)
        build_table(run);
    struct table *next = run->same_strategy ? run->table_before : run->table;
    if (!next)
        return;
    run->moved = strategy_moved_keys(run->table_before, next, SAMPLE_KEYS);
    build_candidates(run, next);
}

/* ------------------------------------------------------------------ a run */

/* Takes hold of what is in force. */
static void hold(struct run *run)
{
    struct publish *publish = run->r->publish;
    run->config_before = publish_config(publish);
    config_retain(run->config_before);
    run->strategy_before = publish_strategy(publish);
    strategy_retain(run->strategy_before);
    run->table_before = publish_table(publish);
    table_retain(run->table_before);
    run->set_before = candidates_set(publish_candidates(publish));
    shadow_set_retain(run->set_before);
    run->shadow_before = candidates_last(publish_candidates(publish));
    if (run->shadow_before)
        shadow_retain(run->shadow_before);
    run->n_workers = publish_count_workers(publish);
    publish_roster(publish, &run->rotation);
}

static void let_go(struct run *run)
{
    roster_free(&run->rotation);
    shadow_release(run->shadow_before);
    shadow_set_release(run->set_before);
    table_release(run->table_before);
    strategy_release(run->strategy_before);
    config_release(run->config_before);
}

static void run_drop(struct letter_built *built)
{
    struct run *run = (struct run *)built;
    let_go(run);
    if (run->table)
        table_release(run->table);
    if (run->strategy)
        strategy_release(run->strategy);
    if (run->config)
        config_release(run->config);
    if (run->loaded)
        config_release(run->loaded);
    shadow_release(run->shadow);
    shadow_set_release(run->set);
    shadow_set_release(run->made);
    problems_free(&run->problems);
    if (run->changed)
        config_names_free(run->changed);
    if (run->restart)
        config_names_free(run->restart);
    run->r->run = NULL;
    free(run);
}

/* Tells all who waited for it, and begins anew when others came meanwhile. body is taken. */
static void end_run(struct reload *r, int status, json_t *body)
{
    run_drop(&r->run->built);
    char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(body);
    size_t len = strlen(text);
    struct link told;
    list_init(&told);
    while (!list_is_empty(&r->waiting)) {
        struct link *l = r->waiting.next;
        list_remove(l);
        list_push_back(&told, l);
    }
    while (!list_is_empty(&r->later)) {
        struct link *l = r->later.next;
        list_remove(l);
        list_push_back(&r->waiting, l);
    }
    if (!list_is_empty(&r->waiting))
        start(r);
    while (!list_is_empty(&told)) {
        struct waiter *w = LIST_OWNER(told.next, struct waiter, link);
        list_remove(&w->link);
        if (w->done)
            w->done(w->arg, status, text, len);
        free(w->who);
        free(w);
    }
    free(text);
}

static const char *asker(const struct reload *r)
{
    return LIST_OWNER(r->waiting.next, struct waiter, link)->who;
}

static void refuse(struct run *run)
{
    struct reload *r = run->r;
    reload_log_failure(asker(r), &run->problems);
    end_run(r, 422, reload_answer_failure(&run->problems));
}

/* The option that names this plugin, when its file has other bytes than before; else NULL. */
static const char *find_changed_plugin(const char *option, const struct plugin *before,
                                       const struct plugin *now)
{
    if (!before && !now)
        return NULL;
    if (before && now && memcmp(before->content, now->content, sizeof now->content) == 0)
        return NULL;
    return option;
}

static bool is_in(char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* The options that this run changes, without those that wait for a restart; then the plugins that are new
 * code under an old name. Ends with NULL; only the array is to be freed. */
static char **list_changes(const struct run *run)
{
    size_t n = 0;
    while (run->changed && run->changed[n])
        n++;
    char **out = mem_zero(n + 5, sizeof(char *));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_in(run->restart, run->changed[i]))
            out[kept++] = run->changed[i];
    const struct strategy *before = run->strategy_before, *now = run->strategy;
    const char *plugins[] = {
        find_changed_plugin("strategy.scheduler", before->scheduler, now->scheduler),
        find_changed_plugin("strategy.hash", before->hash, now->hash),
        find_changed_plugin("strategy.probe", before->probe, now->probe),
    };
    for (size_t i = 0; i < 3; i++)
        if (plugins[i] && !run->same_strategy && !is_in(out, plugins[i]))
            out[kept++] = (char *)plugins[i];
    if (run->set != run->set_before && !is_in(out, "strategy.shadow"))
        out[kept++] = (char *)"strategy.shadow";
    return out;
}

static void succeed(struct run *run, uint64_t publish_ns)
{
    static char *none[] = { NULL };
    struct reload *r = run->r;
    char **changed = list_changes(run);
    struct reload_facts facts = {
        .generation = publish_view(r->publish)->generation,
        .changed = changed,
        .restart = run->restart ? run->restart : none,
        .now = publish_strategy(r->publish),
        .before = run->strategy_before,
        .moved = run->moved,
        .took_ms = (double)(run->build_ns + publish_ns) / (double)CLOCK_NS_PER_MS,
        .vet_ms = (double)run->vet_ns / (double)CLOCK_NS_PER_MS,
    };
    reload_log_success(asker(r), &facts);
    json_t *body = reload_answer_success(&facts);
    free(changed);
    end_run(r, 200, body);
}

static void run_published(void *ctx, const char *refused)
{
    struct run *run = ctx;
    if (refused) {
        problem_add(&run->problems, run->config->strategy.scheduler.place, NULL, "%s", refused);
        refuse(run);
        return;
    }
    run->r->applied(run->r->ctx, run->config_before, run->config);
    succeed(run, clock_now_ns() - run->posted_ns);
}

static void run_done(struct letter_built *built)
{
    struct run *run = (struct run *)built;
    if (run->problems.count) {
        refuse(run);
        return;
    }
    char **changed = list_changes(run);
    bool nothing = run->same_strategy && !*changed;
    free(changed);
    if (nothing) {
        succeed(run, 0);
        return;
    }
    run->posted_ns = clock_now_ns();
    struct publish_change change = {
        .config = run->config,
        .strategy = run->same_strategy ? run->strategy_before : run->strategy,
        .table = run->table,
        .done = run_published,
        .ctx = run,
        .set = run->set,
        .shadow = run->shadow,
    };
    publish_apply(run->r->publish, &change);
}

/* The plugins behave, or are not asked any further. Replicas may have come and gone meanwhile. */
static void trial_done(struct letter_built *built)
{
    struct run *run = (struct run *)built;
    if (run->problems.count) {
        refuse(run);
        return;
    }
    let_go(run);
    hold(run);
    run->built.work = run_work;
    run->built.done = run_done;
    builder_post(run->r->builder, &run->built);
}

static void start(struct reload *r)
{
    struct run *run = mem_zero(1, sizeof *run);
    run->built = (struct letter_built){ .work = trial_work, .done = trial_done, .drop = run_drop };
    run->r = r;
    run->moved = -1;
    hold(run);
    r->run = run;
    builder_post(r->trials, &run->built);
}

/* ------------------------------------------------------------------ who asks */

static void answer_call(void *arg, int status, const char *body, size_t body_len)
{
    call_answer_text(arg, status, body, body_len);
}

void reload_call(struct call *call)
{
    char peer[80];
    char *who = mem_format("POST /reload from %s", call_peer(call, peer, sizeof peer));
    reload_ask(call->routes->reload, who, answer_call, call);
    free(who);
}

static void free_waiters(struct link *list)
{
    while (!list_is_empty(list)) {
        struct waiter *w = LIST_OWNER(list->next, struct waiter, link);
        list_remove(&w->link);
        free(w->who);
        free(w);
    }
}

void reload_free(struct reload *r)
{
    if (!r)
        return;
    if (r->run)
        run_drop(&r->run->built);
    free_waiters(&r->waiting);
    free_waiters(&r->later);
    free(r);
}
