/*
 * child.h - running plugin code where it can do no harm.
 *
 * Owns     the child process, until it has ended.
 * Used by  plugin_*.c: every command that calls a plugin.
 * Thread   the program's only one.
 */
#ifndef CTL_CHILD_H
#define CTL_CHILD_H

/* Runs work(arg) in a child with limits on time, memory and core files; what it prints goes where the parent's output
 * goes. Returns what work returned (an exit code); RINGCTL_FAILED, after a complaint that names what it was doing, when
 * the child crashed or had not ended after timeout_s seconds. what names the plugin. */
int child_run(int (*work)(void *arg), void *arg, unsigned timeout_s, const char *what);

/* In the child: what is being done now, for the complaint: "calling pick". */
void child_doing(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
