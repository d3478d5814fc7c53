/*
 * membership.c - /rep, /add and /rm.
 *
 * Owns     the shape of their answers, and the way back when the strategy has no room for a newcomer.
 * Used by  routes.c.
 * Uses     change.h, supervisor.h, publish.h, roster.h, call.h.
 * Thread   control.
 *
 * A replica is in rotation when the supervisor calls it READY and the view that every worker runs names it.
 * An /add whose replicas came up but found no place in the strategy (a ring that is full) is undone, so that
 * a refused call has changed nothing.
 */
#include "control/membership.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/call.h"
#include "control/change.h"
#include "control/publish.h"
#include "control/roster.h"
#include "control/routes.h"
#include "control/supervisor.h"
#include "world/config.h"

/* {"N":3,"replicas":[…]}: oldest first. */
static json_t *render_rotation(const struct routes *r)
{
    struct supervisor_info *rows;
    size_t n = supervisor_list(r->supervisor, &rows);
    const struct view *view = publish_view(r->publish);
    json_t *names = json_array();
    for (size_t i = 0; i < n; i++)
        if (supervisor_is_serving(rows[i].state) && rows[i].replica &&
            roster_index(view, rows[i].replica) >= 0)
            json_array_append_new(names, json_any_text(rows[i].name));
    free(rows);
    json_t *message = json_object();
    json_object_set_new(message, "N", json_integer((json_int_t)json_array_size(names)));
    json_object_set_new(message, "replicas", names);
    return message;
}

static void answer(struct call *call, int status, json_t *message)
{
    json_t *root = json_object();
    json_object_set_new(root, "message", message);
    json_object_set_new(root, "status", json_string(status == 200 ? "successful" : "failure"));
    call_answer(call, status, root, JSON_COMPACT);
}

static json_t *render_names(char *const *names)
{
    json_t *list = json_array();
    for (; names && *names; names++)
        json_array_append_new(list, json_any_text(*names));
    return list;
}

void membership_show(struct call *call)
{
    answer(call, 200, render_rotation(call->routes));
}

/* Reads the body; answers 400 and returns -1 when it is no good. */
static int read_change(struct call *call, enum change_kind kind, struct change *out)
{
    char why[512];
    uint32_t max = publish_config(call->routes->publish)->replicas.max;
    if (change_read(kind, call->body, call->body_len, max, out, why, sizeof why) == 0)
        return 0;
    call_fail(call, 400, "%s", why);
    return -1;
}

static void log_names(const struct call *call, const char *verb, char *const *names)
{
    char peer[80];
    call_peer(call, peer, sizeof peer);
    for (; names && *names; names++)
        log_info("%s %s, asked by %s (%s port)", verb, *names, peer, call->port->name);
}

/* ------------------------------------------------------------------ /add */

/* An /add that is taken back. */
struct undo {
    struct event *turn; /* the next turn of the loop: the supervisor is in the middle of telling us */
    char **names;       /* ends with NULL */
    size_t n_names;
    char *sentence; /* why there is no room */
};

static void undo_free(void *arg)
{
    struct undo *u = arg;
    event_free(u->turn);
    for (size_t i = 0; i < u->n_names; i++)
        free(u->names[i]);
    free(u->names);
    free(u->sentence);
    free(u);
}

static void undo_done(void *arg, const struct supervisor_result *result)
{
    (void)result;
    struct call *call = arg;
    call_fail(call, 400, "%s", ((struct undo *)call->work)->sentence);
}

static void undo_run(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct call *call = arg;
    struct undo *u = call->work;
    const char **present = mem_zero(u->n_names + 1, sizeof(char *));
    size_t n = 0;
    for (size_t i = 0; i < u->n_names; i++)
        if (supervisor_find(call->routes->supervisor, u->names[i]))
            present[n++] = u->names[i];
    char why[256] = "they have left already";
    size_t n_named = supervisor_is_following(call->routes->supervisor) ? 0 : n;
    int failed =
        n ? supervisor_remove(call->routes->supervisor, present, n_named, n, undo_done, call, why, sizeof why)
          : -1;
    free(present);
    if (failed) {
        log_warn("replicas without a place in the strategy were not removed: %s", why);
        undo_done(call, NULL);
    }
}

static void undo_start(struct call *call, char *const *names, const char *sentence)
{
    struct undo *u = mem_zero(1, sizeof *u);
    while (names[u->n_names])
        u->n_names++;
    u->names = mem_zero(u->n_names + 1, sizeof(char *));
    for (size_t i = 0; i < u->n_names; i++)
        u->names[i] = mem_text(names[i]);
    u->sentence = mem_text(sentence);
    u->turn = event_new(call->routes->base, -1, 0, undo_run, call);
    call->work = u;
    call->free_work = undo_free;
    event_active(u->turn, 0, 0);
}

/* True when one of them is up, but not in the view, because the strategy refused it. */
static bool has_no_place(const struct routes *r, char *const *names)
{
    if (!*publish_refusal(r->publish))
        return false;
    for (; names && *names; names++) {
        const struct replica *replica = supervisor_find(r->supervisor, *names);
        if (replica && roster_index(publish_view(r->publish), replica) < 0)
            return true;
    }
    return false;
}

static void add_done(void *arg, const struct supervisor_result *result)
{
    struct call *call = arg;
    struct routes *r = call->routes;
    if (result->refused) {
        call_fail(call, 503, "%s", result->refused);
        return;
    }
    if (has_no_place(r, result->names)) {
        undo_start(call, result->names, publish_refusal(r->publish));
        return;
    }
    log_names(call, "added", result->names);
    json_t *message = render_rotation(r);
    json_object_set_new(message, "added", render_names(result->names));
    if (result->skipped && *result->skipped)
        json_object_set_new(message, "skipped", render_names(result->skipped));
    if (result->timed_out) {
        char *error = mem_format("<Error> not all replicas came up in time (replicas.add_timeout_ms); "
                                 "the others were cancelled%s%s",
                                 result->reason ? ": " : "", result->reason ? result->reason : "");
        json_object_set_new(message, "error", json_any_text(error));
        free(error);
    }
    answer(call, result->timed_out ? 504 : 200, message);
}

void membership_add(struct call *call)
{
    struct change change;
    if (read_change(call, CHANGE_ADD, &change))
        return;
    char why[256];
    int failed = supervisor_add(call->routes->supervisor, (const char *const *)change.names, change.n_names,
                                change.n, change.weights, change.n_weights, add_done, call, why, sizeof why);
    change_free(&change);
    if (failed)
        call_fail(call, 400, "%s", why);
}

/* ------------------------------------------------------------------ /rm */

static void remove_done(void *arg, const struct supervisor_result *result)
{
    struct call *call = arg;
    if (result->refused) {
        call_fail(call, 503, "%s", result->refused);
        return;
    }
    log_names(call, "removed", result->names);
    json_t *message = render_rotation(call->routes);
    json_object_set_new(message, "removed", render_names(result->names));
    if (result->names && result->names[0] && !result->names[1])
        json_object_set_new(message, "removed_server", json_any_text(result->names[0]));
    if (result->timed_out)
        json_object_set_new(message, "error",
                            json_string("<Error> not all have left in time (replicas.add_timeout_ms)"));
    answer(call, result->timed_out ? 504 : 200, message);
}

void membership_remove(struct call *call)
{
    struct change change;
    if (read_change(call, CHANGE_REMOVE, &change))
        return;
    char why[256];
    int failed = supervisor_remove(call->routes->supervisor, (const char *const *)change.names,
                                   change.n_names, change.n, remove_done, call, why, sizeof why);
    change_free(&change);
    if (failed)
        call_fail(call, 400, "%s", why);
}
