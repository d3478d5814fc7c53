/*
 * a3_timeline.h - the requests around an incident, in tenths of a second.
 *
 * Owns     the timeline's columns.
 * Used by  a3_incident.c.
 * Uses     load.h, out.h.
 * Thread   the program's main one.
 */
#ifndef LAB_A3_TIMELINE_H
#define LAB_A3_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

struct load_result;
struct out;

/* Times are milliseconds from the incident; negative: there was none. */
struct timeline_facts {
    double last_of_victim_ms;    /* the victim's last answer before another took its place, or at all */
    double first_of_stand_in_ms; /* of a replica that nobody had heard of before */
    char stand_in[128];
    uint64_t slow; /* requests that took more than 100 ms from when they were due */
    double slowest_ms;
};

/* NAME.csv: of each 100 ms the requests due then, how many failed, their median and slowest times; and the answers that
 * came then from each replica. NAME_requests.csv: each request. False after a complaint. */
bool timeline_write(struct out *o, const char *name, const struct load_result *r, uint64_t incident_ns,
                    const char *victim, struct timeline_facts *facts);

#endif
