/*
 * resolver.c - the addresses of a name, as DNS has them now, asked for again when they are old.
 *
 * Owns     the last good answer, the query under way, the time of the next one.
 * Used by  spawner_static.c.
 * Uses     c-ares.
 * Thread   control.
 *
 * Each query has a channel of its own: it reads /etc/resolv.conf anew, has a fresh source port, and its end cancels
 * whatever is left of it. c-ares calls back from inside of its own functions, where a channel must not be destroyed; so
 * the end is taken up in the next turn of the loop.
 */
#include "control/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"

#define TYPE_A       1
#define TYPE_AAAA    28
#define CLASS_IN     1
#define TRIES        2
#define RECORD_BYTES 12 /* the least that a record takes */

struct watched { /* a socket of the channel */
    struct link link;
    struct resolver *owner;
    struct event event;
    ares_socket_t fd;
};

struct resolver {
    struct event_base *base;
    struct resolver_hooks hooks;
    char *name, *server;
    uint32_t min_ttl_ms, max_ttl_ms, timeout_ms;

    char **addresses; /* sorted; ends with NULL. NULL: none yet */
    size_t n_addresses;
    bool is_failing;
    char trouble[256];
    uint32_t pause_ms; /* the last one after a failure */

    /* the query under way */
    ares_channel channel; /* NULL: none */
    struct link sockets;  /* watched.link */
    struct event timer;   /* of the channel; without one: the next query */
    struct event end;     /* both answers are there */
    unsigned n_left;
    char **found;
    size_t n_found;
    uint32_t ttl; /* s, the least */
    int failure;  /* of c-ares; 0: none yet */
};

static struct timeval time_of(uint64_t ms)
{
    return (struct timeval){ .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(texts[i]);
    }
    free(texts);
}

/* ------------------------------------------------------------------ c-ares on the loop */

static void arm(struct resolver *r)
{
    struct timeval most = time_of(r->timeout_ms), wait;
    if (r->channel && r->n_left) {
        evtimer_add(&r->timer, ares_timeout(r->channel, &most, &wait));
    }
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = ((struct watched *)arg)->owner; /* the watched one may be gone after the next line */
    ares_process_fd(r->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    arm(r);
}

static struct watched *find_watched(struct resolver *r, ares_socket_t fd)
{
    for (struct link *at = r->sockets.next; at != &r->sockets; at = at->next) {
        struct watched *w = LIST_OWNER(at, struct watched, link);
        if (w->fd == fd) {
            return w;
        }
    }
    return NULL;
}

static void on_socket_state(void *arg, ares_socket_t fd, int reads, int writes)
{
    struct resolver *r = arg;
    struct watched *w = find_watched(r, fd);
    if (w) {
        event_del(&w->event);
    }
    if (!reads && !writes) {
        if (w) {
            list_remove(&w->link);
            free(w);
        }
        return;
    }
    if (!w) {
        w = mem_zero(1, sizeof *w);
        w->owner = r;
        w->fd = fd;
        list_push_back(&r->sockets, &w->link);
    }
    short what = (short)(EV_PERSIST | (reads ? EV_READ : 0) | (writes ? EV_WRITE : 0));
    event_assign(&w->event, r->base, fd, what, on_socket, w);
    event_add(&w->event, NULL);
}

static void end_query(struct resolver *r)
{
    ares_channel channel = r->channel;
    r->channel = NULL;
    if (channel) {
        ares_destroy(channel); /* calls back for what is left, with ARES_EDESTRUCTION */
    }
    event_del(&r->timer);
    event_del(&r->end);
    free_texts(r->found, r->n_found);
    r->found = NULL;
    r->n_found = 0;
}

/* ------------------------------------------------------------------ an answer */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts, and drops those that stand twice. */
static size_t tidy(char **texts, size_t n)
{
    size_t kept = 0;
    qsort(texts, n, sizeof *texts, compare_texts);
    for (size_t i = 0; i < n; i++) {
        if (kept && strcmp(texts[kept - 1], texts[i]) == 0) {
            free(texts[i]);
        } else {
            texts[kept++] = texts[i];
        }
    }
    return kept;
}

static bool is_as_before(const struct resolver *r)
{
    bool same = r->addresses && r->n_addresses == r->n_found;
    for (size_t i = 0; same && i < r->n_found; i++) {
        same = strcmp(r->addresses[i], r->found[i]) == 0;
    }
    return same;
}

static void ask_after(struct resolver *r, uint64_t ms)
{
    struct timeval wait = time_of(ms);
    evtimer_add(&r->timer, &wait);
}

static void fail(struct resolver *r, const char *reason)
{
    char why[sizeof r->trouble];
    snprintf(why, sizeof why, "DNS: %.128s: %s; the last good answer stays", r->name, reason);
    bool is_new = !r->is_failing || strcmp(why, r->trouble) != 0;
    if (!r->is_failing) {
        r->pause_ms = r->min_ttl_ms;
    } else {
        r->pause_ms = r->pause_ms > r->max_ttl_ms / 2 ? r->max_ttl_ms : 2 * r->pause_ms;
    }
    r->is_failing = true;
    memcpy(r->trouble, why, sizeof why);
    end_query(r);
    ask_after(r, r->pause_ms);
    if (is_new) {
        r->hooks.failed(r->hooks.ctx, r->trouble);
    }
}

static void succeed(struct resolver *r)
{
    uint64_t ms = (uint64_t)r->ttl * 1000;
    ms = ms < r->min_ttl_ms ? r->min_ttl_ms : ms > r->max_ttl_ms ? r->max_ttl_ms : ms;
    bool was_failing = r->is_failing, is_same;
    r->n_found = tidy(r->found, r->n_found);
    is_same = is_as_before(r);
    if (!is_same) {
        free_texts(r->addresses, r->n_addresses);
        r->addresses = r->found;
        r->n_addresses = r->n_found;
        r->found = NULL;
        r->n_found = 0;
    }
    r->is_failing = false;
    end_query(r);
    ask_after(r, ms);
    if (was_failing) {
        r->hooks.recovered(r->hooks.ctx);
    }
    if (!is_same) {
        r->hooks.changed(r->hooks.ctx);
    }
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;
    (void)fd;
    (void)what;
    if (r->failure) {
        fail(r, ares_strerror(r->failure));
    } else if (r->n_found == 0) {
        fail(r, "it has no addresses");
    } else {
        succeed(r);
    }
}

static void note_address(struct resolver *r, int family, const void *address, int ttl)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(family, address, text, sizeof text);
    r->found = mem_grow(r->found, (r->n_found + 1) * sizeof *r->found);
    r->found[r->n_found++] = mem_text(text);
    uint32_t seconds = ttl > 0 ? (uint32_t)ttl : 0;
    r->ttl = seconds < r->ttl ? seconds : r->ttl;
}

/* The addresses of a reply; aliases are followed, and their times count too. */
static int read_reply(struct resolver *r, int family, const unsigned char *reply, int len)
{
    int n = len / RECORD_BYTES + 1, status;
    if (family == AF_INET) {
        struct ares_addrttl *records = mem_zero((size_t)n, sizeof *records);
        status = ares_parse_a_reply(reply, len, NULL, records, &n);
        for (int i = 0; status == ARES_SUCCESS && i < n; i++) {
            note_address(r, family, &records[i].ipaddr, records[i].ttl);
        }
        free(records);
    } else {
        struct ares_addr6ttl *records = mem_zero((size_t)n, sizeof *records);
        status = ares_parse_aaaa_reply(reply, len, NULL, records, &n);
        for (int i = 0; status == ARES_SUCCESS && i < n; i++) {
            note_address(r, family, &records[i].ip6addr, records[i].ttl);
        }
        free(records);
    }
    return status;
}

static void take_reply(struct resolver *r, int family, int status, const unsigned char *reply, int len)
{
    if (!r->channel) {
        return; /* it is being destroyed */
    }
    if (status == ARES_SUCCESS) {
        status = read_reply(r, family, reply, len);
    }
    bool has_none = status == ARES_ENODATA || status == ARES_ENOTFOUND;
    if (status != ARES_SUCCESS && !has_none && !r->failure) {
        r->failure = status;
    }
    if (--r->n_left == 0) {
        event_active(&r->end, EV_TIMEOUT, 0);
    }
}

static void on_a(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
    (void)timeouts;
    take_reply(arg, AF_INET, status, reply, len);
}

static void on_aaaa(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
    (void)timeouts;
    take_reply(arg, AF_INET6, status, reply, len);
}

/* ------------------------------------------------------------------ a query */

static int open_channel(struct resolver *r)
{
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = (int)r->timeout_ms,
        .tries = TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = r,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&r->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        r->channel = NULL;
    } else if (*r->server) {
        status = ares_set_servers_ports_csv(r->channel, r->server);
    }
    return status;
}

static void ask(struct resolver *r)
{
    int status = open_channel(r);
    if (status != ARES_SUCCESS) {
        fail(r, ares_strerror(status));
        return;
    }
    r->n_left = 2;
    r->failure = 0;
    r->ttl = UINT32_MAX;
    ares_query(r->channel, r->name, CLASS_IN, TYPE_A, on_a, r);
    ares_query(r->channel, r->name, CLASS_IN, TYPE_AAAA, on_aaaa, r);
    arm(r);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;
    (void)fd;
    (void)what;
    if (r->channel) {
        ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        arm(r);
    } else {
        ask(r);
    }
}

/* ------------------------------------------------------------------ from beginning to end */

static void take_rules(struct resolver *r, const struct resolver_rules *rules)
{
    free(r->name);
    free(r->server);
    r->name = mem_text(rules->name);
    r->server = mem_text(rules->server);
    r->min_ttl_ms = rules->min_ttl_ms;
    r->max_ttl_ms = rules->max_ttl_ms;
    r->timeout_ms = rules->timeout_ms;
}

struct resolver *resolver_open(struct event_base *base, const struct resolver_rules *rules,
                               const struct resolver_hooks *hooks)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        return NULL;
    }
    struct resolver *r = mem_zero(1, sizeof *r);
    r->base = base;
    r->hooks = *hooks;
    list_init(&r->sockets);
    evtimer_assign(&r->timer, base, on_timer, r);
    evtimer_assign(&r->end, base, on_end, r);
    take_rules(r, rules);
    ask_after(r, 0); /* not now: hooks are called from the loop */
    return r;
}

void resolver_apply(struct resolver *r, const struct resolver_rules *rules)
{
    bool same = strcmp(r->name, rules->name) == 0 && strcmp(r->server, rules->server) == 0;
    take_rules(r, rules);
    if (!same) {
        end_query(r);
        ask_after(r, 0);
    }
}

void resolver_close(struct resolver *r)
{
    end_query(r);
    free_texts(r->addresses, r->n_addresses);
    free(r->name);
    free(r->server);
    free(r);
    ares_library_cleanup();
}

const char *const *resolver_addresses(const struct resolver *r, size_t *n)
{
    *n = r->n_addresses;
    return (const char *const *)r->addresses;
}

const char *resolver_trouble(const struct resolver *r)
{
    return r->is_failing ? r->trouble : NULL;
}
