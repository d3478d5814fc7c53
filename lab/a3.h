/*
 * a3.h - the two halves of A-3: the calls, and what is done to replicas under load.
 *
 * Owns     nothing.
 * Used by  a3.c.
 * Uses     experiment.h.
 * Thread   the program's main one.
 */
#ifndef LAB_A3_H
#define LAB_A3_H

#include <jansson.h>
#include <stdbool.h>

struct experiment;
struct out;

/* Every endpoint once, with good and with bad requests. Writes calls.csv and calls.txt (requests and answers in full).
 * Returns an array of the calls; *as_expected: each was answered with the status that the contract names. */
json_t *a3_calls(struct experiment *e, struct out *o, bool *as_expected);

enum a3_kind { A3_KILL, A3_PAUSE, A3_HANG };

/* One incident under an open loop's load. Writes NAME.csv (the timeline), NAME_events.csv and NAME_requests.csv. Returns what
 * came of it, or NULL after a complaint. */
json_t *a3_incident(struct experiment *e, struct out *o, enum a3_kind kind);
const char *a3_name(enum a3_kind kind); /* "kill", "pause", "hang" */

#endif
