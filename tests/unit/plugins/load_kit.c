/*
 * load_kit.c - members whose load a test can set: see load_kit.h.
 *
 * Owns     the live blocks.
 * Used by  unit/plugins/test_scheduler_least_request.c, _p2c.c, _peak_ewma.c.
 * Thread   the test's.
 */
#include "unit/plugins/load_kit.h"

#include <stdlib.h>

#include "base/mem.h"

struct kit_load kit_load_open(const char *scheduler, const char *options, const uint32_t *weights, uint32_t n,
                              uint64_t random)
{
    struct kit_load load = { .strategy = kit_scheduler(scheduler, options),
                             .members = kit_members(n),
                             .n = n };

    for (uint32_t i = 0; i < n; i++)
        load.members[i].weight = weights ? weights[i] : 1;
    load.table = kit_build(load.strategy, load.members, n);
    load.seat = kit_sit(load.table, random);
    load.live = mem_zero(n + 1u, sizeof *load.live);
    for (uint32_t i = 0; i < n; i++) {
        load.live[i].ready = 1;
        load.seat.live[i] = &load.live[i];
    }
    return load;
}

void kit_load_close(struct kit_load *load)
{
    kit_leave(&load->seat);
    table_release(load->table);
    kit_members_free(load->members, load->n);
    strategy_release(load->strategy);
    free(load->live);
}

uint32_t kit_load_ask(struct kit_load *load, uint64_t now_ns)
{
    struct lb_key key = { .bytes = "" };
    struct lb_pick p = { .struct_size = sizeof p,
                         .n_members = load->n,
                         .key = &key,
                         .tried = load->seat.tried,
                         .live = load->seat.live,
                         .now_ns = now_ns,
                         .random = &load->seat.random };

    return load->strategy->ops->pick(load->table->made, &p, load->seat.scratch);
}

void kit_load_reply(struct kit_load *load, uint32_t member, uint32_t outcome, uint64_t first_byte_ns,
                    uint64_t now_ns)
{
    struct lb_reply reply = { .struct_size = sizeof reply,
                              .member = member,
                              .first_byte_ns = first_byte_ns,
                              .now_ns = now_ns,
                              .outcome = outcome,
                              .status = outcome == LB_ANSWERED ? 200 : 0 };

    load->strategy->ops->on_reply(load->table->made, &reply, load->seat.scratch);
}
