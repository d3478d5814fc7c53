/*
 * vet_order.h - what is to be tried out, packed to be read by another process.
 *
 * Owns     the packed bytes while they are written; all that an order points to after it was read.
 * Used by  control/vetting.c (packs), vet.c (reads).
 * Uses     config.h for options as written, strategy.h for the source.
 * Thread   any; nothing is shared.
 *
 * Both sides are the same program, so the bytes have no version; they are checked all the same, for a reader
 * that was given something else.
 */
#ifndef WORLD_VET_ORDER_H
#define WORLD_VET_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "world/config.h"
#include "world/strategy.h"

struct lb_member;

struct vet_order {
    uint64_t memory; /* bytes of address space it may add to what it has; 0: no limit */
    uint32_t cpu_ms; /* of processor time */
    int32_t parent;  /* process id */

    /* The plugins; files[] may be NULL where nothing is named or something is missing. */
    struct config_plugin written[STRATEGY_PARTS];
    struct strategy_source source;
    bool is_partial; /* the configuration has other mistakes: only what plugins say of themselves counts */

    struct lb_member *members; /* sorted by ring name */
    uint32_t n_members;
    bool must_fit; /* these members are there now: a scheduler that refuses them cannot serve */
};

/* The bytes of an order, in *bytes (free it); returns their count. copy_paths[part] is where the other
 * process finds the copy of that part's file. Of order->written nothing is read: the source points to it. */
size_t vet_order_pack(const struct vet_order *order, const char *const copy_paths[STRATEGY_PARTS],
                      unsigned char **bytes);

/* Returns 0, or -1 when these are not the bytes of an order. */
int vet_order_read(struct vet_order *order, const unsigned char *bytes, size_t len);
void vet_order_free(struct vet_order *order);

#endif
