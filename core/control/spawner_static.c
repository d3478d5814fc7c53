/*
 * spawner_static.c - replicas that run elsewhere: listed in lb.conf (static), or found by DNS (dns).
 *
 * Owns     one handle for each address in use; with dns, the members as DNS has them.
 * Used by  supervisor.c, through spawner.h.
 * Uses     config.h to read an address; resolver.h.
 * Thread   control.
 *
 * Nothing is started and nothing is stopped: a start says where the replica is, a stop says that it is no
 * longer ours. With dns a member is called as its address: two balancers that were given the same answer have the same
 * ring, and an address that comes back has its keys again.
 */
#include "control/spawner.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/resolver.h"
#include "world/config.h"

struct spawner {
    struct event_base *base;
    struct spawner_hooks hooks;
    struct link all; /* spawned.link */

    /* dns only */
    struct resolver *resolver;
    struct spawner_listener listener;
    uint32_t max;
    uint16_t port;
    struct config_member *members;
    size_t n_members;
    bool is_known; /* there was an answer */
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

static void free_members(struct spawner *s)
{
    for (size_t i = 0; i < s->n_members; i++) {
        free(s->members[i].address);
        free(s->members[i].name);
    }
    free(s->members);
    s->members = NULL;
    s->n_members = 0;
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
    free_members(s);
    if (s->resolver) {
        resolver_close(s->resolver);
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

/* ------------------------------------------------------------------ dns */

static void make_members(struct spawner *s)
{
    size_t n;
    const char *const *addresses = resolver_addresses(s->resolver, &n);
    if (!addresses) {
        return;
    }
    if (n > s->max) {
        log_warn("DNS has %zu addresses, and replicas.max is %u: the first ones are used", n, s->max);
        n = s->max;
    }
    free_members(s);
    s->members = mem_zero(n + 1, sizeof *s->members);
    s->n_members = n;
    s->is_known = true;
    for (size_t i = 0; i < n; i++) {
        s->members[i] = (struct config_member){
            .name = mem_text(addresses[i]),
            .weight = 1,
            .address = strchr(addresses[i], ':') ? mem_format("[%s]:%u", addresses[i], s->port)
                                                 : mem_format("%s:%u", addresses[i], s->port),
        };
    }
}

static void on_changed(void *ctx)
{
    struct spawner *s = ctx;
    make_members(s);
    s->listener.members(s->listener.ctx);
}

static void on_failed(void *ctx, const char *why)
{
    struct spawner *s = ctx;
    log_warn("%s", why);
    s->listener.event(s->listener.ctx, "dns_failed", why);
}

static void on_recovered(void *ctx)
{
    struct spawner *s = ctx;
    log_info("DNS answers again");
    s->listener.event(s->listener.ctx, "dns_recovered", "DNS answers again");
}

static struct resolver_rules rules_of(const struct config *config)
{
    return (struct resolver_rules){
        .name = config->replicas.dns.name,
        .server = config->replicas.dns.server,
        .min_ttl_ms = config->replicas.dns.min_ttl_ms,
        .max_ttl_ms = config->replicas.dns.max_ttl_ms,
        .timeout_ms = config->replicas.dns.timeout_ms,
    };
}

static struct spawner *open_dns(struct event_base *base, struct config *config,
                                const struct spawner_hooks *hooks, char *why, size_t why_size)
{
    struct resolver_rules rules = rules_of(config);
    struct spawner *s = open_static(base, config, hooks, why, why_size);
    struct resolver_hooks told = { s, on_changed, on_failed, on_recovered };
    s->max = config->replicas.max;
    s->port = config->replicas.dns.port;
    s->resolver = resolver_open(base, &rules, &told);
    if (!s->resolver) {
        snprintf(why, why_size, "c-ares, which asks DNS, cannot be set up");
        free(s);
        return NULL;
    }
    return s;
}

static void apply_dns(struct spawner *s, struct config *next)
{
    struct resolver_rules rules = rules_of(next);
    s->max = next->replicas.max;
    s->port = next->replicas.dns.port;
    resolver_apply(s->resolver, &rules);
    make_members(s);
}

static void listen_dns(struct spawner *s, const struct spawner_listener *to)
{
    s->listener = *to;
}

static const struct config_member *members_dns(struct spawner *s, size_t *n)
{
    *n = s->n_members;
    return s->is_known ? s->members : NULL;
}

static const char *trouble_dns(const struct spawner *s)
{
    return resolver_trouble(s->resolver);
}

const struct spawner_ops spawner_dns = {
    .name = "dns",
    .can_start = false,
    .open = open_dns,
    .apply = apply_dns,
    .start = start_static,
    .stop = stop_static,
    .close = close_static,
    .listen = listen_dns,
    .members = members_dns,
    .trouble = trouble_dns,
};
