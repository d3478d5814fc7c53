/*
 * log.c - the balancer's own log: one line, one write.
 *
 * Owns     the log's descriptor, the path behind it, the count of lost lines.
 * Used by  everyone.
 * Uses     clock.h.
 * Thread   any. Writing takes no lock; opening and reopening exclude each other.
 *
 * The descriptor number of the log never closes once it exists: another file is laid over it with dup3(2),
 * which is atomic, so a thread in mid-write needs to know nothing. Where a write to standard error could
 * block (a pipe whose reader sleeps, a stopped terminal) a description of our own with O_NONBLOCK is opened
 * behind it, because the one we inherited is shared with the shell; a socket is asked not to wait for each
 * line instead.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define TEXT_MAX 2000

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static struct {
    /* any thread */
    atomic_int level;
    atomic_int fd;
    atomic_bool is_socket;
    atomic_bool torn; /* the last line was written in part: the next one starts on a line of its own */
    atomic_ulong lost;
    /* under the lock */
    pthread_mutex_t lock;
    int own_fd; /* what fd is once log_open was called; -1 before */
    char *path; /* NULL: standard error */
} log_state = { .level = LOG_INFO, .fd = STDERR_FILENO, .lock = PTHREAD_MUTEX_INITIALIZER, .own_fd = -1 };

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_state.level, (int)level, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

unsigned long log_lost(void)
{
    return atomic_load_explicit(&log_state.lost, memory_order_relaxed);
}

/* ---- opening */

/* A regular file is duplicated, not opened again: two descriptions have two positions, and would write
 * over each other. */
static int open_stderr(void)
{
    struct stat st;
    if (fstat(STDERR_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
        int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* Lays `fd` under the log and takes it over. Returns 0, or -1 with errno. */
static int use_descriptor(int fd)
{
    struct stat st;
    bool is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
    if (log_state.own_fd < 0) {
        log_state.own_fd = fd;
    } else {
        int laid = dup3(fd, log_state.own_fd, O_CLOEXEC);
        int error = errno;
        close(fd);
        if (laid < 0) {
            errno = error;
            return -1;
        }
    }
    atomic_store(&log_state.is_socket, is_socket);
    atomic_store(&log_state.torn, false);
    atomic_store(&log_state.fd, log_state.own_fd);
    return 0;
}

/* O_NONBLOCK so that a FIFO without a reader is an error now rather than a balancer that hangs. */
static int open_path(const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644)
                  : open_stderr();
    return fd < 0 ? -1 : use_descriptor(fd);
}

int log_open(const char *path)
{
    char *copy = NULL;
    if (path && *path && !(copy = strdup(path)))
        return -1;
    pthread_mutex_lock(&log_state.lock);
    int result = open_path(copy);
    int error = errno;
    if (result == 0) {
        char *old = log_state.path;
        log_state.path = copy;
        copy = old;
    }
    pthread_mutex_unlock(&log_state.lock);
    free(copy);
    errno = error;
    return result;
}

int log_reopen(void)
{
    pthread_mutex_lock(&log_state.lock);
    int result = open_path(log_state.path);
    int error = errno;
    pthread_mutex_unlock(&log_state.lock);
    errno = error;
    return result;
}

/* ---- writing */

/* "2026-01-31T12:00:00.123Z info  " at out, which has room for 48 bytes. Returns its length. */
static size_t write_stamp(char *out, enum log_level level)
{
    uint64_t now_ms = clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t n = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &utc);
    int more = snprintf(out + n, 48 - n, ".%03uZ %-5s ", (unsigned)(now_ms % 1000), level_names[level]);
    return n + (size_t)more;
}

/* One write. A line that was taken in part counts as lost too: its rest would only come between other
 * lines. One that begins with a line feed was to end a torn one. */
static void put_line(const char *line, size_t len)
{
    int fd = atomic_load(&log_state.fd);
    bool is_socket = atomic_load(&log_state.is_socket);
    ssize_t n;
    do
        n = is_socket ? send(fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(fd, line, len);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)len)
        return;
    atomic_fetch_add_explicit(&log_state.lost, 1, memory_order_relaxed);
    if (n > 0 || line[0] == '\n') /* torn now, or still */
        atomic_store_explicit(&log_state.torn, true, memory_order_relaxed);
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&log_state.level, memory_order_relaxed))
        return;
    int error = errno;
    char line[1 + 48 + TEXT_MAX + 2];
    size_t len = 0;
    if (atomic_load_explicit(&log_state.torn, memory_order_relaxed) &&
        atomic_exchange_explicit(&log_state.torn, false, memory_order_relaxed))
        line[len++] = '\n';
    len += write_stamp(line + len, level);

    va_list args;
    va_start(args, format);
    int text_len = vsnprintf(line + len, TEXT_MAX + 1, format, args);
    va_end(args);
    size_t text_end = len + (text_len < 0 ? 0 : text_len > TEXT_MAX ? TEXT_MAX : (size_t)text_len);
    /* What came from outside must not forge a line of ours, nor drive a terminal. */
    for (; len < text_end; len++)
        if ((unsigned char)line[len] < 0x20 || line[len] == 0x7f)
            line[len] = line[len] == '\t' ? ' ' : '?';
    line[len++] = '\n';
    put_line(line, len);
    errno = error;
}
