/*
 * spawner.h - what can start and stop a replica.
 *
 * Owns     the contract between the supervisor and the drivers of replicas.driver.
 * Used by  supervisor.c, which picks one spawner and gives it orders.
 * Thread   control.
 *
 * A spawner is told to start and to stop, and tells what happened. It never waits: an order returns at once,
 * and what comes of it is a report from the loop later, never from inside the order. Each start has one end:
 *
 *     start --> started --> exited        the usual life
 *     start --> exited                    it could not be started
 *     start --> (stop) --> exited         stopped; whether started comes in between is not promised
 *
 * After exited the handle is gone. A replica is never restarted here: that is the supervisor's to decide.
 */
#ifndef CONTROL_SPAWNER_H
#define CONTROL_SPAWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct config;
struct config_member;
struct event_base;
struct spawned; /* one start; each driver has its own */
struct spawner; /* one driver at work; each driver has its own */

/* A replica's place in the ring and in /rep: drivers whose replicas outlive us keep it with them. */
struct spawner_place {
    const char *ring_name; /* "": none, a spare; it may get one later, of which the driver is not told */
    uint64_t id;           /* of the member */
    uint64_t position;     /* rises in the order of /rep */
    uint32_t ordinal;      /* 0: none */
    uint32_t weight;
};

/* One that was running before we were. */
struct spawner_found {
    const char *name;
    struct spawner_place place;
};

struct spawner_order {
    const char *name;      /* of the replica, for texts */
    const char *server_id; /* what the replica is to call itself (SERVER_ID) */
    const char *address;   /* where it is, for drivers that start nothing; else NULL */
    struct spawner_place place;
    void *tag; /* given back with each report */
};

struct spawner_started {
    struct sockaddr_storage address; /* where it can be reached, or soon will */
    socklen_t address_len;
    pid_t pid; /* 0: not a process of ours */
};

struct spawner_hooks {
    void (*started)(void *tag, const struct spawner_started *what);
    void (*exited)(void *tag, const char *why); /* why: "exited with status 3", "cannot run ./backend: …" */
    void *ctx;                                  /* of those below, which only drivers with slots call */
    void (*slots_changed)(void *ctx);
    void (*scaled)(void *ctx, void *tag, const char *why); /* "": it was accepted; else a sentence why not */
};

/* Who is told by a driver that finds its members itself; from the loop. */
struct spawner_listener {
    void *ctx;
    void (*members)(void *ctx); /* they are others than before, or known at last */
    void (*event)(void *ctx, const char *kind, const char *why); /* kind is a constant */
};

/* What a start has brought so far. */
struct spawner_figures {
    uint64_t lines;   /* of its output that went into the log */
    uint64_t dropped; /* that were left out */
};

enum spawner_scale {
    SPAWNER_SCALE_BY, /* so many more, or fewer */
    SPAWNER_SCALE_TO, /* exactly so many */
};

enum spawner_stop {
    SPAWNER_ASK,  /* it may finish what it does */
    SPAWNER_KILL, /* it may not */
};

struct spawner_ops {
    const char *name; /* as in replicas.driver */
    bool can_start;   /* false: replicas live elsewhere; they can be joined and left, not started again */

    /* config is retained. NULL with a sentence in why: nothing can be started here. */
    struct spawner *(*open)(struct event_base *base, struct config *config, const struct spawner_hooks *hooks,
                            char *why, size_t why_size);
    /* Later starts follow this configuration; what runs is left alone. */
    void (*apply)(struct spawner *s, struct config *next);
    /* Texts of the order are copied. Never NULL. */
    struct spawned *(*start)(struct spawner *s, const struct spawner_order *order);
    /* May be called again, harder. */
    void (*stop)(struct spawner *s, struct spawned *one, enum spawner_stop how);
    /* What still runs is killed, and nothing is reported any more. */
    void (*close)(struct spawner *s);

    /* What follows may be NULL. */

    /* A heartbeat was good. True with a sentence in why when it is certain that somebody else has answered: another
     * program listens at its address. */
    bool (*is_impostor)(struct spawner *s, const struct spawned *one, char *why, size_t why_size);
    void (*figures)(const struct spawned *one, struct spawner_figures *out);
    /* Those that were running when it was opened, by position; valid until the first start. One that is then started
     * under its name is not started: it goes on running, and started says where. */
    size_t (*found)(struct spawner *s, const struct spawner_found **out);
    /* An engine that decides itself who there is, and starts again who dies: who is wanted now, in the order of /rep; valid
     * until control returns to its loop. slots_changed tells that it is another list. A start then waits for the
     * engine's own, however long that takes. Such a driver has can_start false. */
    size_t (*slots)(struct spawner *s, const struct spawner_found **out);
    /* With slots: the engine is told how many there are to be. scaled is called once, later; tag may be NULL. */
    void (*scale)(struct spawner *s, enum spawner_scale how, int64_t n, void *tag);
    /* The balancer leaves: whoever is stopped from now on may be left running, if that is configured. */
    void (*leave)(struct spawner *s);
    /* It does not start replicas, and finds out itself which there are. Called once, after open. */
    void (*listen)(struct spawner *s, const struct spawner_listener *to);
    /* With listen: those. NULL: it does not know yet. Valid until the next turn of the loop. */
    const struct config_member *(*members)(struct spawner *s, size_t *n);
    /* A sentence: why nothing can be started or stopped just now. NULL: all is well. */
    const char *(*trouble)(const struct spawner *s);
    /* What the engine calls it: the name of its container. NULL: nothing. */
    const char *(*label)(const struct spawned *one);
};

extern const struct spawner_ops spawner_process;
extern const struct spawner_ops spawner_static;
extern const struct spawner_ops spawner_dns;
extern const struct spawner_ops spawner_docker;
extern const struct spawner_ops spawner_swarm;

#endif
