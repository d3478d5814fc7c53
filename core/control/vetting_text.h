/*
 * vetting_text.h - what is said of a trial: to whoever asked for the strategy, and on /_lb/state.
 *
 * Owns     the sentences.
 * Used by  vetting.c, state.c.
 * Uses     vetting_child.h, world/vet.h, jansson.
 * Thread   tell: the one that vets. render: control.
 */
#ifndef CONTROL_VETTING_TEXT_H
#define CONTROL_VETTING_TEXT_H

#include <jansson.h>
#include <stdbool.h>

struct config;
struct problems;
struct vet_order;
struct vet_report;
struct vetting_end;

/* Adds what a trial that was not passed has found: one sentence, at the place where lb.conf names the plugin,
 * or every mistake in the options at its own. */
void vetting_tell(const struct vetting_end *end, const struct vet_order *order, const struct config *config,
                  bool has_old, struct problems *problems);

/* {"members":3,"pick_ns":…}; null for NULL. */
json_t *vetting_render(const struct vet_report *report);

#endif
