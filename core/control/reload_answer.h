/*
 * reload_answer.h - what a reload says: to its caller as JSON, to the log as lines.
 *
 * Owns     the shape of CONTRACT 5.
 * Used by  reload.c.
 * Uses     jansson.
 * Thread   control.
 */
#ifndef CONTROL_RELOAD_ANSWER_H
#define CONTROL_RELOAD_ANSWER_H

#include <jansson.h>
#include <stdint.h>

struct problems;
struct strategy;

struct reload_facts {
    uint64_t generation;
    char *const *changed; /* names, ends with NULL */
    char *const *restart; /* the same; those that wait for a restart */
    const struct strategy *now, *before;
    double moved; /* share of keys; negative: no keys */
    double took_ms;
    double vet_ms; /* 0: no plugin had to be vetted */
};

/* {"message":{"generation":8,…},"status":"successful"} */
json_t *reload_answer_success(const struct reload_facts *facts);

/* {"message":"<Error> …","errors":[…],"status":"failure"} */
json_t *reload_answer_failure(const struct problems *problems);

/* One line, or for a failure one and one more for each problem. who asked. */
void reload_log_success(const char *who, const struct reload_facts *facts);
void reload_log_failure(const char *who, const struct problems *problems);

#endif
