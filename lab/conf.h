/*
 * conf.h - lb.conf with some settings changed: what `ringlab` starts balancers with and reloads.
 *
 * Owns     nothing.
 * Used by  target.c.
 * Uses     libconfig.
 * Thread   the program's main one.
 */
#ifndef LAB_CONF_H
#define LAB_CONF_H

#include <stdbool.h>

struct conf_edit {
    const char *strategy_from;  /* a file whose group `strategy` replaces ours; NULL: keep */
    const char *listen, *admin; /* "127.0.0.1:5000"; NULL: keep */
    int base_port, count;       /* 0: keep */
    int delay_ms;               /* of our replicas; 0: none */
    bool own_replicas; /* replicas.process.command becomes the demo replica, without its access log */
};

/* Reads from, changes it, writes to. Comments are lost; relative names of plugins keep their meaning. False after a
 * complaint. */
bool conf_write(const char *from, const struct conf_edit *edit, const char *to);

#endif
