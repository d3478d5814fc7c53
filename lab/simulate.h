/*
 * simulate.h - what a strategy does with keys, in figures.
 *
 * Owns     the list of figures: tables, CSV and JSON are printed from it.
 * Used by  cmd_simulate.c, simulate_measure.c, simulate_load.c, simulate_print.c.
 * Uses     nothing.
 * Thread   the program's only one.
 */
#ifndef LAB_SIMULATE_H
#define LAB_SIMULATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lb_plugin.h"

struct candidate;
struct keys;
struct sim_pool;

/* FIGURE(name, heading, decimals, factor, what it is)
 * heading NULL: in CSV and JSON alone. A figure is a double, NAN where it does not exist (printed as "-", empty, null);
 * tables show it times factor. */
#define SIM_FIGURES(FIGURE)                                                                                 \
    FIGURE(max_over_mean, "max/mean", 4, 1, "the most requests that a replica got, over its fair share")    \
    FIGURE(min_over_mean, NULL, 4, 1, "the fewest, over the fair share")                                    \
    FIGURE(deviation, "dev %", 2, 100, "standard deviation of requests over fair share")                    \
    FIGURE(exact, "exact", 4, 1,                                                                            \
           "max/mean of the table itself, for evenly spread hashes; - where there is none")                 \
    FIGURE(add_moved, "add %", 2, 100, "requests that change their replica when one is added")              \
    FIGURE(add_least, NULL, 4, 1, "the least that could: the newcomer's share")                             \
    FIGURE(add_excess, "+extra", 3, 100, "of all, those that moved though not to the newcomer")             \
    FIGURE(remove_moved, "rm %", 2, 100, "requests that change when one is removed, mean over the removed") \
    FIGURE(remove_least, NULL, 4, 1, "the least that could: the share of the removed")                      \
    FIGURE(remove_excess, "+extra", 3, 100, "of all, those that moved though not from the removed")         \
    FIGURE(die_excess, "die +", 3, 100, "the same when it is only down, and skipped")                       \
    FIGURE(pick_ns, "pick ns", 1, 1, "processor time of a choice: hash, table, readiness")                  \
    FIGURE(build_ms, "build ms", 3, 1, "to build the table")                                                \
    FIGURE(table_kib, "KiB", 1, 1, "memory of the table")                                                   \
    FIGURE(spread, "spread", 2, 1,                                                                          \
           "load model: most in flight at a replica less the mean, mean over arrivals")                     \
    FIGURE(in_flight_most, NULL, 0, 1, "the most ever in flight at one replica")                            \
    FIGURE(response_p50, NULL, 2, 1, "load model: the median response time, in mean service times")         \
    FIGURE(response_p99, "p99", 2, 1,                                                                       \
           "load model: response time that 99 of 100 keep, in mean service times")                          \
    FIGURE(busiest, NULL, 4, 1, "load model: what the busiest replica gets, of what it can do")             \
    FIGURE(overloaded, NULL, 0, 1, "1: certainly above 1, so its queue grows without end; else 0")

struct sim_figures {
#define SIM_FIELD(name_, heading_, decimals_, factor_, text_) double name_;
    SIM_FIGURES(SIM_FIELD)
#undef SIM_FIELD
};

/* One strategy at one number of replicas. */
struct sim_row {
    const char *strategy; /* borrowed */
    uint32_t n;
    bool keyed;
    char refused[256]; /* why it builds no table for so many; "": it does */
    struct sim_figures is;
};

struct sim_plan {
    const struct keys *keys;
    uint64_t moves;    /* requests that are asked again after a change */
    uint64_t arrivals; /* requests of the load model; 0: it is left out */
    double load;       /* of what all replicas can do, 0 to 1 */
    uint64_t seed;
};

/* simulate_measure.c: fills in a row; what it was refused stands in the row. owners (NULL: not wanted) receives for each
 * of the keys the index of its member in the order of ring names. */
void sim_measure(const struct sim_plan *plan, const struct candidate *c, struct sim_row *row,
                 uint32_t *owners);

/* How uneven a perfect hash would have spread these very requests over n equal replicas: max/mean, mean of a few draws.
 * Equal keys stay together, so with skewed keys this is far above 1. */
double sim_floor(const struct keys *keys, uint32_t n);

/* Largest and smallest count over its fair share, and the standard deviation of that ratio. */
struct sim_balance {
    double largest, smallest, deviation;
};
struct sim_balance sim_balance_of(const struct sim_pool *p, const uint64_t *counts);

/* simulate_load.c: requests that take time. Fills in spread, in_flight_most, response_*, busiest, overloaded.
 *
 * The model: arrivals are a Poisson process; each replica serves one request at a time in the order of arrival; service
 * times are exponential with mean 1 (so response times are in mean service times); the arrival rate is `load` times what all
 * replicas together can do. The strategy sees in flight (waiting and in service), the moving average of response times and
 * its on_reply as on the data path, and bounded_load bounds it. The first tenth of the run is not counted. */
void sim_run_load(const struct sim_plan *plan, struct sim_pool *p, struct sim_figures *out);

/* ------------------------------------------------------------------ simulate_print.c */

struct sim_report {
    const struct sim_row *rows;
    uint32_t n_rows;
    const char *keys; /* as written */
    uint64_t n_keys, seed;
    double load;
    uint32_t n_floors; /* one for each number of replicas */
    const uint32_t *sizes;
    const double *floors;
};

void sim_print_table(const struct sim_report *r, FILE *out);
void sim_print_legend(FILE *out);
void sim_print_csv(const struct sim_report *r, FILE *out);
void sim_print_json(const struct sim_report *r, FILE *out);

#endif
