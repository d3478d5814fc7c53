/*
 * main.c - the program: reads its arguments, ties control and the workers together, and leaves with a code
 * that says why.
 *
 * Owns     the order of starting and stopping. The only file that sees all four libraries.
 * Uses     world/config.h, control/control.h, path/worker.h.
 * Thread   main, which becomes the control thread.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/spool.h"
#include "control/control.h"
#include "control/vetting.h"
#include "main_init.h"
#include "path/accept.h"
#include "path/worker.h"
#include "world/config.h"
#include "world/quota.h"
#include "world/shadow.h"
#include "world/strategy.h"
#include "world/vet.h"

#ifndef RM_VERSION
#define RM_VERSION "0.1.0"
#endif

#define WORKERS_MAX 64

enum exit_code { EXIT_OK = 0, EXIT_CONFIG = 1, EXIT_USAGE = 2, EXIT_BIND = 3 };

static const char usage[] =
    "Usage: ringmaster [-c FILE] [-t | --dump | --reference]\n"
    "A load balancer whose strategy is a part you can change while it runs.\n"
    "\n"
    "  -c, --config FILE  the configuration (default: conf/lb.conf)\n"
    "  -t, --test         check the configuration and its plugins, then leave\n"
    "      --dump         print the values in force, defaults included\n"
    "      --reference    print the reference of all options as Markdown\n"
    "  -V, --version      print the version and what it was built with\n"
    "  -h, --help         print this\n"
    "\n"
    "Exit codes: 0 ok, 1 configuration or plugin refused, 2 usage, 3 cannot bind, 4 engine unreachable.\n"
    "Signals: HUP reloads, TERM and INT drain and leave (twice: at once), USR1 reopens logs.\n";

struct arguments {
    const char *config;
    bool test, dump, reference, version, help;
};

/* ------------------------------------------------------------------ checking */

static void print_problems(const struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        problem_print(&problems->items[i], stderr);
    fprintf(stderr, "%zu error%s\n", problems->count, problems->count == 1 ? "" : "s");
}

static int refuse(struct problems *problems)
{
    print_problems(problems);
    problems_free(problems);
    return EXIT_CONFIG;
}

/* What the plugins think of the configuration, candidates included. */
static void check_strategies(struct vetting *vetting, const struct config *config, struct problems *problems)
{
    struct vetting_visit visit = { .vetting = vetting };
    strategy_release(vetting_make(&visit, config, problems));
    shadow_set_release(shadow_set_make(config, vetting_make_candidate, &visit, problems));
    config_sort_problems(config, problems, 0);
}

/* The configuration; or NULL with all that is wrong with it, its plugins' problems included. */
static struct config *load_config(struct vetting *vetting, const char *path, struct problems *problems)
{
    struct config *config = config_load_partial(path, problems);
    if (!config || problems->count == 0)
        return config;
    check_strategies(vetting, config, problems);
    config_release(config);
    return NULL;
}

/* -t: everything a start would check, short of binding. */
static int test_config(struct vetting *vetting, const char *path)
{
    struct problems problems = { 0 };
    struct config *config = load_config(vetting, path, &problems);
    if (config) {
        check_strategies(vetting, config, &problems);
        config_release(config);
    }
    if (problems.count > 0)
        return refuse(&problems);
    printf("%s: ok\n", path);
    return EXIT_OK;
}

static int dump_config(const char *path)
{
    struct problems problems = { 0 };
    struct config *config = config_load(path, &problems);
    if (!config)
        return refuse(&problems);
    config_dump(config, stdout);
    config_release(config);
    return EXIT_OK;
}

static void print_version(void)
{
    printf("ringmaster %s\nplugin ABI %u.%u\nlibevent %s\ncompiler %s\n", RM_VERSION, LB_ABI_MAJOR,
           LB_ABI_MINOR, event_get_version(), __VERSION__);
}

/* ------------------------------------------------------------------ running */

struct program {
    struct config *config;
    struct control *control;
    unsigned n_workers;
    struct worker *workers[WORKERS_MAX];
    int *listeners; /* n_workers x listen.count */
    struct quota *quota;
};

static unsigned count_workers(const struct config *config)
{
    long n = config->workers ? (long)config->workers : sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1)
        n = 1;
    return n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

/* As many descriptors as the machine allows: each request may need two. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warn("cannot raise the limit of descriptors: %s", strerror(errno));
}

static int bind_all(struct program *p)
{
    char why[256];
    size_t n = p->config->listen.count;
    p->listeners = mem_zero(p->n_workers * n, sizeof *p->listeners);
    for (unsigned w = 0; w < p->n_workers; w++) {
        for (size_t i = 0; i < n; i++) {
            int fd = accept_open(p->config->listen.items[i], w == 0, why, sizeof why);
            if (fd < 0) {
                log_error("%s", why);
                return EXIT_BIND;
            }
            p->listeners[w * n + i] = fd;
        }
    }
    if (control_listen(p->control, why, sizeof why) == 0)
        return EXIT_OK;
    log_error("%s", why);
    return EXIT_BIND;
}

static uint64_t draw_seed(void)
{
    uint64_t seed;
    return getrandom(&seed, sizeof seed, 0) == sizeof seed ? seed : clock_now_ns();
}

static bool make_workers(struct program *p, struct view *view)
{
    p->quota = quota_new(p->config->limits.addresses, draw_seed());
    size_t n = p->config->listen.count;
    for (unsigned i = 0; i < p->n_workers; i++) {
        struct worker_setup setup = { .number = i,
                                      .n_workers = p->n_workers,
                                      .control = control_mailbox(p->control),
                                      .view = view,
                                      .listeners = p->listeners + i * n,
                                      .n_listeners = (unsigned)n,
                                      .seed = draw_seed(),
                                      .spool = control_spool(p->control),
                                      .quota = p->quota };
        p->workers[i] = worker_new(&setup);
        if (!p->workers[i] || worker_start(p->workers[i]) < 0) {
            log_error("cannot start worker %u: %s", i, strerror(errno));
            return false;
        }
    }
    return true;
}

static int run_workers(struct program *p)
{
    struct control_worker links[WORKERS_MAX];
    for (unsigned i = 0; i < p->n_workers; i++)
        links[i] = (struct control_worker){ .mailbox = &p->workers[i]->mailbox,
                                            .counters = &p->workers[i]->counters,
                                            .steps = p->workers[i]->steps };
    int code = control_run(p->control, links, p->n_workers, exchange_step_names);
    for (unsigned i = 0; i < p->n_workers; i++)
        worker_join(p->workers[i]);
    spool_stop(control_spool(p->control));
    for (unsigned i = 0; i < p->n_workers; i++)
        worker_free(p->workers[i]);
    return code;
}

static int start(struct program *p, struct problems *problems)
{
    struct view *view = control_first_view(p->control, problems, p->n_workers);
    if (!view)
        return refuse(problems);
    int bound = bind_all(p);
    if (bound != EXIT_OK)
        return bound;
    return make_workers(p, view) ? run_workers(p) : EXIT_BIND;
}

static int run(struct vetting *vetting, const char *path)
{
    struct problems problems = { 0 };
    struct program p = { .config = load_config(vetting, path, &problems) };
    if (!p.config)
        return refuse(&problems);
    log_set_level(p.config->log.level);
    if (log_open(p.config->log.file) < 0) {
        fprintf(stderr, "ringmaster: cannot open log file %s: %s\n", p.config->log.file, strerror(errno));
        return EXIT_CONFIG;
    }
    raise_descriptor_limit();
    p.n_workers = count_workers(p.config);
    p.control = control_new(p.config, vetting);
    if (!p.control) {
        log_error("cannot make the control loop: %s", strerror(errno));
        return EXIT_BIND;
    }
    int code = EXIT_CONFIG;
    if (control_open_access(p.control) == 0)
        code = start(&p, &problems);
    else
        log_error("cannot open the access log %s: %s", p.config->log.access.path, strerror(errno));
    control_free(p.control);
    free(p.listeners);
    quota_free(p.quota);
    config_release(p.config);
    return code;
}

/* ------------------------------------------------------------------ arguments */

enum { OPTION_DUMP = 256, OPTION_REFERENCE };

static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                         { "test", no_argument, NULL, 't' },
                                         { "dump", no_argument, NULL, OPTION_DUMP },
                                         { "reference", no_argument, NULL, OPTION_REFERENCE },
                                         { "version", no_argument, NULL, 'V' },
                                         { "help", no_argument, NULL, 'h' },
                                         { NULL, 0, NULL, 0 } };

static bool parse_arguments(int argc, char **argv, struct arguments *a)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:tVh", options, NULL)) != -1) {
        if (option == 'c')
            a->config = optarg;
        else if (option == 't')
            a->test = true;
        else if (option == OPTION_DUMP)
            a->dump = true;
        else if (option == OPTION_REFERENCE)
            a->reference = true;
        else if (option == 'V')
            a->version = true;
        else if (option == 'h')
            a->help = true;
        else
            return false;
    }
    if (optind == argc)
        return true;
    fprintf(stderr, "ringmaster: unexpected argument \"%s\"\n", argv[optind]);
    return false;
}

/* What needs plugins, and so a place where they are tried out: this program, started once more. */
static int with_vetting(int (*work)(struct vetting *vetting, const char *path), const char *path)
{
    struct vetting *vetting = vetting_new("/proc/self/exe");
    if (!vetting) {
        fprintf(stderr, "ringmaster: cannot make an event: %s\n", strerror(errno));
        return EXIT_CONFIG;
    }
    int code = work(vetting, path);
    vetting_free(vetting);
    return code;
}

static int run_program(const char *path)
{
    int code = init_run();
    return code >= 0 ? code : with_vetting(run, path);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], VET_ARGUMENT) == 0)
        return vet_main(); /* started by vetting.c, and by nobody else */
    struct arguments a = { .config = "conf/lb.conf" };
    if (!parse_arguments(argc, argv, &a)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (a.help)
        fputs(usage, stdout);
    else if (a.version)
        print_version();
    else if (a.reference)
        config_print_reference(stdout);
    else if (a.test)
        return with_vetting(test_config, a.config);
    else if (a.dump)
        return dump_config(a.config);
    else
        return run_program(a.config);
    return EXIT_OK;
}
