/*
 * access.c - one line a request on standard output, without waiting for whoever reads it.
 *
 * Owns     the buffer of lines that wait to be written.
 * Used by  answer.c, main.c.
 * Uses     libevent's timer, write(2).
 * Thread   the loop's.
 *
 * Lines gather for flush_ms at most, then go out in one write: under load that is one system call for
 * hundreds of lines. Standard output is often a pipe to the balancer, and a replica must not stand still
 * because that pipe is full: it asks poll(2) first and writes at most PIPE_BUF bytes, which a writable pipe
 * takes without blocking. (O_NONBLOCK would be simpler, but it belongs to the open file, and the terminal's
 * is shared with the shell.)
 */
#include "access.h"

#include <event2/event.h>

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct timeval flush_after = { 0, 20 * 1000 };

static struct {
    struct event *flush; /* armed while there is something to write */
    char lines[1 << 18];
    size_t used;
    uint64_t lost; /* lines that found no room since the last one that did */
    time_t second; /* the one that stamp shows */
    char stamp[32];
    bool broken; /* the reader has gone: write no more */
} access_log;

/* Writes what is there, in parts that cannot block. Returns false when the reader takes no more for now. */
static bool write_lines(void)
{
    size_t done = 0;
    while (done < access_log.used && !access_log.broken) {
        struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
        if (poll(&out, 1, 0) <= 0)
            break;
        size_t part = access_log.used - done;
        if (part > PIPE_BUF)
            part = PIPE_BUF;
        ssize_t n = write(STDOUT_FILENO, access_log.lines + done, part);
        if (n < 0)
            access_log.broken = true;
        else
            done += (size_t)n;
    }
    if (access_log.broken)
        access_log.used = done = 0;
    memmove(access_log.lines, access_log.lines + done, access_log.used - done);
    access_log.used -= done;
    return access_log.used == 0;
}

static void flush_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    if (!write_lines())
        event_add(access_log.flush, &flush_after);
}

int access_open(struct event_base *base)
{
    access_log.flush = evtimer_new(base, flush_due, NULL);
    return access_log.flush == NULL ? -1 : 0;
}

static const char *stamp_now(long *milliseconds)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *milliseconds = now.tv_nsec / 1000000;
    if (now.tv_sec != access_log.second) {
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        strftime(access_log.stamp, sizeof(access_log.stamp), "%Y-%m-%dT%H:%M:%S", &utc);
        access_log.second = now.tv_sec;
    }
    return access_log.stamp;
}

/* Copies the target with every byte that could break or forge a line as %XX, cut to the room there is. */
static void clean_target(const char *target, char *out, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)target; *p != '\0' && n + 4 < size; p++) {
        if (*p > ' ' && *p < 0x7f) {
            out[n++] = (char)*p;
        } else {
            out[n++] = '%';
            out[n++] = hex[*p >> 4];
            out[n++] = hex[*p & 15];
        }
    }
    out[n] = '\0';
}

/* Appends one formatted line; counts it as lost when it does not fit. */
__attribute__((format(printf, 1, 2))) static bool append_line(const char *format, ...)
{
    size_t room = sizeof(access_log.lines) - access_log.used;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(access_log.lines + access_log.used, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        return false;
    access_log.used += (size_t)n;
    return true;
}

void access_note(const char *method, const char *target, int status, uint64_t bytes, uint64_t microseconds)
{
    if (access_log.flush == NULL || access_log.broken)
        return;
    if (access_log.used == 0)
        event_add(access_log.flush, &flush_after);
    if (access_log.lost > 0 &&
        append_line("(%llu lines lost: the reader is too slow)\n", (unsigned long long)access_log.lost))
        access_log.lost = 0;

    char clean[1024];
    long milliseconds = 0;
    clean_target(target, clean, sizeof(clean));
    const char *stamp = stamp_now(&milliseconds);
    if (!append_line("%s.%03ldZ %s %s %d %llu %lluus\n", stamp, milliseconds, method, clean, status,
                     (unsigned long long)bytes, (unsigned long long)microseconds))
        access_log.lost++;
}

void access_close(void)
{
    if (access_log.flush == NULL)
        return;
    write_lines();
    event_free(access_log.flush);
    access_log.flush = NULL;
}
