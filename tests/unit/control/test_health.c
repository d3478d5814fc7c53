/*
 * test_health.c - heartbeats against a small server in the same loop, which can be told how to behave.
 *
 * Owns     the server.
 * Used by  ctest: unit.control.health.
 * Thread   one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "control/health.h"
#include "lb_plugin.h"
#include "unit/control/loop_kit.h"
#include "world/config.h"

#define HOUR_MS 3600000u

enum behaviour {
    ANSWER,     /* 200, empty */
    ANSWER_500, /* and 204, 404 … : see status */
    CLOSING,    /* 200 with Connection: close */
    BIG,        /* 200 with a megabyte */
    SILENT,     /* reads, never answers */
    HALF,       /* 200 and half of the body */
    GARBAGE,    /* not HTTP */
    HANG_UP,    /* closes without a byte */
};

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct link connections;
    uint16_t port;
    enum behaviour behaviour;
    int status;
    unsigned n_accepted, n_requests;
    char request[512]; /* the last one */
};

struct connection {
    struct link link;
    struct server *server;
    struct bufferevent *bev;
};

struct stage {
    struct server server;
    struct event_base *base;
    struct config config;
    struct health *health;
    char address[32];
};

struct seen {
    struct stage *stage;
    struct heartbeat *beat;
    unsigned good, missed, refused, unasked;
    char why[200];
    bool unwatch, kick; /* from inside */
};

/* ------------------------------------------------------------------ the server */

static void hang_up(struct connection *c)
{
    list_remove(&c->link);
    bufferevent_free(c->bev);
    free(c);
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    hang_up(arg);
}

static void reply(struct connection *c)
{
    struct server *v = c->server;
    struct evbuffer *out = bufferevent_get_output(c->bev);
    switch (v->behaviour) {
    case ANSWER: evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); break;
    case ANSWER_500: evbuffer_add_printf(out, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", v->status); break;
    case CLOSING:
        evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        break;
    case BIG: {
        char *body = mem_zero(1, 1u << 20);
        evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", 1u << 20);
        evbuffer_add(out, body, 1u << 20);
        free(body);
        break;
    }
    case SILENT: break;
    case HALF: evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"); break;
    case GARBAGE: evbuffer_add_printf(out, "hello there\r\n\r\n"); break;
    case HANG_UP: hang_up(c); break;
    }
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct connection *c = arg;
    struct server *v = c->server;
    struct evbuffer *in = bufferevent_get_input(bev);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0) {
        return;
    }
    memset(v->request, 0, sizeof v->request);
    evbuffer_copyout(in, v->request, sizeof v->request - 1);
    evbuffer_drain(in, evbuffer_get_length(in));
    v->n_requests++;
    reply(c);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *peer, int len, void *arg)
{
    struct server *v = arg;
    struct connection *c = mem_zero(1, sizeof *c);
    (void)l;
    (void)peer;
    (void)len;
    v->n_accepted++;
    c->server = v;
    c->bev = bufferevent_socket_new(v->base, fd, BEV_OPT_CLOSE_ON_FREE);
    list_push_back(&v->connections, &c->link);
    bufferevent_setcb(c->bev, on_read, NULL, on_end, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* On all addresses of 127.0.0.0/8; port 0 takes a free one. */
static void listen_at(struct server *v, uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t len = sizeof in;
    v->listener = evconnlistener_new_bind(v->base, on_accept, v, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                          2048, (struct sockaddr *)&in, sizeof in);
    assert_non_null(v->listener);
    assert_int_equal(getsockname(evconnlistener_get_fd(v->listener), (struct sockaddr *)&in, &len), 0);
    v->port = ntohs(in.sin_port);
}

static void stop_listening(struct server *v)
{
    evconnlistener_free(v->listener);
    v->listener = NULL;
}

static void drop_connections(struct server *v)
{
    while (!list_is_empty(&v->connections)) {
        hang_up(LIST_OWNER(v->connections.next, struct connection, link));
    }
}

/* ------------------------------------------------------------------ the stage */

static void open_stage(struct stage *g)
{
    memset(g, 0, sizeof *g);
    g->base = event_base_new();
    g->server.base = g->base;
    list_init(&g->server.connections);
    listen_at(&g->server, 0);
    snprintf(g->address, sizeof g->address, "127.0.0.1:%u", g->server.port);
    g->config.health.path = mem_text("/heartbeat");
    g->config.health.interval_ms = 5;
    g->config.health.start_interval_ms = 2;
    g->config.health.timeout_ms = 10000;
    g->config.health.unready_after = 2;
    g->health = health_http.open(g->base, &g->config);
    assert_non_null(g->health);
}

static void close_stage(struct stage *g)
{
    health_http.close(g->health);
    drop_connections(&g->server);
    if (g->server.listener) {
        stop_listening(&g->server);
    }
    free(g->config.health.path);
    event_base_free(g->base);
}

static void apply(struct stage *g)
{
    health_http.apply(g->health, &g->config);
}

static void on_beat(void *ctx, enum health_result result, const char *why)
{
    struct seen *seen = ctx;
    seen->good += result == HEALTH_GOOD;
    seen->missed += result == HEALTH_MISS;
    seen->refused += result == HEALTH_REFUSED;
    seen->unasked += result == HEALTH_UNASKED;
    snprintf(seen->why, sizeof seen->why, "%s", why);
    if (seen->kick) {
        seen->kick = false;
        health_http.kick(seen->beat);
    }
    if (seen->unwatch) {
        health_http.unwatch(seen->beat);
        seen->beat = NULL;
    }
}

static void watch_at(struct stage *g, struct seen *seen, const char *address, enum health_pace pace)
{
    memset(seen, 0, sizeof *seen);
    seen->stage = g;
    seen->beat = health_http.watch(g->health, address, pace, on_beat, seen);
    assert_non_null(seen->beat);
}

static void watch(struct stage *g, struct seen *seen, enum health_pace pace)
{
    watch_at(g, seen, g->address, pace);
}

/* ------------------------------------------------------------------ what is good and what is a miss */

static void test_good_ones_share_a_connection(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* of no interest */
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    open_stage(&g);
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.good >= 20);
    assert_int_equal(seen.missed + seen.refused, 0);
    assert_int_equal(g.server.n_accepted, 1);
    assert_string_equal(seen.why, "heartbeat good");
    assert_memory_equal(g.server.request, "GET /heartbeat HTTP/1.1\r\n", 25);
    assert_non_null(strstr(g.server.request, "\r\nHost: 127.0.0.1:"));
    close_stage(&g);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

static void expect_miss(enum behaviour behaviour, int status, const char *why)
{
    struct stage g;
    struct seen seen;
    open_stage(&g);
    g.server.behaviour = behaviour;
    g.server.status = status;
    g.config.health.timeout_ms = behaviour == SILENT || behaviour == HALF ? 30 : 10000;
    apply(&g);
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.missed >= 3);
    assert_int_equal(seen.good + seen.refused, 0);
    assert_memory_equal(seen.why, why, strlen(why));
    g.server.behaviour = ANSWER;
    g.config.health.timeout_ms = 10000;
    apply(&g);
    WAIT_FOR(&g, seen.good >= 3); /* and it recovers */
    close_stage(&g);
}

static void test_misses(void **state)
{
    (void)state;
    expect_miss(ANSWER_500, 500, "heartbeat answered 500");
    expect_miss(ANSWER_500, 204, "heartbeat answered 204");
    expect_miss(ANSWER_500, 302, "heartbeat answered 302");
    expect_miss(SILENT, 0, "heartbeat not answered in 30 ms");
    expect_miss(HALF, 0, "heartbeat not answered in 30 ms");
    expect_miss(GARBAGE, 0, "heartbeat failed: ");
    expect_miss(HANG_UP, 0, "heartbeat failed: ");
}

static void test_large_and_closing_answers_are_good(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.server.behaviour = BIG;
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.good >= 3);
    g.server.behaviour = CLOSING;
    WAIT_FOR(&g, seen.good >= 6);
    g.server.behaviour = ANSWER;
    WAIT_FOR(&g, seen.good >= 9);
    drop_connections(&g.server); /* idle, kept ones: not a miss */
    WAIT_FOR(&g, seen.good >= 12);
    assert_int_equal(seen.missed + seen.refused, 0);
    close_stage(&g);
}

static void test_refused(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    stop_listening(&g.server);
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.refused >= 3);
    assert_int_equal(seen.good + seen.missed, 0);
    assert_string_equal(seen.why, "heartbeat refused");
    listen_at(&g.server, g.server.port);
    WAIT_FOR(&g, seen.good >= 3);
    close_stage(&g);
}

/* ------------------------------------------------------------------ when */

/* Lets the loop run until another replica has answered so many heartbeats: what was due has happened by then.
 * */
static void pass(struct stage *g, unsigned beats)
{
    struct seen clock;
    watch(g, &clock, HEALTH_STARTING);
    WAIT_FOR(g, clock.good >= beats);
    health_http.unwatch(clock.beat);
}

static void test_misses_are_confirmed_at_once_and_then_slowly(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    g.config.health.unready_after = 3;
    apply(&g);
    g.server.behaviour = ANSWER_500;
    g.server.status = 503;
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.missed >= 3);
    assert_int_equal(g.server.n_accepted, 3); /* each confirmed on a new connection */
    g.server.behaviour = ANSWER;
    pass(&g, 20);
    assert_int_equal(seen.missed, 3);
    assert_int_equal(seen.good, 0);
    health_http.kick(seen.beat);
    WAIT_FOR(&g, seen.good == 1);
    g.server.behaviour = ANSWER_500;
    health_http.kick(seen.beat);
    WAIT_FOR(&g, seen.missed == 6); /* counted anew after a good one */
    g.server.behaviour = ANSWER;
    pass(&g, 20);
    assert_int_equal(seen.missed, 6);
    close_stage(&g);
}

static void test_starting_is_quick_until_it_is_there(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    apply(&g);
    stop_listening(&g.server);
    watch(&g, &seen, HEALTH_STARTING);
    WAIT_FOR(&g, seen.refused >= 10);
    listen_at(&g.server, g.server.port);
    WAIT_FOR(&g, seen.good >= 2);
    health_http.set_pace(seen.beat, HEALTH_STEADY);
    unsigned good = seen.good;
    pass(&g, 20);
    assert_in_range(seen.good, good, good + 1); /* one may have been under way */
    close_stage(&g);
}

static void test_kick_drops_the_one_under_way(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    g.config.health.timeout_ms = HOUR_MS;
    apply(&g);
    g.server.behaviour = SILENT;
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, g.server.n_requests == 1);
    g.server.behaviour = ANSWER;
    health_http.kick(seen.beat);
    WAIT_FOR(&g, seen.good == 1);
    assert_int_equal(seen.missed + seen.refused, 0);
    assert_int_equal(g.server.n_accepted, 2);
    close_stage(&g);
}

static void test_kick_asks_for_a_new_connection(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    apply(&g);
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.good == 1);
    stop_listening(&g.server); /* the kept connection would still answer */
    health_http.kick(seen.beat);
    WAIT_FOR(&g, seen.refused >= 1);
    assert_int_equal(seen.good, 1);
    close_stage(&g);
}

static void test_a_prompt_asks_now_and_on_a_new_connection(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    apply(&g);
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.good == 1);
    health_http.prompt(seen.beat);
    WAIT_FOR(&g, seen.good == 2);
    assert_int_equal(g.server.n_accepted, 2);
    stop_listening(&g.server);
    health_http.prompt(seen.beat);
    WAIT_FOR(&g, seen.refused >= 1);
    close_stage(&g);
}

static void test_a_prompt_waits_for_the_one_under_way(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    g.config.health.timeout_ms = HOUR_MS;
    apply(&g);
    g.server.behaviour = SILENT;
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, g.server.n_requests == 1);
    struct connection *first = LIST_OWNER(g.server.connections.next, struct connection, link);
    health_http.prompt(seen.beat);
    health_http.prompt(seen.beat);
    g.server.behaviour = ANSWER;
    pass(&g, 5);
    assert_int_equal(seen.good, 0); /* neither dropped nor overtaken */
    reply(first);
    WAIT_FOR(&g, seen.good == 2); /* what it said may be older than the reason */
    assert_int_equal(seen.missed + seen.refused, 0);
    pass(&g, 5);
    assert_int_equal(seen.good, 2);
    close_stage(&g);
}

/* Prompted anew whenever it has answered; returns how long n answers took, in ms. */
static uint64_t prompt_all_the_time(struct stage *g, unsigned n)
{
    struct seen seen;
    watch(g, &seen, HEALTH_STEADY);
    WAIT_FOR(g, seen.good == 1);
    uint64_t began = clock_now_ns();
    while (seen.good <= n) {
        unsigned good = seen.good;
        health_http.prompt(seen.beat);
        WAIT_FOR(g, seen.good > good);
    }
    health_http.unwatch(seen.beat);
    return (clock_now_ns() - began) / CLOCK_NS_PER_MS;
}

static void test_prompts_at_most_double_the_heartbeats(void **state)
{
    struct stage g;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = 50;
    apply(&g);
    assert_true(prompt_all_the_time(&g, 10) >=
                4 * 45); /* the first at once, then a pair an interval, less a tenth */
    g.config.health.interval_ms = HOUR_MS;
    apply(&g);
    assert_true(prompt_all_the_time(&g, 2) >= 900); /* a second, and timers may be a little early */
    close_stage(&g);
}

static void test_a_prompt_never_puts_off(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    apply(&g);
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.good == 1);
    health_http.prompt(seen.beat);
    WAIT_FOR(&g, seen.good == 2);
    health_http.kick(seen.beat);
    health_http.prompt(seen.beat); /* by itself it would wait for a second */
    pass(&g, 5);
    assert_int_equal(seen.good, 3);
    close_stage(&g);
}

static void test_new_path_and_timeout(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.good >= 1);
    free(g.config.health.path);
    g.config.health.path = mem_text("/healthz?deep=1");
    apply(&g);
    unsigned good = seen.good;
    WAIT_FOR(&g, seen.good >= good + 3);
    assert_memory_equal(g.server.request, "GET /healthz?deep=1 HTTP/1.1\r\n", 30);
    close_stage(&g);
}

/* ------------------------------------------------------------------ from inside, many, ends */

static void test_changes_from_inside(void **state)
{
    struct stage g;
    struct seen kicked, unwatched, other;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    apply(&g);
    watch(&g, &kicked, HEALTH_STEADY);
    kicked.kick = true;
    watch(&g, &unwatched, HEALTH_STEADY);
    unwatched.unwatch = true;
    watch(&g, &other, HEALTH_STEADY);
    WAIT_FOR(&g, kicked.good == 2 && unwatched.good == 1 && other.good == 1);
    assert_null(unwatched.beat);
    pass(&g, 20);
    assert_int_equal(unwatched.good, 1);
    close_stage(&g);
}

static void test_close_with_heartbeats_under_way(void **state)
{
    struct stage g;
    struct seen seen[20];
    (void)state;
    open_stage(&g);
    g.server.behaviour = SILENT;
    for (int i = 0; i < 20; i++) {
        watch(&g, &seen[i], HEALTH_STEADY);
    }
    WAIT_FOR(&g, g.server.n_requests >= 15);
    health_http.unwatch(seen[3].beat);
    close_stage(&g);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(seen[i].good + seen[i].missed + seen[i].refused, 0);
    }
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

/* Until everything that is due by now, or in the next tenth of a second, was begun. */
static void let_all_become_due(struct stage *g)
{
    bool is_later = false;
    struct timeval wait = { .tv_usec = 100000 };
    event_base_once(g->base, -1, EV_TIMEOUT, on_later, &is_later, &wait);
    WAIT_FOR(g, is_later);
}

static void test_only_so_many_at_once(void **state)
{
    enum { AT_ONCE = 256, MORE = 100 };
    static struct seen first[AT_ONCE], more[MORE];
    struct stage g;
    (void)state;
    open_stage(&g);
    g.config.health.interval_ms = HOUR_MS;
    g.config.health.timeout_ms = HOUR_MS;
    apply(&g);
    g.server.behaviour = SILENT;
    for (unsigned i = 0; i < AT_ONCE; i++) {
        watch(&g, &first[i], HEALTH_STEADY);
    }
    WAIT_FOR(&g, g.server.n_requests == AT_ONCE);
    for (unsigned i = 0; i < MORE; i++) {
        watch(&g, &more[i], HEALTH_STEADY);
    }
    let_all_become_due(&g);
    assert_int_equal(g.server.n_requests, AT_ONCE);
    g.server.behaviour = ANSWER;
    health_http.unwatch(more[0].beat); /* one of those who wait */
    for (unsigned i = 0; i < AT_ONCE; i++) {
        health_http.unwatch(first[i].beat);
    }
    health_http.unwatch(more[1].beat); /* one that has just been given a place */
    for (unsigned i = 2; i < MORE; i++) {
        WAIT_FOR(&g, more[i].good == 1);
    }
    assert_int_equal(g.server.n_requests, AT_ONCE + MORE - 2);
    close_stage(&g);
}

static unsigned least_good(const struct seen *seen, size_t n)
{
    unsigned least = seen[0].good;
    for (size_t i = 1; i < n; i++) {
        least = seen[i].good < least ? seen[i].good : least;
    }
    return least;
}

static void test_a_thousand(void **state)
{
    enum { MANY = 1000 };
    static struct seen seen[MANY];
    struct rlimit files;
    struct stage g;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 2 * MANY + 100) {
        print_message("only %lu descriptors: skipped\n", (unsigned long)files.rlim_cur);
        skip();
    }
    open_stage(&g);
    g.config.health.interval_ms = 100;
    g.config.health.timeout_ms = LOOP_PATIENCE_MS; /* whatever else the machine is doing */
    apply(&g);
    for (unsigned i = 0; i < MANY; i++) {
        char address[64];
        snprintf(address, sizeof address, "127.1.%u.%u:%u", i / 250, i % 250 + 1, g.server.port);
        watch_at(&g, &seen[i], address, HEALTH_STEADY);
    }
    WAIT_FOR(&g, least_good(seen, MANY) >= 4);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(seen[i].missed + seen[i].refused, 0);
    }
    assert_int_equal(g.server.n_accepted, MANY); /* all connections are kept */
    close_stage(&g);
}

/* From here on there is no descriptor for a new socket. Returns the limit that was. */
static struct rlimit take_all_descriptors(void)
{
    struct rlimit was, now;
    getrlimit(RLIMIT_NOFILE, &was);
    now = was;
    now.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &now);
    return was;
}

static void test_without_descriptors_nobody_is_missed(void **state)
{
    struct stage g;
    struct seen seen;
    (void)state;
    open_stage(&g);
    g.server.behaviour = CLOSING; /* each heartbeat needs a socket */
    watch(&g, &seen, HEALTH_STEADY);
    WAIT_FOR(&g, seen.good >= 3);
    struct rlimit was = take_all_descriptors();
    WAIT_FOR(&g, seen.unasked >= 5);
    assert_memory_equal(seen.why, "no socket for a heartbeat: ", 27);
    assert_int_equal(seen.missed + seen.refused, 0);
    setrlimit(RLIMIT_NOFILE, &was);
    seen.good = 0;
    WAIT_FOR(&g, seen.good >= 3);
    assert_int_equal(seen.missed + seen.refused, 0);
    close_stage(&g);
}

/* Both ends of each connection are in this process. */
static void raise_descriptor_limit(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(void)
{
    raise_descriptor_limit();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones_share_a_connection),
        cmocka_unit_test(test_misses),
        cmocka_unit_test(test_large_and_closing_answers_are_good),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_misses_are_confirmed_at_once_and_then_slowly),
        cmocka_unit_test(test_starting_is_quick_until_it_is_there),
        cmocka_unit_test(test_kick_drops_the_one_under_way),
        cmocka_unit_test(test_kick_asks_for_a_new_connection),
        cmocka_unit_test(test_a_prompt_asks_now_and_on_a_new_connection),
        cmocka_unit_test(test_a_prompt_waits_for_the_one_under_way),
        cmocka_unit_test(test_prompts_at_most_double_the_heartbeats),
        cmocka_unit_test(test_a_prompt_never_puts_off),
        cmocka_unit_test(test_new_path_and_timeout),
        cmocka_unit_test(test_changes_from_inside),
        cmocka_unit_test(test_close_with_heartbeats_under_way),
        cmocka_unit_test(test_without_descriptors_nobody_is_missed),
        cmocka_unit_test(test_only_so_many_at_once),
        cmocka_unit_test(test_a_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
