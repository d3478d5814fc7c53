/*
 * setup.h - where and with what it was measured.
 *
 * Owns     nothing.
 * Used by  experiment.c.
 * Uses     /proc, uname, jansson.
 * Thread   the program's main one.
 */
#ifndef LAB_SETUP_H
#define LAB_SETUP_H

#include <jansson.h>

struct experiment;

/* date, machine, versions, command, options, the balancer's configuration. state may be NULL. A new reference. */
json_t *setup_json(const struct experiment *e, const json_t *state);

#endif
