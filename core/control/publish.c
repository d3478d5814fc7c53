/*
 * publish.c - what the workers run: one view after the other.
 *
 * Owns     the views that live, the configuration, strategy and table in force, and the one publication under
 * way.
 * Used by  control.c, reload.c, routes and state.
 * Uses     builder.h, roster.h, world/view.h, world/message.h.
 * Thread   control; build_work alone runs on the builder thread.
 *
 * The functions stand in the order of a publication's life: wake, begin, find or build the table, commit,
 * switched, finish; then what happens to the views and replicas that were replaced.
 */
#include "control/publish.h"

#include <assert.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/builder.h"
#include "control/candidates.h"
#include "control/control.h"
#include "control/roster.h"
#include "control/supervisor.h"
#include "world/config.h"
#include "world/load.h"
#include "world/message.h"
#include "world/replica.h"
#include "world/shadow.h"
#include "world/strategy.h"
#include "world/view.h"

enum phase { PUBLISH_IDLE, PUBLISH_BUILDING, PUBLISH_SWITCHING };

/* The publication under way. */
struct publication {
    bool changes;                                 /* it puts publish.change in force */
    struct rotation rotation;                     /* what its view names */
    uint32_t taken;                               /* members before newcomers were left out */
    char why[sizeof((struct lb_error *)0)->text]; /* why they were; "" */
};

/* A replica that no view names any more, until every worker has answered. */
struct forgetting {
    struct link link; /* in publish.forgetting */
    struct replica *replica;
    unsigned left;
};

struct publish {
    struct event *turn; /* made active: look for the next publication in this or the next turn of the loop */
    struct builder *builder;
    struct publish_hooks hooks;
    const struct control_worker *workers;
    unsigned n_workers;
    bool started, stopped;

    /* in force */
    struct config *config;
    struct strategy *strategy;
    struct table *table;
    struct view *running; /* every worker runs it, or a later one */
    struct view *posted;  /* the last one posted */
    uint64_t serial, generation;
    struct view **views; /* all that live, posted and running included */
    size_t n_views, views_room;
    struct candidates *candidates;
    struct load *load; /* what the pool holds, whatever view placed it */

    /* under way */
    enum phase phase;
    struct publication now;
    unsigned left; /* SWITCHING: workers that have not answered */
    char refusal[sizeof((struct lb_error *)0)->text];
    uint32_t left_out; /* newcomers in the last publication that came without them */

    /* wanted next */
    bool dirty;        /* the rotation has changed */
    bool change_waits; /* change is for the next publication */
    struct publish_change change;

    struct link forgetting;
};

/* A table to be built; what it points to belongs to the publication, which waits. */
struct build_job {
    struct letter_built built;
    struct publish *p;
    struct strategy *strategy; /* a reference */
    const struct lb_member *members;
    uint32_t n;
    struct table *table;
    struct lb_error why;
};

static void begin_next(evutil_socket_t fd, short what, void *arg);
static void candidates_ready(void *ctx);
static void find_or_build(struct publish *p);
static void commit(struct publish *p, struct table *table);
static void finish(struct publish *p);

struct publish *publish_new(struct event_base *base, struct builder *builder)
{
    struct publish *p = mem_zero(1, sizeof *p);
    p->builder = builder;
    p->candidates = candidates_new(builder, candidates_ready, p);
    p->turn = event_new(base, -1, 0, begin_next, p);
    list_init(&p->forgetting);
    return p;
}

static void add_view(struct publish *p, struct table *table, struct replica *const *replicas, uint32_t n)
{
    struct view *view = view_new(++p->serial, p->generation, p->config, table, replicas, n);
    view_equip(view, candidates_over(p->candidates, table), p->load);
    view->unreleased = p->n_workers;
    if (p->n_views == p->views_room) {
        p->views_room = p->views_room ? 2 * p->views_room : 8;
        p->views = mem_grow(p->views, p->views_room * sizeof(struct view *));
    }
    p->views[p->n_views++] = view;
    p->posted = view;
}

struct view *publish_first(struct publish *p, struct config *config, struct strategy *strategy,
                           struct table *table, unsigned n_workers)
{
    config_retain(config);
    strategy_retain(strategy);
    table_retain(table);
    p->config = config;
    p->strategy = strategy;
    p->table = table;
    p->n_workers = n_workers;
    p->load = load_new(n_workers);
    p->generation = 1;
    add_view(p, table, NULL, 0);
    p->running = p->posted;
    return p->posted;
}

void publish_first_candidates(struct publish *p, struct shadow_set *set)
{
    candidates_put(p->candidates, set, NULL);
}

void publish_start(struct publish *p, const struct publish_hooks *hooks, const struct control_worker *workers,
                   unsigned n_workers)
{
    assert(n_workers == p->n_workers);
    p->hooks = *hooks;
    p->workers = workers;
    p->started = true;
    event_active(p->turn, 0, 0);
}

/* ------------------------------------------------------------------ what is wanted next */

void publish_rotation_changed(struct publish *p)
{
    p->dirty = true;
    event_active(p->turn, 0, 0);
}

/* The view in force lacks what has been built: the same rotation goes out again. */
static void candidates_ready(void *ctx)
{
    publish_rotation_changed(ctx);
}

void publish_apply(struct publish *p, const struct publish_change *change)
{
    assert(!p->change_waits && !p->now.changes);
    p->change = *change;
    p->change_waits = true;
    config_retain(change->config);
    strategy_retain(change->strategy);
    if (change->table)
        table_retain(change->table);
    if (change->set)
        shadow_set_retain(change->set);
    if (change->shadow)
        shadow_retain(change->shadow);
    event_active(p->turn, 0, 0);
}

static void release_change(struct publish_change *change)
{
    config_release(change->config);
    strategy_release(change->strategy);
    if (change->table)
        table_release(change->table);
    shadow_set_release(change->set);
    shadow_release(change->shadow);
}

static void begin_next(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct publish *p = arg;
    if (!p->started || p->stopped || p->phase != PUBLISH_IDLE || !(p->change_waits || p->dirty))
        return;
    p->now.changes = p->change_waits;
    p->change_waits = false;
    p->dirty = false;
    publish_roster(p, &p->now.rotation);
    p->now.taken = p->now.rotation.n;
    p->now.why[0] = '\0';
    find_or_build(p);
}

/* ------------------------------------------------------------------ the table */

static struct strategy *wanted_strategy(const struct publish *p)
{
    return p->now.changes ? p->change.strategy : p->strategy;
}

/* A table over these members by this strategy that is there already, or NULL. */
static struct table *find_table(const struct publish *p)
{
    uint64_t digest = roster_digest(&p->now.rotation);
    struct table *brought = p->now.changes ? p->change.table : NULL;
    if (brought && brought->members_digest == digest)
        return brought;
    if (p->table->strategy == wanted_strategy(p) && p->table->members_digest == digest)
        return p->table;
    return NULL;
}

static void build_work(struct letter_built *built)
{
    struct build_job *job = (struct build_job *)built;
    job->table = strategy_build(job->strategy, job->members, job->n, &job->why);
}

static void build_drop(struct letter_built *built)
{
    struct build_job *job = (struct build_job *)built;
    if (job->table)
        table_release(job->table);
    strategy_release(job->strategy);
    free(job);
}

/* The rotation may have changed while the table was built. When it fits all the same (a stand-in has come),
 * the view names the newest; otherwise the older one goes out first, so that steady change holds nobody up.
 * */
static void freshen(struct publish *p, const struct table *table)
{
    if (!p->dirty || p->now.rotation.n < p->now.taken)
        return;
    struct rotation newest;
    publish_roster(p, &newest);
    if (roster_digest(&newest) != table->members_digest) {
        roster_free(&newest);
        return;
    }
    roster_free(&p->now.rotation);
    p->now.rotation = newest;
    p->dirty = false;
}

static void end_change(struct publish *p, const char *refused)
{
    struct publish_change change = p->change;
    p->now.changes = false;
    change.done(change.ctx, refused);
    release_change(&change);
}

/* The scheduler will not have this membership. A new strategy is refused with that; the one in force goes on
 * without newcomers: half of them, a quarter … none, so that as many get in as fit. */
static void refuse(struct publish *p, const char *why)
{
    if (!*p->now.why) /* of the whole rotation, not of what was tried afterwards */
        snprintf(p->now.why, sizeof p->now.why, "%s", why);
    bool same_strategy = wanted_strategy(p) == p->strategy;
    uint32_t newcomers = same_strategy ? roster_count_newcomers(&p->now.rotation, p->table) : 0;
    if (newcomers) {
        roster_trim(&p->now.rotation, p->table, newcomers / 2);
        find_or_build(p);
        return;
    }
    roster_free(&p->now.rotation);
    p->phase = PUBLISH_IDLE;
    if (same_strategy) {
        log_error("the strategy refuses the replicas that are left; the ones before stay in force: %s", why);
        snprintf(p->refusal, sizeof p->refusal, "%s", why);
    } else {
        p->dirty = true; /* the rotation just taken is still to be published, with the strategy in force */
    }
    if (p->now.changes)
        end_change(p, p->now.why);
    event_active(p->turn, 0, 0);
}

static void build_done(struct letter_built *built)
{
    struct build_job *job = (struct build_job *)built;
    struct publish *p = job->p;
    if (!p->stopped && job->table) {
        freshen(p, job->table);
        commit(p, job->table);
    } else if (!p->stopped) {
        refuse(p, job->why.text);
    }
    build_drop(built);
}

static void find_or_build(struct publish *p)
{
    p->phase = PUBLISH_BUILDING;
    struct table *table = find_table(p);
    if (table) {
        commit(p, table);
        return;
    }
    struct build_job *job = mem_zero(1, sizeof *job);
    job->built = (struct letter_built){ .work = build_work, .done = build_done, .drop = build_drop };
    job->p = p;
    job->strategy = wanted_strategy(p);
    strategy_retain(job->strategy);
    job->members = p->now.rotation.members;
    job->n = p->now.rotation.n;
    builder_post(p->builder, &job->built);
}

/* ------------------------------------------------------------------ the view */

/* Puts what the publication wants in force. table may be the one in force, or be held by nobody else. */
static void put_in_force(struct publish *p, struct table *table)
{
    table_retain(table);
    table_release(p->table);
    p->table = table;
    if (!p->now.changes)
        return;
    config_retain(p->change.config);
    config_release(p->config);
    p->config = p->change.config;
    strategy_retain(p->change.strategy);
    strategy_release(p->strategy);
    p->strategy = p->change.strategy;
    if (p->change.set)
        candidates_put(p->candidates, p->change.set, p->change.shadow);
    p->generation++;
}

static void commit(struct publish *p, struct table *table)
{
    bool equipped = p->posted->pools[0].shadow == candidates_over(p->candidates, table);
    if (!p->now.changes && equipped && roster_is_in_view(&p->now.rotation, p->posted)) {
        finish(p); /* it changed and changed back, or nobody of the newcomers fits */
        return;
    }
    put_in_force(p, table);
    add_view(p, table, p->now.rotation.replicas, p->now.rotation.n);
    p->phase = PUBLISH_SWITCHING;
    p->left = p->n_workers;
    for (unsigned i = 0; i < p->n_workers; i++) {
        struct letter_view *letter = mem_zero(1, sizeof *letter);
        letter->letter.kind = MESSAGE_RUN_VIEW;
        letter->worker = i;
        letter->view = p->posted;
        mailbox_post(p->workers[i].mailbox, &letter->letter);
    }
}

void publish_switched(struct publish *p, struct letter_view *letter)
{
    assert(p->phase == PUBLISH_SWITCHING && letter->view == p->posted && p->left > 0);
    free(letter);
    if (--p->left == 0 && !p->stopped)
        finish(p);
}

/* Remembers, and says once, that replicas were left out. Those that got in leave room for another try. */
static void note_left_out(struct publish *p, bool grew)
{
    uint32_t left_out = p->now.taken - p->now.rotation.n;
    if (left_out && (left_out != p->left_out || strcmp(p->refusal, p->now.why) != 0))
        log_warn("%u replicas are left out of the rotation: %s", left_out, p->now.why);
    p->left_out = left_out;
    snprintf(p->refusal, sizeof p->refusal, "%s", p->now.why);
    if (left_out && grew)
        p->dirty = true;
}

static void free_views(struct publish *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_views; i++) {
        struct view *view = p->views[i];
        if (view->unreleased || view == p->running || view == p->posted)
            p->views[kept++] = view;
        else
            view_free(view);
    }
    p->n_views = kept;
}

/* Every worker runs what was posted. */
static void finish(struct publish *p)
{
    uint64_t stamp = p->now.rotation.stamp;
    note_left_out(p, p->posted->pools[0].n_replicas > p->running->pools[0].n_replicas);
    roster_free(&p->now.rotation);
    p->running = p->posted;
    p->phase = PUBLISH_IDLE;
    free_views(p);
    candidates_want(p->candidates, p->table, p->n_workers);
    p->hooks.published(p->hooks.ctx, stamp);
    if (p->now.changes)
        end_change(p, NULL);
    event_active(p->turn, 0, 0);
}

/* ------------------------------------------------------------------ what was replaced */

void publish_released(struct publish *p, struct letter_view *letter)
{
    assert(letter->view->unreleased > 0);
    letter->view->unreleased--;
    free(letter);
    free_views(p);
}

static void post_replica(struct publish *p, enum message kind, struct replica *replica)
{
    for (unsigned i = 0; i < p->n_workers; i++) {
        struct letter_replica *letter = mem_zero(1, sizeof *letter);
        letter->letter.kind = (int)kind;
        letter->worker = i;
        letter->replica = replica;
        mailbox_post(p->workers[i].mailbox, &letter->letter);
    }
}

void publish_forget(struct publish *p, struct replica *replica)
{
    if (p->stopped)
        return;
    struct forgetting *f = mem_zero(1, sizeof *f);
    f->replica = replica;
    f->left = p->n_workers;
    replica_retain(replica);
    list_push_back(&p->forgetting, &f->link);
    post_replica(p, MESSAGE_FORGET, replica);
}

void publish_cut(struct publish *p, struct replica *replica)
{
    if (!p->stopped)
        post_replica(p, MESSAGE_CUT, replica);
}

void publish_move(struct publish *p, struct replica *replica, bool is_dead)
{
    for (unsigned i = 0; i < p->n_workers && !p->stopped; i++) {
        struct letter_move *letter = mem_zero(1, sizeof *letter);
        letter->letter.kind = MESSAGE_MOVE;
        letter->replica = replica;
        letter->is_dead = is_dead;
        mailbox_post(p->workers[i].mailbox, &letter->letter);
    }
}

static void end_forgetting(struct forgetting *f)
{
    list_remove(&f->link);
    replica_release(f->replica);
    free(f);
}

static struct forgetting *find_forgetting(struct publish *p, const struct replica *replica)
{
    for (struct link *l = p->forgetting.next; l != &p->forgetting; l = l->next) {
        struct forgetting *f = LIST_OWNER(l, struct forgetting, link);
        if (f->replica == replica)
            return f;
    }
    return NULL;
}

void publish_forgotten(struct publish *p, struct letter_replica *letter)
{
    struct forgetting *f = find_forgetting(p, letter->replica);
    free(letter);
    assert(f); /* nobody forgets unasked */
    if (--f->left > 0)
        return;
    if (!p->stopped)
        p->hooks.forgotten(p->hooks.ctx, f->replica);
    end_forgetting(f);
}

/* ------------------------------------------------------------------ looking, leaving */

const struct view *publish_view(const struct publish *p)
{
    return p->running;
}

struct config *publish_config(const struct publish *p)
{
    return p->config;
}

struct strategy *publish_strategy(const struct publish *p)
{
    return p->strategy;
}

struct table *publish_table(const struct publish *p)
{
    return p->table;
}

void publish_roster(const struct publish *p, struct rotation *out)
{
    p->hooks.rotation(p->hooks.ctx, out);
    roster_hold(out);
}

struct candidates *publish_candidates(const struct publish *p)
{
    return p->candidates;
}

unsigned publish_count_workers(const struct publish *p)
{
    return p->n_workers;
}

size_t publish_count_views(const struct publish *p)
{
    return p->n_views;
}

const char *publish_refusal(const struct publish *p)
{
    return p->refusal;
}

void publish_stop(struct publish *p)
{
    p->stopped = true;
    candidates_stop(p->candidates);
}

void publish_free(struct publish *p)
{
    if (!p)
        return;
    while (!list_is_empty(&p->forgetting))
        end_forgetting(LIST_OWNER(p->forgetting.next, struct forgetting, link));
    if (p->change_waits || p->now.changes)
        release_change(&p->change);
    roster_free(&p->now.rotation);
    for (size_t i = 0; i < p->n_views; i++) {
        p->views[i]->unreleased = 0;
        view_free(p->views[i]);
    }
    free(p->views);
    candidates_free(p->candidates);
    load_free(p->load);
    if (p->table)
        table_release(p->table);
    if (p->strategy)
        strategy_release(p->strategy);
    if (p->config)
        config_release(p->config);
    event_free(p->turn);
    free(p);
}
