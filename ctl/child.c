/*
 * child.c - running plugin code where it can do no harm: see child.h.
 *
 * Owns     the child process, and the page on which it says what it is doing.
 * Used by  plugin_*.c.
 * Thread   the program's only one.
 */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringctl.h"

#define MEMORY_MAX (4ull << 30) /* bytes of address space */
#define DOING_ROOM 160

static char *doing; /* shared with the child; NULL: nobody listens */

void child_doing(const char *format, ...)
{
    if (!doing)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(doing, DOING_ROOM, format, args);
    va_end(args);
}

static void limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0 || (now.rlim_max != RLIM_INFINITY && now.rlim_max < most))
        return;
    setrlimit(resource, &(struct rlimit){ .rlim_cur = most, .rlim_max = most });
}

static _Noreturn void be_child(int (*work)(void *), void *arg, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(RINGCTL_FAILED);
    limit(RLIMIT_CORE, 0);
#ifndef RM_SANITIZED
    limit(RLIMIT_AS, MEMORY_MAX); /* a sanitizer reserves more than any machine has */
#endif
    int code = work(arg);
    if (fflush(stdout) != 0)
        code = RINGCTL_FAILED;
    _exit(code);
}

/* True when it ended by itself within the time. */
static bool wait_for(pid_t pid, unsigned timeout_s, int *status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = { .fd = fd, .events = POLLIN };
    bool in_time = true;
    if (fd >= 0) {
        int got;
        do
            got = poll(&ended, 1, (int)timeout_s * 1000);
        while (got < 0 && errno == EINTR);
        in_time = got > 0;
        close(fd);
    }
    if (!in_time)
        kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {}
    return in_time;
}

static int judge(bool in_time, int status, unsigned timeout_s, const char *what)
{
    if (!in_time)
        return complain("%s: had not ended after %u s, %s: it loops, or needs a larger --timeout", what,
                        timeout_s, doing);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    if (number == SIGPIPE)
        raise(SIGPIPE); /* whoever reads our output has gone */
    return complain("%s: crashed (SIG%s: %s), %s", what, sigabbrev_np(number), strsignal(number), doing);
}

#ifdef RM_SANITIZED
#define SLOWNESS 10 /* what a sanitizer costs, at the worst */
#else
#define SLOWNESS 1
#endif

int child_run(int (*work)(void *arg), void *arg, unsigned timeout_s, const char *what)
{
    pid_t parent = getpid();
    int status = 0;
    doing = mmap(NULL, DOING_ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (doing == MAP_FAILED) {
        doing = NULL;
        return complain("no memory for a child process: %s", strerror(errno));
    }
    child_doing("beginning");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        be_child(work, arg, parent);
    if (pid < 0)
        return complain("cannot start a child process: %s", strerror(errno));
    bool in_time = wait_for(pid, timeout_s * SLOWNESS, &status);
    int code = judge(in_time, status, timeout_s * SLOWNESS, what);
    munmap(doing, DOING_ROOM);
    doing = NULL;
    return code;
}
