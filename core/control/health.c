/*
 * health.c - heartbeats over HTTP: libcurl's multi interface, driven by the control loop.
 *
 * Owns     one easy handle for each watched replica, kept and used again, and the multi handle with its
 *          connections.
 * Used by  supervisor.c, through health.h.
 * Uses     libcurl, libevent.
 * Thread   control.
 *
 * libcurl says which sockets it waits for (on_curl_socket) and when it wants to be called (on_curl_timer);
 * the loop calls it back (on_socket, on_timer), and afterwards the finished heartbeats are collected. A
 * heartbeat's own timer says when its next probe is due. No callback of libcurl calls libcurl.
 *
 *     due -> enter -> begin -> (libcurl, on the loop) -> finish -> judge, set the timer, tell
 */
#include "control/health.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "lb_plugin.h"
#include "world/config.h"

#define BODY_MAX          65536 /* bytes of an answer that are read to keep its connection; more closes it */
#define PROBES_PER_MS     10    /* when many replicas start together, their probes keep to this rate */
#define AT_ONCE_MAX       256   /* probes under way; see enter */
#define SPARE_CONNECTIONS 16    /* kept beyond one for each replica: some replicas have just been replaced */

struct health {
    struct event_base *base;
    CURLM *multi;
    struct event timer; /* libcurl's */
    struct link all;    /* heartbeat.link */
    struct link queue;  /* heartbeat.queued, due and waiting for one of AT_ONCE_MAX places */
    uint32_t n_all, n_starting, n_running;
    uint64_t random;

    char *path;
    uint32_t interval_ms, start_interval_ms, timeout_ms;
    uint32_t confirm_below; /* misses in a row below this are followed by a probe at once */
    uint32_t revision;      /* rises when path or timeout change */
};

struct heartbeat {
    struct link link, queued;
    struct health *health;
    CURL *easy;
    struct event due;
    char *address;
    health_fn fn;
    void *ctx;
    enum health_pace pace;
    bool is_running;   /* easy is in the multi handle */
    bool wants_fresh;  /* the next probe opens a connection of its own */
    uint32_t misses;   /* in a row */
    uint32_t revision; /* of the settings in easy; 0: none yet */
    uint64_t began_ns; /* the last probe */
    size_t body;       /* bytes of the answer so far */
};

static void on_due(evutil_socket_t fd, short what, void *arg);
static void collect(struct health *h);

/* ------------------------------------------------------------------ libcurl's sockets and timer */

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct health *h = arg;
    int running, ready = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(h->multi, fd, ready, &running);
    collect(h);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct health *h = arg;
    int running;
    (void)fd;
    (void)what;
    curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(h);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int wanted, void *arg, void *assigned)
{
    struct health *h = arg;
    struct event *event = assigned;
    (void)easy;

    if (wanted == CURL_POLL_REMOVE) {
        curl_multi_assign(h->multi, fd, NULL);
        if (event) {
            event_free(event);
        }
        return 0;
    }
    short kinds =
        (short)(EV_PERSIST | (wanted & CURL_POLL_IN ? EV_READ : 0) | (wanted & CURL_POLL_OUT ? EV_WRITE : 0));
    if (event) {
        event_del(event);
        event_assign(event, h->base, fd, kinds, on_socket, h);
    } else {
        event = event_new(h->base, fd, kinds, on_socket, h);
        curl_multi_assign(h->multi, fd, event);
    }
    return event && event_add(event, NULL) == 0 ? 0 : -1;
}

static void set_timer(struct event *timer, uint64_t ms)
{
    struct timeval wait = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
    evtimer_add(timer, &wait);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
    struct health *h = arg;
    (void)multi;
    if (ms < 0) {
        evtimer_del(&h->timer);
    } else {
        set_timer(&h->timer, (uint64_t)ms);
    }
    return 0;
}

/* ------------------------------------------------------------------ one probe */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct heartbeat *b = arg;
    (void)data;
    b->body += size * count;
    return b->body > BODY_MAX ? 0 : size * count;
}

/* What changes with the configuration. */
static void set_options(struct heartbeat *b)
{
    const struct health *h = b->health;
    char *url = mem_format("http://%s%s", b->address, h->path);
    curl_easy_setopt(b->easy, CURLOPT_URL, url);
    curl_easy_setopt(b->easy, CURLOPT_TIMEOUT_MS, (long)h->timeout_ms);
    curl_easy_setopt(b->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)h->timeout_ms);
    free(url);
    b->revision = h->revision;
}

static CURL *make_easy(struct heartbeat *b)
{
    CURL *easy = curl_easy_init();
    if (!easy) {
        return NULL;
    }
    curl_easy_setopt(easy, CURLOPT_PRIVATE, b);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, b);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "ringmaster-heartbeat");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L);
    return easy;
}

/* If there is a place, who has waited longest tries again. */
static void wake_next(struct health *h)
{
    if (h->n_running < AT_ONCE_MAX && !list_is_empty(&h->queue)) {
        struct heartbeat *next = LIST_OWNER(h->queue.next, struct heartbeat, queued);
        list_remove(&next->queued);
        set_timer(&next->due, 0);
    }
}

static void end_probe(struct heartbeat *b)
{
    struct health *h = b->health;
    list_remove(&b->queued);
    if (b->is_running) {
        curl_multi_remove_handle(h->multi, b->easy);
        b->is_running = false;
        h->n_running--;
    }
    wake_next(h); /* also when b had been woken and is now stopped: its place is another's */
}

/* How long until the next probe, counted from the beginning of the last one. */
static uint64_t wait_ms(struct heartbeat *b)
{
    struct health *h = b->health;
    uint64_t every = h->interval_ms - lb_scale(lb_random(&h->random), h->interval_ms / 10 + 1);
    if (b->pace == HEALTH_STARTING) {
        uint64_t crowd = h->n_starting / PROBES_PER_MS;
        every = h->start_interval_ms > crowd ? h->start_interval_ms : crowd;
    } else if (b->misses > 0 && b->misses < h->confirm_below) {
        return 0;
    }
    uint64_t passed = (clock_now_ns() - b->began_ns) / CLOCK_NS_PER_MS;
    return passed < every ? every - passed : 0;
}

static enum health_result judge(struct heartbeat *b, CURLcode code, char *why, size_t why_size)
{
    long status = 0, error = 0;
    curl_easy_getinfo(b->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(b->easy, CURLINFO_OS_ERRNO, &error);
    bool is_answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && b->body > BODY_MAX);
    if (is_answered && status == 200) {
        snprintf(why, why_size, "heartbeat good");
        return HEALTH_GOOD;
    }
    if (is_answered) {
        snprintf(why, why_size, "heartbeat answered %ld", status);
        return HEALTH_MISS;
    }
    if (code == CURLE_COULDNT_CONNECT && error == ECONNREFUSED) {
        snprintf(why, why_size, "heartbeat refused");
        return HEALTH_REFUSED;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        snprintf(why, why_size, "heartbeat not answered in %u ms", b->health->timeout_ms);
    } else {
        snprintf(why, why_size, "heartbeat failed: %s", curl_easy_strerror(code));
    }
    return HEALTH_MISS;
}

/* The last thing done with b: fn may have unwatched it. */
static void conclude(struct heartbeat *b, enum health_result result, const char *why)
{
    b->misses = result == HEALTH_GOOD ? 0 : b->misses + 1;
    b->wants_fresh = b->misses > 0; /* a kept connection says little about whether new ones are accepted */
    set_timer(&b->due, wait_ms(b));
    b->fn(b->ctx, result, why);
}

static void finish(struct heartbeat *b, CURLcode code)
{
    char why[128];
    enum health_result result = judge(b, code, why, sizeof why);
    end_probe(b);
    conclude(b, result, why);
}

static void begin(struct heartbeat *b)
{
    struct health *h = b->health;
    if (b->revision != h->revision) {
        set_options(b);
    }
    b->began_ns = clock_now_ns();
    b->body = 0;
    curl_easy_setopt(b->easy, CURLOPT_FRESH_CONNECT, b->wants_fresh || b->pace == HEALTH_STARTING ? 1L : 0L);
    CURLMcode code = curl_multi_add_handle(h->multi, b->easy);
    b->is_running = code == CURLM_OK;
    h->n_running += b->is_running;
    if (!b->is_running) { /* out of memory, in practice */
        conclude(b, HEALTH_MISS, curl_multi_strerror(code));
    }
}

/* When there are more replicas than this thread or the machine can ask in time, heartbeats become rarer.
 * Without the limit all of them would be under way for so long that they run into their timeout, and healthy
 * replicas would be taken for dead. */
static void enter(struct heartbeat *b)
{
    struct health *h = b->health;
    if (h->n_running < AT_ONCE_MAX) {
        begin(b);
        wake_next(h);
    } else {
        list_push_back(&h->queue, &b->queued);
    }
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    enter(arg);
}

static void collect(struct health *h)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(h->multi, &left))) {
        struct heartbeat *b = NULL;
        CURLcode code = message->data.result; /* message is gone once the handle is taken out */
        if (message->msg == CURLMSG_DONE) {
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &b);
            finish(b, code);
        }
    }
}

/* ------------------------------------------------------------------ watching */

/* As many kept connections as replicas: fewer would close one for each that is opened. */
static void keep_connections(struct health *h)
{
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)h->n_all + SPARE_CONNECTIONS);
}

static struct heartbeat *watch_http(struct health *h, const char *address, enum health_pace pace,
                                    health_fn fn, void *ctx)
{
    struct heartbeat *b = mem_zero(1, sizeof *b);
    b->health = h;
    b->address = mem_text(address);
    b->fn = fn;
    b->ctx = ctx;
    b->pace = pace;
    b->easy = make_easy(b);
    if (!b->easy) {
        log_error("heartbeat of %s: libcurl is out of memory", address);
        abort();
    }
    list_push_back(&h->all, &b->link);
    list_init(&b->queued);
    h->n_all++;
    h->n_starting += pace == HEALTH_STARTING;
    keep_connections(h);
    evtimer_assign(&b->due, h->base, on_due, b);
    uint32_t crowd = pace == HEALTH_STARTING ? h->n_starting : h->n_all;
    set_timer(&b->due, lb_scale(lb_random(&h->random), crowd / PROBES_PER_MS + 1));
    return b;
}

static void set_pace_http(struct heartbeat *b, enum health_pace pace)
{
    struct health *h = b->health;
    h->n_starting -= b->pace == HEALTH_STARTING;
    h->n_starting += pace == HEALTH_STARTING;
    b->pace = pace;
    b->misses = 0;
    if (!b->is_running && list_is_empty(&b->queued)) {
        set_timer(&b->due, wait_ms(b));
    }
}

static void kick_http(struct heartbeat *b)
{
    end_probe(b);
    b->wants_fresh = true;
    set_timer(&b->due, 0);
}

static void unwatch_http(struct heartbeat *b)
{
    struct health *h = b->health;
    end_probe(b);
    event_del(&b->due);
    curl_easy_cleanup(b->easy);
    list_remove(&b->link);
    h->n_all--;
    h->n_starting -= b->pace == HEALTH_STARTING;
    keep_connections(h);
    free(b->address);
    free(b);
}

/* ------------------------------------------------------------------ the whole */

static void apply_http(struct health *h, const struct config *next)
{
    free(h->path);
    h->path = mem_text(next->health.path);
    h->interval_ms = next->health.interval_ms;
    h->start_interval_ms = next->health.start_interval_ms;
    h->timeout_ms = next->health.timeout_ms;
    h->confirm_below = next->health.unready_after;
    h->revision++;
}

static struct health *open_http(struct event_base *base, const struct config *config)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    struct health *h = mem_zero(1, sizeof *h);
    h->base = base;
    h->multi = curl_multi_init();
    if (!h->multi) {
        free(h);
        curl_global_cleanup();
        return NULL;
    }
    list_init(&h->all);
    list_init(&h->queue);
    if (getrandom(&h->random, sizeof h->random, 0) != sizeof h->random) {
        h->random = clock_now_ns();
    }
    evtimer_assign(&h->timer, base, on_timer, h);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    apply_http(h, config);
    return h;
}

static void close_http(struct health *h)
{
    while (!list_is_empty(&h->all)) {
        unwatch_http(LIST_OWNER(h->all.next, struct heartbeat, link));
    }
    curl_multi_cleanup(h->multi);
    event_del(&h->timer);
    free(h->path);
    free(h);
    curl_global_cleanup();
}

const struct health_ops health_http = {
    .open = open_http,
    .apply = apply_http,
    .watch = watch_http,
    .set_pace = set_pace_http,
    .kick = kick_http,
    .unwatch = unwatch_http,
    .close = close_http,
};
