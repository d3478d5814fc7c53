/*
 * vet.c - a strategy is tried out before it may serve: in a process of its own, which may crash.
 *
 * Owns     the order of the trial.
 * Used by  main.c of each program that can be started with VET_ARGUMENT.
 * Uses     vet_order.h (what to try), vet_watch.h (sees each call), vet_exercise.h (the trials), plugin.h,
 *          strategy.h.
 * Thread   the process has one.
 *
 * Load, make twice, ask hash and probe, build and ask tables, measure, take everything apart again. Whoever
 * started the process holds the other end of the page, and the clock.
 */
#include "world/vet.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "world/plugin.h"
#include "world/vet_exercise.h"
#include "world/vet_order.h"
#include "world/vet_watch.h"

enum exit_code { EXIT_PASSED = 0, EXIT_REFUSED = 1, EXIT_NOT_ASKED = 2 };

const char *vet_call_text(unsigned call)
{
#define TEXT(name_, text_) [VET_CALL_##name_] = text_,
    static const char *const texts[VET_N_CALLS] = { VET_CALLS(TEXT) };
#undef TEXT
    return call < VET_N_CALLS ? texts[call] : "outside its callbacks";
}

/* ------------------------------------------------------------------ the process */

/* Maps the page and reads the order behind it. NULL when there is none. */
static struct vet_page *open_page(struct vet_order *order)
{
    struct stat st;
    if (fstat(VET_FD, &st) != 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size < sizeof(struct vet_page))
        return NULL;
    struct vet_page *page = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, VET_FD, 0);
    if (page == MAP_FAILED || page->magic != VET_MAGIC)
        return NULL;
    if (vet_order_read(order, (const unsigned char *)(page + 1), (size_t)st.st_size - sizeof *page) != 0)
        return NULL;
    return page;
}

/* Bytes of address space in use. */
static uint64_t address_space(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm && fscanf(statm, "%lu", &pages) != 1)
        pages = 0;
    if (statm)
        fclose(statm);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit(__rlimit_resource_t resource, uint64_t value)
{
    struct rlimit both = { .rlim_cur = value,
                           .rlim_max = value + 1 }; /* at the soft one a signal that says why */
    setrlimit(resource, &both); /* raising an inherited limit fails, and a lower one is as good */
}

/* False when the one that started us has gone meanwhile. */
static bool limit_self(const struct vet_order *order)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != order->parent)
        return false;
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, order->cpu_ms / 1000 + 2); /* should whoever holds the clock be stopped */
#ifndef RM_SANITIZED /* they reserve terabytes of addresses; who started us looks at the pages in use */
    if (order->memory)
        limit(RLIMIT_AS, address_space() + order->memory);
#else
    (void)address_space;
#endif
    return true;
}

/* ------------------------------------------------------------------ loading */

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

/* Tells the mistakes, and ends. */
static _Noreturn void end_mistaken(struct vet_page *page, struct problems *problems)
{
    page->n_problems = (uint32_t)problems->count;
    for (size_t i = 0; i < problems->count && i < VET_PROBLEMS; i++) {
        const struct problem *p = &problems->items[i];
        struct vet_problem *out = &page->problems[i];
        out->line = p->line;
        out->column = p->column;
        copy_text(out->file, sizeof out->file, p->file);
        copy_text(out->text, sizeof out->text, p->message);
        copy_text(out->hint, sizeof out->hint, p->hint);
    }
    atomic_store(&page->end, VET_MISTAKEN);
    _exit(EXIT_REFUSED);
}

/* Maps each file under watch. One that cannot be mapped counts as missing from here on. */
static void load(struct strategy_source *source, struct plugin *plugins[STRATEGY_PARTS])
{
    char why[1024];
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        if (!source->files[part])
            continue;
        vet_watch_enter((enum strategy_part)part, VET_CALL_LOAD);
        plugins[part] = plugin_map(source->files[part], why, sizeof why);
        vet_check_memory((enum strategy_part)part);
        vet_watch_leave();
        if (plugins[part]) {
            vet_watch_put((enum strategy_part)part, plugins[part]);
            continue;
        }
        plugin_file_free(source->files[part]);
        source->files[part] = NULL;
        source->missing[part] = mem_text(why);
    }
}

static void unload(struct plugin *plugins[STRATEGY_PARTS], struct vet_report *report)
{
    for (int part = 0; part < STRATEGY_PARTS; part++) {
        unsigned stuck = plugin_count_stuck();
        if (!plugins[part])
            continue;
        vet_watch_remove((enum strategy_part)part, plugins[part]);
        vet_watch_enter((enum strategy_part)part, VET_CALL_UNLOAD);
        plugin_release(plugins[part]);
        vet_watch_leave();
        if (plugin_count_stuck() > stuck)
            report->stuck |= 1u << part;
    }
}

/* ------------------------------------------------------------------ the trial */

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void exercise(const struct vet_pair *pair, const struct vet_order *order, struct vet_report *report)
{
    if (pair->a->hash)
        vet_exercise_hash(pair, order->members, order->n_members);
    if (pair->a->probe)
        vet_exercise_probe(pair);
    struct table *table =
        vet_exercise_scheduler(pair, order->members, order->n_members, order->must_fit, report);
    vet_measure(table, order->cpu_ms / 2 * CLOCK_NS_PER_MS, report);
    table_release(table);
}

int vet_main(void)
{
    struct vet_order order;
    struct vet_page *page = open_page(&order);
    struct plugin *plugins[STRATEGY_PARTS] = { NULL };
    struct problems problems = { 0 };

    if (!page || !limit_self(&order))
        return EXIT_NOT_ASKED;
    atomic_store(&page->started, true);
    vet_watch_open(page, order.memory);
    load(&order.source, plugins);
    struct vet_pair pair = { .a = strategy_compose(&order.source, &problems) };
    if (!pair.a || order.is_partial)
        end_mistaken(page, &problems);
    pair.b = strategy_compose(&order.source, &problems);
    if (!pair.b)
        end_mistaken(page, &problems);
    exercise(&pair, &order, &page->report);
    strategy_release(pair.a);
    strategy_release(pair.b);
    unload(plugins, &page->report);
    page->report.leaked_bytes = vet_watch_leaked();
    page->report.cpu_ms = (double)cpu_ns() / (double)CLOCK_NS_PER_MS;
    atomic_store(&page->end, VET_PASSED);
    _exit(EXIT_PASSED); /* no destructor of a plugin that could not be unloaded runs any more */
}
