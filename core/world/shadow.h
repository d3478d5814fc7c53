/*
 * shadow.h - candidate strategies: asked beside the one in force, never obeyed.
 *
 * Owns     the candidates of a configuration (struct shadow_set), what they built over the members in force (struct
 *          shadow), and the counters of what they would have done.
 * Used by  control (makes, builds, shows), view.c (carries it), path/shadow.c (asks and counts).
 * Uses     strategy.h, config.h, stats.h for relaxed counting.
 * Thread   make, adopt, new and build: builder thread. retain: any. release: control thread. Counters: each worker adds
 *          to its own lines, control sums.
 *
 * A set lives as long as its configuration says so; a shadow is one set over one table in force. What can be kept from the
 * shadow before is kept: a table while strategy and members are the same, counters likewise. So counters survive a reload
 * and a stand-in; they begin anew when the membership changes, for shares over other members mean something else.
 */
#ifndef WORLD_SHADOW_H
#define WORLD_SHADOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"
#include "world/stats.h"

struct config;
struct strategy;
struct table;

#define SHADOW_MAX  16    /* candidates of a configuration */
#define SHADOW_KEYS 10000 /* sample keys on which moved is measured, as for CONTRACT 5 */

/* ------------------------------------------------------------------ counters */

/* n counters, for each worker on cache lines of its own. */
struct shadow_counts {
    atomic_uint refs;
    unsigned n_workers;
    uint32_t n;
    size_t stride;     /* counters from one worker's first to the next one's */
    uint64_t since_ns; /* monotonic */
    _Atomic uint64_t *cells;
};

/* One more of counter k. The worker. */
static inline void shadow_count(struct shadow_counts *c, unsigned worker, uint32_t k)
{
    STATS_ADD(c->cells[worker * c->stride + k], 1);
}

/* Counter k over all workers. Any thread. */
uint64_t shadow_sum(const struct shadow_counts *c, uint32_t k);

/* Picks: one counter a member, then these two. */
#define SHADOW_SAMPLED(n_members_) (n_members_)       /* requests it was asked about */
#define SHADOW_NOBODY(n_members_)  ((n_members_) + 1) /* … and named no member */

/* Beside the one in force. */
enum { SHADOW_COMPARED, SHADOW_MOVED, SHADOW_VERSUS };

/* ------------------------------------------------------------------ the candidates of a configuration */

struct shadow_candidate {
    char *name;
    struct strategy *strategy; /* holds a reference */
};

struct shadow_set {
    atomic_uint refs;
    uint32_t n;
    struct shadow_candidate candidates[SHADOW_MAX];
};

/* Without candidates; with one reference. */
struct shadow_set *shadow_set_new(void);

/* Makes the strategy of a configuration, mistakes added to problems. NULL: strategy_make. */
typedef struct strategy *(*shadow_make_fn)(void *ctx, const struct config *config, struct problems *problems);

/* Makes and so checks what strategy.shadow names, each candidate in the place of the one in force. Returns the set with one
 * reference (it may be empty), or NULL when problems were added. A problem that stands in the list already (a candidate
 * that leaves a part out has that of the strategy in force, mistakes included) is not added again. */
struct shadow_set *shadow_set_make(const struct config *config, shadow_make_fn make, void *ctx,
                                   struct problems *problems);

/* The same candidates, with the strategies of `before` where name and fingerprint are equal, so that their
 * tables and counters live on. Returns a set with one reference of its own; when nothing differs it is `before`. */
struct shadow_set *shadow_set_adopt(struct shadow_set *fresh, struct shadow_set *before);

void shadow_set_retain(struct shadow_set *set);
void shadow_set_release(struct shadow_set *set); /* NULL: nothing happens */

/* ------------------------------------------------------------------ over a membership */

struct shadow_item {
    bool built;          /* it has been asked to build */
    struct table *table; /* NULL: it refused these members, and is not asked; holds a reference */
    char why[256];       /* why; "" */
    double moved; /* of SHADOW_KEYS keys, the share it sends elsewhere; negative: one of both has no keys */
    struct shadow_counts *picks;  /* holds a reference, as does versus; NULL when it refused */
    struct shadow_counts *versus; /* against the strategy in force */
};

struct shadow {
    atomic_uint refs;
    unsigned n_workers;
    struct shadow_set *set;            /* holds a reference */
    struct table *force;               /* the table in force; holds a reference */
    struct shadow_counts *force_picks; /* of the sampled requests; holds a reference */
    struct shadow_item items[SHADOW_MAX];
};

/* The set beside the table in force, nothing built yet. before (may be NULL) is where tables and counters are kept from.
 * With one reference. */
struct shadow *shadow_new(struct shadow_set *set, struct table *force, unsigned n_workers,
                          const struct shadow *before);

/* Builds candidate k over the members of the table in force, or keeps what before has. A refusal is noted in why. */
void shadow_build(struct shadow *s, uint32_t k, const struct shadow *before);

void shadow_retain(struct shadow *s);
void shadow_release(struct shadow *s); /* NULL: nothing happens */

#endif
