/*
 * admin.c - the admin port: everything under /_lb/.
 *
 * Owns     its listener and its connections (evhttp).
 * Used by  control.c.
 * Uses     routes.h, call.h; evhttp.
 * Thread   control.
 *
 * A caller may close its connection while its call waits for an answer. The call then stays open, for the
 * handler has begun something, and its answer goes nowhere.
 */
#include "control/admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/call.h"
#include "control/routes.h"
#include "world/config.h"

#define PREFIX       "/_lb"
#define HEAD_BYTES   16384 /* of a request head */
#define CONNECTION_S 60    /* a silent connection is closed after this */
#define BACKLOG      128

struct admin {
    struct evhttp *http;
    struct evhttp_bound_socket *bound; /* evhttp's */
    struct routes *routes;
};

/* A request that waits for its answer; the call's texts point into it. */
struct admin_carrier {
    struct evhttp_request *request; /* NULL: the caller has gone */
    char *path;                     /* decoded */
    char *query;                    /* raw */
    char *authorization;            /* NULL: none */
    char *body;                     /* terminated */
};

static void take_request(struct evhttp_request *request, void *arg);

/* ------------------------------------------------------------------ opening */

static struct evconnlistener *bind_listener(struct event_base *base, const char *address)
{
    struct sockaddr_storage where;
    unsigned len = config_parse_address(address, &where);
    if (!len) {
        errno = EINVAL;
        return NULL;
    }
    return evconnlistener_new_bind(base, NULL, NULL,
                                   LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG,
                                   (struct sockaddr *)&where, (int)len);
}

void admin_apply(struct admin *a, const struct config *config)
{
    evhttp_set_max_body_size(a->http, (ev_ssize_t)config->limits.control_body);
}

struct admin *admin_open(struct event_base *base, const struct config *config, struct routes *routes,
                         char *why, size_t why_size)
{
    struct evconnlistener *listener = bind_listener(base, config->admin);
    if (!listener) {
        snprintf(why, why_size, "cannot listen on %s (admin): %s", config->admin, strerror(errno));
        return NULL;
    }
    struct admin *a = mem_zero(1, sizeof *a);
    a->routes = routes;
    a->http = evhttp_new(base);
    a->bound = evhttp_bind_listener(a->http, listener);
    evhttp_set_max_headers_size(a->http, HEAD_BYTES);
    evhttp_set_timeout(a->http, CONNECTION_S);
    /* A method that is merely wrong here is for routes.c to answer, with Allow. */
    evhttp_set_allowed_methods(a->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                            EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(a->http, take_request, a);
    admin_apply(a, config);
    return a;
}

unsigned admin_port_number(const struct admin *a)
{
    struct sockaddr_storage where = { 0 };
    socklen_t len = sizeof where;
    if (getsockname(evhttp_bound_socket_get_fd(a->bound), (struct sockaddr *)&where, &len) != 0)
        return 0;
    if (where.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&where)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)&where)->sin_port);
}

void admin_close(struct admin *a)
{
    if (!a)
        return;
    evhttp_free(a->http);
    free(a);
}

/* ------------------------------------------------------------------ a request's way in */

static const char *method_name(const struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_POST: return "POST";
    case EVHTTP_REQ_HEAD: return "HEAD";
    case EVHTTP_REQ_PUT: return "PUT";
    case EVHTTP_REQ_DELETE: return "DELETE";
    case EVHTTP_REQ_OPTIONS: return "OPTIONS";
    case EVHTTP_REQ_PATCH: return "PATCH";
    default: return "?";
    }
}

/* The decoded path; "" when it holds a zero byte or is none. */
static char *read_path(const struct evhttp_request *request)
{
    const char *raw = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    size_t len = 0;
    char *decoded = raw ? evhttp_uridecode(raw, 0, &len) : NULL;
    char *path = mem_text(decoded && strlen(decoded) == len ? decoded : "");
    free(decoded);
    return path;
}

static char *read_body(struct evhttp_request *request, size_t *len)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(request);
    *len = evbuffer_get_length(in);
    char *body = mem_alloc(*len + 1);
    evbuffer_copyout(in, body, *len);
    body[*len] = '\0';
    return body;
}

/* The connection is closing: libevent frees the request. */
static void lose_caller(struct evhttp_connection *connection, void *arg)
{
    (void)connection;
    ((struct admin_carrier *)arg)->request = NULL;
}

static void admin_end(void *arg, const struct answer *answer);
static const struct call_port admin_port = { .name = "admin", .end = admin_end };

static void take_request(struct evhttp_request *request, void *arg)
{
    struct admin *a = arg;
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct admin_carrier *carrier = mem_zero(1, sizeof *carrier);
    size_t body_len;
    carrier->request = request;
    carrier->path = read_path(request);
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    carrier->query = mem_text(query ? query : "");
    carrier->authorization =
        mem_text(evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization"));
    carrier->body = read_body(request, &body_len);
    evhttp_connection_set_closecb(connection, lose_caller, carrier);

    struct call *call = call_new(a->routes, &admin_port, carrier);
    bool below = strncmp(carrier->path, PREFIX "/", sizeof PREFIX) == 0;
    call->method = method_name(request);
    call->path = below ? carrier->path + sizeof PREFIX - 1 : "";
    call->query = carrier->query;
    call->authorization = carrier->authorization;
    call->body = carrier->body;
    call->body_len = body_len;
    const struct sockaddr *peer = evhttp_connection_get_addr(connection);
    if (peer && peer->sa_family == AF_INET6)
        memcpy(&call->peer, peer, sizeof(struct sockaddr_in6));
    else if (peer && peer->sa_family == AF_INET)
        memcpy(&call->peer, peer, sizeof(struct sockaddr_in));
    routes_dispatch(a->routes, call, ROUTE_ADMIN);
}

/* ------------------------------------------------------------------ its answer's way out */

static void send_answer(struct evhttp_request *request, const struct answer *answer)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    char number[32];
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
    evhttp_add_header(headers, "Content-Type",
                      answer->content_type ? answer->content_type : "application/json");
    if (answer->allow)
        evhttp_add_header(headers, "Allow", answer->allow);
    if (answer->retry_after_s) {
        snprintf(number, sizeof number, "%d", answer->retry_after_s);
        evhttp_add_header(headers, "Retry-After", number);
    }
    snprintf(number, sizeof number, "%zu", answer->body_len);
    evhttp_add_header(headers, "Content-Length", number);
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
        evbuffer_add(evhttp_request_get_output_buffer(request), answer->body, answer->body_len);
    evhttp_send_reply(request, answer->status, NULL, NULL);
}

static void admin_end(void *arg, const struct answer *answer)
{
    struct admin_carrier *carrier = arg;
    if (carrier->request && answer)
        send_answer(carrier->request, answer);
    else if (carrier->request)
        evhttp_connection_set_closecb(evhttp_request_get_connection(carrier->request), NULL, NULL);
    free(carrier->path);
    free(carrier->query);
    free(carrier->authorization);
    free(carrier->body);
    free(carrier);
}
