/*
 * config_scan.h - where each setting stands: libconfig's grammar, read a second time for places.
 *
 * Owns     nothing; the tree is the caller's.
 * Used by  config_read.c alone.
 * Uses     config_source.h, config_tree.h.
 * Thread   any; nothing is shared.
 */
#ifndef WORLD_CONFIG_SCAN_H
#define WORLD_CONFIG_SCAN_H

#include <stdbool.h>

#include "base/problem.h"
#include "world/config_source.h"
#include "world/config_tree.h"

/* Fills root (zeroed by the caller, who frees it in any case) with the settings of source.
 *
 * False: a syntax error was added to problems. True: libconfig will accept the text. To that end two things
 * that it would stop at are taken out of the text: a setting that stands twice (reported; the first one
 * counts), and the difference between arrays and lists (libconfig then leaves the types of the elements to
 * us). So they are told together with all other mistakes.
 */
bool config_scan(struct config_source *source, struct config_node *root, struct problems *problems);

#endif
