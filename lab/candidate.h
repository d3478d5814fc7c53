/*
 * candidate.h - a strategy by name: a preset, a configuration file, and what is to be different.
 *
 * Owns     a strategy that was tried out, and the configuration it comes from.
 * Used by  cmd_simulate.c, cmd_replay.c and what they measure with.
 * Uses     world/config.h, world/strategy.h, control/vetting.h.
 * Thread   the program's only one.
 */
#ifndef LAB_CANDIDATE_H
#define LAB_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "world/config.h"

struct lb_member;
struct strategy;
struct vetting;

/* How one is written: NAME[,PART=PLUGIN][,PART.OPTION=VALUE]...
 *   NAME    a file of conf/presets without its ending; "lb" is the shipped lb.conf; else the path of a configuration
 *   PART    scheduler, hash or probe; a plugin is named as in lb.conf, or by a path with a slash. Another plugin drops the
 *           options that stood there
 *   VALUE   as in lb.conf; a text needs quotes only where it would be read as a number */
#define CANDIDATE_SYNTAX "NAME[,PART=PLUGIN][,PART.OPTION=VALUE]..."

struct candidate {
    char *name; /* as written */
    struct strategy *strategy;
    struct config config; /* what it is made from: a look at `loaded`, with the changes */
    struct config *loaded;
    struct config_plugin changed[3]; /* scheduler, hash, probe; name NULL: as loaded. The candidate's own */
};

/* Reads, tries the plugins out as the balancer would, maps them. False after a complaint; nothing is to be closed then. */
bool candidate_open(struct candidate *c, const char *written, struct vetting *vetting);
void candidate_close(struct candidate *c);

/* The key decides: moved keys mean something, and equal keys go to one replica. */
bool candidate_is_keyed(const struct candidate *c);

/* n members as the balancer would have them after a start with so many: named by replicas.name (or by replicas.static, as
 * far as that goes), with ids and weights; sorted by ring name. To be freed in one piece. */
struct lb_member *candidate_members(const struct candidate *c, uint32_t n);

/* How many replicas the configuration wants. */
uint32_t candidate_count(const struct candidate *c);

/* The names of all presets there are, sorted, "lb" first; ends with NULL. Free with candidate_names_free. */
char **candidate_names(void);
void candidate_names_free(char **names);

/* The file of a preset, "lb" or a path; NULL: there is none. The caller frees it. */
char *candidate_path(const char *name);

#endif
