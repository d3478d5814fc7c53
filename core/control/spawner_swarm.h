/*
 * spawner_swarm.h - what the files of the Swarm driver share; nobody else includes it.
 *
 * Owns     nothing.
 * Used by  spawner_swarm*.c and their tests.
 * Uses     engine.h, engine_watch.h, spawner.h.
 * Thread   control.
 *
 *     spawner_swarm.c        the driver: opening, following the tasks, orders
 *     spawner_swarm_scale.c  changing the number of replicas that the service keeps
 *     spawner_swarm_body.c   the JSON of both directions (pure)
 *
 * The service's slots are the members, and of each slot's tasks the one that Swarm wants to run is the replica. The list
 * of tasks is asked for once a second, and soon after whatever the engine's events tell; managers alone can answer it.
 * When it cannot be had nothing is reported, and what is known goes on serving.
 */
#ifndef CONTROL_SPAWNER_SWARM_H
#define CONTROL_SPAWNER_SWARM_H

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

#define SWARM_LIST_MS 1000 /* between two lists while nothing happens */
#define SWARM_SOON_MS 100  /* from an event to the list, so that many events are one list */
#define SWARM_ANSWER_MS \
    2500 /* for a list: a manager that lost its leader keeps silent, another one may know */
#define SWARM_HURRY_MS    250  /* between two lists while a slot has no running task */
#define SWARM_UNHEARD_MS  2000 /* a task is assigned, and its machine has not been heard of it: it is asked */
#define SWARM_OPEN_MS     10000 /* what the start waits for the engine */
#define SWARM_CLOSE_MS    10000 /* what the end waits for the service to be removed */
#define SWARM_SCALE_TRIES 10    /* somebody else may change the service at the same time */
#define SWARM_ID_SIZE     32    /* 25 letters and digits */

/* One slot of the service. */
struct swarm_slot {
    uint64_t number;
    char *name;               /* SERVICE.NUMBER */
    char task[SWARM_ID_SIZE]; /* the one that runs or starts, or is asked whether it does; "": none */
    unsigned rank;            /* of that task: 2 it runs, 1 it starts, 0 there is none; the highest counts */
    char created[40];         /* when it was; of two with one rank the newer one counts */
    struct spawner_started where;
    char waits[SWARM_ID_SIZE]; /* the one that is to run and does not start yet; "": none */
    bool is_unheard;     /* of that one: its machine has said nothing of it, and waits_at is its address */
    uint64_t unheard_ns; /* since when, of clock_now_ns */
    struct spawner_started waits_at;
    char *state; /* of one that does not run yet: "pending: no suitable node"; NULL: none */
};

struct swarm_slots {
    struct swarm_slot *items; /* by number */
    size_t n;
};

struct spawner {
    struct event_base *base;
    struct config *config;
    struct spawner_hooks hooks;
    struct engine *engine;
    struct engine_watch *watch;
    struct link all; /* spawned.link */
    struct swarm_slots slots;
    struct spawner_found *members; /* the same, for the supervisor */
    struct engine_call *listing;   /* NULL: none under way */
    bool is_stale;                 /* something has happened since the list under way was asked for */
    struct event soon;             /* the next list before its time */
    struct link scales;            /* swarm_scale.link: the first one is under way */
    struct event scale_next;
    bool is_leaving;
    char trouble[256]; /* the engine is there, and yet: a sentence; "" */
};

struct spawned {
    struct link link;
    struct spawner *owner;
    void *tag;
    char *name;
    char task[SWARM_ID_SIZE]; /* that was reported as started; "": none was */
    bool is_stopped;
    struct event report; /* something is to be told in the next turn of the loop */
    char label[128];
};

/* ------------------------------------------------------------------ spawner_swarm.c */

/* Asks for the list, or for another one when one is under way. */
void swarm_list_soon(struct spawner *s, uint32_t ms);

/* ------------------------------------------------------------------ spawner_swarm_scale.c */

void swarm_scale(struct spawner *s, enum spawner_scale how, int64_t n, void *tag);
void swarm_scale_open(struct spawner *s);
void swarm_scale_close(struct spawner *s);
/* The engine is lost: nothing that was asked for will be done. */
void swarm_scale_fail(struct spawner *s, const char *why);

/* ------------------------------------------------------------------ spawner_swarm_body.c */

/* What POST /services/create is told. */
json_t *swarm_body_create(const struct config *config);
/* The caller frees them. */
char *swarm_body_tasks_path(const char *service);
char *swarm_body_events_path(void);
/* Does the event tell of this service, or of a machine? */
bool swarm_body_concerns(const json_t *event, const char *service);
/* From GET /services/NAME: its version and number. False: it is no replicated service. */
bool swarm_body_service(const json_t *service, json_int_t *version, json_int_t *replicas);
/* Its specification with another number; to be released. */
json_t *swarm_body_resized(const json_t *service, json_int_t replicas);
/* Those slots that are wanted, from GET /tasks. trouble: a sentence about one that runs and cannot be reached, or "". */
void swarm_body_slots(const json_t *tasks, const struct config *config, struct swarm_slots *out,
                      char *trouble, size_t trouble_size);
void swarm_body_free(struct swarm_slots *slots);

#endif
