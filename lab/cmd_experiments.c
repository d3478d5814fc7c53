/*
 * cmd_experiments.c - ringlab a1, a2, a3, a4 and all.
 *
 * Owns     their options.
 * Used by  main.c.
 * Uses     experiments.h.
 * Thread   the program's main one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/cmd.h"
#include "lab/experiment.h"
#include "lab/experiments.h"
#include "lab/lab.h"

static json_t *run_a1(struct experiment *e)
{
    return a1_run(e, "a1", true);
}

static json_t *run_a2(struct experiment *e)
{
    return a2_run(e, "a2", true);
}

static json_t *run_a3(struct experiment *e)
{
    return a3_run(e, "a3");
}

static json_t *run_a4(struct experiment *e)
{
    return a4_run(e, "a4");
}

/* A-3 comes last: it leaves stand-ins for a while. */
static json_t *(*const in_order[])(struct experiment *e) = { run_a1, run_a2, run_a4, run_a3 };

static char *join(int argc, char **argv)
{
    char *out = mem_text("ringlab");
    for (int i = 0; i < argc; i++) {
        char *longer = mem_format("%s %s", out, argv[i]);
        free(out);
        out = longer;
    }
    return out;
}

/* only: 0 to 3; -1: all of them, each whatever became of the others, unless the balancer has gone. */
static int run(struct experiment *e, int only)
{
    int code = LAB_OK;
    bool begun = experiment_begin(e);
    if (!begun)
        code = LAB_FAILED;
    for (int i = 0; i < 4 && begun && !load_is_interrupted(); i++) {
        if (only >= 0 && only != i)
            continue;
        json_t *result = in_order[i](e);
        if (!result)
            code = LAB_FAILED;
        json_decref(result);
        struct names rep;
        if (!result && only < 0 && !target_rep(&e->target, &rep))
            break;
        if (!result && only < 0)
            names_free(&rep);
        fflush(stdout);
    }
    if (begun)
        printf("%s in %s; `ringlab report --out %s` makes plots and pages of it\n",
               code == LAB_OK ? "All of it is" : "What there is lies", e->out, e->out);
    experiment_end(e);
    return code;
}

static int command(int argc, char **argv, const char *synopsis, int only)
{
    struct experiment e = { .url = "http://127.0.0.1:5000",
                            .admin = "http://127.0.0.1:9901",
                            .out = "lab/out",
                            .requests = 10000,
                            .concurrency = 32,
                            .seed = 1,
                            .timeout_ms = 30000,
                            .rate = 500,
                            .seconds = 12 };
    const struct option_row rows[] = {
        { "url", OPTION_TEXT, &e.url, "URL", "the balancer (http://127.0.0.1:5000)", 0, 0 },
        { "admin", OPTION_TEXT, &e.admin, "URL", "its admin port (http://127.0.0.1:9901)", 0, 0 },
        { "spawn", OPTION_FLAG, &e.spawn, NULL, "start one on free ports instead, and end it", 0, 0 },
        { "conf", OPTION_TEXT, &e.conf, "FILE",
          "with --spawn: what it begins from (conf/lb.conf); else the file it reads, for a4", 0, 0 },
        { "out", OPTION_TEXT, &e.out, "DIR", "where the files go (lab/out)", 0, 0 },
        { "requests", OPTION_NUMBER, &e.requests, "N", "of each run, each with another six-digit id (10000)",
          1, 900000 },
        { "concurrency", OPTION_NUMBER, &e.concurrency, "N", "connections (32)", 1, 10000 },
        { "seed", OPTION_NUMBER, &e.seed, "N", "of the ids (1)", 0, 1e18 },
        { "timeout-ms", OPTION_NUMBER, &e.timeout_ms, "N", "patience for one request (30000)", 1, 3600000 },
        { "rate", OPTION_REAL, &e.rate, "N", "a3: requests a second (500)", 1, 1e6 },
        { "seconds", OPTION_REAL, &e.seconds, "S", "a3: of load around a hang; the others take half (12)", 4,
          600 },
        { "strategies", OPTION_LIST, &e.strategies, "A,B", "a4: names of presets, or files (all presets)", 0,
          0 },
        { "quiet", OPTION_FLAG, &e.quiet, NULL, "no progress", 0, 0 },
        { 0 },
    };
    char *typed = join(argc, argv), **words;
    size_t n_words;
    e.command = typed;
    int code = option_read(rows, synopsis, argc, argv, &words, &n_words, 0, 0);
    if (code < 0)
        code = run(&e, only);
    else
        option_list_free(&e.strategies);
    free(typed);
    return code;
}

int cmd_a1(int argc, char **argv)
{
    return command(argc, argv, "a1 [--url URL | --spawn] [options]", 0);
}

int cmd_a2(int argc, char **argv)
{
    return command(argc, argv, "a2 [--url URL | --spawn] [options]", 1);
}

int cmd_a3(int argc, char **argv)
{
    return command(argc, argv, "a3 [--url URL | --spawn] [options]", 3);
}

int cmd_a4(int argc, char **argv)
{
    return command(argc, argv, "a4 [--url URL --conf FILE | --spawn] [options]", 2);
}

int cmd_all(int argc, char **argv)
{
    return command(argc, argv, "all [--url URL --conf FILE | --spawn] [options]", -1);
}
