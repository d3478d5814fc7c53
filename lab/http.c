/*
 * http.c - control calls with libcurl: see http.h.
 *
 * Owns     nothing beyond the handle.
 * Used by  target.c, a3.c.
 * Uses     libcurl, jansson.
 * Thread   one handle, one thread.
 */
#include "lab/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define BODY_MAX (64u << 20)

bool http_open(struct http *h)
{
    h->curl = curl_easy_init();
    h->error[0] = '\0';
    return h->curl != NULL;
}

void http_close(struct http *h)
{
    curl_easy_cleanup(h->curl);
    h->curl = NULL;
}

void http_answer_free(struct http_answer *a)
{
    free(a->body);
    *a = (struct http_answer){ 0 };
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_answer *a = arg;
    size_t len = size * count;
    if (a->len + len > BODY_MAX)
        return 0;
    a->body = mem_grow(a->body, a->len + len + 1);
    memcpy(a->body + a->len, bytes, len);
    a->len += len;
    a->body[a->len] = '\0';
    return len;
}

static void set_up(CURL *curl, const char *method, const char *url, const char *body, long timeout_ms)
{
    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 3000L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
}

bool http_ask(struct http *h, const char *method, const char *url, const char *body, long timeout_ms,
              struct http_answer *out)
{
    char error[CURL_ERROR_SIZE] = "";
    const char *type = NULL;
    CURL *curl = h->curl;
    uint64_t before = clock_now_ns();
    *out = (struct http_answer){ .body = mem_text("") };
    set_up(curl, method, url, body, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    out->ms = (double)(clock_now_ns() - before) / 1e6;
    if (code != CURLE_OK) {
        snprintf(h->error, sizeof h->error, "%.200s", *error ? error : curl_easy_strerror(code));
        return false;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    snprintf(out->type, sizeof out->type, "%s", type ? type : "");
    return true;
}

json_t *http_get_json(struct http *h, const char *url, long timeout_ms)
{
    struct http_answer a;
    json_t *root = NULL;
    if (http_ask(h, "GET", url, NULL, timeout_ms, &a)) {
        if (a.status == 200)
            root = json_loadb(a.body, a.len, 0, NULL);
        if (!root)
            snprintf(h->error, sizeof h->error, "%s answered %ld, and not what a balancer would say", url,
                     a.status);
    }
    http_answer_free(&a);
    return root;
}
