/*
 * cost.c - reading /proc/PID/stat: see cost.h.
 *
 * Owns     nothing.
 * Used by  the experiments.
 * Uses     /proc.
 * Thread   any.
 */
#include "lab/cost.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool cost_read(pid_t pid, struct cost *out)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = pid > 0 ? fopen(path, "r") : NULL;
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    /* proc(5): after the name, which may hold anything and ends with the last ')', state is field 3 */
    const char *rest = strrchr(text, ')');
    int parent;
    unsigned long user, system;
    long pages;
    if (!rest ||
        sscanf(rest + 1,
               " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
               &parent, &user, &system, &pages) != 4)
        return false;
    *out = (struct cost){ .cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK),
                          .rss_kib = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024,
                          .parent = parent };
    return true;
}
