/*
 * spawner_process.c - replicas as child processes on this machine.
 *
 * Owns     each child it started until it is reaped, and the port it gave to it.
 * Used by  supervisor.c, through spawner.h.
 * Uses     spawner_exec.c for fork and exec; config.h for replicas.process.
 * Thread   control, which outlives all others: a child dies with the thread that forked it.
 *
 * A child learns its port and address from the environment (PORT, ADDRESS), so the port is chosen before the
 * fork: the lowest one from base_port upward that none of our living children has and that can be bound here
 * and now. Somebody else may still take it before the child does; then the child exits, and the next start
 * finds another port.
 */
#include "control/spawner.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
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
#include "world/config.h"

#define PORTS 65536

struct spawner {
    struct event_base *base;
    struct config *config;
    struct spawner_hooks hooks;
    struct link all;                 /* spawned.link */
    uint64_t ports_used[PORTS / 64]; /* by our living children */
};

struct spawned {
    struct link link;
    struct spawner *owner;
    void *tag;
    struct child child; /* pid 0: it could not be forked */
    char *program;
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

static int start_child(struct spawned *one, const char *server_id)
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

    char *settings[] = { mem_format("SERVER_ID=%s", server_id), mem_format("PORT=%u", port),
                         mem_format("ADDRESS=%s", host) };
    const struct config_list *command = &config->replicas.process.command;
    int result =
        child_start(&one->child, command->items, command->count, settings, 3, one->why, sizeof one->why);
    free(settings[0]);
    free(settings[1]);
    free(settings[2]);
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
    if (command->count > 0 && start_child(one, order->server_id) == 0) {
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

/* ------------------------------------------------------------------ the driver */

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
    list_init(&s->all);
    return s;
}

static void apply_process(struct spawner *s, struct config *next)
{
    config_retain(next);
    config_release(s->config);
    s->config = next;
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
};
