/*
 * routes.c - the control routes: who may call which, and who answers.
 *
 * Owns     the table of handlers, and the calls that wait for their answer.
 * Used by  control.c, admin.c.
 * Uses     world/routes.h; membership.c, requests.c, graph.c, state.c, reload.c.
 * Thread   control.
 *
 * The list of world/routes.h gives the numbers, the table of facts and, with one line each below, the
 * handlers.
 */
#include "control/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "control/call.h"
#include "control/control.h"
#include "control/events.h"
#include "control/explain.h"
#include "control/graph.h"
#include "control/membership.h"
#include "control/publish.h"
#include "control/reload.h"
#include "control/requests.h"
#include "control/shadow.h"
#include "control/state.h"
#include "world/config.h"
#include "world/message.h"

enum route {
#define ROUTE_NUMBER(name_, path_, match_, methods_, changes_, where_) ROUTE_##name_,
    ROUTES(ROUTE_NUMBER)
#undef ROUTE_NUMBER
        ROUTE_COUNT
};

static const struct route_facts {
    const char *path;
    enum route_match match;
    const char *methods;
    bool changes;
    enum route_where where;
} facts[ROUTE_COUNT] = {
#define ROUTE_FACTS(name_, path_, match_, methods_, changes_, where_) \
    { path_, match_, methods_, changes_, where_ },
    ROUTES(ROUTE_FACTS)
#undef ROUTE_FACTS
};

static void (*const handlers[ROUTE_COUNT])(struct call *) = {
    [ROUTE_REP] = membership_show,  [ROUTE_ADD] = membership_add,     [ROUTE_RM] = membership_remove,
    [ROUTE_RELOAD] = reload_call,   [ROUTE_REQUESTS] = requests_show, [ROUTE_STATE] = state_show,
    [ROUTE_EXPLAIN] = explain_show, [ROUTE_SHADOW] = shadow_show,     [ROUTE_GRAPH] = graph_show,
    [ROUTE_GRAPH_2] = graph_show,   [ROUTE_EVENTS] = events_show,
};

void routes_init(struct routes *r)
{
    list_init(&r->open);
}

/* ------------------------------------------------------------------ finding */

static bool path_matches(const struct route_facts *f, const char *path)
{
    return f->match == ROUTE_PREFIX ? strncmp(path, f->path, strlen(f->path)) == 0
                                    : strcmp(path, f->path) == 0;
}

/* ROUTE_COUNT: none. The admin port has them all. */
static enum route find(const char *path, enum route_where where)
{
    for (unsigned i = 0; i < ROUTE_COUNT; i++)
        if ((where == ROUTE_ADMIN || facts[i].where & where) && path_matches(&facts[i], path))
            return (enum route)i;
    return ROUTE_COUNT;
}

/* True when method stands in the list "DELETE, POST". HEAD goes where GET goes. */
static bool method_allowed(const char *methods, const char *method)
{
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    size_t len = strlen(method);
    for (const char *at = methods; *at;) {
        size_t word = strcspn(at, ", ");
        if (word == len && strncmp(at, method, len) == 0)
            return true;
        at += word;
        at += strspn(at, ", ");
    }
    return false;
}

/* ------------------------------------------------------------------ rights */

bool routes_token_matches(const char *authorization, const char *token)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return false;
    const char *given = authorization + 7;
    given += strspn(given, " ");
    size_t given_len = strlen(given), token_len = strlen(token);
    size_t differs = given_len ^ token_len;
    for (size_t i = 0; i < given_len; i++)
        differs |= (size_t)((unsigned char)given[i] ^ (unsigned char)token[token_len ? i % token_len : 0]);
    return differs == 0;
}

/* NULL, or why the caller may not change anything. */
static const char *find_objection(const struct routes *r, const struct call *call)
{
    const struct config *config = publish_config(r->publish);
    if (!config_allows_control(config, (const struct sockaddr *)&call->peer))
        return "this route answers only callers in control_from";
    if (*config->control_token && !routes_token_matches(call->authorization, config->control_token))
        return "this route needs the header \"Authorization: Bearer\" with the token of control_token";
    return NULL;
}

void routes_dispatch(struct routes *r, struct call *call, enum route_where where)
{
    list_push_back(&r->open, &call->link);
    enum route route = find(call->path, where);
    if (route == ROUTE_COUNT) {
        call_fail(call, 404, "there is no such control route");
        return;
    }
    const struct route_facts *f = &facts[route];
    if (!method_allowed(f->methods, call->method)) {
        call_refuse_method(call, f->methods);
        return;
    }
    const char *objection = f->changes ? find_objection(r, call) : NULL;
    if (objection) {
        call_fail(call, 403, "%s", objection);
        return;
    }
    if (f->changes && r->leaving) {
        call_fail(call, 503, "the balancer is leaving");
        return;
    }
    if (f->match == ROUTE_PREFIX)
        call->rest = call->path + strlen(f->path);
    handlers[route](call);
}

void routes_close(struct routes *r)
{
    while (!list_is_empty(&r->open))
        call_drop(LIST_OWNER(r->open.next, struct call, link));
}

/* ------------------------------------------------------------------ the traffic port */

struct traffic_carrier {
    struct letter_call *letter;
    struct mailbox *worker;
};

static void post_answer(const struct traffic_carrier *carrier, const struct answer *answer)
{
    struct letter_answer *letter = mem_zero(1, sizeof *letter + answer->body_len);
    letter->letter.kind = MESSAGE_ANSWER;
    letter->parked = carrier->letter->parked;
    letter->status = answer->status;
    letter->retry_after_s = answer->retry_after_s;
    snprintf(letter->content_type, sizeof letter->content_type, "%s",
             answer->content_type ? answer->content_type : "application/json");
    snprintf(letter->allow, sizeof letter->allow, "%s", answer->allow ? answer->allow : "");
    letter->body_len = answer->body_len;
    memcpy(letter->body, answer->body, answer->body_len);
    mailbox_post(carrier->worker, &letter->letter);
}

static void traffic_end(void *arg, const struct answer *answer)
{
    struct traffic_carrier *carrier = arg;
    if (answer)
        post_answer(carrier, answer);
    free(carrier->letter);
    free(carrier);
}

static const struct call_port traffic_port = { .name = "traffic", .end = traffic_end };

void routes_letter(struct routes *r, struct letter_call *letter)
{
    struct traffic_carrier *carrier = mem_zero(1, sizeof *carrier);
    carrier->letter = letter;
    carrier->worker = r->workers[letter->parked.worker].mailbox;
    struct call *call = call_new(r, &traffic_port, carrier);
    call->method = letter->method;
    call->path = letter->path;
    call->query = letter->query ? letter->query : "";
    call->authorization = letter->authorization;
    call->body = letter->body;
    call->body_len = letter->body_len;
    call->peer = letter->peer;
    routes_dispatch(r, call, ROUTE_TRAFFIC);
}
