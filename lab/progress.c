/*
 * progress.c - a bar, or lines: see progress.h.
 *
 * Owns     nothing.
 * Used by  the commands.
 * Uses     standard error.
 * Thread   the program's main one.
 */
#include "lab/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define BAR 30

void progress_begin(struct progress *p, bool quiet, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->title, sizeof p->title, format, args);
    va_end(args);
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO) == 1;
    p->tenths = 0;
    p->start_ns = clock_now_ns();
}

static void show_bar(const struct progress *p, uint64_t done, double share)
{
    char bar[BAR + 1];
    int full = (int)((share < 0 ? 0 : share) * BAR + 0.5);
    memset(bar, '#', (size_t)full);
    memset(bar + full, '.', (size_t)(BAR - full));
    bar[BAR] = '\0';
    fprintf(stderr, "\r%-44s [%s] %3.0f %%  %" PRIu64 " requests, %.1f s ", p->title, bar,
            share < 0 ? 0 : 100 * share, done, (double)(clock_now_ns() - p->start_ns) / 1e9);
    if (share >= 1 || share < 0)
        fputc('\n', stderr);
}

void progress_show(void *progress, uint64_t done, uint64_t total, double share)
{
    (void)total;
    struct progress *p = progress;
    if (p->quiet)
        return;
    if (p->terminal) {
        show_bar(p, done, share);
        return;
    }
    int tenths = share < 0 ? p->tenths : (int)(share * 10 + 1e-9);
    if (tenths > p->tenths) {
        fprintf(stderr, "%s: %d %%, %" PRIu64 " requests, %.1f s\n", p->title, 10 * tenths, done,
                (double)(clock_now_ns() - p->start_ns) / 1e9);
        p->tenths = tenths;
    } else if (share < 0) {
        fprintf(stderr, "%s: ended early, %" PRIu64 " requests\n", p->title, done);
    }
}
