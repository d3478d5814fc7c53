/*
 * engine_fake.c - a small Docker Engine on a thread of its own.
 *
 * Owns     its containers, as JSON; its port.
 * Used by  test_engine.c, test_spawner_docker.c, test_spawner_swarm.c.
 * Thread   the engine's own, and the test's: a lock is between them. What must happen on the engine's thread is wished
 *          for and done by its tick of a millisecond.
 */
#include "unit/control/engine_fake.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define STREAMS 8
#define HELD    64

enum wish { WISH_NOTHING, WISH_AWAY, WISH_BACK, WISH_END };

struct fake {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t done; /* a wish was fulfilled */
    struct event_base *base;
    struct event *tick;
    struct evhttp *http; /* NULL: away */
    uint16_t port;
    char address[40], oldest[8], newest[8];
    enum wish wish;
    json_t *containers; /* array: {Id, Name, State, Labels} */
    json_t *created;
    json_t *served; /* object: path -> {status, body} */
    json_t *told;
    json_t *lines;  /* array: every request */
    json_t *events; /* array: to be sent */
    struct evhttp_request *streams[STREAMS];
    struct evhttp_request *held[HELD]; /* not answered to their end: ours when their connection goes first */
    size_t n_held;
    char *fail_part, *fail_message;
    int fail_status;
    unsigned n_ids;
};

static json_t *find(struct fake *f, const char *key)
{
    for (size_t i = 0; i < json_array_size(f->containers); i++) {
        json_t *c = json_array_get(f->containers, i);
        if (strcmp(json_string_value(json_object_get(c, "Id")), key) == 0 ||
            strcmp(json_string_value(json_object_get(c, "Name")), key) == 0) {
            return c;
        }
    }
    return NULL;
}

static const char *text_of(const json_t *c, const char *name)
{
    return json_string_value(json_object_get(c, name));
}

static void set_state(json_t *c, const char *state)
{
    json_object_set_new(c, "State", json_string(state));
}

static json_t *add_container(struct fake *f, const char *name, const char *state, json_t *labels)
{
    char id[65];
    snprintf(id, sizeof id, "%064u", ++f->n_ids);
    json_t *c = json_pack("{s:s, s:s, s:s, s:o}", "Id", id, "Name", name, "State", state, "Labels", labels);
    json_array_append_new(f->containers, c);
    return c;
}

static void die(struct fake *f, json_t *c, int code, bool tells)
{
    char text[12];
    snprintf(text, sizeof text, "%d", code);
    if (strcmp(text_of(c, "State"), "running") != 0) {
        return;
    }
    set_state(c, "exited");
    if (tells) {
        json_array_append_new(f->events,
                              json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "Type", "container", "Action", "die",
                                        "Actor", "ID", text_of(c, "Id"), "Attributes", "exitCode", text));
    }
}

/* ------------------------------------------------------------------ answers */

static void answer(struct evhttp_request *r, int status, json_t *body)
{
    struct evbuffer *out = evbuffer_new();
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (text) {
        evbuffer_add(out, text, strlen(text));
    }
    evhttp_send_reply(r, status, "-", out);
    evbuffer_free(out);
    free(text);
    json_decref(body);
}

static void refuse(struct evhttp_request *r, int status, const char *message)
{
    answer(r, status, json_pack("{s:s}", "message", message));
}

static void answer_list(struct fake *f, struct evhttp_request *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(f->containers); i++) {
        const json_t *c = json_array_get(f->containers, i);
        const char *instance =
            json_string_value(json_object_get(json_object_get(c, "Labels"), "ringmaster.instance"));
        char *name = mem_format("/%s", text_of(c, "Name"));
        if (instance && strstr(evhttp_request_get_uri(r), instance)) {
            json_array_append_new(list,
                                  json_pack("{s:s, s:[s], s:s, s:s, s:O, s:[]}", "Id", text_of(c, "Id"),
                                            "Names", name, "State", text_of(c, "State"), "Status",
                                            "as listed", "Labels", json_object_get(c, "Labels"), "Ports"));
        }
        free(name);
    }
    answer(r, 200, list);
}

static void answer_create(struct fake *f, struct evhttp_request *r)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(r);
    char name[200];
    snprintf(name, sizeof name, "%s", strstr(evhttp_request_get_uri(r), "name=") + 5);
    json_decref(f->created);
    f->created = json_loadb((char *)evbuffer_pullup(in, -1), evbuffer_get_length(in), 0, NULL);
    if (find(f, name)) {
        refuse(r, 409, "Conflict. The container name is already in use");
        return;
    }
    json_t *c = add_container(f, name, "created", json_incref(json_object_get(f->created, "Labels")));
    answer(r, 201, json_pack("{s:s}", "Id", text_of(c, "Id")));
}

static json_t *describe(const json_t *c)
{
    return json_pack("{s:{s:s, s:i}, s:{s:{s:{s:s}}}}", "State", "Status", text_of(c, "State"), "ExitCode", 7,
                     "NetworkSettings", "Networks", "bridge", "IPAddress", "172.17.0.9");
}

/* /containers/ID/VERB. */
static void answer_one(struct fake *f, struct evhttp_request *r, const char *rest)
{
    size_t len = strcspn(rest, "/?");
    char *key = mem_text_n(rest, len);
    const char *verb = rest + len;
    json_t *c = find(f, key);
    free(key);
    if (!c) {
        refuse(r, 404, "No such container");
    } else if (evhttp_request_get_command(r) == EVHTTP_REQ_DELETE) {
        json_t *kept = json_array();
        for (size_t i = 0; i < json_array_size(f->containers); i++) {
            json_t *other = json_array_get(f->containers, i);
            if (other != c) {
                json_array_append(kept, other);
            }
        }
        json_decref(f->containers);
        f->containers = kept;
        answer(r, 204, NULL);
    } else if (strncmp(verb, "/json", 5) == 0) {
        answer(r, 200, describe(c));
    } else if (strncmp(verb, "/start", 6) == 0) {
        set_state(c, "running");
        answer(r, 204, NULL);
    } else if (strncmp(verb, "/logs", 5) == 0) {
        answer(r, 200, NULL);
    } else {
        bool runs = strcmp(text_of(c, "State"), "running") == 0;
        die(f, c, strncmp(verb, "/kill", 5) == 0 ? 137 : 0, true);
        answer(r, runs ? 204 : 304, NULL);
    }
}

static bool is_older(const char *a, const char *b)
{
    unsigned x, y;
    sscanf(a, "1.%u", &x);
    sscanf(b, "1.%u", &y);
    return x < y;
}

/* "/v1.41/containers/json" -> "/containers/json"; NULL: answered. */
static const char *strip_version(struct fake *f, struct evhttp_request *r)
{
    const char *uri = evhttp_request_get_uri(r);
    if (strncmp(uri, "/v1.", 4) != 0) {
        return uri;
    }
    if (is_older(uri + 2, f->oldest) || is_older(f->newest, uri + 2)) {
        refuse(r, 400, "client version is too old or too new");
        return NULL;
    }
    return strchr(uri + 1, '/');
}

static void hold(struct fake *f, struct evhttp_request *r)
{
    if (f->n_held == HELD) {
        abort();
    }
    f->held[f->n_held++] = r;
}

static void open_stream(struct fake *f, struct evhttp_request *r)
{
    hold(f, r);
    for (size_t i = 0; i < STREAMS; i++) {
        if (!f->streams[i]) {
            f->streams[i] = r;
            evhttp_send_reply_start(r, 200, "OK");
            return;
        }
    }
}

static void note_line(struct fake *f, struct evhttp_request *r)
{
    enum evhttp_cmd_type command = evhttp_request_get_command(r);
    const char *method = command == EVHTTP_REQ_POST     ? "POST"
                         : command == EVHTTP_REQ_DELETE ? "DELETE"
                                                        : "GET";
    char *line = mem_format("%s %s", method, evhttp_request_get_uri(r));
    json_array_append_new(f->lines, json_string(line));
    free(line);
}

/* False: nothing was arranged for this path. */
static bool answer_served(struct fake *f, struct evhttp_request *r, const char *uri)
{
    char *path = mem_text_n(uri, strcspn(uri, "?"));
    json_t *entry = json_object_get(f->served, path);
    free(path);
    if (!entry) {
        return false;
    }
    struct evbuffer *in = evhttp_request_get_input_buffer(r);
    if (evbuffer_get_length(in)) {
        json_decref(f->told);
        f->told = json_loadb((char *)evbuffer_pullup(in, -1), evbuffer_get_length(in), 0, NULL);
    }
    answer(r, (int)json_integer_value(json_object_get(entry, "status")),
           json_incref(json_object_get(entry, "body")));
    return true;
}

static void on_request(struct evhttp_request *r, void *arg)
{
    struct fake *f = arg;
    pthread_mutex_lock(&f->lock);
    note_line(f, r);
    const char *path = strip_version(f, r);
    evhttp_add_header(evhttp_request_get_output_headers(r), "Api-Version", f->newest);
    if (!path) {
        /* answered */
    } else if (f->fail_part && strstr(path, f->fail_part)) {
        if (f->fail_status) {
            refuse(r, f->fail_status, f->fail_message);
        } else {
            hold(f, r);
        }
    } else if (answer_served(f, r, path)) {
        /* answered */
    } else if (strcmp(path, "/_ping") == 0) {
        answer(r, 200, NULL);
    } else if (strncmp(path, "/events", 7) == 0) {
        open_stream(f, r);
    } else if (strncmp(path, "/containers/json", 16) == 0) {
        answer_list(f, r);
    } else if (strncmp(path, "/containers/create", 18) == 0) {
        answer_create(f, r);
    } else if (strncmp(path, "/containers/", 12) == 0) {
        answer_one(f, r, path + 12);
    } else {
        refuse(r, 404, "page not found");
    }
    pthread_mutex_unlock(&f->lock);
}

/* ------------------------------------------------------------------ the engine's thread */

static void listen_again(struct fake *f)
{
    f->http = evhttp_new(f->base);
    evhttp_set_gencb(f->http, on_request, f);
    evhttp_set_allowed_methods(f->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(f->http, "127.0.0.1", f->port);
    if (!bound) {
        abort();
    }
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&in, &len);
    f->port = ntohs(in.sin_port);
}

static void go_away(struct fake *f)
{
    memset(f->streams, 0, sizeof f->streams);
    for (size_t i = 0; i < f->n_held; i++) {
        if (!evhttp_request_get_connection(f->held[i])) {
            evhttp_request_free(f->held[i]);
        }
    }
    f->n_held = 0;
    evhttp_free(f->http); /* with its connections */
    f->http = NULL;
}

/* In two parts: whoever reads must put them together again. */
static void send_event(struct fake *f, const json_t *event)
{
    char *text = json_dumps(event, JSON_COMPACT);
    size_t half = strlen(text) / 2;
    for (size_t i = 0; i < STREAMS; i++) {
        if (f->streams[i]) {
            struct evbuffer *out = evbuffer_new();
            evbuffer_add(out, text, half);
            evhttp_send_reply_chunk(f->streams[i], out);
            evbuffer_add_printf(out, "%s\n", text + half);
            evhttp_send_reply_chunk(f->streams[i], out);
            evbuffer_free(out);
        }
    }
    free(text);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct fake *f = arg;
    (void)fd, (void)what;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < json_array_size(f->events); i++) {
        send_event(f, json_array_get(f->events, i));
    }
    json_array_clear(f->events);
    if (f->wish == WISH_AWAY) {
        go_away(f);
    } else if (f->wish == WISH_BACK) {
        listen_again(f);
    } else if (f->wish == WISH_END) {
        event_base_loopbreak(f->base);
    }
    f->wish = WISH_NOTHING;
    pthread_cond_broadcast(&f->done);
    pthread_mutex_unlock(&f->lock);
}

static void *run(void *arg)
{
    struct fake *f = arg;
    event_base_dispatch(f->base);
    return NULL;
}

static void wish_for(struct fake *f, enum wish wish)
{
    pthread_mutex_lock(&f->lock);
    f->wish = wish;
    while (f->wish != WISH_NOTHING) {
        pthread_cond_wait(&f->done, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

struct fake *fake_open(const char *oldest, const char *newest)
{
    static const struct timeval millisecond = { 0, 1000 };
    struct fake *f = mem_zero(1, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->done, NULL);
    snprintf(f->oldest, sizeof f->oldest, "%s", oldest);
    snprintf(f->newest, sizeof f->newest, "%s", newest);
    f->containers = json_array();
    f->served = json_object();
    f->lines = json_array();
    f->events = json_array();
    f->base = event_base_new();
    f->tick = event_new(f->base, -1, EV_PERSIST, on_tick, f);
    event_add(f->tick, &millisecond);
    listen_again(f);
    snprintf(f->address, sizeof f->address, "tcp://127.0.0.1:%u", f->port);
    pthread_create(&f->thread, NULL, run, f);
    return f;
}

void fake_close(struct fake *f)
{
    wish_for(f, WISH_END);
    pthread_join(f->thread, NULL);
    if (f->http) {
        go_away(f);
    }
    event_free(f->tick);
    event_base_free(f->base);
    json_decref(f->containers);
    json_decref(f->lines);
    json_decref(f->events);
    json_decref(f->created);
    json_decref(f->served);
    json_decref(f->told);
    free(f->fail_part);
    free(f->fail_message);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->done);
    free(f);
}

/* ------------------------------------------------------------------ the test's hands */

const char *fake_address(const struct fake *f)
{
    return f->address;
}

void fake_away(struct fake *f)
{
    wish_for(f, WISH_AWAY);
}

void fake_back(struct fake *f)
{
    wish_for(f, WISH_BACK);
}

void fake_fail(struct fake *f, const char *part, int status, const char *message)
{
    pthread_mutex_lock(&f->lock);
    free(f->fail_part);
    free(f->fail_message);
    f->fail_part = mem_text(part);
    f->fail_message = mem_text(message);
    f->fail_status = status;
    pthread_mutex_unlock(&f->lock);
}

void fake_serve(struct fake *f, const char *path, int status, json_t *body)
{
    pthread_mutex_lock(&f->lock);
    if (body) {
        json_object_set_new(f->served, path, json_pack("{s:i, s:o}", "status", status, "body", body));
    } else {
        json_object_del(f->served, path);
    }
    pthread_mutex_unlock(&f->lock);
}

json_t *fake_told(struct fake *f)
{
    pthread_mutex_lock(&f->lock);
    json_t *told = json_incref(f->told);
    pthread_mutex_unlock(&f->lock);
    return told;
}

void fake_tell(struct fake *f, json_t *event)
{
    pthread_mutex_lock(&f->lock);
    json_array_append_new(f->events, event);
    pthread_mutex_unlock(&f->lock);
}

void fake_add(struct fake *f, const char *name, const char *state, const char *instance, const char *replica,
              const char *position)
{
    pthread_mutex_lock(&f->lock);
    add_container(f, name, state,
                  json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "ringmaster.instance", instance,
                            "ringmaster.name", replica, "ringmaster.ring_name", replica,
                            "ringmaster.position", position, "ringmaster.ordinal", position, "ringmaster.id",
                            position));
    pthread_mutex_unlock(&f->lock);
}

void fake_die(struct fake *f, const char *name, int code, bool tells)
{
    pthread_mutex_lock(&f->lock);
    die(f, find(f, name), code, tells);
    pthread_mutex_unlock(&f->lock);
}

void fake_state(struct fake *f, const char *name, char *out, size_t size)
{
    pthread_mutex_lock(&f->lock);
    const json_t *c = find(f, name);
    snprintf(out, size, "%s", c ? text_of(c, "State") : "");
    pthread_mutex_unlock(&f->lock);
}

unsigned fake_count(struct fake *f)
{
    pthread_mutex_lock(&f->lock);
    unsigned n = (unsigned)json_array_size(f->containers);
    pthread_mutex_unlock(&f->lock);
    return n;
}

unsigned fake_asked(struct fake *f, const char *part)
{
    unsigned n = 0;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < json_array_size(f->lines); i++) {
        n += strstr(json_string_value(json_array_get(f->lines, i)), part) != NULL;
    }
    pthread_mutex_unlock(&f->lock);
    return n;
}

json_t *fake_created(struct fake *f)
{
    pthread_mutex_lock(&f->lock);
    json_t *copy = json_deep_copy(f->created);
    pthread_mutex_unlock(&f->lock);
    return copy;
}
