/*
 * vetting_child.c - the process in which plugins are tried out.
 *
 * Owns     the process from its start to its end, and the page it shares with us.
 * Used by  vetting.c.
 * Uses     world/vet.h, world/vet_order.h, world/plugin.h; Linux: memfd, pidfd_open (5.3).
 * Thread   one at a time.
 *
 * posix_spawn runs nothing of ours between fork and exec, so it does not matter that other threads hold
 * locks. The process gets the page, the copies of the plugins and /dev/null, and nothing else that is open
 * here: no listener, no client. Its limits it sets itself, before it maps a plugin; the clock is here. Time
 * is measured in what it used of a processor, so that a busy machine refuses nobody; by the clock it has five
 * times as long, for those that sleep.
 */
#include "control/vetting_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "world/plugin.h"
#include "world/vet_order.h"

#define TICK_MS       20                    /* how often its time and memory are looked at */
#define STUCK_TICKS   2                     /* no call has begun for so long: it is inside the innermost */
#define FIRST_FREE_FD 64                    /* above every number that the process gets */
#define MEMORY_OF_ITS (UINT64_C(192) << 20) /* of the program itself, sanitizers included */

extern char **environ;

struct run {
    struct vetting_end *end;
    struct vet_page *page;
    int page_fd;
    int part_fds[STRATEGY_PARTS]; /* -1: none */
    pid_t pid;
    int pidfd;
    uint64_t cpu_limit_ns, deadline_ns, memory_limit;
};

static void fail(struct run *r, const char *what)
{
    r->end->cause = VETTING_NOT_BEGUN;
    snprintf(r->end->why, sizeof r->end->why, "%s: %s", what, strerror(errno));
}

/* ------------------------------------------------------------------ what the process is given */

/* A duplicate with a number out of the way, closed at exec. */
static int lift(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
}

/* Copies of the plugins, and where the process finds them: the memfd it inherits, or the private file. */
static bool give_parts(struct run *r, struct vet_order *order, char *paths[STRATEGY_PARTS])
{
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        struct plugin_file *file = order->source.files[part];
        if (!file)
            continue;
        if (plugin_file_copy(file, r->end->why, sizeof r->end->why) != 0) {
            r->end->cause = VETTING_NOT_BEGUN;
            return false;
        }
        r->part_fds[part] = lift(file->copy.fd);
        if (r->part_fds[part] < 0) {
            fail(r, "no descriptor is left for a plugin's copy");
            return false;
        }
        paths[part] = file->copy.directory ? mem_text(file->copy.path)
                                           : mem_format("/proc/self/fd/%d", VET_FD_PARTS + part);
    }
    return true;
}

/* The page, and the order behind it. */
static bool give_page(struct run *r, const unsigned char *bytes, size_t len)
{
    struct vetting_end *end = r->end;
    int fd = memfd_create("vetting", MFD_CLOEXEC);
    end->mapping_size = sizeof *r->page + len;
    r->page_fd = fd >= 0 ? lift(fd) : -1;
    if (fd >= 0)
        close(fd);
    if (r->page_fd < 0 || ftruncate(r->page_fd, (off_t)end->mapping_size) != 0) {
        fail(r, "no page to share with the process that tries plugins out");
        return false;
    }
    end->mapping = mmap(NULL, end->mapping_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->page_fd, 0);
    if (end->mapping == MAP_FAILED) {
        end->mapping = NULL;
        fail(r, "no page to share with the process that tries plugins out");
        return false;
    }
    r->page = end->mapping;
    end->page = r->page;
    r->page->magic = VET_MAGIC;
    memcpy(r->page + 1, bytes, len);
    return true;
}

static bool give(struct run *r, struct vet_order *order)
{
    char *paths[STRATEGY_PARTS] = { NULL };
    unsigned char *bytes = NULL;
    bool given = give_parts(r, order, paths);
    if (given) {
        size_t len = vet_order_pack(order, (const char *const *)paths, &bytes);
        given = give_page(r, bytes, len);
    }
    for (int part = 0; part < STRATEGY_PARTS; part++)
        free(paths[part]);
    free(bytes);
    return given;
}

/* Variables that the process gets with additions: under a sanitizer a crash is to look like one, and no leak
 * is to be looked for in a process that leaves without tidying up. */
static const char *const added_to[] = {
#ifdef RM_SANITIZED
    "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
#endif
    NULL
};
static const char additions[] =
    "abort_on_error=1:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:"
    "handle_abort=0:detect_leaks=0:allocator_may_return_null=1";

static bool is_added_to(const char *variable)
{
    for (size_t i = 0; added_to[i]; i++) {
        size_t len = strlen(added_to[i]);
        if (strncmp(variable, added_to[i], len) == 0 && variable[len] == '=')
            return true;
    }
    return false;
}

static char **make_environment(void)
{
    size_t n = 0, kept = 0;
    while (environ && environ[n])
        n++;
    char **out = mem_zero(n + sizeof added_to / sizeof *added_to, sizeof *out);
    for (size_t i = 0; i < n; i++)
        if (!is_added_to(environ[i]))
            out[kept++] = mem_text(environ[i]);
    for (size_t i = 0; added_to[i]; i++) {
        const char *had = getenv(added_to[i]);
        out[kept++] = mem_format("%s=%s:%s", added_to[i], had ? had : "", additions);
    }
    return out;
}

static void free_environment(char **environment)
{
    for (size_t i = 0; environment[i]; i++)
        free(environment[i]);
    free(environment);
}

/* ------------------------------------------------------------------ its start */

static void plan_descriptors(const struct run *r, posix_spawn_file_actions_t *actions)
{
    posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(actions, 1, 2);
    posix_spawn_file_actions_adddup2(actions, r->page_fd, VET_FD);
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        if (r->part_fds[part] >= 0)
            posix_spawn_file_actions_adddup2(actions, r->part_fds[part], VET_FD_PARTS + part);
        else
            posix_spawn_file_actions_addclose(actions, VET_FD_PARTS + part);
    }
    posix_spawn_file_actions_addclosefrom_np(actions, VET_FD_PARTS + STRATEGY_PARTS);
}

/* Signals as a program finds them, a group of its own. */
static void plan_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static bool start(struct run *r, const char *program)
{
    char *argv[] = { (char *)"ringmaster", (char *)VET_ARGUMENT, NULL };
    char **environment = make_environment();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    plan_descriptors(r, &actions);
    plan_signals(&attributes);
    errno = posix_spawn(&r->pid, program, &actions, &attributes, argv, environment);
    if (errno != 0)
        fail(r, "cannot start the process that tries plugins out");
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    free_environment(environment);
    if (r->end->cause == VETTING_NOT_BEGUN)
        return false;
    r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0); /* not reaped yet, so the number is still its own */
    return true;
}

/* ------------------------------------------------------------------ its time and its memory */

static uint64_t cpu_used_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Bytes of pages in use. */
static uint64_t memory_used(pid_t pid)
{
    char path[64];
    unsigned long total, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *statm = fopen(path, "re");
    if (statm && fscanf(statm, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    if (statm)
        fclose(statm);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Why it has to end now; VETTING_ENDED: it need not. */
static enum vetting_cause judge_use(const struct run *r)
{
    if (cpu_used_ns(r->pid) >= r->cpu_limit_ns || clock_now_ns() >= r->deadline_ns)
        return VETTING_TIMED_OUT;
    if (r->memory_limit && memory_used(r->pid) > r->memory_limit)
        return VETTING_TOO_LARGE;
    return VETTING_ENDED;
}

/* Waits until it ends or must. */
static enum vetting_cause watch(struct run *r, int cancel)
{
    struct pollfd fds[2] = { { .fd = r->pidfd, .events = POLLIN }, { .fd = cancel, .events = POLLIN } };
    unsigned long calls = 0;
    int still = 0;
    for (;;) {
        int ready = poll(fds, 2, TICK_MS);
        if (ready < 0 && errno != EINTR)
            return VETTING_CANCELLED;
        if (fds[1].revents)
            return VETTING_CANCELLED;
        if (fds[0].revents)
            return VETTING_ENDED;
        unsigned long now = atomic_load_explicit(&r->page->calls, memory_order_relaxed);
        still = now == calls ? still + 1 : 0;
        calls = now;
        r->end->stuck_inside = still >= STUCK_TICKS;
        enum vetting_cause cause = judge_use(r);
        if (cause != VETTING_ENDED)
            return cause;
    }
}

/* ------------------------------------------------------------------ its end */

/* Reaps it. What it has started in its group ends with it, while the number is still its own. */
static void reap(struct run *r, enum vetting_cause cause)
{
    siginfo_t info;
    int result;
    memset(&info, 0, sizeof info);
    kill(-r->pid, SIGKILL);
    do {
        result = waitid(P_PID, (id_t)r->pid, &info, WEXITED);
    } while (result != 0 && errno == EINTR);
    r->end->cause = cause;
    r->end->number = info.si_status;
    if (cause != VETTING_ENDED || result != 0)
        return;
    if (info.si_code != CLD_EXITED)
        r->end->cause = info.si_status == SIGXCPU ? VETTING_TIMED_OUT : VETTING_CRASHED;
    else if (atomic_load(&r->page->end) == VET_UNFINISHED)
        r->end->cause = VETTING_EXITED;
}

static void close_all(struct run *r)
{
    if (r->page_fd >= 0)
        close(r->page_fd);
    for (int part = 0; part < STRATEGY_PARTS; part++)
        if (r->part_fds[part] >= 0)
            close(r->part_fds[part]);
    if (r->pidfd >= 0)
        close(r->pidfd);
}

void vetting_child_run(const char *program, struct vet_order *order, int cancel, struct vetting_end *end)
{
    struct run r = { .end = end, .page_fd = -1, .part_fds = { -1, -1, -1 }, .pidfd = -1 };
    *end = (struct vetting_end){ 0 };
    order->parent = getpid();
    r.cpu_limit_ns = order->cpu_ms * CLOCK_NS_PER_MS;
    r.deadline_ns = clock_now_ns() + order->cpu_ms * CLOCK_NS_PER_MS * VETTING_WALL_FACTOR;
    r.memory_limit = order->memory ? order->memory + MEMORY_OF_ITS : 0;
    if (give(&r, order) && start(&r, program))
        reap(&r, r.pidfd >= 0 ? watch(&r, cancel) : VETTING_CANCELLED);
    if (end->cause == VETTING_EXITED && !atomic_load(&r.page->started)) {
        end->cause = VETTING_NOT_BEGUN;
        snprintf(end->why, sizeof end->why, "the process that tries plugins out ended at once, with code %d",
                 end->number);
    }
    close_all(&r);
}

void vetting_end_free(struct vetting_end *end)
{
    if (end->mapping)
        munmap(end->mapping, end->mapping_size);
    *end = (struct vetting_end){ 0 };
}
