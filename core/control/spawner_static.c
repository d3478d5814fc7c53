/*
 * spawner_static.c - replicas that run elsewhere, listed in lb.conf.
 *
 * Owns     one handle for each address in use.
 * Used by  supervisor.c, through spawner.h.
 * Uses     config.h to read an address.
 * Thread   control.
 *
 * Nothing is started and nothing is stopped: a start says where the replica is, a stop says that it is no
 * longer ours.
 */
#include "control/spawner.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "world/config.h"

struct spawner {
    struct event_base *base;
    struct spawner_hooks hooks;
    struct link all; /* spawned.link */
};

struct spawned {
    struct link link;
    struct spawner *owner;
    void *tag;
    struct event report;            /* something is to be told in the next turn of the loop */
    struct spawner_started address; /* address_len 0: it could not be read */
    bool left;
};

static struct spawner *open_static(struct event_base *base, struct config *config,
                                   const struct spawner_hooks *hooks, char *why, size_t why_size)
{
    (void)config;
    (void)why;
    (void)why_size;
    struct spawner *s = mem_zero(1, sizeof *s);
    s->base = base;
    s->hooks = *hooks;
    list_init(&s->all);
    return s;
}

static void apply_static(struct spawner *s, struct config *next)
{
    (void)s;
    (void)next;
}

static void forget(struct spawned *one)
{
    event_del(&one->report);
    list_remove(&one->link);
    free(one);
}

static void on_report(evutil_socket_t fd, short what, void *arg)
{
    struct spawned *one = arg;
    struct spawner_hooks hooks = one->owner->hooks;
    void *tag = one->tag;
    (void)fd;
    (void)what;

    if (!one->left && one->address.address_len) {
        hooks.started(tag, &one->address);
        return;
    }
    const char *why = one->left ? "taken out" : "its address is not of the form HOST:PORT";
    forget(one);
    hooks.exited(tag, why);
}

static struct spawned *start_static(struct spawner *s, const struct spawner_order *order)
{
    struct spawned *one = mem_zero(1, sizeof *one);
    one->owner = s;
    one->tag = order->tag;
    one->address.address_len = config_parse_address(order->address, &one->address.address);
    list_push_back(&s->all, &one->link);
    evtimer_assign(&one->report, s->base, on_report, one);
    event_active(&one->report, EV_TIMEOUT, 0);
    return one;
}

static void stop_static(struct spawner *s, struct spawned *one, enum spawner_stop how)
{
    (void)s;
    (void)how;
    one->left = true;
    event_active(&one->report, EV_TIMEOUT, 0);
}

static void close_static(struct spawner *s)
{
    while (!list_is_empty(&s->all)) {
        forget(LIST_OWNER(s->all.next, struct spawned, link));
    }
    free(s);
}

const struct spawner_ops spawner_static = {
    .name = "static",
    .can_start = false,
    .open = open_static,
    .apply = apply_static,
    .start = start_static,
    .stop = stop_static,
    .close = close_static,
};
