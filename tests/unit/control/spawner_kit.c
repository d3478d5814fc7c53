/*
 * spawner_kit.c - what a driver tells of one replica, written down: see spawner_kit.h.
 *
 * Owns     nothing.
 * Used by  the tests of the drivers.
 * Uses     nothing.
 * Thread   the test's.
 */
#include "unit/control/spawner_kit.h"

#include <stdio.h>

void seen_started(void *tag, const struct spawner_started *what)
{
    struct seen *seen = tag;
    seen->started++;
    seen->what = *what;
}

void seen_exited(void *tag, const char *why)
{
    struct seen *seen = tag;
    seen->exited++;
    seen->handle = NULL;
    snprintf(seen->why, sizeof seen->why, "%s", why);
}
