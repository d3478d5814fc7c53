/*
 * control.h - the control thread: one loop, everything that is not the data path.
 *
 * Owns     the control event base, its mailbox, signals; through its parts the supervisor, the publisher, the
 *          admin port.
 * Used by  main.c.
 * Thread   the main thread, which outlives all others (children carry a death signal tied to it).
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct control;
struct durations;
struct mailbox;
struct problems;
struct vetting;
struct view;
struct worker_counters;

/* How control reaches a worker, without knowing what one is. */
struct control_worker {
    struct mailbox *mailbox;
    const struct worker_counters *counters;
    const struct durations *steps; /* one for each name in step_names */
};

/* Opens the base and the mailbox; reads nothing and starts nothing. config is retained; vetting is
 * borrowed and lives longer. NULL: errno. */
struct control *control_new(struct config *config, struct vetting *vetting);

/* Where workers post. Valid as long as control. */
struct mailbox *control_mailbox(struct control *c);

struct spool;
/* Where the workers' access log goes. Valid as long as control; spool_stop is the caller's, once workers are joined. */
struct spool *control_spool(struct control *c);

/* Opens the access log, if there is to be one. Returns 0, or -1 with errno. */
int control_open_access(struct control *c);

/* Builds the strategy of the configuration and a first view without replicas. NULL with problems. Before
 * control_run. */
struct view *control_first_view(struct control *c, struct problems *problems, unsigned n_workers);

/* Binds the admin port. Returns 0; or -1 with a sentence in why (exit code 3). */
int control_listen(struct control *c, char *why, size_t why_size);

/* Starts the replicas and runs until told to leave (SIGTERM, SIGINT). step_names ends with NULL. Returns the
 * exit code: 0, or 4 when the engine can't be reached. Workers have been drained and told to stop when it
 * returns; the caller joins them. */
int control_run(struct control *c, const struct control_worker *workers, unsigned n_workers,
                const char *const *step_names);

/* After the workers were joined. */
void control_free(struct control *c);

#endif
