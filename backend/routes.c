/*
 * routes.c - what the demo replica answers to which target.
 *
 * Owns     the table of routes and the texts of the answers.
 * Used by  main.c.
 * Uses     answer.h, json.h, evhttp's parser for targets.
 * Thread   the loop's.
 *
 * Any method is answered like GET, so that an upload can be tried on any route. A body is read before the
 * answer; evhttp 2.1 has no way to see it piece by piece (it makes the request object before a program can
 * set a callback on it), so it is held in memory as a whole, up to --max-body.
 */
#include "routes.h"

#include "answer.h"
#include "backend.h"
#include "json.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the fixed answers --------------------------------------------------------------------------------- */

/* Takes what is in buffer as a text of its own; the caller frees it. */
static char *take_text(struct evbuffer *buffer, size_t *length)
{
    *length = evbuffer_get_length(buffer);
    char *text = malloc(*length + 1);
    if (text == NULL)
        return NULL;
    evbuffer_remove(buffer, text, *length);
    text[*length] = '\0';
    return text;
}

int routes_prepare(struct backend *backend)
{
    struct evbuffer *text = backend->scratch;
    const char *id = backend->options.id;
    evbuffer_add_printf(text, "{\"message\":\"Hello from Server: ");
    json_add_text(text, id, strlen(id));
    evbuffer_add_printf(text, "\",\"status\":\"successful\"}");
    backend->home = take_text(text, &backend->home_length);

    evbuffer_add_printf(text, "{\"response\":{\"message\":\"Hello from Server: ");
    json_add_text(text, id, strlen(id));
    evbuffer_add_printf(text, "\",\"status\":\"Successful\"},\"server_id\":");
    json_add_string(text, id);
    evbuffer_add_printf(text, "}");
    backend->numbered = take_text(text, &backend->numbered_length);
    return backend->home == NULL || backend->numbered == NULL ? -1 : 0;
}

void routes_free(struct backend *backend)
{
    free(backend->home);
    free(backend->numbered);
    backend->home = backend->numbered = NULL;
}

/* Sends what was put together in text, which may be the scratch buffer. */
static void send_text(struct answer *answer, int status, struct evbuffer *text)
{
    size_t length = 0;
    char *bytes = take_text(text, &length);
    if (bytes == NULL) {
        evbuffer_drain(text, length);
        answer_send_empty(answer, 500);
        return;
    }
    answer_send_json(answer, status, bytes, length);
    free(bytes);
}

static void send_failure(struct answer *answer, int status, const char *before, const char *value,
                         const char *after)
{
    struct evbuffer *text = answer_backend(answer)->scratch;
    evbuffer_add_printf(text, "{\"message\":\"<Error> ");
    json_add_text(text, before, strlen(before));
    json_add_text(text, value, strlen(value));
    json_add_text(text, after, strlen(after));
    evbuffer_add_printf(text, "\",\"status\":\"failure\"}");
    send_text(answer, status, text);
}

/* ---- reading the query --------------------------------------------------------------------------------- */

/* Finds NAME=VALUE in a query. Returns its value decoded, which the caller frees; NULL when it is not there.
 * */
static char *query_value(const char *query, const char *name)
{
    size_t name_length = strlen(name);
    for (const char *part = query; part != NULL && *part != '\0';) {
        size_t length = strcspn(part, "&");
        if (length > name_length && part[name_length] == '=' && memcmp(part, name, name_length) == 0) {
            char *raw = strndup(part + name_length + 1, length - name_length - 1);
            char *value = raw == NULL ? NULL : evhttp_uridecode(raw, 1, NULL);
            free(raw);
            return value;
        }
        part += length;
        part += *part == '&';
    }
    return NULL;
}

/* An integer: digits, maybe with a sign before them. */
static bool is_integer(const char *text)
{
    if (*text == '-' || *text == '+')
        text++;
    return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static const char *answer_query(const struct answer *answer)
{
    return evhttp_uri_get_query(evhttp_request_get_evhttp_uri(answer_request(answer)));
}

static uint64_t query_number(const struct answer *answer, const char *name)
{
    char *text = query_value(answer_query(answer), name);
    uint64_t number = text == NULL ? 0 : strtoull(text, NULL, 10);
    free(text);
    return number > INT64_MAX ? INT64_MAX : number;
}

/* ---- the routes ---------------------------------------------------------------------------------------- */

static void route_home(struct answer *answer)
{
    const struct backend *backend = answer_backend(answer);
    if (backend->options.has_body)
        answer_send_pattern(answer, backend->options.body_bytes, backend->options.chunked);
    else
        answer_send_json(answer, 200, backend->home, backend->home_length);
}

static void route_heartbeat(struct answer *answer)
{
    answer_send_empty(answer, 200);
}

static void route_request(struct answer *answer)
{
    const struct backend *backend = answer_backend(answer);
    char *id = query_value(answer_query(answer), "request_id");
    if (id == NULL)
        send_failure(answer, 400, "request_id is missing; it is an integer", "", "");
    else if (!is_integer(id))
        send_failure(answer, 400, "request_id is '", id, "'; it is an integer");
    else
        answer_send_json(answer, 200, backend->numbered, backend->numbered_length);
    free(id);
}

/* Adler-32 (RFC 1950 section 8.2) of what is in buffer: enough to tell a mangled body from the right one, and
 * every language has it. */
static uint32_t adler32(struct evbuffer *buffer)
{
    uint32_t a = 1, b = 0;
    struct evbuffer_ptr at;
    struct evbuffer_iovec part;
    evbuffer_ptr_set(buffer, &at, 0, EVBUFFER_PTR_SET);
    while (evbuffer_peek(buffer, -1, &at, &part, 1) > 0) {
        const unsigned char *bytes = part.iov_base;
        for (size_t i = 0; i < part.iov_len; i++) {
            a = (a + bytes[i]) % 65521;
            b = (b + a) % 65521;
        }
        if (evbuffer_ptr_set(buffer, &at, part.iov_len, EVBUFFER_PTR_ADD) < 0)
            break;
    }
    return b << 16 | a;
}

static void route_echo(struct answer *answer)
{
    struct evhttp_request *req = answer_request(answer);
    struct evbuffer *body = evhttp_request_get_input_buffer(req);
    struct evbuffer *text = answer_backend(answer)->scratch;
    evbuffer_add_printf(text, "{\"method\":\"%s\",\"target\":", request_method(req));
    json_add_string(text, evhttp_request_get_uri(req));
    evbuffer_add_printf(text, ",\"version\":\"%d.%d\",\"headers\":[", req->major, req->minor);
    const char *comma = "";
    for (struct evkeyval *h = evhttp_request_get_input_headers(req)->tqh_first; h != NULL;
         h = h->next.tqe_next) {
        evbuffer_add_printf(text, "%s[", comma);
        json_add_string(text, h->key);
        evbuffer_add_printf(text, ",");
        json_add_string(text, h->value);
        evbuffer_add_printf(text, "]");
        comma = ",";
    }
    evbuffer_add_printf(text, "],\"body_length\":%zu,\"body_adler32\":%" PRIu32 ",\"server_id\":",
                        evbuffer_get_length(body), adler32(body));
    json_add_string(text, answer_backend(answer)->options.id);
    evbuffer_add_printf(text, "}");
    send_text(answer, 200, text);
}

static void route_bytes(struct answer *answer)
{
    if (query_number(answer, "close") == 1)
        evhttp_add_header(evhttp_request_get_output_headers(answer_request(answer)), "Connection", "close");
    answer_send_pattern(answer, query_number(answer, "n"), query_number(answer, "chunked") == 1);
}

static void route_sink(struct answer *answer)
{
    struct evbuffer *text = answer_backend(answer)->scratch;
    size_t length = evbuffer_get_length(evhttp_request_get_input_buffer(answer_request(answer)));
    evbuffer_add_printf(text, "{\"received\":%zu,\"status\":\"successful\"}", length);
    send_text(answer, 200, text);
}

static const struct route {
    const char *path;
    void (*answer)(struct answer *);
    bool only_for_tests;
} routes[] = {
    { "/home", route_home, false },       { "/heartbeat", route_heartbeat, false },
    { "/request", route_request, false }, { "/echo", route_echo, true },
    { "/bytes", route_bytes, true },      { "/sink", route_sink, true },
};

static const struct route *find_route(const char *path, bool with_tests)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        if (strcmp(path, routes[i].path) == 0 && (with_tests || !routes[i].only_for_tests))
            return &routes[i];
    }
    return NULL;
}

/* The path of the target as it was sent; a target without one (CONNECT) is shown whole. */
static const char *request_path(struct evhttp_request *req)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
    return path == NULL || *path == '\0' ? evhttp_request_get_uri(req) : path;
}

static void answer_now(struct answer *answer)
{
    const struct backend *backend = answer_backend(answer);
    double rate = backend->options.fail_rate;
    if (backend->hanging) {
        answer_never(answer);
        return;
    }
    if (rate > 0.0 && (double)random() < rate * (double)RAND_MAX) {
        send_failure(answer, 500, "failed on purpose (--fail-rate)", "", "");
        return;
    }
    const char *path = request_path(answer_request(answer));
    const struct route *route = find_route(path, backend->options.test_routes);
    if (route == NULL)
        send_failure(answer, 400, "'", path, "' endpoint does not exist in server replicas");
    else
        route->answer(answer);
}

void routes_request(struct evhttp_request *req, void *arg)
{
    struct backend *backend = arg;
    if (backend->hanging) {
        request_ignore(req);
        return;
    }
    struct answer *answer = answer_begin(backend, req);
    if (answer == NULL)
        return;
    if (strcmp(request_path(req), "/heartbeat") == 0) {
        answer_is_heartbeat(answer);
        route_heartbeat(answer);
        return;
    }
    uint32_t delay = backend->options.delay_ms;
    if (delay == 0 || answer_delay(answer, delay, answer_now) < 0)
        answer_now(answer);
}
