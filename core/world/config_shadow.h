/*
 * config_shadow.h - strategy.shadow: what a candidate consists of.
 *
 * Owns     nothing; the candidates live in struct config.
 * Used by  shadow.c.
 * Uses     config.h.
 * Thread   any.
 */
#ifndef WORLD_CONFIG_SHADOW_H
#define WORLD_CONFIG_SHADOW_H

#include "world/config.h"

/* The configuration as it would be with the candidate in force: c with another scheduler, hash and probe. What the
 * candidate leaves out is that of c. A look at c, not a copy: it borrows everything, is never released, and is valid as
 * long as c. For strategy_make. */
struct config config_shadow_stand_in(const struct config *c, const struct config_shadow *candidate);

#endif
