/*
 * inflight.c - looking at /_lb/state while requests run: see inflight.h.
 *
 * Owns     the thread that sends them.
 * Used by  a4.c, accept.c.
 * Uses     experiment.h, conf.h.
 * Thread   the program's main one looks; the load runs on a thread of its own.
 *
 * For strategies that go by load and not by keys this is what balance means: after the fact, counts say only that all
 * were busy equally often.
 */
#include "lab/inflight.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "lab/conf.h"
#include "lab/experiment.h"
#include "lab/lab.h"

#define LOOK_US 5000

struct run {
    struct load_plan plan;
    struct load_result load;
    atomic_bool ended;
};

static void *send_load(void *arg)
{
    struct run *r = arg;
    load_run(&r->plan, &r->load);
    atomic_store(&r->ended, true);
    return NULL;
}

static void look(struct target *t, unsigned concurrency, struct inflight *out)
{
    json_t *state = target_state(t), *row;
    json_int_t most = 0, all = 0;
    size_t i, n = json_array_size(json_object_get(state, "replicas"));
    json_array_foreach(json_object_get(state, "replicas"), i, row) {
        json_int_t now = json_integer_value(json_object_get(row, "in_flight"));
        most = now > most ? now : most;
        all += now;
    }
    json_decref(state);
    if (n == 0 || all < (json_int_t)concurrency / 2)
        return; /* it begins, or ends */
    double mean = (double)all / (double)n;
    out->looks++;
    out->mean += mean;
    out->max_over_mean += (double)most / mean;
    out->above_mean += (double)most - mean;
}

bool inflight_measure(struct experiment *e, struct target *t, unsigned concurrency, double seconds,
                      struct inflight *out)
{
    struct run *r = mem_zero(1, sizeof *r);
    char *host = NULL;
    pthread_t thread;
    *out = (struct inflight){ 0 };
    r->plan = (struct load_plan){ .path = "/request?request_id={id}",
                                  .ids = e->ids,
                                  .n_ids = (size_t)e->requests,
                                  .seconds = seconds,
                                  .concurrency = concurrency,
                                  .timeout_ms = (unsigned)e->timeout_ms };
    bool done =
        load_target(&r->plan, t->url, &host, NULL) && pthread_create(&thread, NULL, send_load, r) == 0;
    while (done && !atomic_load(&r->ended)) {
        look(t, concurrency, out);
        usleep(LOOK_US);
    }
    if (done) {
        pthread_join(thread, NULL);
        out->failed = load_failed(&r->load);
        done = !r->load.ended_early;
        if (!done)
            lab_complain("requests in flight: %s", r->load.why);
    }
    if (out->looks) {
        out->mean /= (double)out->looks;
        out->max_over_mean /= (double)out->looks;
        out->above_mean /= (double)out->looks;
    }
    load_result_free(&r->load);
    free(host);
    free(r);
    return done;
}

bool inflight_spawn(struct experiment *e, struct target *t, int n, int delay_ms)
{
    const struct conf_edit edit = { .own_replicas = true, .count = n, .delay_ms = delay_ms };
    struct out o;
    char *shipped = target_shipped_conf();
    bool done = shipped && out_open(&o, e->out, "balancer-inflight");
    if (done) {
        done = target_spawn(t, shipped, &edit, o.folder);
        out_close(&o);
    }
    free(shipped);
    return done;
}
