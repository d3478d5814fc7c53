/*
 * health.c - heartbeats over HTTP, on the control loop.
 *
 * Owns     one easy handle for each watched replica, kept and used again.
 * Used by  supervisor.c, through health.h.
 * Uses     curl_loop.h, libevent.
 * Thread   control.
 *
 * A heartbeat's own timer says when its next probe is due.
 *
 *     due -> enter -> begin -> (curl_loop) -> finish -> judge, set the timer, tell
 */
#include "control/health.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/curl_loop.h"
#include "lb_plugin.h"
#include "world/config.h"

#define BODY_MAX          65536 /* bytes of an answer that are read to keep its connection; more closes it */
#define PROBES_PER_MS     10    /* when many replicas start together, their probes keep to this rate */
#define AT_ONCE_MAX       256   /* probes under way; see enter */
#define SPARE_CONNECTIONS 16    /* kept beyond one for each replica: some replicas have just been replaced */
#define TELL_EVERY_S      10    /* that we cannot ask is logged no more often */
#define PROMPT_EVERY_MS   1000  /* see prompt_wait_ms */

struct health {
    struct event_base *base;
    struct curl_loop *curl;
    struct link all;   /* heartbeat.link */
    struct link queue; /* heartbeat.queued, due and waiting for one of AT_ONCE_MAX places */
    uint32_t n_all, n_starting, n_running;
    uint64_t random;
    uint64_t told_ns; /* that we could not ask; 0: never */

    char *path;
    uint32_t interval_ms, start_interval_ms, timeout_ms;
    uint32_t confirm_below; /* misses in a row below this are followed by a probe at once */
    uint32_t revision;      /* rises when path or timeout change */
    bool says_local;        /* connections begin with a PROXY header */
};

struct heartbeat {
    struct link link, queued;
    struct health *health;
    struct curl_job job; /* is_running: a probe is under way */
    struct event due;
    char *address;
    health_fn fn;
    void *ctx;
    enum health_pace pace;
    bool wants_fresh;     /* the next probe opens a connection of its own */
    bool is_prompted;     /* there is reason for the next probe: on a connection of its own, and soon */
    uint32_t misses;      /* in a row */
    uint32_t revision;    /* of the settings in easy; 0: none yet */
    uint64_t due_ns;      /* when the timer runs out, or did */
    uint64_t began_ns;    /* the last probe */
    uint64_t prompted_ns; /* the last probe for which there was reason; 0: none */
    size_t body;          /* bytes of the answer so far */
    int opened;           /* the socket of a connection that libcurl is opening; -1: none */
    int no_socket;        /* why there was none for it: EMFILE …; 0 */
};

static void on_due(evutil_socket_t fd, short what, void *arg);

static void set_due(struct heartbeat *b, uint64_t ms)
{
    struct timeval wait = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
    b->due_ns = clock_now_ns() + ms * CLOCK_NS_PER_MS;
    evtimer_add(&b->due, &wait);
}

/* ------------------------------------------------------------------ one probe */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct heartbeat *b = arg;
    (void)data;
    b->body += size * count;
    return b->body > BODY_MAX ? 0 : size * count;
}

/* Where upstream.proxy_protocol is in force, replicas want every connection to begin with a PROXY header. A heartbeat
 * comes from the balancer itself: LOCAL, version 2 (section 2.2 of the specification). */
static const char local_header[16] = "\r\n\r\n\0\r\nQUIT\n\x20";

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *at)
{
    struct heartbeat *b = arg;
    (void)purpose;
    b->opened = socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);
    b->no_socket = b->opened < 0 ? errno : 0;
    return b->opened < 0 ? CURL_SOCKET_BAD : b->opened;
}

/* Connected, and nothing was sent yet. Sixteen bytes always fit a new socket's buffer. */
static int on_connected(void *arg, char *to, char *from, int to_port, int from_port)
{
    struct heartbeat *b = arg;
    int fd = b->opened;
    (void)to, (void)from, (void)to_port, (void)from_port;
    b->opened = -1;
    if (fd < 0 || !b->health->says_local) {
        return CURL_PREREQFUNC_OK;
    }
    ssize_t n = send(fd, local_header, sizeof local_header, MSG_NOSIGNAL);
    return n == (ssize_t)sizeof local_header ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* What changes with the configuration. */
static void set_options(struct heartbeat *b)
{
    const struct health *h = b->health;
    char *url = mem_format("http://%s%s", b->address, h->path);
    curl_easy_setopt(b->job.easy, CURLOPT_URL, url);
    curl_easy_setopt(b->job.easy, CURLOPT_TIMEOUT_MS, (long)h->timeout_ms);
    curl_easy_setopt(b->job.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)h->timeout_ms);
    free(url);
    b->revision = h->revision;
}

static void finish(struct curl_job *job, CURLcode code);

static CURL *make_easy(struct heartbeat *b)
{
    CURL *easy = curl_loop_make_easy(&b->job);
    if (!easy) {
        return NULL;
    }
    b->job.done = finish;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, b);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "ringmaster-heartbeat");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, b);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, b);
    return easy;
}

/* If there is a place, who has waited longest tries again. */
static void wake_next(struct health *h)
{
    if (h->n_running < AT_ONCE_MAX && !list_is_empty(&h->queue)) {
        struct heartbeat *next = LIST_OWNER(h->queue.next, struct heartbeat, queued);
        list_remove(&next->queued);
        set_due(next, 0);
    }
}

static void end_probe(struct heartbeat *b)
{
    struct health *h = b->health;
    list_remove(&b->queued);
    if (b->job.is_running) {
        curl_loop_stop(h->curl, &b->job);
        h->n_running--;
    }
    wake_next(h); /* also when b had been woken and is now stopped: its place is another's */
}

/* How long until a probe for which there is reason. At once, if there seldom is. A replica that closes its idle connections as
 * a habit gives reason a thousand times a second, and says nothing by it: for that it is asked once an interval, so that
 * reasons at most double the heartbeats that the configuration wants; or once a second where it wants so few that a second
 * one costs nothing. Put off is not forgotten: behind each reason comes a probe that began after it. */
static uint64_t prompt_wait_ms(const struct heartbeat *b)
{
    uint64_t every = b->health->interval_ms < PROMPT_EVERY_MS ? b->health->interval_ms : PROMPT_EVERY_MS;
    uint64_t passed = (clock_now_ns() - b->prompted_ns) / CLOCK_NS_PER_MS;
    return passed < every ? every - passed : 0;
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
    uint64_t wait = passed < every ? every - passed : 0;
    uint64_t sooner = b->is_prompted ? prompt_wait_ms(b) : wait;
    return sooner < wait ? sooner : wait;
}

/* Our own want of descriptors, memory or ports is not the replica's fault. */
static bool is_ours(int why)
{
    return why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM || why == EADDRNOTAVAIL;
}

static void tell_unasked(struct health *h, const char *address, const char *why)
{
    uint64_t now = clock_now_ns();
    if (h->told_ns && now - h->told_ns < TELL_EVERY_S * UINT64_C(1000000000)) {
        return;
    }
    h->told_ns = now;
    log_warn("heartbeat of %s: %s; replicas stay what they are", address, why);
}

static enum health_result judge(struct heartbeat *b, CURLcode code, char *why, size_t why_size)
{
    long status = 0, error = 0;
    curl_easy_getinfo(b->job.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(b->job.easy, CURLINFO_OS_ERRNO, &error);
    bool is_answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && b->body > BODY_MAX);
    if (is_answered && status == 200) {
        snprintf(why, why_size, "heartbeat good");
        return HEALTH_GOOD;
    }
    if (is_answered) {
        snprintf(why, why_size, "heartbeat answered %ld", status);
        return HEALTH_MISS;
    }
    int own = b->no_socket ? b->no_socket : (int)error;
    if (code == CURLE_COULDNT_CONNECT && is_ours(own)) {
        snprintf(why, why_size, "no socket for a heartbeat: %s", strerror(own));
        return HEALTH_UNASKED;
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
    if (result == HEALTH_UNASKED) {
        tell_unasked(b->health, b->address, why);
        set_due(b, b->health->interval_ms);
        b->fn(b->ctx, result, why);
        return;
    }
    b->misses = result == HEALTH_GOOD ? 0 : b->misses + 1;
    b->wants_fresh = b->misses > 0; /* a kept connection says little about whether new ones are accepted */
    set_due(b, wait_ms(b));
    b->fn(b->ctx, result, why);
}

static void finish(struct curl_job *job, CURLcode code)
{
    struct heartbeat *b = LIST_OWNER(job, struct heartbeat, job);
    char why[128];
    enum health_result result = judge(b, code, why, sizeof why);
    b->health->n_running--;
    wake_next(b->health);
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
    b->opened = -1;
    b->no_socket = 0;
    curl_easy_setopt(b->job.easy, CURLOPT_FRESH_CONNECT,
                     b->wants_fresh || b->is_prompted || b->pace == HEALTH_STARTING ? 1L : 0L);
    if (b->is_prompted) {
        b->is_prompted = false;
        b->prompted_ns = b->began_ns;
    }
    CURLMcode code = curl_loop_start(h->curl, &b->job);
    h->n_running += b->job.is_running;
    if (!b->job.is_running) { /* out of memory, in practice */
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

/* ------------------------------------------------------------------ watching */

/* As many kept connections as replicas: fewer would close one for each that is opened. */
static void keep_connections(struct health *h)
{
    curl_loop_keep(h->curl, (long)h->n_all + SPARE_CONNECTIONS);
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
    b->job.easy = make_easy(b);
    if (!b->job.easy) {
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
    set_due(b, lb_scale(lb_random(&h->random), crowd / PROBES_PER_MS + 1));
    return b;
}

static void set_pace_http(struct heartbeat *b, enum health_pace pace)
{
    struct health *h = b->health;
    h->n_starting -= b->pace == HEALTH_STARTING;
    h->n_starting += pace == HEALTH_STARTING;
    b->pace = pace;
    b->misses = 0;
    if (!b->job.is_running && list_is_empty(&b->queued)) {
        set_due(b, wait_ms(b));
    }
}

static void kick_http(struct heartbeat *b)
{
    end_probe(b);
    b->wants_fresh = true;
    set_due(b, 0);
}

static void prompt_http(struct heartbeat *b)
{
    b->is_prompted = true;
    if (b->job.is_running || !list_is_empty(&b->queued)) {
        return; /* the timer is set when it ends; or it is about to begin */
    }
    uint64_t wait = prompt_wait_ms(b);
    if (clock_now_ns() + wait * CLOCK_NS_PER_MS < b->due_ns) {
        set_due(b, wait);
    }
}

static void unwatch_http(struct heartbeat *b)
{
    struct health *h = b->health;
    end_probe(b);
    event_del(&b->due);
    curl_easy_cleanup(b->job.easy);
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
    h->says_local = next->upstream.proxy_protocol == PROXY_PROTOCOL_V2;
    h->revision++;
}

static struct health *open_http(struct event_base *base, const struct config *config)
{
    struct curl_loop *curl = curl_loop_open(base);
    if (!curl) {
        return NULL;
    }
    struct health *h = mem_zero(1, sizeof *h);
    h->base = base;
    h->curl = curl;
    list_init(&h->all);
    list_init(&h->queue);
    if (getrandom(&h->random, sizeof h->random, 0) != sizeof h->random) {
        h->random = clock_now_ns();
    }
    apply_http(h, config);
    return h;
}

static void close_http(struct health *h)
{
    while (!list_is_empty(&h->all)) {
        unwatch_http(LIST_OWNER(h->all.next, struct heartbeat, link));
    }
    curl_loop_close(h->curl);
    free(h->path);
    free(h);
}

const struct health_ops health_http = {
    .open = open_http,
    .apply = apply_http,
    .watch = watch_http,
    .set_pace = set_pace_http,
    .kick = kick_http,
    .prompt = prompt_http,
    .unwatch = unwatch_http,
    .close = close_http,
};
