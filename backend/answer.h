/*
 * answer.h - one answer on its way: wait, begin, stream, finish.
 *
 * Owns     every answer from its request to its last byte.
 * Used by  routes.c, which chooses what to answer.
 * Uses     evhttp, access.h for the line in the log.
 * Thread   the loop's.
 */
#ifndef BACKEND_ANSWER_H
#define BACKEND_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer;
struct backend;
struct evhttp_request;

/* The method as it stands in a request line. */
const char *request_method(struct evhttp_request *req);

/* Reads what the client goes on sending and never answers. The connection lives until the client ends it. */
void request_ignore(struct evhttp_request *req);

/* Begins an answer to req. It ends by itself once one of the answer_send functions was called and the last
 * byte is written, or when the client has gone. NULL when memory is short: the request has been answered 500
 * then. */
struct answer *answer_begin(struct backend *backend, struct evhttp_request *req);

/* Calls due(answer) after so many milliseconds. Returns -1 when memory is short; due is not called then. */
int answer_delay(struct answer *answer, uint32_t milliseconds, void (*due)(struct answer *));

struct evhttp_request *answer_request(const struct answer *answer);
struct backend *answer_backend(const struct answer *answer);

/* Gives up answering: the client waits for ever. Ends the answer. */
void answer_never(struct answer *answer);

/* A heartbeat is not counted and by default not logged. */
void answer_is_heartbeat(struct answer *answer);

/* Sends status and no body. */
void answer_send_empty(struct answer *answer, int status);

/* Sends status with the bytes as a JSON body; they are copied. */
void answer_send_json(struct answer *answer, int status, const char *bytes, size_t length);

/* Sends 200 and a body of so many bytes, made as the client takes it: with a Content-Length, or chunked. Byte
 * i of the body is pattern_byte(i). */
void answer_send_pattern(struct answer *answer, uint64_t bytes, bool chunked);

/* Byte i of a body of answer_send_pattern: '!' + (k * k mod 65521) mod 94 with k = i mod 65521. The period is
 * a prime, so a body with a piece missing or doubled at any buffer's size is told from the right one. */
char pattern_byte(uint64_t i);

#endif
