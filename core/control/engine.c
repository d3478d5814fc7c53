/*
 * engine.c - a Docker Engine's API: one request after the other, or a stream of objects.
 *
 * Owns     one client of one engine, and the calls under way.
 * Used by  engine_watch.c, spawner_docker*.c, spawner_swarm.c.
 * Uses     curl_loop.h, jansson.
 * Thread   control.
 *
 * Each call has an easy handle of its own, which lends itself a connection from the loop's pool. A greeting may be two
 * calls: the second asks whether the version that we would like is still spoken.
 *
 * libcurl must not be called from its callbacks, and who hears of an object may want to ask for something. So the
 * callbacks of a stream only keep what came, and its lines are told from the loop.
 */
#include "control/engine.h"

#include <ctype.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/curl_loop.h"

#define CONNECTIONS_KEPT 16
#define STREAM_MAX_BYTES (16u << 20) /* that came in one turn of the loop, or of one object */

struct engine {
    struct event_base *base;
    struct curl_loop *curl;
    struct link calls; /* engine_call.link */
    char *address;     /* as configured */
    char *socket;      /* path; NULL: TCP */
    char *origin;      /* "http://10.0.0.7:2375" */
    char version[16];  /* "1.41"; "": not greeted */
    char theirs[16];   /* the engine's newest */
};

struct engine_call {
    struct curl_job job;
    struct link link;
    struct engine *engine;
    struct curl_slist *headers;
    struct event later; /* something is to be told from outside of libcurl's callbacks */
    char *sent;         /* the request's body */
    char *text;         /* the answer's body; of a stream: the beginning of a line */
    size_t len, room;
    bool is_too_long;
    bool is_not_started;             /* for want of memory, in practice */
    bool is_open;                    /* opened was called */
    engine_object_fn opened, object; /* NULL: not a stream */
    engine_done_fn done;
    void *ctx;
    bool is_greeting;
    bool is_inside;    /* object or opened is being called … */
    bool is_cancelled; /* … and has cancelled it: it is freed afterwards */
};

/* ------------------------------------------------------------------ an engine */

struct engine *engine_open(struct event_base *base, const char *address, char *why, size_t why_size)
{
    bool is_unix = strncmp(address, "unix://", 7) == 0;
    if (!is_unix && strncmp(address, "tcp://", 6) != 0) {
        snprintf(why, why_size, "\"%s\" is neither unix://PATH nor tcp://HOST:PORT", address);
        return NULL;
    }
    struct curl_loop *curl = curl_loop_open(base);
    if (!curl) {
        snprintf(why, why_size, "libcurl, which speaks to the engine, cannot be set up");
        return NULL;
    }
    curl_loop_keep(curl, CONNECTIONS_KEPT);
    struct engine *e = mem_zero(1, sizeof *e);
    e->base = base;
    e->curl = curl;
    e->address = mem_text(address);
    e->socket = is_unix ? mem_text(address + 7) : NULL;
    e->origin = is_unix ? mem_text("http://engine") : mem_format("http://%s", address + 6);
    list_init(&e->calls);
    return e;
}

void engine_close(struct engine *e)
{
    while (!list_is_empty(&e->calls)) {
        engine_cancel(LIST_OWNER(e->calls.next, struct engine_call, link));
    }
    curl_loop_close(e->curl);
    free(e->address);
    free(e->socket);
    free(e->origin);
    free(e);
}

const char *engine_address(const struct engine *e)
{
    return e->address;
}

const char *engine_version(const struct engine *e)
{
    return e->version;
}

/* ------------------------------------------------------------------ a call's body, as it comes */

static bool append(struct engine_call *c, const char *data, size_t len, size_t max)
{
    if (len > max || c->len > max - len) {
        c->is_too_long = true;
        return false;
    }
    if (c->len + len + 1 > c->room) {
        c->room = 2 * (c->len + len + 1);
        c->text = mem_grow(c->text, c->room);
    }
    memcpy(c->text + c->len, data, len);
    c->len += len;
    c->text[c->len] = '\0';
    return true;
}

static void tell_object(struct engine_call *c, const char *line, size_t len)
{
    json_error_t error;
    json_t *object = json_loadb(line, len, 0, &error);
    if (object) {
        c->object(c->ctx, object);
        json_decref(object);
    } else if (len > 1) {
        log_warn("engine %s: sent what is no JSON: %s", c->engine->address, error.text);
    }
}

static bool is_good(const struct engine_call *c)
{
    long status = 0;
    curl_easy_getinfo(c->job.easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

/* Tells what has come of a stream since the last time. False: it was cancelled, and is gone. */
static bool tell_stream(struct engine_call *c)
{
    size_t at = 0;
    const char *end;
    c->is_inside = true;
    if (!c->is_open && is_good(c)) {
        c->is_open = true;
        c->opened(c->ctx, NULL);
    }
    while (!c->is_cancelled && at < c->len && (end = memchr(c->text + at, '\n', c->len - at))) {
        size_t part = (size_t)(end - c->text) - at;
        tell_object(c, c->text + at, part);
        at += part + 1;
    }
    c->is_inside = false;
    if (c->is_cancelled) {
        engine_cancel(c);
        return false;
    }
    if (at > 0) {
        memmove(c->text, c->text + at, c->len - at);
        c->len -= at;
    }
    return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct engine_call *c = arg;
    size_t len = size * count;
    bool is_stream = c->object && is_good(c);
    if (is_stream) {
        event_active(&c->later, EV_TIMEOUT, 0);
    }
    return append(c, data, len, is_stream ? STREAM_MAX_BYTES : ENGINE_ANSWER_MAX) ? len : 0;
}

/* The empty line ends the head. */
static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct engine_call *c = arg;
    bool is_end = size * count <= 2 && (data[0] == '\r' || data[0] == '\n');
    if (is_end && c->object && is_good(c)) {
        event_active(&c->later, EV_TIMEOUT, 0);
    }
    return size * count;
}

/* ------------------------------------------------------------------ the end of a call */

static void free_call(struct engine_call *c)
{
    curl_loop_stop(c->engine->curl, &c->job);
    event_del(&c->later);
    list_remove(&c->link);
    curl_easy_cleanup(c->job.easy);
    curl_slist_free_all(c->headers);
    free(c->sent);
    free(c->text);
    free(c);
}

void engine_cancel(struct engine_call *c)
{
    if (c->is_inside) {
        c->is_cancelled = true;
    } else {
        free_call(c);
    }
}

/* Why the engine was not reached. */
static char *describe_failure(const struct engine_call *c, CURLcode code)
{
    const struct engine *e = c->engine;
    long error = 0;
    curl_easy_getinfo(c->job.easy, CURLINFO_OS_ERRNO, &error);
    if (c->is_too_long) {
        return mem_format("the engine at %s answered with more than can be read", e->address);
    }
    if (code == CURLE_COULDNT_CONNECT) {
        return mem_format("the engine at %s cannot be reached: %s", e->address,
                          error ? strerror((int)error) : curl_easy_strerror(code));
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return mem_format("the engine at %s does not answer", e->address);
    }
    return mem_format("the engine at %s hung up: %s", e->address, curl_easy_strerror(code));
}

/* What it says itself: {"message":"No such image: x"}. */
static char *describe_refusal(const struct engine_call *c, long status, const json_t *body)
{
    const char *message = json_string_value(json_object_get(body, "message"));
    if (message) {
        return mem_text(message);
    }
    size_t len = c->len < 200 ? c->len : 200;
    return mem_format("the engine at %s answered %ld: %.*s", c->engine->address, status, (int)len,
                      c->text ? c->text : "");
}

static void conclude(struct engine_call *c, long status, CURLcode code)
{
    bool is_well = (status >= 200 && status < 300) || status == 304;
    json_t *body =
        c->len > 0 && !(c->object && is_well) ? json_loadb(c->text, c->len, JSON_DECODE_ANY, NULL) : NULL;
    char *why = code != CURLE_OK ? describe_failure(c, code)
                : is_well        ? mem_text("")
                                 : describe_refusal(c, status, body);
    struct engine_answer answer = { .status = code == CURLE_OK ? (int)status : 0,
                                    .body = body,
                                    .text = c->text ? c->text : "",
                                    .text_len = c->len,
                                    .why = why };
    engine_done_fn done = c->done;
    void *ctx = c->ctx;
    list_remove(&c->link); /* done may close the engine; what is left of c is freed here */
    curl_easy_cleanup(c->job.easy);
    curl_slist_free_all(c->headers);
    event_del(&c->later);
    char *text = c->text;
    free(c->sent);
    free(c);
    done(ctx, &answer);
    json_decref(body);
    free(why);
    free(text);
}

static bool goes_on_greeting(struct engine_call *c, long status);

static void on_done(struct curl_job *job, CURLcode code)
{
    struct engine_call *c = LIST_OWNER(job, struct engine_call, job);
    long status = 0;
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    if (c->object && is_good(c) && !tell_stream(c)) {
        return;
    }
    if (!c->is_greeting || code != CURLE_OK || !goes_on_greeting(c, status)) {
        conclude(c, status, code);
    }
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct engine_call *c = arg;
    (void)fd;
    (void)what;
    if (c->is_not_started) {
        conclude(c, 0, CURLE_OUT_OF_MEMORY);
    } else {
        tell_stream(c);
    }
}

/* ------------------------------------------------------------------ the beginning of a call */

static void set_body(struct engine_call *c, const char *method, const json_t *body)
{
    CURL *easy = c->job.easy;
    curl_slist_free_all(c->headers); /* of an earlier call with the same handle */
    c->headers = NULL;
    if (body) {
        c->sent = json_dumps(body, JSON_COMPACT);
        c->headers = curl_slist_append(c->headers, "Content-Type: application/json");
    }
    if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->sent ? c->sent : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)(c->sent ? strlen(c->sent) : 0));
    } else if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
    c->headers = curl_slist_append(c->headers, "Expect:"); /* no round trip before a body */
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
}

static struct engine_call *make_call(struct engine *e, engine_done_fn done, void *ctx)
{
    struct engine_call *c = mem_zero(1, sizeof *c);
    c->engine = e;
    c->done = done;
    c->ctx = ctx;
    c->job.done = on_done;
    c->job.easy = curl_loop_make_easy(&c->job);
    if (!c->job.easy) {
        log_error("engine %s: libcurl is out of memory", e->address);
        abort();
    }
    list_push_back(&e->calls, &c->link);
    evtimer_assign(&c->later, e->base, on_later, c);
    return c;
}

/* timeout_ms 0: it may go on for ever, once it is connected. */
static void start_call(struct engine_call *c, const char *method, const char *path, const json_t *body,
                       uint32_t timeout_ms)
{
    struct engine *e = c->engine;
    CURL *easy = c->job.easy;
    char *url = mem_format("%s%s%s%s", e->origin, *e->version ? "/v" : "", e->version, path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    free(url);
    if (e->socket) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, e->socket);
    }
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "ringmaster");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)ENGINE_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* a swarm's managers come and go */
    set_body(c, method, body);
    if (curl_loop_start(e->curl, &c->job) != CURLM_OK) {
        c->is_not_started = true;
        event_active(&c->later, EV_TIMEOUT, 0);
    }
}

struct engine_call *engine_ask(struct engine *e, const char *method, const char *path, const json_t *body,
                               uint32_t timeout_ms, engine_done_fn done, void *ctx)
{
    struct engine_call *c = make_call(e, done, ctx);
    start_call(c, method, path, body, timeout_ms);
    return c;
}

struct engine_call *engine_stream(struct engine *e, const char *path, engine_object_fn opened,
                                  engine_object_fn object, engine_done_fn done, void *ctx)
{
    struct engine_call *c = make_call(e, done, ctx);
    c->opened = opened;
    c->object = object;
    start_call(c, "GET", path, NULL, 0);
    return c;
}

/* ------------------------------------------------------------------ greeting */

static void read_version(const char *text, unsigned *major, unsigned *minor)
{
    if (sscanf(text, "%u.%u", major, minor) != 2) {
        *major = *minor = 0;
    }
}

/* The newest that both know. */
static void choose_version(struct engine *e)
{
    unsigned major, minor;
    read_version(e->theirs, &major, &minor);
    if (major > ENGINE_NEWEST_MAJOR || (major == ENGINE_NEWEST_MAJOR && minor > ENGINE_NEWEST_MINOR)) {
        snprintf(e->version, sizeof e->version, "%u.%u", ENGINE_NEWEST_MAJOR, ENGINE_NEWEST_MINOR);
    } else {
        memcpy(e->version, e->theirs, sizeof e->version);
    }
}

static void ping(struct engine_call *c)
{
    c->len = 0;
    start_call(c, "GET", "/_ping", NULL, ENGINE_TIMEOUT_MS);
}

/* The first answer names the engine's newest version; when that is newer than ours, a second one says whether ours is
 * still spoken. True: the second is under way. */
static bool goes_on_greeting(struct engine_call *c, long status)
{
    struct engine *e = c->engine;
    struct curl_header *header;
    if (*e->version) { /* the second */
        if (status != 400) {
            return false;
        }
        log_info("engine %s: no longer speaks %s of its API; it is spoken to in %s", e->address, e->version,
                 e->theirs);
        memcpy(e->version, e->theirs, sizeof e->version);
        c->is_greeting = false;
        ping(c);
        return true;
    }
    if (status != 200 ||
        curl_easy_header(c->job.easy, "Api-Version", 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return false;
    }
    snprintf(e->theirs, sizeof e->theirs, "%s", header->value);
    choose_version(e);
    if (strcmp(e->version, e->theirs) == 0) {
        return false;
    }
    ping(c);
    return true;
}

struct engine_call *engine_greet(struct engine *e, engine_done_fn done, void *ctx)
{
    struct engine_call *c = make_call(e, done, ctx);
    e->version[0] = '\0'; /* it may be another one since the last time */
    c->is_greeting = true;
    ping(c);
    return c;
}

/* ------------------------------------------------------------------ texts */

char *engine_escape(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = mem_zero(3 * strlen(text) + 1, 1), *at = out;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (isalnum(*c) || strchr("-._~", *c)) {
            *at++ = (char)*c;
        } else {
            *at++ = '%';
            *at++ = hex[*c >> 4];
            *at++ = hex[*c & 15];
        }
    }
    return out;
}

char *engine_escape_filters(json_t *filters)
{
    char *text = json_dumps(filters, JSON_COMPACT);
    char *escaped = engine_escape(text);
    free(text);
    json_decref(filters);
    return escaped;
}
