/*
 * cost.h - processor time and memory of processes on this machine.
 *
 * Owns     nothing.
 * Used by  the experiments.
 * Uses     /proc.
 * Thread   any.
 */
#ifndef LAB_COST_H
#define LAB_COST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cost {
    double cpu_s;     /* user and system time since its start */
    uint64_t rss_kib; /* resident now */
    pid_t parent;
};

/* False when there is no such process here. */
bool cost_read(pid_t pid, struct cost *out);

#endif
