/*
 * http.h - one control call at a time: ask, wait, read the answer.
 *
 * Owns     a libcurl handle, which keeps its connection.
 * Used by  target.c, a3.c.
 * Uses     libcurl, jansson.
 * Thread   one handle, one thread.
 */
#ifndef LAB_HTTP_H
#define LAB_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct http {
    void *curl;
    char error[256]; /* why there is no answer */
};

struct http_answer {
    long status; /* 0: none */
    char *body;  /* terminated */
    size_t len;
    char type[64]; /* Content-Type, "" when there is none */
    double ms;
};

bool http_open(struct http *h);
void http_close(struct http *h);

/* body may be NULL. False, with h->error, when no answer came within timeout_ms. Free the answer in any case. */
bool http_ask(struct http *h, const char *method, const char *url, const char *body, long timeout_ms,
              struct http_answer *out);
void http_answer_free(struct http_answer *a);

/* GET, and the answer as JSON; NULL when it is none, or its status is not 200. A new reference. */
json_t *http_get_json(struct http *h, const char *url, long timeout_ms);

#endif
