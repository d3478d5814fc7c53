/*
 * main.c - ringlab: finds the command and runs it.
 *
 * Owns     the table of commands.
 * Uses     cmd.h; world/vet.h, for plugins that are simulated are tried out in a process of their own first.
 * Thread   the program's only one.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lab/cmd.h"
#include "lab/lab.h"
#include "lb_plugin.h"
#include "world/vet.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *synopsis, *help;
} commands[] = {
    { "load", cmd_load, "load [URL] [--requests N | --seconds S] [--concurrency N | --rate N]",
      "sends requests and counts who answered, how, and when" },
    { "a1", cmd_a1, "a1 [--url URL | --spawn]",
      "A-1: 10,000 requests over the replicas there are: who gets how many" },
    { "a2", cmd_a2, "a2 [--url URL | --spawn]",
      "A-2: N from 2 to 6 through /add and /rm: how even, and which keys move" },
    { "a3", cmd_a3, "a3 [--url URL | --spawn]",
      "A-3: every endpoint; then replicas are killed, paused and hung under load" },
    { "a4", cmd_a4, "a4 [--url URL --conf FILE | --spawn] [--strategies A,B]",
      "A-4: A-1 and A-2 for every strategy" },
    { "all", cmd_all, "all [--url URL --conf FILE | --spawn]", "the four of them, one after the other" },
    { "accept", cmd_accept, "accept [--repeat N]",
      "medians of repeated runs beside the bounds that they must keep" },
    { "report", cmd_report, "report [--out DIR]",
      "plots, one HTML page and one in Markdown from what the others left" },
    { "simulate", cmd_simulate, "simulate [STRATEGY...] [--replicas N,...] [--keys RULE] [--count N]",
      "keys through strategies without a network: balance, moved keys, load, speed, memory" },
    { "replay", cmd_replay, "replay LOG [STRATEGY...] [--replicas N] [--key LIST]",
      "the requests of a recorded log through strategies, and which would have balanced best" },
};

#define COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(FILE *out)
{
    fputs("Usage: ringlab COMMAND\n"
          "Experiments with a load balancer: load, counts, plots, and the report made of them.\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s\n      %s\n", commands[i].synopsis, commands[i].help);
    fputs("  --version\n  --help\n\n"
          "`ringlab COMMAND --help` prints the options of a command.\n"
          "Exit codes: 0 ok, 1 failed (what was measured until then is kept), 2 usage.\n",
          out);
}

static int run_named(int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[0], commands[i].name) == 0)
            return commands[i].run(argc, argv);
    lab_complain("there is no command \"%s\"", argv[0]);
    print_usage(stderr);
    return LAB_USAGE;
}

/* What was printed must have arrived: a full disk is a failure. */
static int close_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    lab_complain("cannot write the output: %s", strerror(errno));
    return code ? code : LAB_FAILED;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], VET_ARGUMENT) == 0)
        return vet_main(); /* started by control/vetting_child.c, to try a plugin out */
    if (argc < 2) {
        print_usage(stderr);
        return LAB_USAGE;
    }
    signal(SIGPIPE, SIG_IGN); /* a peer that has gone is an error of that write */
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        print_usage(stdout);
    else if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        printf("ringlab %s\nplugin ABI %u.%u\n", RM_VERSION, LB_ABI_MAJOR, LB_ABI_MINOR);
    else
        return close_output(run_named(argc - 1, argv + 1));
    return close_output(LAB_OK);
}
