/*
 * spawner_exec.c - one child process: fork, what happens between fork and exec, and how its end is noticed.
 *
 * Owns     nothing that lasts: the caller gets the pid and two descriptors.
 * Used by  spawner_process.c.
 * Uses     Linux: pidfd_open (5.3), waitid on a pidfd (5.4), close_range with CLOEXEC (5.11).
 * Thread   control, and only it: the child's death signal is tied to the thread that forked it.
 *
 * Other threads may hold any lock at the moment of the fork, so the child may call nothing but what
 * signal-safety(7) lists. Everything that needs memory (arguments, environment, the search in PATH) is made
 * before; after it there are only the system calls of run_child. If one of them fails, its number and errno
 * come back through a pipe that a successful exec closes.
 */
#include "control/spawner_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

extern char **environ;

enum step {
    STEP_GROUP,
    STEP_LIMITS,
    STEP_USER,
    STEP_DIRECTORY,
    STEP_DEATH_SIGNAL,
    STEP_INPUT,
    STEP_OUTPUT,
    STEP_DESCRIPTORS,
    STEP_EXEC
};
static const char *const step_texts[] = {
    [STEP_GROUP] = "cannot make a process group for",
    [STEP_LIMITS] = "cannot set the limits (open_files, memory_mib, …) of",
    [STEP_USER] = "cannot become the user and group of",
    [STEP_DIRECTORY] = "cannot enter the directory of",
    [STEP_OUTPUT] = "cannot catch the output of",
    [STEP_DEATH_SIGNAL] = "cannot tie to this process's life",
    [STEP_INPUT] = "cannot open /dev/null for",
    [STEP_DESCRIPTORS] = "cannot close descriptors for",
    [STEP_EXEC] = "cannot run",
};

struct report {
    enum step step;
    int error;
};

/* All that the child needs, made before the fork. */
struct plan {
    char *path;
    char **argv, **envp;
    const struct child_order *order;
    pid_t parent;
    int report; /* write end */
};

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

bool child_is_supported(char *why, size_t why_size)
{
    int fd = open_pidfd(getpid());
    if (fd < 0) {
        snprintf(why, why_size,
                 "the kernel refuses pidfd_open (%s); replicas as processes need Linux 5.11 or newer",
                 strerror(errno));
        return false;
    }
    close(fd);
    if (close_range(~0u, ~0u, CLOSE_RANGE_CLOEXEC) != 0) { /* an empty range: only asks */
        snprintf(why, why_size,
                 "the kernel refuses close_range (%s); replicas as processes need Linux 5.11 or newer",
                 strerror(errno));
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ before the fork */

/* program itself when it has a slash or PATH does not know it (exec then gives the reason). */
static char *find_program(const char *program)
{
    const char *path = getenv("PATH");
    if (strchr(program, '/') || !path) {
        return mem_text(program);
    }
    for (const char *at = path;; at++) {
        size_t len = strcspn(at, ":");
        char *file = mem_format("%.*s/%s", len ? (int)len : 1, len ? at : ".", program);
        if (access(file, X_OK) == 0) {
            return file;
        }
        free(file);
        at += len;
        if (!*at) {
            return mem_text(program);
        }
    }
}

static bool replaces(const char *setting, const char *variable)
{
    size_t name = (size_t)(strchr(setting, '=') - setting) + 1;
    return strncmp(setting, variable, name) == 0;
}

static bool is_replaced(const char *variable, char *const *settings, size_t n_settings)
{
    for (size_t i = 0; i < n_settings; i++) {
        if (replaces(settings[i], variable)) {
            return true;
        }
    }
    return false;
}

static char **make_environment(char *const *settings, size_t n_settings)
{
    size_t n = 0, kept = 0;
    while (environ && environ[n]) {
        n++;
    }
    char **envp = mem_zero(n + n_settings + 1, sizeof *envp);
    for (size_t i = 0; i < n; i++) {
        if (!is_replaced(environ[i], settings, n_settings)) {
            envp[kept++] = environ[i];
        }
    }
    for (size_t i = 0; i < n_settings; i++) {
        if (!is_replaced(settings[i], settings + i + 1, n_settings - i - 1)) {
            envp[kept++] = settings[i];
        }
    }
    return envp;
}

/* ---------------------------------------------------------- between fork and exec: async-signal-safe only */

static _Noreturn void give_up(const struct plan *plan, enum step step)
{
    struct report report = { .step = step, .error = errno };
    ssize_t written =
        write(plan->report, &report, sizeof report); /* shorter than PIPE_BUF: whole or not at all */
    _exit(written == sizeof report ? 127 : 126);
}

static void reset_signals(void)
{
    struct sigaction normal;
    memset(&normal, 0, sizeof normal);
    normal.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; signal++) {
        sigaction(signal, &normal, NULL); /* refuses KILL, STOP and the two that libc keeps */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The C libraries do not agree on the type of a resource. */
#define LIMIT(resource_, most_) \
    ((most_) == 0 || setrlimit(resource_, &(struct rlimit){ .rlim_cur = (most_), .rlim_max = (most_) }) == 0)

static bool limit_all(const struct child_limits *l)
{
    return LIMIT(RLIMIT_NOFILE, l->open_files) && LIMIT(RLIMIT_AS, l->memory_bytes) &&
           LIMIT(RLIMIT_NPROC, l->processes) && LIMIT(RLIMIT_CPU, l->cpu_seconds) &&
           LIMIT(RLIMIT_FSIZE, l->file_bytes);
}

/* As system calls: libc's functions would look for other threads to change along, and take a lock for it. */
static bool become(const struct child_user *user)
{
    return !user->is_set || (syscall(SYS_setgroups, user->n_groups, user->groups) == 0 &&
                             syscall(SYS_setresgid, user->gid, user->gid, user->gid) == 0 &&
                             syscall(SYS_setresuid, user->uid, user->uid, user->uid) == 0);
}

/* Rights, in the order in which they can be given away: limits may need those of root, the directory is looked at with
 * those of the user. */
static void restrict_child(const struct plan *plan)
{
    const struct child_order *order = plan->order;
    if (!limit_all(&order->limits)) {
        give_up(plan, STEP_LIMITS);
    }
    if (!become(&order->user)) {
        give_up(plan, STEP_USER);
    }
    if (order->directory && chdir(order->directory) != 0) {
        give_up(plan, STEP_DIRECTORY);
    }
}

static _Noreturn void run_child(const struct plan *plan)
{
    if (setpgid(0, 0) != 0) {
        give_up(plan, STEP_GROUP);
    }
    reset_signals();
    restrict_child(plan); /* first: another user's process loses its death signal */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        give_up(plan, STEP_DEATH_SIGNAL);
    }
    if (getppid() != plan->parent) { /* it died before prctl: no signal will come */
        _exit(126);
    }
    int empty = open("/dev/null", O_RDONLY);
    if (empty < 0 || (empty != 0 && dup2(empty, 0) < 0)) {
        give_up(plan, STEP_INPUT);
    }
    int output = plan->order->output;
    if (output >= 0 && (dup2(output, 1) < 0 || dup2(output, 2) < 0)) {
        give_up(plan, STEP_OUTPUT);
    }
    /* At exec, so that the report's pipe lives until then. */
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0) {
        give_up(plan, STEP_DESCRIPTORS);
    }
    execve(plan->path, plan->argv, plan->envp);
    give_up(plan, STEP_EXEC);
}

/* ------------------------------------------------------------------ in the parent */

static pid_t fork_with(const struct plan *plan)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
    pid_t pid = fork();
    if (pid == 0) {
        run_child(plan);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

static int launch(struct child *out, struct plan *plan, char *why, size_t why_size)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(why, why_size, "cannot make a pipe for %s: %s", plan->path, strerror(errno));
        return -1;
    }
    plan->report = ends[1];
    out->pid = fork_with(plan);
    if (out->pid < 0) {
        snprintf(why, why_size, "cannot fork for %s: %s", plan->path, strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    close(ends[1]);
    setpgid(out->pid,
            out->pid); /* the child does it too: whoever comes first, the group exists from here on */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    out->report = ends[0];
    out->pidfd = open_pidfd(out->pid); /* not reaped yet, so the number is still this child's */
    if (out->pidfd < 0) {
        snprintf(why, why_size, "cannot watch %s: %s", plan->path, strerror(errno));
        kill(-out->pid, SIGKILL);
        waitpid(out->pid, NULL, 0);
        close(ends[0]);
        return -1;
    }
    return 0;
}

int child_start(struct child *out, const struct child_order *order, char *why, size_t why_size)
{
    struct plan plan = { .path = find_program(order->command[0]), .order = order, .parent = getpid() };
    plan.argv = mem_zero(order->n_command + 1, sizeof *plan.argv);
    memcpy(plan.argv, order->command, order->n_command * sizeof *order->command);
    plan.envp = make_environment(order->settings, order->n_settings);
    int result = launch(out, &plan, why, why_size);
    free(plan.path);
    free(plan.argv);
    free(plan.envp);
    return result;
}

int child_read_report(const struct child *c, const char *program, char *why, size_t why_size)
{
    struct report report;
    ssize_t got = read(c->report, &report, sizeof report);
    if (got == sizeof report) {
        snprintf(why, why_size, "%s %s: %s", step_texts[report.step], program, strerror(report.error));
        return -1;
    }
    return got == 0 ? 1 : 0;
}

void child_signal(const struct child *c, int signal)
{
    kill(-c->pid, signal);
    if (signal == SIGTERM) {
        kill(-c->pid, SIGCONT); /* a stopped process would never see it */
    }
}

void child_reap(struct child *c, char *why, size_t why_size)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    kill(-c->pid, SIGKILL);
    int result;
    do {
        result = waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        snprintf(why, why_size, "gone: %s", strerror(errno));
    } else if (info.si_code == CLD_EXITED) {
        snprintf(why, why_size, "exited with status %d", info.si_status);
    } else {
        const char *signal = sigabbrev_np(info.si_status);
        snprintf(why, why_size, "killed by SIG%s", signal ? signal : "?");
    }
    close(c->pidfd);
    if (c->report >= 0) {
        close(c->report);
    }
}
