/*
 * spawner_output.h - what a child process says, line by line into the log.
 *
 * Owns     the read end of the child's output, and the line that is not whole yet.
 * Used by  spawner_process.c.
 * Uses     log.h, libevent.
 * Thread   control.
 *
 * The child must never wait for us, and we must never drown in what it says: it is read as fast as it comes up to
 * 25 MB a second, and what is more than so many lines a second is counted instead of written. A line has at most
 * OUTPUT_LINE_MAX bytes; the rest of it is left out.
 */
#ifndef CONTROL_SPAWNER_OUTPUT_H
#define CONTROL_SPAWNER_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct output;

#define OUTPUT_LINE_MAX  1000
#define OUTPUT_ALL_A_SEC 2000 /* lines a second of all children together */

/* Lines of all children of one spawner in the present second. Zeroed at first. */
struct output_budget {
    uint64_t second_ns;
    uint32_t used;
};

struct output_setup {
    struct event_base *base;
    const char *name;             /* of the replica; copied */
    uint32_t lines_a_second;      /* at most, of this one */
    struct output_budget *budget; /* borrowed */
};

/* *write_end is for the child: close-on-exec, the caller's to close. NULL with a sentence in why. */
struct output *output_open(const struct output_setup *setup, int *write_end, char *why, size_t why_size);

/* Lines written to the log, and lines left out. */
uint64_t output_lines(const struct output *o);
uint64_t output_dropped(const struct output *o);

/* The child has ended: writes what is still in the pipe (what a grandchild adds later is lost), and frees. NULL is
 * nothing. */
void output_close(struct output *o);

#endif
