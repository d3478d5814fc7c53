/*
 * progress.h - how far a long thing is: a bar on a terminal, a line every 10 % elsewhere.
 *
 * Owns     what was shown last.
 * Used by  the commands.
 * Uses     standard error.
 * Thread   the program's main one.
 */
#ifndef LAB_PROGRESS_H
#define LAB_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    char title[80];
    bool terminal, quiet;
    int tenths; /* shown */
    uint64_t start_ns;
};

/* The title names what runs: "A-1, Server 1 to 3". quiet: nothing is shown. */
void progress_begin(struct progress *p, bool quiet, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* share is 0 to 1; below 0: it ended early. The arguments are load_plan.on_progress's. */
void progress_show(void *progress, uint64_t done, uint64_t total, double share);

#endif
