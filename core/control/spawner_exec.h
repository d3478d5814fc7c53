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
#include <stdint.h>
#include <sys/types.h>

/* What it may use at most; 0: as much as we may. */
struct child_limits {
    uint64_t open_files, memory_bytes, processes, cpu_seconds, file_bytes;
};

/* Whose rights it has. */
struct child_user {
    bool is_set; /* false: ours */
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t n_groups;
};

struct child_order {
    char *const *command; /* the first is a path, or a name to be looked for in PATH */
    size_t n_command;
    char *const
        *settings; /* "NAME=value": these replace what has the same name in our environment, and each other:
                              the last one counts */
    size_t n_settings;
    const char *directory; /* NULL: ours */
    struct child_limits limits;
    struct child_user user;
    int output; /* becomes its output and errors; -1: they go where ours go. Stays the caller's */
};

struct child {
    pid_t pid;  /* also its process group */
    int pidfd;  /* readable when it has exited */
    int report; /* readable when exec has been tried; see child_read_report */
};

/* True when this kernel has what is needed; else a sentence in why. */
bool child_is_supported(char *why, size_t why_size);

/* Starts it in a process group of its own. Standard input is empty. The child is killed when this thread ends. Returns
 * 0, or -1 with a sentence in why. */
int child_start(struct child *out, const struct child_order *order, char *why, size_t why_size);

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
