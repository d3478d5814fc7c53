/*
 * requests.c - /requests/NAME: which requests a replica answered.
 *
 * Owns     the shape of the answer.
 * Used by  routes.c.
 * Uses     world/stats.h, supervisor.h to find the replica.
 * Thread   control.
 *
 * One id a line and no other digit in the body: people count lines, and scripts pick numbers out of it.
 */
#include "control/requests.h"

#include <inttypes.h>
#include <stdlib.h>

#include "control/call.h"
#include "control/publish.h"
#include "control/routes.h"
#include "control/supervisor.h"
#include "world/config.h"
#include "world/replica.h"
#include "world/stats.h"

void requests_show(struct call *call)
{
    const struct replica *replica = supervisor_find(call->routes->supervisor, call->rest);
    if (!replica) {
        json_t *root = json_pack("{s:s, s:s}", "message", "Server ID not found", "status", "failure");
        call_answer(call, 404, root, JSON_COMPACT);
        return;
    }
    struct stats_request *requests;
    size_t limit = publish_config(call->routes->publish)->limits.history;
    size_t n = stats_requests(replica->lines, replica->n_workers, limit, &requests);
    json_t *ids = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ids, json_integer((json_int_t)requests[i].request_id));
    free(requests);
    json_t *root = json_object();
    json_object_set_new(root, "requests", ids);
    json_object_set_new(root, "status", json_string("successful"));
    call_answer(call, 200, root, JSON_INDENT(2));
}
