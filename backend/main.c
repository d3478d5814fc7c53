/*
 * main.c - the demo replica: what is balanced when you try the balancer.
 *
 * Owns     the event loop, the listening socket, the signals, and the order of start and stop.
 * Used by  a shell, a container or the balancer's process spawner.
 * Uses     options.h, routes.h, access.h; libevent's evhttp.
 * Thread   one loop, no other thread.
 *
 * Exit codes: 0 stopped by a signal or by --exit-after, 1 out of memory, 2 usage, 3 cannot listen.
 */
#include "access.h"
#include "backend.h"
#include "routes.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* An idle connection is the balancer's to close: a replica that closes first makes requests fail that had
 * just been written to it. */
static const int idle_timeout_s = 3600;
static const int head_bytes_max = 64 * 1024;
static const int backlog = 1024;

struct server {
    struct backend backend; /* first: routes_request gets this address */
    struct evhttp *http;
    struct evhttp_bound_socket *door; /* NULL once it is shut */
    struct event *stop[2];            /* SIGTERM, SIGINT */
    struct event *hang;               /* --hang-after-ms */
    bool at_once;                     /* a second signal came */
};

void backend_leave_if_done(struct backend *backend)
{
    const struct options *options = &backend->options;
    if (backend->draining && backend->open == 0)
        event_base_loopbreak(backend->base);
    if (options->exit_after > 0 && backend->answered >= options->exit_after)
        event_base_loopbreak(backend->base);
}

/* The first signal stops accepting and lets running requests end; the second, or one with --no-drain, leaves
 * at once. */
static void stop_asked(evutil_socket_t number, short what, void *arg)
{
    (void)number, (void)what;
    struct server *server = arg;
    if (server->backend.draining || server->backend.options.no_drain) {
        server->at_once = true;
        event_base_loopbreak(server->backend.base);
        return;
    }
    server->backend.draining = true;
    evhttp_del_accept_socket(server->http, server->door);
    server->door = NULL;
    backend_leave_if_done(&server->backend);
}

static void hang_begins(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct server *server = arg;
    server->backend.hanging = true;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* ---- listening ----------------------------------------------------------------------------------------- */

/* Opens the door at address. TCP_NODELAY is set on the listening socket, from which Linux copies it to each
 * accepted one. */
static struct evconnlistener *listen_at(struct event_base *base, const struct addrinfo *address)
{
    unsigned flags = LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;
    struct evconnlistener *listener =
        evconnlistener_new_bind(base, NULL, NULL, flags, backlog, address->ai_addr, (int)address->ai_addrlen);
    if (listener != NULL) {
        int on = 1;
        setsockopt(evconnlistener_get_fd(listener), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return listener;
}

/* Says where it listens: with --port 0 this is how one learns the port. */
static void announce(const struct options *options, evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";
    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV);
    bool v6 = strchr(host, ':') != NULL;
    fprintf(stderr, "backend %s: listening on %s%s%s:%s\n", options->id, v6 ? "[" : "", host, v6 ? "]" : "",
            port);
}

static int server_listen(struct server *server)
{
    const struct options *options = &server->backend.options;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *address = NULL;
    char port[8];
    snprintf(port, sizeof(port), "%u", options->port);
    int problem = getaddrinfo(options->listen, port, &hints, &address);
    if (problem != 0) {
        fprintf(stderr, "backend: cannot listen on %s:%s: %s\n", options->listen, port,
                gai_strerror(problem));
        return 3;
    }
    struct evconnlistener *listener = listen_at(server->backend.base, address);
    int reason = errno;
    freeaddrinfo(address);
    if (listener == NULL) {
        fprintf(stderr, "backend: cannot listen on %s:%s: %s\n", options->listen, port, strerror(reason));
        return 3;
    }
    announce(options, evconnlistener_get_fd(listener));
    server->door = evhttp_bind_listener(server->http, listener);
    return server->door == NULL ? 1 : 0;
}

/* ---- start and stop ------------------------------------------------------------------------------------ */

static void configure_http(struct server *server)
{
    const struct options *options = &server->backend.options;
    evhttp_set_max_headers_size(server->http, head_bytes_max);
    evhttp_set_max_body_size(server->http, (ev_ssize_t)options->max_body);
    evhttp_set_timeout(server->http, idle_timeout_s);
    evhttp_set_default_content_type(server->http, NULL);
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                                 EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
                                                 EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(server->http, routes_request, &server->backend);
}

static int watch_signals(struct server *server)
{
    static const int numbers[] = { SIGTERM, SIGINT };
    for (size_t i = 0; i < 2; i++) {
        if (server->backend.options.ignore_term) {
            signal(numbers[i], SIG_IGN);
            continue;
        }
        server->stop[i] = evsignal_new(server->backend.base, numbers[i], stop_asked, server);
        if (server->stop[i] == NULL || event_add(server->stop[i], NULL) < 0)
            return -1;
    }
    return 0;
}

static int server_start(struct server *server)
{
    struct backend *backend = &server->backend;
    uint32_t hang_after = backend->options.hang_after_ms;
    struct timeval wait = { hang_after / 1000, (suseconds_t)(hang_after % 1000) * 1000 };
    backend->hanging = backend->options.hang;
    backend->base = event_base_new();
    backend->scratch = evbuffer_new();
    if (backend->base == NULL || backend->scratch == NULL || routes_prepare(backend) < 0)
        return 1;
    server->http = evhttp_new(backend->base);
    server->hang = evtimer_new(backend->base, hang_begins, server);
    if (server->http == NULL || server->hang == NULL || access_open(backend->base) < 0 ||
        watch_signals(server) < 0)
        return 1;
    if (hang_after > 0)
        event_add(server->hang, &wait);
    configure_http(server);
    return server_listen(server);
}

/* Runs until it is told to leave. A request that was already in a socket when the signal came is answered
 * too. */
static void server_run(struct server *server)
{
    struct backend *backend = &server->backend;
    event_base_dispatch(backend->base);
    if (!backend->draining || server->at_once)
        return;
    event_base_loop(backend->base, EVLOOP_NONBLOCK);
    if (backend->open > 0)
        event_base_dispatch(backend->base);
}

static void server_free(struct server *server)
{
    if (server->http != NULL)
        evhttp_free(server->http);
    for (size_t i = 0; i < 2; i++) {
        if (server->stop[i] != NULL)
            event_free(server->stop[i]);
    }
    if (server->hang != NULL)
        event_free(server->hang);
    routes_free(&server->backend);
    if (server->backend.scratch != NULL)
        evbuffer_free(server->backend.scratch);
    if (server->backend.base != NULL)
        event_base_free(server->backend.base);
}

int main(int argc, char **argv)
{
    struct server server = { 0 };
    int code = options_read(&server.backend.options, argc, argv);
    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN);
    srandom((unsigned)getpid());
    raise_descriptor_limit();
    code = server_start(&server);
    if (code == 0)
        server_run(&server);
    else if (code == 1)
        fprintf(stderr, "backend: out of memory\n");
    access_close();
    server_free(&server);
    return code;
}
