/*
 * resolver.h - the addresses of a name, as DNS has them now, asked for again when they are old.
 *
 * Owns     the last good answer, the query under way, the time of the next one.
 * Used by  spawner_static.c (the driver dns).
 * Uses     c-ares, driven by the control loop.
 * Thread   control.
 *
 * A and AAAA are asked for at the same time, and only two definite answers make one: addresses, or that there are none. A
 * cut-off answer is asked for again over TCP. The name is taken as it is: no search list, no hosts file. What cannot be
 * told (no answer, SERVFAIL, ...) or would leave nobody (NXDOMAIN, no records) changes nothing: the last good answer
 * stays, trouble says why, and the next query follows after a pause that doubles from min_ttl_ms to max_ttl_ms.
 */
#ifndef CONTROL_RESOLVER_H
#define CONTROL_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct resolver;

struct resolver_rules {
    const char *name, *server; /* server: "10.0.0.2:53"; "": those of /etc/resolv.conf */
    uint32_t min_ttl_ms, max_ttl_ms;
    uint32_t timeout_ms; /* of one try; each server is tried twice */
};

struct resolver_hooks {
    void *ctx;
    void (*changed)(void *ctx);                 /* the addresses are others than before, or the first ones */
    void (*failed)(void *ctx, const char *why); /* once for each reason, until it succeeds again */
    void (*recovered)(void *ctx);               /* after failed */
};

/* Asks at once; hooks are called from the loop. Texts of the rules are copied. */
struct resolver *resolver_open(struct event_base *base, const struct resolver_rules *rules,
                               const struct resolver_hooks *hooks);
void resolver_close(struct resolver *r);

/* Other rules from now on; asks at once when the name or the server is another one. */
void resolver_apply(struct resolver *r, const struct resolver_rules *rules);

/* Of the last good answer, sorted, each once: "10.0.0.7", "fd00::7". NULL: there was none yet. Valid until the next turn
 * of the loop. */
const char *const *resolver_addresses(const struct resolver *r, size_t *n);

/* A sentence: why the last query was in vain. NULL: it was not. */
const char *resolver_trouble(const struct resolver *r);

#endif
