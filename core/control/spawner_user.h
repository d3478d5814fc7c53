/*
 * spawner_user.h - whose rights child processes have.
 *
 * Owns     the numbers behind replicas.process.user and .group.
 * Used by  spawner_process.c.
 * Uses     the system's lists of users and groups; spawner_exec.h.
 * Thread   control. Looking up may ask the network where users come from there, so it is done once a configuration.
 */
#ifndef CONTROL_SPAWNER_USER_H
#define CONTROL_SPAWNER_USER_H

#include <stdbool.h>
#include <stddef.h>

#include "control/spawner_exec.h"

/* Names or numbers; "" for user: ours, "" for group: the user's own. False with a sentence in why. user_free afterwards in
 * any case. */
bool user_find(struct child_user *out, const char *user, const char *group, char *why, size_t why_size);
void user_free(struct child_user *user);

#endif
