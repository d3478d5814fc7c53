/*
 * main.c - ringctl: finds the command, reads its arguments, runs it.
 *
 * Owns     the table of commands and of their options.
 * Uses     ringctl.h.
 * Thread   the program's only one.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lb_plugin.h"
#include "ringctl.h"
#include "world/vet.h"

#define TIMEOUT_S 20
#define ADMIN     "127.0.0.1:9901"

/* ------------------------------------------------------------------ what there is */

enum option_id {
    ID_OPTION = 256,
    ID_DIR,
    ID_KIND,
    ID_INTO,
    ID_HASH,
    ID_PROBE,
    ID_MEMBERS,
    ID_TIMEOUT,
    ID_ADMIN,
    ID_JSON
};

#define BIT(id_) (1u << ((id_)-ID_OPTION))

static const struct option options[] = {
    { "option", required_argument, NULL, ID_OPTION },
    { "dir", required_argument, NULL, ID_DIR },
    { "kind", required_argument, NULL, ID_KIND },
    { "into", required_argument, NULL, ID_INTO },
    { "hash", required_argument, NULL, ID_HASH },
    { "probe", required_argument, NULL, ID_PROBE },
    { "members", required_argument, NULL, ID_MEMBERS },
    { "timeout", required_argument, NULL, ID_TIMEOUT },
    { "admin", required_argument, NULL, ID_ADMIN },
    { "json", no_argument, NULL, ID_JSON },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static const struct command {
    const char *group, *name; /* name NULL: the group is the whole command */
    int (*run)(const struct args *a);
    unsigned options; /* the bits of those it takes */
    size_t least, most;
    const char *synopsis, *help;
} commands[] = {
    { "plugin", "new", plugin_new, BIT(ID_KIND) | BIT(ID_INTO), 1, 1,
      "plugin new NAME [--kind hash|probe|scheduler] [--into DIR]",
      "writes a folder with a whole plugin to begin from; the kind is in NAME (hash_mine, my_hash) or in --kind" },
    { "plugin", "list", plugin_list, BIT(ID_DIR) | BIT(ID_TIMEOUT), 0, 0, "plugin list [--dir DIR]",
      "what is installed: kind, version, options with defaults and bounds" },
    { "plugin", "check", plugin_check,
      BIT(ID_OPTION) | BIT(ID_DIR) | BIT(ID_TIMEOUT) | BIT(ID_HASH) | BIT(ID_PROBE), 1, 1,
      "plugin check X.so [--option NAME=VALUE]... [--hash H] [--probe P] [--timeout S]",
      "runs it in a child process and prints reach, balance, moved keys and speed; 1 when it breaks a rule" },
    { "plugin", "hash", plugin_hash, BIT(ID_OPTION) | BIT(ID_DIR) | BIT(ID_TIMEOUT), 2, (size_t)-1,
      "plugin hash X.so KEY... [--option NAME=VALUE]...",
      "prints H(KEY), decimal and hexadecimal; the key - reads keys from standard input, one a line" },
    { "plugin", "bench", plugin_bench,
      BIT(ID_OPTION) | BIT(ID_DIR) | BIT(ID_TIMEOUT) | BIT(ID_HASH) | BIT(ID_PROBE) | BIT(ID_MEMBERS) |
          BIT(ID_JSON),
      1, 1, "plugin bench X.so [--option NAME=VALUE]... [--members N] [--hash H] [--probe P] [--json]",
      "nanoseconds a call; of a scheduler also the time, the memory and (--json) the digest of its table" },
    { "explain", NULL, explain_key, BIT(ID_ADMIN) | BIT(ID_JSON), 1, 1,
      "explain KEY [--admin HOST:PORT] [--json]",
      "asks a running balancer why KEY goes to its replica (--admin: " ADMIN ")" },
};

#define COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(FILE *out)
{
    fputs("Usage: ringctl COMMAND\n"
          "Operates the Ringmaster load balancer, and helps to write its plugins.\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s\n      %s\n", commands[i].synopsis, commands[i].help);
    fputs(
        "  --version\n  --help\n\n"
        "X.so is a path, or the name of an installed plugin. Exit codes: 0 ok, 1 failed or refused, 2 usage.\n",
        out);
}

int complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ringctl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return RINGCTL_FAILED;
}

/* ------------------------------------------------------------------ arguments */

static bool read_number(const char *name, const char *text, unsigned least, unsigned most, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < least || value > most) {
        complain("--%s is a whole number from %u to %u, not \"%s\"", name, least, most, text);
        return false;
    }
    *out = (unsigned)value;
    return true;
}

static bool take_option(struct args *a, int id, char *value)
{
    switch (id) {
    case ID_OPTION:
        if (!strchr(value, '=') || *value == '=') {
            complain("--option is written NAME=VALUE, not \"%s\"", value);
            return false;
        }
        a->options[a->n_options++] = value;
        return true;
    case ID_DIR: a->dir = value; return true;
    case ID_KIND: a->kind = value; return true;
    case ID_INTO: a->into = value; return true;
    case ID_HASH: a->hash = value; return true;
    case ID_PROBE: a->probe = value; return true;
    case ID_ADMIN: a->admin = value; return true;
    case ID_JSON: a->json = true; return true;
    case ID_MEMBERS: return read_number("members", value, 1, 100000, &a->members);
    case ID_TIMEOUT: return read_number("timeout", value, 1, 3600, &a->timeout_s);
    default: return false;
    }
}

/* Options and words in any order. Returns false after a complaint; *help when that is what is wanted. */
static bool read_args(const struct command *c, int argc, char **argv, struct args *a, bool *help)
{
    int id;
    optind = 1;
    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (id == 'h') {
            *help = true;
            return true;
        }
        if (id == '?')
            return false; /* getopt has complained */
        if (!(c->options & BIT(id))) {
            complain("this command takes no --%s", options[id - ID_OPTION].name);
            return false;
        }
        if (!take_option(a, id, optarg))
            return false;
    }
    a->words = argv + optind;
    a->n_words = (size_t)(argc - optind);
    if (a->n_words >= c->least && a->n_words <= c->most)
        return true;
    complain(a->n_words < c->least ? "something is missing" : "too many arguments");
    return false;
}

static int run(const struct command *c, int argc, char **argv)
{
    struct args a = { .timeout_s = TIMEOUT_S, .admin = ADMIN };
    bool help = false;
    a.options = mem_zero((size_t)argc + 1, sizeof *a.options);
    argv[0] = "ringctl"; /* what getopt calls us in its complaints */
    int code = RINGCTL_USAGE;
    if (read_args(c, argc, argv, &a, &help) && !help)
        code = c->run(&a);
    else
        fprintf(help ? stdout : stderr, "Usage: ringctl %s\n%s\n", c->synopsis, c->help);
    free(a.options);
    return help ? RINGCTL_OK : code;
}

/* ------------------------------------------------------------------ commands */

static const struct command *find_command(int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        if (strcmp(argv[1], c->group) == 0 && (!c->name || (argc > 2 && strcmp(argv[2], c->name) == 0)))
            return c;
    }
    return NULL;
}

static int run_named(int argc, char **argv)
{
    const struct command *c = find_command(argc, argv);
    if (c) {
        int used = c->name ? 2 : 1;
        return run(c, argc - used, argv + used);
    }
    complain("there is no command \"%s%s%s\"", argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
    print_usage(stderr);
    return RINGCTL_USAGE;
}

/* What was printed must have arrived: a full disk is a failure. */
static int close_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    complain("cannot write the output: %s", strerror(errno));
    return code ? code : RINGCTL_FAILED;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], VET_ARGUMENT) == 0)
        return vet_main(); /* started by part_vet, to try a plugin out */
    if (argc < 2) {
        print_usage(stderr);
        return RINGCTL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        print_usage(stdout);
    else if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        printf("ringctl %s\nplugin ABI %u.%u\n", RM_VERSION, LB_ABI_MAJOR, LB_ABI_MINOR);
    else
        return close_output(run_named(argc, argv));
    return close_output(RINGCTL_OK);
}
