/*
 * routes.h - what the demo replica answers to which target.
 *
 * Owns     the table of routes and the texts of the answers.
 * Used by  main.c.
 * Uses     answer.h, json.h.
 * Thread   the loop's.
 */
#ifndef BACKEND_ROUTES_H
#define BACKEND_ROUTES_H

struct backend;
struct evhttp_request;

/* Makes the fixed answers, which carry the replica's id. Returns -1 when memory is short. */
int routes_prepare(struct backend *backend);

/* Frees them. */
void routes_free(struct backend *backend);

/* evhttp's callback for every request; arg is the struct backend. */
void routes_request(struct evhttp_request *req, void *arg);

#endif
