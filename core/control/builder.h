/*
 * builder.h - the thread that does what may take its time.
 *
 * Owns     one thread and the queue of jobs in front of it.
 * Used by  publish.c (build a table), reload.c (read and check a configuration).
 * Uses     base/mailbox.h: a finished job goes back to control as a MESSAGE_BUILT letter.
 * Thread   all functions here: control. The work of a job: the builder's own, which blocks every signal.
 *
 * A job is its own letter: no allocation on the way, and nothing to match up when it returns. While it is
 * out, only the builder touches it; control must keep alive what it points to.
 */
#ifndef CONTROL_BUILDER_H
#define CONTROL_BUILDER_H

#include "world/message.h"

/* A job; the caller embeds it as the first member of what the job needs and makes. */
struct letter_built {
    struct letter letter;
    void (*work)(struct letter_built *job); /* builder thread */
    void (*done)(struct letter_built *job); /* control thread, when its letter is read; frees the job */
    void (*drop)(
        struct letter_built *job); /* control thread, when nobody wants the result any more; frees the job */
};

struct builder;

/* replies is where finished jobs are posted; it outlives the builder. Jobs may be posted before the thread
 * runs. */
struct builder *builder_new(struct mailbox *replies);

/* Starts the thread. Returns 0, or -1 with errno. */
int builder_start(struct builder *b);

/* Hands a job over; jobs are done one at a time, in order. */
void builder_post(struct builder *b, struct letter_built *job);

/* Waits for the job that runs, drops those still queued, ends the thread. The last results may lie in the
 * mailbox. */
void builder_free(struct builder *b);

#endif
