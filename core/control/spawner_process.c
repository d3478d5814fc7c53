/*
 * spawner_process.c - replicas as child processes on this machine.
 *
 * Owns     each child it started until it is reaped, and the port it gave to it.
 * Used by  supervisor.c, through spawner.h.
 * Uses     spawner_exec.c for fork and exec, spawner_output.c for what it says, spawner_listener.c for who has its port,
 *          spawner_user.c for its rights; config.h for replicas.process.
 * Thread   control, which outlives all others: a child dies with the thread that forked it.
 *
 * A child learns its port and address from the environment (PORT, ADDRESS), so the port is chosen before the
 * fork: the lowest one from base_port upward that none of our living children has and that can be bound here
 * and now. Somebody else may still take it before the child does. Then the child exits, or it goes on without its port
 * while the other program answers the heartbeats: is_impostor tells who listens. The next start finds another port.
 */
#include "control/spawner.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "control/spawner_exec.h"
#include "control/spawner_listener.h"
#include "control/spawner_output.h"
#include "control/spawner_user.h"
#include "world/config.h"

#define PORTS 65536

struct spawner {
    struct event_base *base;
    struct config *config;
    struct spawner_hooks hooks;
    struct link all;                 /* spawned.link */
    uint64_t ports_used[PORTS / 64]; /* by our living children */
    struct output_budget said;
    struct child_user user;
    char why_no_user[160]; /* "": user is as the configuration says */
    int null;              /* /dev/null, for output that nobody wants; -1 when it could not be opened */
};

struct spawned {
    struct link link;
    struct spawner *owner;
    void *tag;
    struct child child; /* pid 0: it could not be forked */
    char *program;
    struct output *output; /* NULL: it goes elsewhere */
    struct spawner_started started;
    uint16_t port;      /* 0: none */
    bool is_stopping;   /* nobody is interested in its start any more */
    struct event exit;  /* child.pidfd */
    struct event exec;  /* child.report */
    struct event later; /* the reason why it could not be forked is to be told */
    char why[512];      /* why it could not be started; "" otherwise */
};

/* ------------------------------------------------------------------ ports */

static bool is_used(const struct spawner *s, uint32_t port)
{
    return (s->ports_used[port / 64] >> (port % 64)) & 1;
}

static void mark_port(struct spawner *s, uint32_t port, bool used)
{
    uint64_t bit = (uint64_t)1 << (port % 64);
    s->ports_used[port / 64] = used ? s->ports_used[port / 64] | bit : s->ports_used[port / 64] & ~bit;
}

static void set_port(struct sockaddr_storage *address, uint32_t port)
{
    if (address->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)(void *)address)->sin_port = htons((uint16_t)port);
    }
}

/* Can somebody listen there? An address that is not of this machine says nothing against it. */
static bool can_bind(const struct sockaddr_storage *address, socklen_t len)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return true;
    }
    int on = 1; /* connections that linger from a former replica don't matter; a listener still does */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = bind(fd, (const struct sockaddr *)address, len) == 0 || errno == EADDRNOTAVAIL;
    close(fd);
    return is_free;
}

/* The lowest usable port from base_port upward, with the address to reach it; 0: there is none. */
static uint32_t take_port(struct spawner *s, struct spawner_started *where)
{
    struct sockaddr_storage any;
    memset(&any, 0, sizeof any); /* all zeroes is the wildcard in both families */
    any.ss_family = where->address.ss_family;
    for (uint32_t port = s->config->replicas.process.base_port; port < PORTS; port++) {
        if (port == 0 || is_used(s, port)) {
            continue;
        }
        set_port(&where->address, port);
        set_port(&any, port);
        if (can_bind(&where->address, where->address_len) && can_bind(&any, where->address_len)) {
            mark_port(s, port, true);
            return port;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ the end of a child */

static void forget(struct spawned *one)
{
    event_del(&one->exit);
    event_del(&one->exec);
    event_del(&one->later);
    if (one->port) {
        mark_port(one->owner, one->port, false);
    }
    output_close(one->output);
    list_remove(&one->link);
    free(one->program);
    free(one);
}

static void tell_exit(struct spawned *one)
{
    struct spawner_hooks hooks = one->owner->hooks;
    void *tag = one->tag;
    char why[sizeof one->why];
    memcpy(why, one->why, sizeof why);
    forget(one); /* first: whoever hears of it may order the next start, which may want the port */
    hooks.exited(tag, why);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell_exit(arg);
}

static void on_exit_of(evutil_socket_t fd, short what, void *arg)
{
    struct spawned *one = arg;
    char ended[64];
    (void)fd;
    (void)what;

    if (one->child.report >= 0) { /* it ended before we heard whether exec worked */
        child_read_report(&one->child, one->program, one->why, sizeof one->why);
    }
    event_del(&one->exit);
    event_del(&one->exec);
    child_reap(&one->child, ended, sizeof ended);
    if (!one->why[0]) {
        snprintf(one->why, sizeof one->why, "%s", ended);
    }
    tell_exit(one);
}

/* ------------------------------------------------------------------ its start */

static void on_exec(evutil_socket_t fd, short what, void *arg)
{
    struct spawned *one = arg;
    (void)fd;
    (void)what;

    int runs = child_read_report(&one->child, one->program, one->why, sizeof one->why);
    if (runs == 0) {
        return;
    }
    event_del(&one->exec);
    close(one->child.report);
    one->child.report = -1;
    if (runs > 0 && !one->is_stopping) {
        one->owner->hooks.started(one->tag, &one->started);
    }
}

static void watch_child(struct spawned *one)
{
    struct spawner *s = one->owner;
    one->started.pid = one->child.pid;
    event_assign(&one->exit, s->base, one->child.pidfd, EV_READ, on_exit_of, one);
    event_assign(&one->exec, s->base, one->child.report, EV_READ | EV_PERSIST, on_exec, one);
    event_add(&one->exit, NULL);
    event_add(&one->exec, NULL);
}

/* Finds its port; 0, or -1 with a sentence in one->why. */
static int find_port(struct spawned *one)
{
    const struct config *config = one->owner->config;
    const char *host = config->replicas.process.address;
    char text[128];
    snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:1" : "%s:1", host);
    one->started.address_len = config_parse_address(text, &one->started.address);
    if (!one->started.address_len) {
        snprintf(one->why, sizeof one->why, "replicas.process.address: \"%s\" is no numeric address", host);
        return -1;
    }
    uint32_t port = take_port(one->owner, &one->started);
    if (!port) {
        snprintf(one->why, sizeof one->why,
                 "no free port from replicas.process.base_port = %u up to 65535; lower it or remove replicas",
                 config->replicas.process.base_port);
        return -1;
    }
    one->port = (uint16_t)port;
    return 0;
}

/* Where its output goes: a descriptor, or -1 for where ours goes. False with a sentence in one->why. */
static bool find_output(struct spawned *one, const char *name, int *out)
{
    struct spawner *s = one->owner;
    struct output_setup setup = { .base = s->base,
                                  .name = name,
                                  .lines_a_second = s->config->replicas.process.output_lines,
                                  .budget = &s->said };
    switch (s->config->replicas.process.output) {
    case OUTPUT_INHERIT: *out = -1; return true;
    case OUTPUT_DISCARD: *out = s->null; return true;
    case OUTPUT_LOG: break;
    }
    one->output = output_open(&setup, out, one->why, sizeof one->why);
    return one->output != NULL;
}

static struct child_limits limits_of(const struct config *config)
{
    const uint64_t mib = 1024 * 1024;
    return (struct child_limits){
        .open_files = config->replicas.process.open_files,
        .memory_bytes = config->replicas.process.memory_mib * mib,
        .processes = config->replicas.process.processes,
        .cpu_seconds = config->replicas.process.cpu_seconds,
        .file_bytes = config->replicas.process.file_mib * mib,
    };
}

#define OUR_SETTINGS 3

/* What it is told; ours come last, so that they count. */
static char **make_settings(const struct spawned *one, const char *server_id, size_t *n)
{
    const struct config *config = one->owner->config;
    const struct config_list *given = &config->replicas.process.environment;
    char **settings = mem_zero(given->count + OUR_SETTINGS, sizeof *settings);
    for (size_t i = 0; i < given->count; i++) {
        settings[i] = mem_text(given->items[i]);
    }
    settings[given->count] = mem_format("SERVER_ID=%s", server_id);
    settings[given->count + 1] = mem_format("PORT=%u", one->port);
    settings[given->count + 2] = mem_format("ADDRESS=%s", config->replicas.process.address);
    *n = given->count + OUR_SETTINGS;
    return settings;
}

static int start_child(struct spawned *one, const struct spawner_order *order)
{
    struct spawner *s = one->owner;
    const struct config_list *command = &s->config->replicas.process.command;
    const char *directory = s->config->replicas.process.directory;
    struct child_order what = {
        .command = command->items,
        .n_command = command->count,
        .directory = *directory ? directory : NULL,
        .limits = limits_of(s->config),
        .user = s->user,
    };
    if (*s->why_no_user) {
        snprintf(one->why, sizeof one->why, "%s", s->why_no_user);
        return -1;
    }
    if (find_port(one) != 0 || !find_output(one, order->name, &what.output)) {
        return -1;
    }
    char **settings = make_settings(one, order->server_id, &what.n_settings);
    what.settings = settings;
    int result = child_start(&one->child, &what, one->why, sizeof one->why);
    for (size_t i = 0; i < what.n_settings; i++) {
        free(settings[i]);
    }
    free(settings);
    if (one->output) {
        close(what.output);
    }
    return result;
}

static struct spawned *start_process(struct spawner *s, const struct spawner_order *order)
{
    struct spawned *one = mem_zero(1, sizeof *one);
    one->owner = s;
    one->tag = order->tag;
    one->child = (struct child){ .pidfd = -1, .report = -1 };
    list_push_back(&s->all, &one->link);
    event_assign(&one->exit, s->base, -1, 0, on_exit_of, one);
    event_assign(&one->exec, s->base, -1, 0, on_exec, one);
    evtimer_assign(&one->later, s->base, on_later, one);

    const struct config_list *command = &s->config->replicas.process.command;
    if (command->count == 0) {
        snprintf(one->why, sizeof one->why, "replicas.process.command is empty");
    } else {
        one->program = mem_text(command->items[0]);
    }
    if (command->count > 0 && start_child(one, order) == 0) {
        watch_child(one);
    } else {
        one->child.pid = 0;
        event_active(&one->later, EV_TIMEOUT, 0);
    }
    return one;
}

static void stop_process(struct spawner *s, struct spawned *one, enum spawner_stop how)
{
    (void)s;
    one->is_stopping = true;
    if (one->child.pid > 0) {
        child_signal(&one->child, how == SPAWNER_KILL ? SIGKILL : SIGTERM);
    }
}

/* ------------------------------------------------------------------ looking */

static bool is_impostor_process(struct spawner *s, const struct spawned *one, char *why, size_t why_size)
{
    (void)s;
    if (!one->port || one->child.pid <= 0 || listener_of(one->port, one->child.pid) != LISTENER_STRANGER) {
        return false;
    }
    snprintf(why, why_size, "another program has taken its port %u and answers there", one->port);
    return true;
}

static void figures_process(const struct spawned *one, struct spawner_figures *out)
{
    if (one->output) {
        out->lines = output_lines(one->output);
        out->dropped = output_dropped(one->output);
    }
}

/* ------------------------------------------------------------------ the driver */

static void find_rights(struct spawner *s)
{
    s->why_no_user[0] = 0;
    user_free(&s->user);
    user_find(&s->user, s->config->replicas.process.user, s->config->replicas.process.group, s->why_no_user,
              sizeof s->why_no_user);
}

static struct spawner *open_process(struct event_base *base, struct config *config,
                                    const struct spawner_hooks *hooks, char *why, size_t why_size)
{
    if (!child_is_supported(why, why_size)) {
        return NULL;
    }
    /* Who started us may have left SIGCHLD ignored; then the kernel reaps children by itself and their pids
     * are reused behind our back. */
    signal(SIGCHLD, SIG_DFL);
    struct spawner *s = mem_zero(1, sizeof *s);
    s->base = base;
    s->config = config;
    config_retain(config);
    s->hooks = *hooks;
    s->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    list_init(&s->all);
    find_rights(s);
    return s;
}

static void apply_process(struct spawner *s, struct config *next)
{
    config_retain(next);
    config_release(s->config);
    s->config = next;
    find_rights(s);
}

static void close_process(struct spawner *s)
{
    for (struct link *at = s->all.next; at != &s->all; at = at->next) {
        stop_process(s, LIST_OWNER(at, struct spawned, link), SPAWNER_KILL);
    }
    while (!list_is_empty(&s->all)) {
        struct spawned *one = LIST_OWNER(s->all.next, struct spawned, link);
        if (one->child.pid > 0) {
            char ended[64];
            event_del(&one->exit);
            event_del(&one->exec);
            child_reap(&one->child, ended, sizeof ended); /* killed above: it does not take long */
        }
        forget(one);
    }
    config_release(s->config);
    user_free(&s->user);
    if (s->null >= 0) {
        close(s->null);
    }
    free(s);
}

const struct spawner_ops spawner_process = {
    .name = "process",
    .can_start = true,
    .open = open_process,
    .apply = apply_process,
    .start = start_process,
    .stop = stop_process,
    .close = close_process,
    .is_impostor = is_impostor_process,
    .figures = figures_process,
};
