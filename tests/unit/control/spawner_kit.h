/*
 * spawner_kit.h - what a driver tells of one replica, written down.
 *
 * Owns     nothing.
 * Used by  unit/control/test_spawner_docker.c, test_spawner_process.c, test_spawner_swarm.c.
 * Thread   the test's.
 */
#ifndef UNIT_CONTROL_SPAWNER_KIT_H
#define UNIT_CONTROL_SPAWNER_KIT_H

#include "control/spawner.h"

/* The tag of an order. Starts as zeros. */
struct seen {
    struct spawned *handle; /* NULL again when its end was told */
    unsigned started, exited;
    struct spawner_started what; /* of the last start */
    char why[600];               /* of the last end */
};

/* Hooks of a driver whose tags are struct seen. */
void seen_started(void *tag, const struct spawner_started *what);
void seen_exited(void *tag, const char *why);

#endif
