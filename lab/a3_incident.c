/*
 * a3_incident.c - a replica is killed, stopped for a while, or stopped for good, while requests come at their times.
 *
 * Owns     the thread that sends them.
 * Used by  a3.c.
 * Uses     load.h, a3_timeline.h; kill of a replica that the balancer started.
 * Thread   the program's main one does it and watches /_lb/state; the load runs on a thread of its own.
 *
 * The load is an open loop, so that a replica that stands still is asked as often as before and what waits counts from
 * when it should have been sent. Times are relative to the signal. "Out of rotation": no ready replica has the victim's
 * process; "N again": as many are ready as before.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lab/a3.h"
#include "lab/a3_timeline.h"
#include "lab/cost.h"
#include "lab/experiment.h"
#include "lab/lab.h"
#include "lab/load_json.h"

#define BEFORE_NS        (2000 * CLOCK_NS_PER_MS) /* of load before the signal */
#define PAUSE_NS         (1500 * CLOCK_NS_PER_MS)
#define LOOK_US          2000 /* between two looks at /_lb/state */
#define MOST_CONNECTIONS 4096
#define EVENTS_MAX       200

static const char *const names[] = { "kill", "pause", "hang" };

const char *a3_name(enum a3_kind kind)
{
    return names[kind];
}

struct incident {
    struct experiment *e;
    enum a3_kind kind;
    struct load_plan plan;
    struct load_result load;
    atomic_bool stop, ended;
    pid_t victim;
    char victim_name[128];
    size_t n; /* replicas before */
    uint64_t signal_ns, continue_ns;
    double out_ms, again_ms; /* negative: not seen */
    char last_seen[256];
    FILE *events;
    unsigned n_events;
};

/* ------------------------------------------------------------------ the load */

static void *send_load(void *arg)
{
    struct incident *i = arg;
    load_run(&i->plan, &i->load);
    atomic_store(&i->ended, true);
    return NULL;
}

/* ------------------------------------------------------------------ the victim */

/* The second in rotation, if it is a process that this balancer started on this machine. */
static bool choose_victim(struct incident *i)
{
    json_t *state = target_state(&i->e->target), *row;
    size_t k;
    pid_t balancer = (pid_t)json_integer_value(json_object_get(state, "pid"));
    json_array_foreach(json_object_get(state, "replicas"), k, row) {
        struct cost c;
        pid_t pid = (pid_t)json_integer_value(json_object_get(row, "pid"));
        if (!json_is_true(json_object_get(row, "ready")))
            continue;
        i->n++;
        if (pid > 0 && cost_read(pid, &c) && c.parent == balancer && (i->victim == 0 || i->n == 2)) {
            i->victim = pid;
            snprintf(i->victim_name, sizeof i->victim_name, "%s",
                     json_string_value(json_object_get(row, "name")));
        }
    }
    if (!state)
        lab_complain("A-3 watches /_lb/state, and cannot: %s", i->e->target.http.error);
    else if (!i->victim)
        lab_complain("A-3 needs a replica that the balancer started on this machine (driver \"process\")");
    json_decref(state);
    return i->victim > 0;
}

static double since_signal_ms(const struct incident *i)
{
    return ((double)clock_now_ns() - (double)i->signal_ns) / 1e6;
}

static void note_event(struct incident *i, const char *what)
{
    if (i->n_events++ >= EVENTS_MAX)
        return;
    fprintf(i->events, "%.2f,", since_signal_ms(i));
    out_csv_text(i->events, what);
    fputc('\n', i->events);
}

/* ------------------------------------------------------------------ watching */

static void look(struct incident *i)
{
    json_t *state = target_state(&i->e->target), *row;
    char seen[sizeof i->last_seen] = "";
    size_t k, ready = 0, used = 0;
    bool victim_ready = false;
    json_array_foreach(json_object_get(state, "replicas"), k, row) {
        bool is_ready = json_is_true(json_object_get(row, "ready"));
        ready += is_ready;
        if (json_integer_value(json_object_get(row, "pid")) == i->victim)
            victim_ready = is_ready;
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *now = json_string_value(json_object_get(row, "state"));
        if (used < sizeof seen)
            used += (size_t)snprintf(seen + used, sizeof seen - used, "%s%s %s", k ? "; " : "",
                                     name ? name : "?", now ? now : "?");
    }
    json_decref(state);
    if (k == 0 || !*seen)
        return;
    double ms = since_signal_ms(i);
    if (!victim_ready && i->out_ms < 0)
        i->out_ms = ms;
    if (i->out_ms >= 0 && i->again_ms < 0 && ready >= i->n)
        i->again_ms = ms;
    if (strcmp(seen, i->last_seen) != 0) {
        note_event(i, seen);
        memcpy(i->last_seen, seen, sizeof seen);
    }
}

static bool do_it(struct incident *i)
{
    int number = i->kind == A3_KILL ? SIGKILL : SIGSTOP;
    i->signal_ns = clock_now_ns();
    if (kill(i->victim, number) != 0) {
        lab_complain("cannot signal process %d: %s", (int)i->victim, strerror(errno));
        return false;
    }
    note_event(i, i->kind == A3_KILL ? "SIGKILL" : "SIGSTOP");
    return true;
}

static void let_go(struct incident *i)
{
    if (i->kind != A3_PAUSE || i->continue_ns || clock_now_ns() - i->signal_ns < PAUSE_NS)
        return;
    i->continue_ns = clock_now_ns();
    kill(i->victim, SIGCONT);
    note_event(i, "SIGCONT");
}

static bool wait_until(struct incident *i, uint64_t when_ns)
{
    while (clock_now_ns() < when_ns && !atomic_load(&i->ended))
        usleep(LOOK_US);
    return !atomic_load(&i->ended);
}

static bool play(struct incident *i)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, send_load, i) != 0) {
        lab_complain("cannot start a thread");
        return false;
    }
    bool done = wait_until(i, clock_now_ns() + BEFORE_NS) && do_it(i);
    while (done && !atomic_load(&i->ended)) {
        look(i);
        let_go(i);
        usleep(LOOK_US);
    }
    if (i->kind == A3_PAUSE && i->signal_ns && !i->continue_ns)
        kill(i->victim, SIGCONT); /* the run ended early: nobody is left standing still */
    if (!done)
        atomic_store(&i->stop, true);
    pthread_join(thread, NULL);
    if (i->load.ended_early)
        lab_complain("A-3, %s: %s", a3_name(i->kind), i->load.why);
    return done && !i->load.ended_early;
}

/* The next experiment begins whole. */
static void wait_whole(struct incident *i)
{
    uint64_t deadline = clock_now_ns() + 15000 * CLOCK_NS_PER_MS;
    while (i->again_ms < 0 && clock_now_ns() < deadline && !load_is_interrupted()) {
        look(i);
        usleep(LOOK_US);
    }
}

/* ------------------------------------------------------------------ telling */

static json_t *known(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static json_t *render(const struct incident *i, const struct timeline_facts *f)
{
    return json_pack("{s:s, s:s, s:I, s:f, s:o, s:o, s:o, s:o, s:s, s:I, s:I, s:I, s:f, s:o}", "incident",
                     a3_name(i->kind), "victim", i->victim_name, "n", (json_int_t)i->n, "rate", i->plan.rate,
                     "out_of_rotation_ms", known(i->out_ms), "n_again_ms", known(i->again_ms),
                     "last_answer_of_victim_ms", known(f->last_of_victim_ms), "first_answer_of_stand_in_ms",
                     known(f->first_of_stand_in_ms), "stand_in", f->stand_in, "requests",
                     (json_int_t)i->load.sent, "failed", (json_int_t)load_failed(&i->load),
                     "slower_than_100_ms", (json_int_t)f->slow, "slowest_ms", f->slowest_ms, "load",
                     load_json(&i->plan, &i->load));
}

static void print(const struct incident *i, const struct timeline_facts *f)
{
    printf(
        "  %-6s %s (N = %zu): %llu requests at %.0f a second, %llu failed; out of rotation after %.1f ms, N again after "
        "%.1f ms",
        a3_name(i->kind), i->victim_name, i->n, (unsigned long long)i->load.sent, i->plan.rate,
        (unsigned long long)load_failed(&i->load), i->out_ms, i->again_ms);
    if (*f->stand_in)
        printf("; %s answers first after %.1f ms", f->stand_in, f->first_of_stand_in_ms);
    printf("; slowest request %.0f ms, %llu over 100 ms\n", f->slowest_ms, (unsigned long long)f->slow);
    fflush(stdout);
}

static void set_up(struct incident *i)
{
    struct experiment *e = i->e;
    i->plan = (struct load_plan){ .path = "/request?request_id={id}",
                                  .ids = e->ids,
                                  .n_ids = (size_t)e->requests,
                                  .seconds = i->kind == A3_HANG ? e->seconds : e->seconds / 2,
                                  .rate = e->rate,
                                  .concurrency = MOST_CONNECTIONS,
                                  .timeout_ms = (unsigned)e->timeout_ms,
                                  .keep_samples = true,
                                  .stop = &i->stop,
                                  .on_progress = progress_show,
                                  .progress_arg = &e->progress };
    i->out_ms = i->again_ms = -1;
    progress_begin(&e->progress, e->quiet, "A-3, %s", a3_name(i->kind));
}

json_t *a3_incident(struct experiment *e, struct out *o, enum a3_kind kind)
{
    struct incident *i = mem_zero(1, sizeof *i);
    char *host = NULL, *events = mem_format("%s_events.csv", a3_name(kind));
    json_t *result = NULL;
    i->e = e;
    i->kind = kind;
    set_up(i);
    i->events = out_file(o, events);
    if (i->events && choose_victim(i) && load_target(&i->plan, e->target.url, &host, NULL)) {
        fputs("ms,what\n", i->events);
        bool whole = play(i);
        if (whole)
            wait_whole(i);
        struct timeline_facts facts;
        whole &= timeline_write(o, a3_name(kind), &i->load, i->signal_ns, i->victim_name, &facts);
        if (i->load.sent)
            print(i, &facts);
        result = whole ? render(i, &facts) : NULL;
    }
    if (!out_end(o, i->events, events) && result) {
        json_decref(result);
        result = NULL;
    }
    load_result_free(&i->load);
    free(events);
    free(host);
    free(i);
    return result;
}
