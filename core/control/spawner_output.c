/*
 * spawner_output.c - what a child process says, line by line into the log.
 *
 * Owns     the read end of the child's output, and the line that is not whole yet.
 * Used by  spawner_process.c.
 * Uses     log.h, libevent.
 * Thread   control.
 *
 * One pipe takes output and errors, so their order stays. A turn of the loop reads at most one pipe full. Who has filled
 * it is read again only after a pause, and while nothing of it may be written its lines are only counted: a child that
 * talks without end costs a percent of this thread's time.
 */
#include "control/spawner_output.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define PIPE_BYTES (256 * 1024)
#define PIECE      (64 * 1024)
#define PAUSE_US   10000
#define SECOND_NS  (1000 * CLOCK_NS_PER_MS)

struct output {
    struct event readable, pause;
    int fd;
    char *name;
    struct output_budget mine, *all;
    uint32_t lines_a_second;
    uint64_t lines, dropped;
    uint64_t dropped_told; /* of them, those that the log knows of */
    size_t len;            /* of the line that is not whole yet */
    bool is_cut;           /* it is longer than there is room for */
    char line[OUTPUT_LINE_MAX];
};

/* ------------------------------------------------------------------ how much may be said */

static void tell_dropped(struct output *o)
{
    uint64_t more = o->dropped - o->dropped_told;
    if (more) {
        log_warn("replica \"%s\" says too much: %llu lines were left out (replicas.process.output_lines)",
                 o->name, (unsigned long long)more);
        o->dropped_told = o->dropped;
    }
}

/* True when another line fits into this second. */
static bool has_room(struct output_budget *b, uint32_t most, uint64_t now)
{
    if (now - b->second_ns >= SECOND_NS) {
        b->second_ns = now;
        b->used = 0;
    }
    return b->used < most;
}

static bool may_speak(struct output *o)
{
    uint64_t now = clock_now_ns();
    if (now - o->mine.second_ns >= SECOND_NS) {
        tell_dropped(o);
    }
    return has_room(&o->mine, o->lines_a_second, now) && has_room(o->all, OUTPUT_ALL_A_SEC, now);
}

/* ------------------------------------------------------------------ lines */

static void end_line(struct output *o)
{
    if (o->len > 0 && o->line[o->len - 1] == '\r') {
        o->len--;
    }
    if (o->len == 0 && !o->is_cut) {
        return; /* an empty line says nothing */
    }
    if (may_speak(o)) {
        log_info("replica \"%s\" says: %.*s%s", o->name, (int)o->len, o->line, o->is_cut ? " …" : "");
        o->mine.used++;
        o->all->used++;
        o->lines++;
    } else {
        o->dropped++;
    }
    o->len = 0;
    o->is_cut = false;
}

static void add_part(struct output *o, const char *part, size_t len)
{
    size_t room = sizeof o->line - o->len;
    if (len > room) {
        o->is_cut = true;
        len = room;
    }
    memcpy(o->line + o->len, part, len);
    o->len += len;
}

/* Nothing of it can be written: only counts, but keeps the beginning of a line whose end is still to come. */
static size_t skip_lines(struct output *o, const char *bytes, size_t n)
{
    const char *last = memrchr(bytes, '\n', n);
    if (!last) {
        return 0;
    }
    size_t used = (size_t)(last - bytes) + 1;
    uint64_t lines = 0;
    for (size_t i = 0; i < used; i++) {
        lines += bytes[i] == '\n';
    }
    o->dropped += lines;
    o->len = 0;
    o->is_cut = false;
    return used;
}

static void take_bytes(struct output *o, const char *bytes, size_t n)
{
    while (n > 0) {
        size_t skipped = may_speak(o) ? 0 : skip_lines(o, bytes, n);
        bytes += skipped;
        n -= skipped;
        const char *end = memchr(bytes, '\n', n);
        size_t part = end ? (size_t)(end - bytes) : n;
        add_part(o, bytes, part);
        if (end) {
            end_line(o);
            part++;
        }
        bytes += part;
        n -= part;
    }
}

/* ------------------------------------------------------------------ reading */

/* At most one pipe full. Returns the bytes read; *ended: there will be no more. */
static size_t read_some(struct output *o, bool *ended)
{
    char piece[PIECE];
    size_t sum = 0;
    *ended = false;
    while (sum < PIPE_BYTES) {
        ssize_t n = read(o->fd, piece, sizeof piece);
        if (n <= 0) {
            *ended = n == 0 || (errno != EAGAIN && errno != EINTR);
            break;
        }
        take_bytes(o, piece, (size_t)n);
        sum += (size_t)n;
    }
    return sum;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval pause = { .tv_usec = PAUSE_US };
    struct output *o = arg;
    bool ended;
    (void)fd;
    (void)what;

    size_t n = read_some(o, &ended);
    if (ended || n >= PIECE) {
        event_del(&o->readable);
    }
    if (!ended && n >= PIECE) {
        evtimer_add(&o->pause, &pause);
    }
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    struct output *o = arg;
    (void)fd;
    (void)what;
    event_add(&o->readable, NULL);
}

/* ------------------------------------------------------------------ from beginning to end */

struct output *output_open(const struct output_setup *setup, int *write_end, char *why, size_t why_size)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(why, why_size, "cannot make a pipe for the output of \"%s\": %s", setup->name,
                 strerror(errno));
        return NULL;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES); /* refused beyond the user's share: then it stays small */
    struct output *o = mem_zero(1, sizeof *o);
    o->fd = ends[0];
    o->name = mem_text(setup->name);
    o->all = setup->budget;
    o->lines_a_second = setup->lines_a_second;
    event_assign(&o->readable, setup->base, o->fd, EV_READ | EV_PERSIST, on_readable, o);
    evtimer_assign(&o->pause, setup->base, on_pause_over, o);
    event_add(&o->readable, NULL);
    *write_end = ends[1];
    return o;
}

uint64_t output_lines(const struct output *o)
{
    return o->lines;
}

uint64_t output_dropped(const struct output *o)
{
    return o->dropped;
}

void output_close(struct output *o)
{
    bool ended;
    if (!o) {
        return;
    }
    read_some(o, &ended);
    end_line(o);
    tell_dropped(o);
    event_del(&o->readable);
    evtimer_del(&o->pause);
    close(o->fd);
    free(o->name);
    free(o);
}
