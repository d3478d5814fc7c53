/*
 * control.c - the control thread: one loop, everything that is not the data path.
 *
 * Owns     the control event base, its mailbox, signals; the supervisor, the publisher, the builder, the
 * admin port.
 * Used by  main.c.
 * Uses     every noun of this directory; what they must not know of each other is tied together here.
 * Thread   the main thread.
 *
 * Leaving has three phases: DRAINING (workers finish what runs, replicas still serve), STOPPING (workers have
 * been told to stop, replicas exit), and the end of the loop. A second signal skips what is left of the first
 * phase and kills in the second.
 */
#include "control/control.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/spool.h"
#include "control/admin.h"
#include "control/builder.h"
#include "control/events.h"
#include "control/membership_file.h"
#include "control/publish.h"
#include "control/reload.h"
#include "control/routes.h"
#include "control/supervisor.h"
#include "control/vetting.h"
#include "world/config.h"
#include "world/message.h"
#include "world/replica.h"
#include "world/shadow.h"
#include "world/strategy.h"
#include "world/view.h"

enum control_phase { CONTROL_RUNNING, CONTROL_DRAINING, CONTROL_STOPPING };

#define SIGNALS 4

struct control {
    struct event_base *base;
    struct mailbox mailbox;
    struct spool *spool; /* the access log */
    struct event *mail, *drain_timer, *signals[SIGNALS];
    struct config *config; /* of the start; publish.h knows the one in force */

    struct vetting *vetting; /* borrowed */
    struct builder *trials;  /* the thread that waits for vettings */
    struct builder *builder;
    struct builder *keeper;       /* the thread that writes file; NULL without one */
    struct membership_file *file; /* replicas.state_file; NULL: none */
    struct events *events;
    struct publish *publish;
    struct reload *reload;
    struct supervisor *supervisor; /* NULL before control_run */
    struct admin *admin;           /* NULL: no admin port */
    struct routes routes;

    const struct control_worker *workers;
    unsigned n_workers;

    enum control_phase phase;
    unsigned drained;        /* workers that have nothing left to do */
    struct replica **pinned; /* STOPPING: kept until the workers were joined; ends with NULL */
};

static void read_mail(evutil_socket_t fd, short what, void *arg);
static void take_signal(evutil_socket_t number, short what, void *arg);
static void stop_workers_event(evutil_socket_t fd, short what, void *arg);
static void apply(void *ctx, struct config *before, struct config *now);

/* ------------------------------------------------------------------ the start */

static struct event_base *make_base(void)
{
    struct event_config *how = event_config_new();
    /* Other threads reach this loop by mailbox alone. */
    event_config_set_flag(how, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(how);
    event_config_free(how);
    return base;
}

static void watch(struct control *c)
{
    static const int numbers[SIGNALS] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1 };
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log at the limit of file sizes loses lines, not the program */
    for (size_t i = 0; i < SIGNALS; i++) {
        c->signals[i] = evsignal_new(c->base, numbers[i], take_signal, c);
        evsignal_add(c->signals[i], NULL);
    }
    c->mail = event_new(c->base, c->mailbox.fd, EV_READ | EV_PERSIST, read_mail, c);
    event_add(c->mail, NULL);
    c->drain_timer = evtimer_new(c->base, stop_workers_event, c);
}

struct control *control_new(struct config *config, struct vetting *vetting)
{
    struct event_base *base = make_base();
    if (!base)
        return NULL;
    struct control *c = mem_zero(1, sizeof *c);
    c->base = base;
    c->spool = spool_new();
    if (!c->spool || mailbox_open(&c->mailbox) != 0) {
        spool_free(c->spool);
        event_base_free(base);
        free(c);
        return NULL;
    }
    config_retain(config);
    c->config = config;
    c->vetting = vetting;
    watch(c);
    c->trials = builder_new(&c->mailbox);
    c->builder = builder_new(&c->mailbox);
    c->events = events_new();
    c->publish = publish_new(base, c->builder);
    c->reload = reload_new(c->trials, c->builder, c->publish, vetting, apply, c);
    routes_init(&c->routes);
    return c;
}

struct mailbox *control_mailbox(struct control *c)
{
    return &c->mailbox;
}

struct spool *control_spool(struct control *c)
{
    return c->spool;
}

int control_open_access(struct control *c)
{
    return spool_direct(c->spool, c->config->log.access.path);
}

struct view *control_first_view(struct control *c, struct problems *problems, unsigned n_workers)
{
    struct vetting_visit visit = { .vetting = c->vetting };
    struct strategy *strategy = vetting_make(&visit, c->config, problems);
    struct shadow_set *set = shadow_set_make(c->config, vetting_make_candidate, &visit, problems);
    if (!strategy || !set) {
        config_sort_problems(c->config, problems, 0);
        strategy_release(strategy);
        shadow_set_release(set);
        return NULL;
    }
    struct lb_error why = { "" };
    struct table *table = strategy_build(strategy, NULL, 0, &why);
    struct view *view = NULL;
    if (table) {
        publish_first_candidates(c->publish, set);
        view = publish_first(c->publish, c->config, strategy, table, n_workers);
    } else {
        problem_add(problems, c->config->strategy.scheduler.place, NULL, "%s", why.text);
    }
    table_release(table);
    shadow_set_release(set);
    strategy_release(strategy);
    return view;
}

int control_listen(struct control *c, char *why, size_t why_size)
{
    if (!*c->config->admin)
        return 0;
    c->admin = admin_open(c->base, c->config, &c->routes, why, why_size);
    if (!c->admin)
        return -1;
    log_info("admin port %u, under /_lb/", admin_port_number(c->admin));
    return 0;
}

/* ------------------------------------------------------------------ the supervisor's wishes */

static void hook_rotation_changed(void *ctx)
{
    struct control *c = ctx;
    publish_rotation_changed(c->publish);
}

static void hook_forget(void *ctx, struct replica *replica)
{
    struct control *c = ctx;
    publish_forget(c->publish, replica);
}

static void hook_event(void *ctx, const char *kind, const char *replica, const char *why)
{
    struct control *c = ctx;
    events_note(c->events, kind, replica, why);
}

static void hook_cut(void *ctx, struct replica *replica)
{
    struct control *c = ctx;
    publish_cut(c->publish, replica);
}

static void hook_move(void *ctx, struct replica *replica, bool is_dead)
{
    struct control *c = ctx;
    publish_move(c->publish, replica, is_dead);
}

static void hook_stopped(void *ctx)
{
    struct control *c = ctx;
    event_base_loopbreak(c->base);
}

/* ------------------------------------------------------------------ the publisher's wishes */

static void hook_rotation(void *ctx, struct rotation *out)
{
    struct control *c = ctx;
    supervisor_rotation(c->supervisor, out);
}

static void hook_published(void *ctx, uint64_t stamp)
{
    struct control *c = ctx;
    supervisor_published(c->supervisor, stamp);
}

static void hook_forgotten(void *ctx, struct replica *replica)
{
    struct control *c = ctx;
    supervisor_forgotten(c->supervisor, replica);
}

/* A reload is in force on every worker. */
static void apply(void *ctx, struct config *before, struct config *now)
{
    struct control *c = ctx;
    log_set_level(now->log.level);
    if (strcmp(before->log.file, now->log.file) != 0 && log_open(now->log.file) != 0)
        log_warn("cannot open the log %s: %s; it goes where it went before", now->log.file, strerror(errno));
    if (strcmp(before->log.access.path, now->log.access.path) != 0 &&
        spool_direct(c->spool, now->log.access.path) != 0)
        log_warn("cannot open the access log %s: %s; it goes where it went before", now->log.access.path,
                 strerror(errno));
    if (c->admin)
        admin_apply(c->admin, now);
    supervisor_apply(c->supervisor, now);
}

/* ------------------------------------------------------------------ the run */

static void post_all(struct control *c, enum message kind)
{
    for (unsigned i = 0; i < c->n_workers; i++) {
        struct letter_worker *letter = mem_zero(1, sizeof *letter);
        letter->letter.kind = (int)kind;
        letter->worker = i;
        mailbox_post(c->workers[i].mailbox, &letter->letter);
    }
}

static int fail(struct control *c, int code, const char *why)
{
    log_error("%s", why);
    post_all(c, MESSAGE_STOP);
    return code;
}

/* False: there is no thread to write it. */
static bool open_file(struct control *c)
{
    if (!*c->config->replicas.state_file)
        return true;
    c->keeper = builder_new(&c->mailbox);
    c->file = membership_file_open(c->config->replicas.state_file, c->base, c->keeper);
    c->routes.file = c->file;
    return builder_start(c->keeper) == 0;
}

int control_run(struct control *c, const struct control_worker *workers, unsigned n_workers,
                const char *const *step_names)
{
    c->workers = workers;
    c->n_workers = n_workers;
    c->routes.base = c->base;
    c->routes.builder = c->builder;
    c->routes.events = c->events;
    c->routes.publish = c->publish;
    c->routes.spool = c->spool;
    c->routes.reload = c->reload;
    c->routes.workers = workers;
    c->routes.n_workers = n_workers;
    c->routes.step_names = step_names;
    c->routes.started_ns = clock_now_ns();

    if (builder_start(c->trials) != 0 || builder_start(c->builder) != 0 || !open_file(c))
        return fail(c, 1, "cannot start the builder threads");
    char why[256];
    struct supervisor_hooks up = { .ctx = c,
                                   .rotation_changed = hook_rotation_changed,
                                   .forget = hook_forget,
                                   .cut = hook_cut,
                                   .move = hook_move,
                                   .stopped = hook_stopped,
                                   .event = hook_event,
                                   .file = c->file };
    c->supervisor = supervisor_open(c->base, c->config, n_workers, &up, why, sizeof why);
    if (!c->supervisor)
        return fail(c, 4, why);
    c->routes.supervisor = c->supervisor;
    struct publish_hooks down = { c, hook_rotation, hook_published, hook_forgotten };
    publish_start(c->publish, &down, workers, n_workers);
    event_base_dispatch(c->base);
    return 0;
}

/* ------------------------------------------------------------------ leaving */

/* What workers may touch until they have stopped must live so long: a row of the supervisor may be gone
 * before. */
static void pin_replicas(struct control *c)
{
    struct supervisor_info *rows;
    size_t n = supervisor_list(c->supervisor, &rows), pinned = 0;
    c->pinned = mem_zero(n + 1, sizeof(struct replica *));
    for (size_t i = 0; i < n; i++) {
        struct replica *replica = (struct replica *)rows[i].replica;
        if (!replica)
            continue;
        replica_retain(replica);
        c->pinned[pinned++] = replica;
    }
    free(rows);
}

static uint64_t count_in_flight(const struct control *c)
{
    struct supervisor_info *rows;
    size_t n = supervisor_list(c->supervisor, &rows);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += rows[i].replica ? replica_in_flight(rows[i].replica) : 0;
    free(rows);
    return sum;
}

static void stop_workers(struct control *c)
{
    uint64_t cut = count_in_flight(c);
    if (cut)
        log_warn("stopping; %llu requests in flight are cut", (unsigned long long)cut);
    else
        log_info("stopping; no request is in flight");
    c->phase = CONTROL_STOPPING;
    evtimer_del(c->drain_timer);
    publish_stop(c->publish);
    pin_replicas(c);
    post_all(c, MESSAGE_STOP);
    supervisor_stop(c->supervisor);
}

static void stop_workers_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    stop_workers(arg);
}

static void drain(struct control *c)
{
    uint32_t ms = publish_config(c->publish)->timeouts.drain;
    struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };
    c->phase = CONTROL_DRAINING;
    c->routes.leaving = true;
    post_all(c, MESSAGE_DRAIN);
    evtimer_add(c->drain_timer, &wait);
}

static void leave(struct control *c, int number)
{
    const char *name = number == SIGINT ? "SIGINT" : "SIGTERM";
    switch (c->phase) {
    case CONTROL_RUNNING:
        log_info("%s: leaving; %llu requests are in flight", name, (unsigned long long)count_in_flight(c));
        drain(c);
        break;
    case CONTROL_DRAINING:
        log_info("%s again: leaving at once", name);
        stop_workers(c);
        supervisor_stop(c->supervisor);
        break;
    case CONTROL_STOPPING:
        log_info("%s again: killing the replicas that are left", name);
        supervisor_stop(c->supervisor);
        break;
    }
}

static void take_signal(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    struct control *c = arg;
    if (number == SIGUSR1) {
        if (log_reopen() != 0)
            log_error("cannot open the log again: %s", strerror(errno));
        if (spool_reopen(c->spool) != 0)
            log_error("cannot open the access log again: %s", strerror(errno));
    } else if (number != SIGHUP) {
        leave(c, (int)number);
    } else if (c->phase == CONTROL_RUNNING) {
        reload_ask(c->reload, "SIGHUP", NULL, NULL);
    }
}

/* ------------------------------------------------------------------ mail */

static void note_drained(struct control *c)
{
    if (++c->drained == c->n_workers && c->phase == CONTROL_DRAINING)
        stop_workers(c);
}

static void note_failing(struct control *c, const struct letter_failing *letter)
{
    supervisor_failing(c->supervisor, letter->replica, letter->in_a_row, letter->are_errors);
}

static void read_letter(struct control *c, struct letter *letter)
{
    switch ((enum message)letter->kind) {
    case MESSAGE_CALL: routes_letter(&c->routes, (struct letter_call *)letter); return;
    case MESSAGE_SWITCHED: publish_switched(c->publish, (struct letter_view *)letter); return;
    case MESSAGE_RELEASED: publish_released(c->publish, (struct letter_view *)letter); return;
    case MESSAGE_FORGOTTEN: publish_forgotten(c->publish, (struct letter_replica *)letter); return;
    case MESSAGE_BUILT: ((struct letter_built *)letter)->done((struct letter_built *)letter); return;
    case MESSAGE_REFUSED:
        supervisor_refused(c->supervisor, ((struct letter_replica *)letter)->replica);
        break;
    case MESSAGE_CLOSED: supervisor_closed(c->supervisor, ((struct letter_replica *)letter)->replica); break;
    case MESSAGE_FAILING: note_failing(c, (struct letter_failing *)letter); break;
    case MESSAGE_DRAINED: note_drained(c); break;
    default:
        log_error("control received a letter of kind %d, which is none of its kinds", letter->kind);
        break;
    }
    free(letter);
}

static void read_mail(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct control *c = arg;
    struct letter *next;
    for (struct letter *letter = mailbox_take(&c->mailbox); letter; letter = next) {
        next = letter->next;
        read_letter(c, letter);
    }
}

/* ------------------------------------------------------------------ the end */

static void burn_mail(struct control *c)
{
    struct letter *next;
    for (struct letter *letter = mailbox_take(&c->mailbox); letter; letter = next) {
        next = letter->next;
        if (letter->kind == MESSAGE_BUILT)
            ((struct letter_built *)letter)->drop((struct letter_built *)letter);
        else
            free(letter);
    }
}

void control_free(struct control *c)
{
    admin_close(c->admin);
    if (c->supervisor)
        supervisor_close(c->supervisor);
    routes_close(&c->routes);
    vetting_cancel(c->vetting); /* somebody may be waiting for it */
    builder_free(c->trials);
    builder_free(c->builder);
    builder_free(c->keeper);
    burn_mail(c);
    membership_file_close(c->file);
    events_free(c->events);
    reload_free(c->reload);
    publish_free(c->publish);
    for (struct replica **r = c->pinned; r && *r; r++)
        replica_release(*r);
    free(c->pinned);
    config_release(c->config);
    for (size_t i = 0; i < SIGNALS; i++)
        event_free(c->signals[i]);
    event_free(c->mail);
    event_free(c->drain_timer);
    spool_free(c->spool);
    mailbox_close(&c->mailbox);
    event_base_free(c->base);
    free(c);
}
