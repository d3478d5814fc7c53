/*
 * load_result.c - counting what was answered, by whom and how; targets and ids for a plan.
 *
 * Owns     nothing; results belong to the caller.
 * Used by  load.c, cmd_load.c, experiments.
 * Uses     hdr.h, reply.h; getaddrinfo.
 * Thread   the one that runs the load.
 */
#include "lab/load_result.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "lab/lab.h"
#include "lab/reply.h"
#include "lb_plugin.h"

/* ------------------------------------------------------------------ counting */

static uint16_t find_replica(struct load_result *out, const char *name)
{
    for (size_t i = 0; i < out->n_replicas; i++)
        if (strcmp(out->replicas[i].name, name) == 0)
            return (uint16_t)i;
    if (out->n_replicas == LOAD_NOBODY)
        return LOAD_NOBODY; /* more names than a sample can hold: counted as nobody's */
    out->replicas = mem_grow(out->replicas, (out->n_replicas + 1) * sizeof *out->replicas);
    out->replicas[out->n_replicas] = (struct load_replica){ .name = mem_text(name) };
    return (uint16_t)out->n_replicas++;
}

static void keep_sample(struct load_result *out, const struct load_sample *s)
{
    if ((out->n_samples & (out->n_samples - 1)) == 0)
        out->samples = mem_grow(out->samples, (out->n_samples ? 2 * out->n_samples : 1) * sizeof *s);
    out->samples[out->n_samples++] = *s;
}

void load_result_add(struct load_result *out, const struct load_plan *plan, struct load_sample *s,
                     enum load_error error, const struct reply *reply)
{
    s->error = (uint8_t)error;
    s->replica = LOAD_NOBODY;
    s->status = 0;
    if (error == LOAD_NONE) {
        s->status = (uint16_t)reply->status;
        out->statuses[reply->status]++;
        if (*reply->served_by)
            s->replica = find_replica(out, reply->served_by);
        if (s->replica == LOAD_NOBODY)
            out->nobody++;
        else
            out->replicas[s->replica].answers++;
        if (reply->status / 100 == 2) {
            out->good++;
            hdr_add(&out->latency, s->done_ns - (plan->rate > 0 ? s->due_ns : s->sent_ns));
            hdr_add(&out->service, s->done_ns - s->sent_ns);
        }
    } else {
        out->errors[error]++;
    }
    if (plan->keep_samples)
        keep_sample(out, s);
}

uint64_t load_failed(const struct load_result *r)
{
    uint64_t n = 0;
    for (unsigned e = 1; e < LOAD_N_ERRORS; e++)
        n += e == LOAD_STOPPED ? 0 : r->errors[e];
    for (unsigned s = 0; s < LOAD_STATUS_MAX; s++)
        n += s / 100 == 2 ? 0 : r->statuses[s];
    return n;
}

void load_result_free(struct load_result *r)
{
    for (size_t i = 0; i < r->n_replicas; i++)
        free(r->replicas[i].name);
    free(r->replicas);
    free(r->samples);
    *r = (struct load_result){ 0 };
}

const char *load_error_text(enum load_error e)
{
#define LOAD_TEXT(name_, text_) text_,
    static const char *const texts[] = { LOAD_ERRORS(LOAD_TEXT) };
#undef LOAD_TEXT
    return texts[e];
}

/* ------------------------------------------------------------------ ids */

/* A random permutation's beginning (Fisher and Yates). */
uint64_t *load_make_ids(size_t count, uint64_t seed)
{
    enum { FIRST = 100000, ALL = 900000 };
    uint64_t state = lb_mix64(seed + 1), *ids = mem_alloc(count * sizeof *ids + 1);
    uint32_t *all = mem_alloc(ALL * sizeof *all);
    for (uint32_t i = 0; i < ALL; i++)
        all[i] = FIRST + i;
    for (size_t i = 0; i < count; i++) {
        size_t j = i + (size_t)lb_scale(lb_random(&state), ALL - i);
        ids[i] = all[j];
        all[j] = all[i];
    }
    free(all);
    return ids;
}

/* ------------------------------------------------------------------ the target */

bool load_target(struct load_plan *plan, const char *url, char **host, const char **path)
{
    const char *at = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
    size_t len = strcspn(at, "/?");
    char *name = mem_text_n(at, len), *port = strrchr(name, ':');
    *host = mem_text(name);
    plan->host = *host;
    if (strstr(url, "://") && at == url) {
        lab_complain("only http:// is spoken here, not \"%s\"", url);
        free(name);
        return false;
    }
    if (port && !strchr(port, ']'))
        *port++ = '\0';
    else
        port = NULL;
    char *bare = name;
    if (*bare == '[' && strchr(bare, ']')) {
        *strchr(bare, ']') = '\0';
        bare++;
    }
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    int problem = getaddrinfo(*bare ? bare : "127.0.0.1", port ? port : "80", &hints, &found);
    if (problem) {
        lab_complain("cannot find \"%s\": %s", url, gai_strerror(problem));
    } else {
        /* "localhost" may be ::1 first, where a balancer that listens on 0.0.0.0 is not: prefer version 4 */
        struct addrinfo *best = found;
        for (struct addrinfo *f = found; f; f = f->ai_next)
            if (f->ai_family == AF_INET) {
                best = f;
                break;
            }
        memcpy(&plan->address, best->ai_addr, best->ai_addrlen);
        plan->address_len = best->ai_addrlen;
        freeaddrinfo(found);
    }
    if (path && at[len] && strcmp(at + len, "/") != 0)
        *path = at + len;
    free(name);
    return problem == 0;
}

/* ------------------------------------------------------------------ Ctrl-C */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

void load_catch_interrupt(void)
{
    struct sigaction once = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGINT, &once, NULL);
    sigaction(SIGTERM, &once, NULL);
}

bool load_is_interrupted(void)
{
    return interrupted != 0;
}
