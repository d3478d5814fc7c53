/*
 * spawner_exec.h - one child process: fork, what happens between fork and exec, and how its end is noticed.
 *
 * Owns     nothing that lasts: the caller gets the pid and two descriptors.
 * Used by  spawner_process.c.
 * Thread   control, and only it: the child's death signal is tied to the thread that forked it.
 */
#ifndef CONTROL_SPAWNER_EXEC_H
#define CONTROL_SPAWNER_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid;  /* also its process group */
    int pidfd;  /* readable when it has exited */
    int report; /* readable when exec has been tried; see child_read_report */
};

/* True when this kernel has what is needed; else a sentence in why. */
bool child_is_supported(char *why, size_t why_size);

/* Starts command (n_command texts, the first is a path, or a name to be looked for in PATH) in a process
 * group of its own, with this process's environment, in which settings ("NAME=value", n_settings of them)
 * replace what had the same name. Standard input is empty; output and errors go where ours go. The child is
 * killed when this thread ends. Returns 0, or -1 with a sentence in why. */
int child_start(struct child *out, char *const *command, size_t n_command, char *const *settings,
                size_t n_settings, char *why, size_t why_size);

/* What became of exec, without waiting: 1 the program runs, 0 not known yet, -1 it does not and why is a
 * sentence. */
int child_read_report(const struct child *c, const char *program, char *why, size_t why_size);

/* Signals the whole group. */
void child_signal(const struct child *c, int signal);

/* After pidfd became readable, or with wait: reaps it, says how it ended in why, and closes what is open.
 * What was left of its group is killed first, while the unreaped leader still keeps the number from being
 * given away. */
void child_reap(struct child *c, char *why, size_t why_size);

#endif
