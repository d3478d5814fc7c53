/*
 * setup.c - the machine, the versions, the command: see setup.h.
 *
 * Owns     nothing.
 * Used by  experiment.c.
 * Uses     /proc, /etc/os-release, uname, jansson.
 * Thread   the program's main one.
 */
#include "lab/setup.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "lab/experiment.h"

/* What follows `name` and its separators in the first line that begins with it; the caller frees it. */
static char *line_of(const char *path, const char *name, const char *separators)
{
    char line[512], *found = NULL;
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        char *at = line + strlen(name);
        at += strspn(at, separators);
        at[strcspn(at, "\"\n")] = '\0';
        found = mem_text(at);
    }
    if (f)
        fclose(f);
    return found ? found : mem_text("unknown");
}

static void put_text(json_t *out, const char *name, char *text)
{
    json_object_set_new(out, name, json_string(text));
    free(text);
}

static json_t *machine(void)
{
    struct utsname u;
    json_t *out = json_object();
    uname(&u);
    put_text(out, "processor", line_of("/proc/cpuinfo", "model name", "\t: "));
    json_object_set_new(out, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    put_text(out, "memory", line_of("/proc/meminfo", "MemTotal", ": "));
    put_text(out, "system", line_of("/etc/os-release", "PRETTY_NAME", "=\""));
    put_text(out, "kernel", mem_format("%s %s %s", u.sysname, u.release, u.machine));
    put_text(out, "load_average", line_of("/proc/loadavg", "", ""));
    return out;
}

static json_t *versions(const json_t *state)
{
    const char *balancer = json_string_value(json_object_get(state, "version"));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "ringmaster", balancer ? balancer : "unknown",
                     "ringlab", RM_VERSION, "compiler", RM_COMPILER, "libevent", event_get_version(),
                     "libcurl", curl_version_info(CURLVERSION_NOW)->version, "jansson",
                     jansson_version_str());
}

static json_t *text_of_file(const char *path)
{
    char text[65536];
    FILE *f = path ? fopen(path, "r") : NULL;
    if (!f)
        return json_null();
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    json_t *out = json_stringn(text, n);
    return out ? out : json_null();
}

json_t *setup_json(const struct experiment *e, const json_t *state)
{
    char date[64];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &utc));
    json_t *workers = json_object_get(state, "workers");
    json_t *options = json_pack("{s:I, s:I, s:I, s:b, s:f}", "requests", (json_int_t)e->requests,
                                "concurrency", (json_int_t)e->concurrency, "seed", (json_int_t)e->seed,
                                "spawn", e->spawn, "a3_rate", e->rate);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:O, s:o, s:o}", "date", date, "command", e->command,
                     "machine", machine(), "versions", versions(state), "options", options, "workers",
                     workers ? workers : json_null(), "configuration", text_of_file(e->target.conf),
                     "strategy", experiment_strategy(state));
}
