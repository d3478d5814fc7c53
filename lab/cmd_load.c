/*
 * cmd_load.c - ringlab load: the generator by itself.
 *
 * Owns     the command's options, and how a result is printed.
 * Used by  main.c.
 * Uses     load.h, option.h, progress.h.
 * Thread   the program's only one.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab/cmd.h"
#include "lab/lab.h"
#include "lab/load.h"
#include "lab/load_json.h"
#include "lab/option.h"
#include "lab/progress.h"

#define DEFAULT_REQUESTS 10000
#define DEFAULT_PATH     "/request?request_id={id}"
#define OPEN_CONNECTIONS 4096

static const char synopsis[] = "load [URL] [--requests N | --seconds S] [--concurrency N | --rate N]";

static void print_counts(const struct load_result *r)
{
    for (size_t i = 0; i < r->n_replicas; i++)
        printf("  %-24s %10" PRIu64 "  %6.2f %%\n", r->replicas[i].name, r->replicas[i].answers,
               100 * (double)r->replicas[i].answers / (double)(r->sent ? r->sent : 1));
    if (r->nobody)
        printf("  %-24s %10" PRIu64 "\n", "the balancer itself", r->nobody);
    for (unsigned s = 0; s < LOAD_STATUS_MAX; s++)
        if (r->statuses[s])
            printf("  status %-17u %10" PRIu64 "\n", s, r->statuses[s]);
    for (unsigned e = 1; e < LOAD_N_ERRORS; e++)
        if (r->errors[e])
            printf("  error: %-17s %10" PRIu64 "\n", load_error_text(e), r->errors[e]);
}

static void print_times(const char *name, const struct hdr *h)
{
    static const double percents[] = { 50, 75, 90, 99, 99.9, 99.99 };
    printf("%s, ms: mean %.3f", name, hdr_mean(h) / 1e6);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        printf("  p%g %.3f", percents[i], (double)hdr_percentile(h, percents[i]) / 1e6);
    printf("  max %.3f\n", (double)h->max / 1e6);
}

static void print_result(const struct load_plan *plan, const struct load_result *r)
{
    double cpu = r->cpu_user_s + r->cpu_sys_s;
    printf("%" PRIu64 " requests in %.3f s: %.0f a second, %" PRIu64 " good, %" PRIu64 " failed\n", r->sent,
           r->seconds, (double)r->sent / r->seconds, r->good, load_failed(r));
    print_counts(r);
    print_times(plan->rate > 0 ? "latency from the intended time" : "latency", &r->latency);
    if (plan->rate > 0)
        print_times("from the time of sending      ", &r->service);
    printf("generator: %.1f us of processor time a request, %.0f %% of one core; %u connections, %" PRIu64
           " connects\n",
           r->sent ? cpu * 1e6 / (double)r->sent : 0, 100 * cpu / r->seconds, r->connections_most,
           r->connects);
}

struct options {
    uint64_t requests, concurrency, timeout_ms, seed;
    double seconds, rate;
    const char *path;
    bool close, json, quiet, sequential;
};

static int run(const struct options *o, const char *url)
{
    struct load_plan plan = { .path = o->path,
                              .requests = o->requests,
                              .seconds = o->seconds,
                              .rate = o->rate,
                              .concurrency = (unsigned)o->concurrency,
                              .timeout_ms = (unsigned)o->timeout_ms,
                              .close = o->close,
                              .on_progress = progress_show };
    struct load_result *result = calloc(1, sizeof *result);
    struct progress progress;
    char *host = NULL;
    int code = LAB_FAILED;
    if (plan.requests == 0 && plan.seconds <= 0)
        plan.requests = DEFAULT_REQUESTS;
    if (plan.concurrency == 0)
        plan.concurrency = plan.rate > 0 ? OPEN_CONNECTIONS : 32;
    uint64_t *ids = o->sequential ? NULL : load_make_ids(900000, o->seed);
    plan.ids = ids;
    plan.n_ids = 900000;
    if (result && load_target(&plan, url, &host, &plan.path)) {
        progress_begin(&progress, o->quiet, "%s", url);
        plan.progress_arg = &progress;
        load_catch_interrupt();
        bool whole = load_run(&plan, result);
        if (o->json) {
            json_t *out = load_json(&plan, result);
            json_dumpf(out, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
            putchar('\n');
            json_decref(out);
        } else if (result->sent) {
            print_result(&plan, result);
        }
        code = whole ? LAB_OK : lab_complain("%s", result->why);
    }
    if (result)
        load_result_free(result);
    free(result);
    free(ids);
    free(host);
    return code;
}

int cmd_load(int argc, char **argv)
{
    struct options o = { .path = DEFAULT_PATH, .timeout_ms = 10000, .seed = 1 };
    const struct option_row rows[] = {
        { "requests", OPTION_NUMBER, &o.requests, "N", "how many (10000, unless --seconds)", 1, 1e12 },
        { "seconds", OPTION_REAL, &o.seconds, "S", "how long", 0.001, 1e6 },
        { "concurrency", OPTION_NUMBER, &o.concurrency, "N",
          "connections (32); in the open loop the most there may be (4096)", 1, 60000 },
        { "rate", OPTION_REAL, &o.rate, "N", "open loop: requests a second, each at its time", 0.001, 1e7 },
        { "path", OPTION_TEXT, &o.path, "PATH",
          "what is asked for; {id} is the request's id (" DEFAULT_PATH ")", 0, 0 },
        { "seed", OPTION_NUMBER, &o.seed, "N", "of the random six-digit ids (1)", 0, 1e18 },
        { "sequential", OPTION_FLAG, &o.sequential, NULL, "ids 100000, 100001, ... instead", 0, 0 },
        { "timeout-ms", OPTION_NUMBER, &o.timeout_ms, "N", "patience for one request (10000)", 1, 3600000 },
        { "close", OPTION_FLAG, &o.close, NULL, "a connection for each request", 0, 0 },
        { "json", OPTION_FLAG, &o.json, NULL, "the result as JSON", 0, 0 },
        { "quiet", OPTION_FLAG, &o.quiet, NULL, "no progress", 0, 0 },
        { 0 },
    };
    char **words;
    size_t n_words;
    int code = option_read(rows, synopsis, argc, argv, &words, &n_words, 0, 1);
    return code >= 0 ? code : run(&o, n_words ? words[0] : "http://127.0.0.1:5000");
}
