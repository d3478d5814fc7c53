/*
 * admin.h - the admin port: everything under /_lb/.
 *
 * Owns     its listener and its connections (evhttp).
 * Used by  control.c.
 * Uses     routes.h; libevent's evhttp, which is good enough here: loopback, few callers, small messages
 * (DECISIONS 15).
 * Thread   control.
 */
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

#include <stddef.h>

struct admin;
struct config;
struct event_base;
struct routes;

/* Binds config->admin. Returns NULL with a sentence in why. Nothing is accepted before the loop runs. */
struct admin *admin_open(struct event_base *base, const struct config *config, struct routes *routes,
                         char *why, size_t why_size);

/* The limit on bodies follows a reload. */
void admin_apply(struct admin *a, const struct config *config);

/* Where it listens: the port the system chose when the configuration says 0. */
unsigned admin_port_number(const struct admin *a);

/* Closes the listener and every connection; calls still open lose their caller. NULL is allowed. */
void admin_close(struct admin *a);

#endif
