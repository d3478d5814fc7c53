/*
 * events.c - what happened lately: GET /_lb/events.
 *
 * Owns     the last EVENTS_KEPT events, in a ring.
 * Used by  control.c, routes.c.
 * Uses     call.h, routes.h; libevent to read a query.
 * Thread   control.
 */
#include "control/events.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control/call.h"
#include "control/routes.h"
#include "world/replica.h"

struct entry {
    uint64_t time_ms;
    const char *kind;
    char replica[REPLICA_NAME_MAX + 1];
    char why[192];
};

struct events {
    uint64_t last; /* number of the latest one; number n is at n % EVENTS_KEPT */
    struct entry ring[EVENTS_KEPT];
};

struct events *events_new(void)
{
    return mem_zero(1, sizeof(struct events));
}

void events_free(struct events *e)
{
    free(e);
}

void events_note(struct events *e, const char *kind, const char *replica, const char *why)
{
    struct entry *entry = &e->ring[++e->last % EVENTS_KEPT];
    entry->time_ms = clock_wall_ms();
    entry->kind = kind;
    snprintf(entry->replica, sizeof entry->replica, "%s", replica ? replica : "");
    snprintf(entry->why, sizeof entry->why, "%s", why);
}

/* ------------------------------------------------------------------ showing */

struct question {
    uint64_t after, limit;
    char *replica, *kind; /* NULL: any */
};

static bool read_number(const char *text, uint64_t *out)
{
    size_t len = strlen(text);
    if (len == 0 || len > 18 || strspn(text, "0123456789") != len) {
        return false;
    }
    *out = strtoull(text, NULL, 10);
    return true;
}

/* False: a field that there is not, or no number where one belongs. */
static bool read_field(struct question *q, const char *name, const char *value)
{
    if (strcmp(name, "after") == 0) {
        return read_number(value, &q->after);
    }
    if (strcmp(name, "limit") == 0) {
        return read_number(value, &q->limit);
    }
    char **text = strcmp(name, "replica") == 0 ? &q->replica : strcmp(name, "kind") == 0 ? &q->kind : NULL;
    if (text) {
        free(*text);
        *text = mem_text(value);
    }
    return text != NULL;
}

static bool read_question(const char *query, struct question *q)
{
    struct evkeyvalq fields;
    bool good = true;
    if (!*query) {
        return true;
    }
    if (evhttp_parse_query_str(query, &fields) != 0) {
        return false;
    }
    for (const struct evkeyval *f = fields.tqh_first; f && good; f = f->next.tqe_next) {
        good = read_field(q, f->key, f->value);
    }
    evhttp_clear_headers(&fields);
    return good;
}

static json_t *render(const struct entry *entry, uint64_t number)
{
    json_t *out = json_object();
    json_object_set_new(out, "number", json_integer((json_int_t)number));
    json_object_set_new(out, "time_ms", json_integer((json_int_t)entry->time_ms));
    json_object_set_new(out, "kind", json_string(entry->kind));
    json_object_set_new(out, "replica", *entry->replica ? json_any_text(entry->replica) : json_null());
    json_object_set_new(out, "why", json_any_text(entry->why));
    return out;
}

static bool is_asked_for(const struct question *q, const struct entry *entry)
{
    return (!q->replica || strcmp(q->replica, entry->replica) == 0) &&
           (!q->kind || strcmp(q->kind, entry->kind) == 0);
}

/* The newest ones within the limit, oldest first. */
static json_t *collect(const struct events *e, const struct question *q, uint64_t first)
{
    json_t *list = json_array();
    uint64_t left = q->limit;
    for (uint64_t number = e->last; number >= first && left > 0; number--) {
        const struct entry *entry = &e->ring[number % EVENTS_KEPT];
        if (is_asked_for(q, entry)) {
            json_array_insert_new(list, 0, render(entry, number));
            left--;
        }
    }
    return list;
}

static json_t *answer(const struct events *e, const struct question *q)
{
    uint64_t oldest = e->last < EVENTS_KEPT ? 1 : e->last - EVENTS_KEPT + 1;
    uint64_t first = q->after + 1 > oldest ? q->after + 1 : oldest;
    json_t *root = json_object();
    json_object_set_new(root, "last", json_integer((json_int_t)e->last));
    json_object_set_new(root, "dropped", json_integer((json_int_t)(first - (q->after + 1))));
    json_object_set_new(root, "events", collect(e, q, first));
    return root;
}

void events_show(struct call *call)
{
    struct question q = { .limit = EVENTS_KEPT };
    if (read_question(call->query, &q)) {
        call_answer(call, 200, answer(call->routes->events, &q), JSON_INDENT(2));
    } else {
        call_fail(call, 400, "the query may carry after, limit (numbers), replica and kind");
    }
    free(q.replica);
    free(q.kind);
}
