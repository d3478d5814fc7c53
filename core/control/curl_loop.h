/*
 * curl_loop.h - libcurl's multi interface on an event loop: transfers that nobody waits for.
 *
 * Owns     the multi handle with its connections, and the events of its sockets.
 * Used by  health.c, engine.c; each has one of its own, with connections of its own.
 * Uses     libcurl, libevent.
 * Thread   that of the loop; control.
 *
 * The caller makes an easy handle, sets it up, and starts it; done is called from the loop when the transfer
 * has ended, never from inside of a start. The easy handle stays the caller's.
 */
#ifndef CONTROL_CURL_LOOP_H
#define CONTROL_CURL_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>

struct curl_loop;
struct event_base;

/* One transfer after the other with one easy handle; part of the caller's own struct. */
struct curl_job {
    CURL *easy;
    void (*done)(struct curl_job *job, CURLcode code); /* may start it again, or free it */
    bool is_running;
};

/* NULL: libcurl cannot be set up. */
struct curl_loop *curl_loop_open(struct event_base *base);
/* No job runs any more. */
void curl_loop_close(struct curl_loop *l);

/* A handle with what all of ours have in common: no proxy whatever the environment says, no signals, HTTP/1.1 and
 * nothing else. Its CURLOPT_PRIVATE is the job. NULL: out of memory. */
CURL *curl_loop_make_easy(struct curl_job *job);

/* Anything but CURLM_OK: it does not run, and done will not be called. */
CURLMcode curl_loop_start(struct curl_loop *l, struct curl_job *job);
/* done is not called any more; its connection is closed. Nothing when it does not run. */
void curl_loop_stop(struct curl_loop *l, struct curl_job *job);

/* How many idle connections are kept. */
void curl_loop_keep(struct curl_loop *l, long connections);

#endif
