/*
 * subject.c - strategies and pools: see subject.h.
 */
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "world/config.h"
#include "world/load.h"
#include "world/replica.h"

const char *subject_plugins;

static void fail(const struct subject *s, const struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        fprintf(stderr, "%s: %s\n", s->label, problems->items[i].message);
    exit(1);
}

/* The text as a file that config.c can read. */
static struct config *read_config(const struct subject *s, struct problems *problems)
{
    int fd = memfd_create("lb.conf", MFD_CLOEXEC);
    char path[64];

    if (fd < 0 ||
        dprintf(fd,
                "plugin_dir = \"%s\";\nstrategy = { scheduler = \"%s\"; scheduler_options = { %s };\n"
                "hash = \"%s\"; hash_options = { %s }; probe = \"probe_linear\"; };\n"
                "replicas = { driver = \"static\"; static = { addresses = [ \"127.0.0.1:1\" ]; }; };\n",
                subject_plugins ? subject_plugins : "", s->scheduler, s->options, s->hash,
                s->hash_options) < 0) {
        perror("a configuration");
        exit(1);
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct config *config = config_load(path, problems);
    close(fd);
    return config;
}

struct strategy *subject_make(const struct subject *s)
{
    struct problems problems = { 0 };
    struct config *config = read_config(s, &problems);
    struct strategy *made = config ? strategy_make(config, &problems) : NULL;

    if (!made)
        fail(s, &problems);
    problems_free(&problems);
    config_release(config);
    return made;
}

struct lb_member *subject_members(uint32_t n, uint32_t without, uint32_t *n_out)
{
    enum { NAME_ROOM = 24 };
    struct lb_member *members = mem_zero(n + 1u, sizeof *members + NAME_ROOM);
    char *names = (char *)(members + n + 1);
    uint32_t made = 0;

    for (uint32_t number = 1; number <= n; number++) {
        if (number == without)
            continue;
        int len = snprintf(names, NAME_ROOM, "Server %u", number);
        members[made++] =
            (struct lb_member){ .id = number, .key = names, .key_len = (uint32_t)len, .weight = 1 };
        names += NAME_ROOM;
    }
    qsort(members, made, sizeof *members, strategy_compare_members);
    *n_out = made;
    return members;
}

struct table *subject_build(struct strategy *s, uint32_t n, uint32_t without)
{
    struct lb_error why = { "" };
    uint32_t made;
    struct lb_member *members = subject_members(n, without, &made);
    struct table *t = strategy_build(s, members, made, &why);

    free(members);
    return t;
}

/* ------------------------------------------------------------------ pools */

static struct replica *make_replica(const struct lb_member *member, uint32_t index)
{
    struct replica_identity who = { .name = member->key,
                                    .ring_name = member->key,
                                    .id = member->id,
                                    .weight = member->weight,
                                    .index = index };
    struct replica *made = replica_new(&who, 1);

    replica_set_ready(made, true);
    return made;
}

void pool_make(struct bench_pool *p, struct table *table)
{
    uint32_t n = table->n_members;

    *p = (struct bench_pool){ .pool = { .n_replicas = n, .table = table }, .random = 1 };
    p->pool.load = load_new(1);
    p->pool.replicas = mem_zero(n + 1u, sizeof(struct replica *));
    p->pool.live = mem_zero(n + 1u, sizeof(const struct lb_live *));
    for (uint32_t i = 0; i < n; i++) {
        p->pool.replicas[i] = make_replica(&table->members[i], i);
        p->pool.live[i] = &p->pool.replicas[i]->live;
    }
    pick_open(&p->pick);
    p->seat = pick_take_seat(&p->pick, table);
}

void pool_free(struct bench_pool *p)
{
    pick_leave_seat(p->seat);
    pick_close(&p->pick);
    for (uint32_t i = 0; i < p->pool.n_replicas; i++)
        replica_release(p->pool.replicas[i]);
    free(p->pool.replicas);
    free(p->pool.live);
    load_free(p->pool.load);
    table_release(p->pool.table);
}

uint32_t pool_index(const struct bench_pool *p, uint32_t number)
{
    for (uint32_t i = 0; i < p->pool.n_replicas; i++)
        if (p->pool.table->members[i].id == number)
            return i;
    return LB_NONE;
}

struct pick_question pool_question(struct bench_pool *p, const struct lb_key *key, uint64_t hash)
{
    return (struct pick_question){
        .pool = &p->pool, .seat = p->seat, .key = key, .hash = hash, .random = &p->random
    };
}
