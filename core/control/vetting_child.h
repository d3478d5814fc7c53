/*
 * vetting_child.h - the process in which plugins are tried out.
 *
 * Owns     the process from its start to its end, and the page it shares with us.
 * Used by  vetting.c.
 * Uses     world/vet.h, world/vet_order.h; Linux: memfd, pidfd.
 * Thread   one at a time. The process is killed when the thread that started it ends.
 */
#ifndef CONTROL_VETTING_CHILD_H
#define CONTROL_VETTING_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "world/vet.h"

struct vet_order;

#define VETTING_WALL_FACTOR 5 /* the clock runs faster than the processor time of one process among many */

enum vetting_cause {
    VETTING_ENDED,   /* by itself; page.end says how it went */
    VETTING_CRASHED, /* number: the signal */
    VETTING_EXITED,  /* before it was through; number: its exit code */
    VETTING_TIMED_OUT,
    VETTING_TOO_LARGE, /* in memory */
    VETTING_CANCELLED,
    VETTING_NOT_BEGUN /* why: a sentence */
};

struct vetting_end {
    enum vetting_cause cause;
    int number;
    bool stuck_inside; /* TIMED_OUT, TOO_LARGE: it had not come out of the innermost call for a while */
    const struct vet_page *page;
    char why[256];
    void *mapping; /* of the page */
    uint64_t mapping_size;
};

/* Runs the program until it has ended, or was ended for its time (cpu_ms of the order, VETTING_WALL_FACTOR
 * times as long by the clock), for its memory, or since cancel became readable. The order's files get their
 * copies, its parent is filled in. Afterwards the process is gone, reaped, with all that it may have started
 * in its group. end is to be freed in any case. */
void vetting_child_run(const char *program, struct vet_order *order, int cancel, struct vetting_end *end);
void vetting_end_free(struct vetting_end *end);

#endif
