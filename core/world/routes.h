/*
 * routes.h - the control routes, written once.
 *
 * Owns     the list of paths that control answers itself on the traffic port and under /_lb/ on the admin
 *          port.
 * Used by  path/route.c (is this a control route?) and control/routes.c (which handler, which methods).
 * Thread   any; constants.
 *
 * ROUTE(name, path, match, methods, changes, where)
 *   match    EXACT: the decoded path equals; PREFIX: it starts so, the rest is the object's name
 *   methods  the Allow field; HEAD of a GET route works too
 *   changes  1: needs a peer in control_from, and the token if there is one
 * where TRAFFIC: on the traffic port; ADMIN: only on the admin port; BOTH. On the admin port a TRAFFIC or
 * BOTH
 *            route stands under /_lb too (/_lb/rep)
 */
#ifndef WORLD_ROUTES_H
#define WORLD_ROUTES_H

enum route_match { ROUTE_EXACT, ROUTE_PREFIX };
enum route_where { ROUTE_TRAFFIC = 1, ROUTE_ADMIN = 2, ROUTE_BOTH = 3 };

#define ROUTES(ROUTE)                                                       \
    ROUTE(REP, "/rep", ROUTE_EXACT, "GET", 0, ROUTE_BOTH)                   \
    ROUTE(ADD, "/add", ROUTE_EXACT, "POST", 1, ROUTE_BOTH)                  \
    ROUTE(RM, "/rm", ROUTE_EXACT, "DELETE, POST", 1, ROUTE_BOTH)            \
    ROUTE(RELOAD, "/reload", ROUTE_EXACT, "POST", 1, ROUTE_BOTH)            \
    ROUTE(REQUESTS, "/requests/", ROUTE_PREFIX, "GET", 0, ROUTE_BOTH)       \
    ROUTE(GRAPH, "/performancegraph", ROUTE_EXACT, "GET", 0, ROUTE_BOTH)    \
    ROUTE(GRAPH_2, "/performance_graph", ROUTE_EXACT, "GET", 0, ROUTE_BOTH) \
    ROUTE(STATE, "/state", ROUTE_EXACT, "GET", 0, ROUTE_ADMIN)              \
    ROUTE(EVENTS, "/events", ROUTE_EXACT, "GET", 0, ROUTE_ADMIN)            \
    ROUTE(EXPLAIN, "/explain", ROUTE_EXACT, "GET", 0, ROUTE_ADMIN)          \
    ROUTE(SHADOW, "/shadow", ROUTE_EXACT, "GET", 0, ROUTE_ADMIN)

#endif
