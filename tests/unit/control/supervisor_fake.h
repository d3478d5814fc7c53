/*
 * supervisor_fake.h - a supervisor on a bench: its spawner, its heartbeats and its publisher are the test's
 * hands.
 *
 * Owns     the fakes and what they saw.
 * Used by  test_supervisor*.c.
 * Thread   the test's.
 *
 * Nothing happens by itself: a start is answered by bench_started or bench_exited, a heartbeat by bench_beat,
 * a changed rotation by bench_publish, a forget by bench_forget. All timers are set to an hour; bench_timer
 * makes one run out.
 */
#ifndef TESTS_SUPERVISOR_FAKE_H
#define TESTS_SUPERVISOR_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/supervisor_inside.h"
#include "world/config.h"

#define BENCH_HOUR_MS 3600000u

struct spawned { /* the fake's: one start */
    struct link link;
    struct spawner *owner;
    void *tag;
    char name[REPLICA_NAME_MAX + 1], server_id[REPLICA_NAME_MAX + 1], address[80];
    unsigned asked, killed;
};

struct heartbeat { /* the fake's */
    struct health *owner;
    char address[80];
    enum health_pace pace;
    health_fn fn;
    void *ctx;
    unsigned kicks, prompts;
};

struct bench {
    struct event_base *base;
    struct config config;
    struct supervisor *s;
    unsigned n_cut, n_moved, n_moved_dead;                            /* how often workers were told to */
    unsigned n_starts, n_changed, n_stopped, n_spawned, n_heartbeats; /* the last two: in use now */
    uint32_t weights[8];                                              /* of the next /add */
    size_t n_weights;
    bool is_impostor; /* what the spawner says of who answers */
    uint16_t next_port;
    struct replica *to_forget[64];
    unsigned n_to_forget;

    /* the last answer of an /add or /rm */
    unsigned n_answers;
    bool timed_out;
    char names[512], skipped[512]; /* joined by commas */
};

/* count replicas wanted (static: that many members 10.0.0.1:8000, 10.0.0.2:8000 …), nothing answered yet. */
void bench_open(struct bench *b, enum config_driver driver, uint32_t count);
/* With processes, of which some have been running before. */
void bench_open_found(struct bench *b, uint32_t count, uint32_t spares, const struct spawner_found *found,
                      size_t n);
/* Stops and closes; fails when the fakes are not all given back. */
void bench_close(struct bench *b);

/* Lets the loop do what is due now. */
void bench_turn(struct bench *b);

/* The row at that position of /rep. */
struct row *bench_row(struct bench *b, size_t position);
struct row *bench_named(struct bench *b, const char *name);

/* What the spawner tells. */
void bench_started(struct bench *b, struct row *row);
void bench_exited(struct bench *b, struct row *row);
/* What a heartbeat tells. */
void bench_beat(struct bench *b, struct row *row, enum health_result result);
/* The row's timer runs out. */
void bench_timer(struct bench *b, struct row *row);
/* started and a good heartbeat. */
void bench_up(struct bench *b, struct row *row);
/* The spare at that position, NULL: none; started and a good heartbeat; so many are wanted from now on. */
struct row *bench_spare(struct bench *b, size_t position);
void bench_spare_up(struct bench *b, struct row *row);
void bench_want_spares(struct bench *b, uint32_t n);
/* All rows up, published and nothing left to forget. */
void bench_all_up(struct bench *b);
/* exited, back-off over, stand-in up. */
void bench_replace(struct bench *b, struct row *row);

/* A view with the present rotation runs everywhere. */
void bench_publish(struct bench *b);
/* All workers have forgotten what they were asked to. */
void bench_forget(struct bench *b);

/* supervisor_add and supervisor_remove with names in a text ("S1,S2", "" for none); their result. */
int bench_add(struct bench *b, const char *names, size_t n, char *why, size_t why_size);
int bench_remove(struct bench *b, const char *names, size_t n, char *why, size_t why_size);

/* The names of /rep, or the ring names of the rotation, joined by commas. */
const char *bench_names(struct bench *b);
const char *bench_rotation(struct bench *b);

#endif
