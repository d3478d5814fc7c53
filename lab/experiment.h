/*
 * experiment.h - what share: options, the target, one measured run.
 *
 * Owns     the target while a command runs; the ids that all runs use.
 * Used by  a1.c ... a4.c, cmd_experiments.c.
 * Uses     target.h, load.h, out.h.
 * Thread   the program's main one; the load of A-3 has one of its own.
 */
#ifndef LAB_EXPERIMENT_H
#define LAB_EXPERIMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lab/figures.h"
#include "lab/load.h"
#include "lab/option.h"
#include "lab/out.h"
#include "lab/progress.h"
#include "lab/target.h"

struct experiment {
    /* options */
    const char *url, *admin, *conf, *out;
    bool spawn, quiet;
    uint64_t requests, concurrency, seed, timeout_ms;
    double rate, seconds; /* of A-3's load */
    struct option_list strategies;

    /* while it runs */
    const char *command; /* as it was typed */
    bool keep_setup;     /* setup.json tells of an earlier command, and shall go on to */
    struct target target;
    uint64_t *ids; /* `requests` different six-digit ones */
    struct progress progress;
};

/* One replica's part of a run. Not known is negative. */
struct part_taken {
    char *name;
    uint64_t answers;
    double cpu_ms; /* used during the run */
    double rss_kib;
    pid_t pid;
};

/* A run of `requests` requests, and what it cost whom. */
struct measured {
    struct load_plan plan;
    struct load_result load;
    struct part_taken *parts; /* those in rotation before the run, then others that answered */
    size_t n_parts;
    struct spread spread;                     /* of the parts' answers */
    double balancer_cpu_ms, balancer_rss_kib; /* negative: not known */
    json_t *state;                            /* /_lb/state after the run; NULL: not to be had */
};

/* Reaches or starts the balancer, makes the ids, writes setup.json. False after a complaint; experiment_end in any case. */
bool experiment_begin(struct experiment *e);
void experiment_end(struct experiment *e);

/* Sends every id once, closed loop. False after a complaint when it ended early: m holds what there was. Free it in any
 * case. */
bool experiment_measure(struct experiment *e, struct measured *m, bool keep_samples, const char *title);
void measured_free(struct measured *m);

/* What a run was answered with is all good: false after a complaint. */
bool measured_is_clean(const struct measured *m, const char *title);

/* counts, spread, sampling floor, load and costs. A new reference. */
json_t *measured_json(const struct measured *m);
/* counts.csv: one row a replica. */
bool measured_write_counts(const struct measured *m, struct out *o);
/* latency.csv: percentile, ms. */
bool measured_write_latency(const struct measured *m, struct out *o);
/* One row a request, in the order of their ends. Wants samples. */
bool measured_write_requests(const struct measured *m, struct out *o, const char *name);

/* The part of /_lb/state that names the strategy: scheduler, hash, probe, options, keyed, vet, table. Never NULL. */
json_t *experiment_strategy(const json_t *state);

#endif
