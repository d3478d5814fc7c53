/*
 * target.h - the balancer that is experimented with: one that runs, or one of our own.
 *
 * Owns     the control connections; of our own: its process, its folder's lb.conf and log.
 * Used by  the experiments.
 * Uses     http.h, conf.h.
 * Thread   the program's main one.
 */
#ifndef LAB_TARGET_H
#define LAB_TARGET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lab/http.h"

struct conf_edit;

struct target {
    char *url;        /* "http://127.0.0.1:5000" */
    char *admin;      /* "http://127.0.0.1:9901"; NULL: not known */
    char *conf;       /* the file it reads; NULL: not known */
    char *base_conf;  /* what an edit begins from; NULL: not known */
    char *saved;      /* what stood in conf before the first edit, when it is not ours */
    struct http http; /* towards url and admin */
    pid_t pid;        /* of our own; 0: it is not ours */
};

struct names {
    char **items;
    size_t count;
};

/* One that runs. conf may be NULL. False after a complaint. */
bool target_attach(struct target *t, const char *url, const char *admin, const char *conf);

/* Starts the ringmaster beside this program on free ports of the loopback, with a copy of base_conf laid over by edit
 * (NULL: only the ports), in folder; returns when all replicas are in rotation. False after a complaint. */
bool target_spawn(struct target *t, const char *base_conf, const struct conf_edit *edit, const char *folder);

/* Puts the configuration back if it was edited, stops our own. */
void target_close(struct target *t);

/* Writes base_conf with edit over it into conf and posts /reload. False after a complaint with the balancer's words. */
bool target_reload(struct target *t, const struct conf_edit *edit);

/* Those in rotation, in /rep's order. False after a complaint. */
bool target_rep(struct target *t, struct names *out);
void names_free(struct names *n);

/* Makes the replicas exactly these with /rm and /add. False after a complaint. */
bool target_set(struct target *t, char *const *names, size_t count);

/* /_lb/state, a new reference; NULL when it is not to be had (t->http.error says why). */
json_t *target_state(struct target *t);

/* Ends our own: TERM, and KILL when it has not left after 15 s. Nothing when it is not ours. */
void target_stop(struct target *t);

/* The lb.conf that the project ships, in the tree or installed. The caller frees it; NULL when there is none. */
char *target_shipped_conf(void);
/* The folder of presets beside it. */
char *target_presets(void);
/* The folder this program lies in. */
char *target_bin(void);

#endif
