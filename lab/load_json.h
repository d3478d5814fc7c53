/*
 * load_json.h - a load's result as JSON, and its times as rows of CSV.
 *
 * Owns     the names of the members.
 * Used by  cmd_load.c, the experiments.
 * Uses     load.h, jansson.
 * Thread   whoever holds the result.
 */
#ifndef LAB_LOAD_JSON_H
#define LAB_LOAD_JSON_H

#include <jansson.h>

#include "lab/load.h"

/* requests, good, failed, seconds, rate, replicas {name: count}, statuses, errors, latency_ms, generator, ... A new
 * reference. */
json_t *load_json(const struct load_plan *plan, const struct load_result *r);

/* count, mean, min, p50 ... max, in milliseconds; values of the histogram are nanoseconds. A new reference. */
json_t *load_json_times(const struct hdr *h);

#endif
