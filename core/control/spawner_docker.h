/*
 * spawner_docker.h - what the files of the Docker driver share; nobody else includes it.
 *
 * Owns     nothing.
 * Used by  spawner_docker*.c and their tests.
 * Uses     engine.h, engine_watch.h, spawner.h.
 * Thread   control.
 *
 *     spawner_docker.c       the driver: opening, orders, leaving
 *     spawner_docker_life.c  one container from its creation to its end
 *     spawner_docker_list.c  what the engine tells: events, and the list that settles what they missed
 *     spawner_docker_body.c  the JSON of both directions (pure)
 *
 * Which containers are ours says the label ringmaster.instance; all others are never touched. The engine may be away at
 * any time: then nothing is reported, and what was ordered waits. When it is back, its list says what has become of
 * each of ours. Whatever was under way at that moment is looked at and taken from where it is:
 *
 *     WAITING --> CREATING --> STARTING --> LOOKING (where is it?) --> RUNNING --> gone
 *        ^            |            |            |                         |
 *        +------------+--- the engine is lost --+          dies, is removed, is not in the list
 *        +--> LOOKING, when it was created already
 */
#ifndef CONTROL_SPAWNER_DOCKER_H
#define CONTROL_SPAWNER_DOCKER_H

#include <event2/event_struct.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "control/spawner.h"

struct config;
struct engine;
struct engine_call;
struct engine_watch;

#define DOCKER_ID_SIZE       72    /* 64 hexadecimal digits */
#define DOCKER_LIST_MS       10000 /* between two lists while nothing happens */
#define DOCKER_OPEN_MS       5000  /* what the start waits for the engine */
#define DOCKER_CLOSE_MS      10000 /* what the end waits for containers to be removed … */
#define DOCKER_CLOSE_LOST_MS 1000  /* … by an engine that was lost, and may itself wait for our end */
#define DOCKER_CREATE_MS     60000 /* a slow disk under a large image */
#define DOCKER_CLAIM_MS      30000 /* after the opening, found containers wait for an order so long */
#define DOCKER_STOP_WAIT_MS  100   /* a running one is asked to stop so much later: it may just have died */
#define DOCKER_LAST_LINES    10    /* of a dead container's output that go into the log */
#define DOCKER_BURY_MS \
    1000 /* a dead one is left alone for so long: its removal would slow the start of its stand-in */
#define DOCKER_PORT_REFUSED_S 60 /* a port that somebody else had is not tried again for so long */

enum docker_phase { DOCKER_WAITING, DOCKER_CREATING, DOCKER_STARTING, DOCKER_LOOKING, DOCKER_RUNNING };
enum docker_wish { DOCKER_STAY, DOCKER_ASKED, DOCKER_KILLED };

struct spawner {
    struct event_base *base;
    struct config *config;
    struct spawner_hooks hooks;
    struct engine *engine;
    struct engine_watch *watch;
    char *instance;
    struct link all;             /* spawned.link */
    struct link remains;         /* docker_remains.link: dead, being removed */
    struct spawner_found *found; /* running before us; valid until the first start */
    size_t n_found;
    struct docker_found *unclaimed; /* those that no order has named yet */
    size_t n_unclaimed;
    uint64_t opened_ns;
    struct engine_call *listing; /* NULL: none under way */
    bool is_listed;              /* since the engine was reached: what waits may go on */
    bool is_leaving;
    struct docker_port *ports; /* published, or refused */
    size_t n_ports;
};

struct spawned {
    struct link link;
    struct spawner *owner;
    void *tag;
    char *name, *server_id, *ring_name;
    struct spawner_place place; /* its ring_name is the one above */
    char *container;            /* its name */
    char id[DOCKER_ID_SIZE];    /* "": not created yet */
    enum docker_phase phase;
    enum docker_wish wish;
    uint16_t port;                 /* published; 0: none */
    struct engine_call *call;      /* of the phase; NULL: none under way */
    struct engine_call *stop_call; /* NULL: none under way */
    bool is_expected;              /* it ran when the list under way was asked for */
    bool is_seen;                  /* in the list that is being read */
    bool is_starved;               /* the engine told that it ran out of memory */
    bool is_spared;                /* it is left running */
    struct event later; /* its end is to be told in the next turn of the loop, or it is to be asked to stop */
    bool is_over;       /* the first of these */
    char why[512];      /* of its end */
};

/* One that ran before us. */
struct docker_found {
    char id[DOCKER_ID_SIZE];
    char *container, *name, *ring_name;
    uint16_t port;
};

/* What is left of a container of ours: removed from the engine in the background. */
struct docker_remains {
    struct link link;
    struct spawner *owner;
    char *container;
    char *name; /* of the replica, for its last words; NULL: they are not wanted */
    char id[DOCKER_ID_SIZE];
    struct engine_call *call; /* NULL: none under way */
    struct event later;       /* its time */
};

struct docker_port {
    uint16_t port;
    const struct spawned *holder; /* NULL: somebody else has it … */
    uint64_t refused_until_ns;    /* … and it is not tried again before */
};

/* ------------------------------------------------------------------ spawner_docker_life.c */

/* The engine is there and was listed: one that waits goes on from where it is. */
void docker_launch(struct spawned *one);
/* It is asked or killed, as its wish says, once it runs. */
void docker_send_stop(struct spawned *one);
/* The engine is lost: what was under way is not known any more. */
void docker_suspend(struct spawned *one);
/* Its end: the container is removed, the supervisor told; one is freed. Never from inside of an order. */
void docker_end(struct spawned *one, const char *why);
/* The same in the next turn of the loop. */
void docker_end_later(struct spawned *one, const char *why);
void docker_free(struct spawned *one);
/* A container of ours that nobody needs: removed by force, after wait_ms. name: its last lines are logged under it; NULL:
 * they are not. */
void docker_bury(struct spawner *s, const char *id, const char *container, const char *name,
                 uint32_t wait_ms);
void docker_free_remains(struct docker_remains *r);
/* A call was not answered: the engine is lost. */
bool docker_is_lost(struct spawner *s, int status, const char *why);

/* ------------------------------------------------------------------ spawner_docker_list.c */

extern const struct engine_watch_hooks docker_watch_hooks; /* ctx is to be set */
/* The path of the list and of the stream of events. The caller frees them. */
char *docker_list_path(const char *instance);
char *docker_events_path(const char *instance);
struct spawned *docker_find(const struct spawner *s, const char *id, const char *container);
void docker_free_found(struct docker_found *f);

/* ------------------------------------------------------------------ spawner_docker_body.c */

/* What POST /containers/create is told. */
json_t *docker_body_create(const struct config *config, const char *instance, const struct spawned *one);
/* "Server 1" as a host name and alias, and with the instance as a container's name. The caller frees it. */
char *docker_body_alias(const char *name);
char *docker_body_container(const char *instance, const char *name);

/* One element of GET /containers/json; texts belong to it. */
struct docker_entry {
    const char *id, *container, *status; /* status: "Exited (137) 3 seconds ago" */
    const char *state;            /* "running", "paused", "created", "exited", "dead", "removing" … */
    const char *name, *ring_name; /* from labels; NULL: it has none */
    struct spawner_place place;
    uint16_t port; /* published; 0: none */
    bool is_alive; /* running or paused */
};
/* False: it is no such element. */
bool docker_body_entry(const json_t *item, struct docker_entry *out);

/* From GET /containers/ID/json: its address in the network ("": the default bridge). False: it has none. */
bool docker_body_address(const json_t *inspect, const char *network, uint16_t port,
                         struct spawner_started *out);
/* How it ended: "exited with status 3", "killed by SIGKILL". */
void docker_body_exit(long code, bool is_starved, char *why, size_t why_size);
/* The same from GET /containers/ID/json. */
void docker_body_end(const json_t *inspect, char *why, size_t why_size);
/* GET /containers/ID/logs without a terminal is a row of frames: a head of 8 bytes, its last four the length. Joins
 * their contents in place and returns their length. */
size_t docker_body_unframe(char *text, size_t len);

#endif
