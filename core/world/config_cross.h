/*
 * config_cross.h - what no single option can tell: names nobody knows, and options that must agree.
 *
 * Owns     nothing.
 * Used by  config.c.
 * Uses     config_options.h, config_types.h.
 * Thread   any.
 */
#ifndef WORLD_CONFIG_CROSS_H
#define WORLD_CONFIG_CROSS_H

#include "world/config_types.h"

/* Adds a problem for every setting below root that is no option, and for every group that is none. */
void config_check_names(const struct config_node *root, struct problems *problems);

/* Adds a problem for every pair of options that do not go together. An option that was refused is left out.
 * */
void config_check_pairs(const struct config_reader *r);

/* Where an option's value is written; the main file without a line when it has its default. */
struct place config_place_of(const struct config_reader *r, const char *option);

#endif
