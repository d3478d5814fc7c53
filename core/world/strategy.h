/*
 * strategy.h - one scheduler, one hash and one probe, composed; and the tables they build.
 *
 * Owns     the instances of the three plugins, and through struct table what the scheduler built.
 * Used by  control's vetting and builder (compose, build, inspect), view.c (holds both), path/pick.c (asks).
 * Uses     plugin.c, lb_plugin.h, config.h for names and options.
 * Thread   make and build: builder thread. retain and release: control thread, under no lock. ask: any
 *          worker, read-only.
 */
#ifndef WORLD_STRATEGY_H
#define WORLD_STRATEGY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"
#include "lb_plugin.h"

struct config;
struct config_plugin;
struct plugin;
struct plugin_file;
struct vet_report;

/* The three parts of a strategy, in the order of strategy.values. */
enum strategy_part { PART_SCHEDULER, PART_HASH, PART_PROBE, STRATEGY_PARTS };

/* What a strategy is made from: what lb.conf says of each part, and the files it names, read but not mapped. */
struct strategy_source {
    const struct config_plugin *written[STRATEGY_PARTS]; /* borrowed */
    struct plugin_file *files[STRATEGY_PARTS];           /* NULL: nothing is named, or it could not be read */
    char *missing[STRATEGY_PARTS];                       /* why it could not be read: a sentence; else NULL */
};

struct strategy {
    struct plugin *scheduler, *hash,
        *probe; /* hash, probe: always loaded when named, used when the scheduler needs them */
    const struct lb_scheduler_ops *ops;
    struct lb_hash with_hash;
    struct lb_probe with_probe;
    void *self; /* the scheduler's instance */
    uint64_t caps;
    union lb_value *values[3]; /* texts inside belong to the strategy too */
    atomic_uint refs;
    uint64_t
        fingerprint[2];     /* of the plugins' bytes and the options' values: equal means the same strategy */
    struct vet_report *vet; /* what its vetting measured; NULL: it was not vetted. The strategy's own */
};

struct table {
    struct strategy *strategy; /* holds a reference */
    void *made;                /* what build returned */
    struct lb_alloc alloc;
    size_t bytes; /* counted by alloc */
    size_t scratch_size;
    uint32_t n_members;
    struct lb_member *members; /* with copies of their ring names */
    uint64_t members_digest;   /* of ids, ring names and weights, in order */
    uint64_t digest;           /* from inspect; 0 when it has none */
    double *shares;            /* exact, n_members; NULL when there are none */
    uint64_t build_ns;
    atomic_uint refs;
};

/* The kind of plugin that a part is. */
enum lb_kind strategy_kind(enum strategy_part part);

/* Finds and reads the files that config names; nothing of their code runs. config must outlive the source. */
void strategy_read(struct strategy_source *out, const struct config *config);
void strategy_source_close(struct strategy_source *source);

/* Adds what could not be read of one part as a problem, if that is so. */
void strategy_add_missing(const struct strategy_source *source, enum strategy_part part,
                          struct problems *problems);

/* Maps what was read, checks and fills in the options, makes the instances. Every mistake is added to problems with
 * its place in the file, also what could not be read. Returns it with one reference, or NULL when there was one. */
struct strategy *strategy_compose(const struct strategy_source *source, struct problems *problems);

/* Both at once, for files that are trusted: the balancer goes through control/vetting.h instead. */
struct strategy *strategy_make(const struct config *config, struct problems *problems);
void strategy_retain(struct strategy *s);
void strategy_release(struct strategy *s);

/* Builds over members, which must be sorted by ring name (strategy_sort_members). Copies them. Returns the
 * table with one reference; NULL and why when the scheduler refuses. */
struct table *strategy_build(struct strategy *s, const struct lb_member *members, uint32_t n,
                             struct lb_error *why);
void table_retain(struct table *t);
void table_release(struct table *t);

/* Bytewise by ring name, in place: strategies agree on the order. */
int strategy_compare_members(const void *a, const void *b); /* for qsort of struct lb_member */

/* The digest a table over these members would have as members_digest: to reuse a table instead of building it
 * again. */
uint64_t strategy_digest_members(const struct lb_member *members, uint32_t n);

/* The member id of DECISIONS 21 for a name: the ordinal of "PREFIX n" when the caller knows it, else by the
 * name. */
uint64_t strategy_id_of_name(const char *name, size_t len);

/* Fills id and flags from bytes and len (DECISIONS 21). */
void strategy_key_finish(struct lb_key *key);

/* H(key), 0 when the scheduler needs no hash. Any thread. */
static inline uint64_t strategy_hash(const struct strategy *s, const struct lb_key *key)
{
    return s->with_hash.ops ? s->with_hash.ops->key(s->with_hash.self, key) : 0;
}

/* The share of `samples` sample keys (0 .. samples - 1 spread over six digits) that `to` sends to another
 * ring name than `from`, 0 to 1; negative when either is not keyed or has no members. Builder thread. */
double strategy_moved_keys(const struct table *from, const struct table *to, uint32_t samples);

#endif
