/*
 * curl_loop.c - libcurl's multi interface on an event loop: transfers that nobody waits for.
 *
 * Owns     the multi handle with its connections, and the events of its sockets.
 * Used by  health.c, engine.c.
 * Uses     libcurl, libevent.
 * Thread   control.
 *
 * libcurl says which sockets it waits for (on_curl_socket) and when it wants to be called (on_curl_timer);
 * the loop calls it back (on_socket, on_timer), and afterwards what has ended is collected. No callback of
 * libcurl calls libcurl.
 */
#include "control/curl_loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/mem.h"

struct curl_loop {
    struct event_base *base;
    CURLM *multi;
    struct event timer; /* libcurl's */
};

/* A job is taken out before its owner hears of it: he may start it again or free it. */
static void collect(struct curl_loop *l)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(l->multi, &left))) {
        struct curl_job *job = NULL;
        CURLcode code = message->data.result; /* message is gone once the handle is taken out */
        if (message->msg == CURLMSG_DONE) {
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
            curl_loop_stop(l, job);
            job->done(job, code);
        }
    }
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct curl_loop *l = arg;
    int running, ready = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(l->multi, fd, ready, &running);
    collect(l);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct curl_loop *l = arg;
    int running;
    (void)fd;
    (void)what;
    curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(l);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int wanted, void *arg, void *assigned)
{
    struct curl_loop *l = arg;
    struct event *event = assigned;
    (void)easy;

    if (wanted == CURL_POLL_REMOVE) {
        curl_multi_assign(l->multi, fd, NULL);
        if (event) {
            event_free(event);
        }
        return 0;
    }
    short kinds =
        (short)(EV_PERSIST | (wanted & CURL_POLL_IN ? EV_READ : 0) | (wanted & CURL_POLL_OUT ? EV_WRITE : 0));
    if (event) {
        event_del(event);
        event_assign(event, l->base, fd, kinds, on_socket, l);
    } else {
        event = event_new(l->base, fd, kinds, on_socket, l);
        curl_multi_assign(l->multi, fd, event);
    }
    return event && event_add(event, NULL) == 0 ? 0 : -1;
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
    struct curl_loop *l = arg;
    (void)multi;
    if (ms < 0) {
        evtimer_del(&l->timer);
    } else {
        struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
        evtimer_add(&l->timer, &wait);
    }
    return 0;
}

/* ------------------------------------------------------------------ jobs */

CURL *curl_loop_make_easy(struct curl_job *job)
{
    CURL *easy = curl_easy_init();
    if (!easy) {
        return NULL;
    }
    curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return easy;
}

CURLMcode curl_loop_start(struct curl_loop *l, struct curl_job *job)
{
    CURLMcode code = curl_multi_add_handle(l->multi, job->easy);
    job->is_running = code == CURLM_OK;
    return code;
}

void curl_loop_stop(struct curl_loop *l, struct curl_job *job)
{
    if (job->is_running) {
        curl_multi_remove_handle(l->multi, job->easy);
        job->is_running = false;
    }
}

void curl_loop_keep(struct curl_loop *l, long connections)
{
    curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, connections);
}

/* ------------------------------------------------------------------ the whole */

struct curl_loop *curl_loop_open(struct event_base *base)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    struct curl_loop *l = mem_zero(1, sizeof *l);
    l->base = base;
    l->multi = curl_multi_init();
    if (!l->multi) {
        free(l);
        curl_global_cleanup();
        return NULL;
    }
    evtimer_assign(&l->timer, base, on_timer, l);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
    return l;
}

void curl_loop_close(struct curl_loop *l)
{
    curl_multi_cleanup(l->multi);
    event_del(&l->timer);
    free(l);
    curl_global_cleanup();
}
