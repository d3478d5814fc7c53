/*
 * json.h - a text as a JSON string.
 *
 * Owns     the escaping.
 * Used by  routes.c.
 * Uses     libevent's evbuffer.
 */
#ifndef BACKEND_JSON_H
#define BACKEND_JSON_H

#include <stddef.h>

struct evbuffer;

/* Appends the len bytes of text, escaped but without quotes. A byte that is no part of well-formed UTF-8
 * becomes U+FFFD, so that the answer is JSON whatever a client put into its request. */
void json_add_text(struct evbuffer *out, const char *text, size_t len);

/* Appends text (ending in NUL) as a JSON string, quotes included. */
void json_add_string(struct evbuffer *out, const char *text);

#endif
