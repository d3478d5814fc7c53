/*
 * lb_plugin.h - the one header a Ringmaster plugin sees. Read it from top to bottom.
 *
 * WHAT A PLUGIN IS
 * A strategy answers one question: which replica gets this request? It is composed of three plugins:
 *
 *   hash       H(i): a request key -> 64 bits, and PHI(i, j): copy j of member i -> 64 bits
 *   probe      a slot is taken: which one is tried next?
 *   scheduler  builds a table from the members, the hash and the probe, and looks a request up in it
 *
 * A plugin is one shared object with one exported function, lb_plugin_entry. It links against nothing of the
 * balancer and includes nothing of it but this file. Name it in lb.conf, POST /reload, and it serves.
 *
 * THE SMALLEST WHOLE PLUGIN
 *
 *     #include "lb_plugin.h"
 *
 *     static uint64_t key(const void *self, const struct lb_key *k)
 *     { (void)self; return lb_mix64(k->id); }
 *
 *     static uint64_t place(const void *self, const struct lb_member *m, uint32_t j)
 *     { (void)self; return lb_mix64(m->id * 1000003 + j); }
 *
 *     static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = key, .place = place };
 *     static const struct lb_plugin me = LB_PLUGIN(LB_HASH, "hash_mine", "1.0", "mixes the id", 0, 0, &ops);
 *
 *     LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
 *     { (void)host_abi; return &me; }
 *
 *     cc -O2 -fPIC -shared -o hash_mine.so hash_mine.c
 *
 * WHO CALLS WHAT, AND WHEN
 *
 *   lb_plugin_entry      once after loading
 *   create               once for each strategy that names the plugin, with its options     builder thread
 *   scheduler.build      for each change of membership, weights or options                  builder thread
 *   hash.place, probe.*  from inside build                                                  builder thread
 *   hash.key             once a request                                                     any worker
 *   scheduler.pick       once an attempt                                                    any worker
 *   scheduler.on_reply   when a picked member answered or failed                            the same worker
 *   scheduler.inspect    to show shares and digest                                          builder thread
 *   scheduler.explain    when an operator asks why                                          builder thread
 *   scheduler.destroy    when the last request that looked into the table let go            control thread
 *   destroy              after the last table built with this instance was destroyed        control thread
 *
 * THE RULES
 * - hash and probe are pure: the same arguments give the same result, for ever, on any thread, on any
 * machine.
 *  - build may take its time. pick may not: no malloc, no lock, no system call, no unbounded loop.
 * - Membership changes rebuild; liveness changes never do. A member that is merely unready stays in the
 * table; the
 *    core marks it tried and asks again. So a replica that dies and returns moves no key but its own.
 *  - A table is deterministic: members come sorted by ring name, seeds come from options. No clock, no random
 *    numbers, no libm in build (IEEE + - * / are allowed; the build switches contraction off). Balancers that
 *    read the same configuration then agree on every key.
 *  - State that should survive a swap (in flight, latency) is the core's and is shown in lb_live.
 *
 * THE VERSION RULE
 * A field added at the end of a struct: minor + 1. Anything else: major + 1. Each struct that crosses the
 * border starts with its size as its maker knew it. A plugin runs when its major equals the balancer's and
 * its minor is not newer. The history is at the end of this file.
 */
#ifndef LB_PLUGIN_H
#define LB_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LB_ABI_MAJOR 1u
#define LB_ABI_MINOR 0u
#define LB_ABI       ((LB_ABI_MAJOR << 16) | LB_ABI_MINOR) /* what lb_plugin_entry is given */

#define LB_EXPORT __attribute__((visibility("default")))

/* ------------------------------------------------------------------ what a plugin says of itself */

enum lb_kind { LB_HASH = 1, LB_PROBE = 2, LB_SCHEDULER = 3 };

/* Capabilities: the bits of lb_plugin.caps. */
#define LB_CAP_KEYED       (1ull << 0) /* scheduler: the key decides; moved keys and shares mean something */
#define LB_CAP_NEEDS_HASH  (1ull << 1) /* scheduler: build and pick use lb_build.hash */
#define LB_CAP_NEEDS_PROBE (1ull << 2) /* scheduler: build uses lb_build.probe */
#define LB_CAP_WEIGHTS     (1ull << 3) /* scheduler: honours lb_member.weight */
#define LB_CAP_LOAD        (1ull << 4) /* scheduler: looks at lb_live */

enum lb_type { LB_INT = 1, LB_FLOAT = 2, LB_BOOL = 3, LB_TEXT = 4 };

/* One option. The core parses, checks type and bounds, fills in the default, and reports mistakes with file,
 * line and column; the plugin gets finished values. A list of options ends with { .name = NULL }. */
struct lb_option {
    const char *name;
    uint32_t type; /* enum lb_type */
    uint32_t reserved;
    const char *dflt; /* as it would be written in lb.conf, text without quotes */
    double min, max;  /* inclusive; of LB_TEXT the length in bytes; both 0: no bounds */
    const char *help; /* one line, with the unit */
};

/* The value of an option: the member that its type names. Text is the core's, valid as long as the instance.
 * */
union lb_value {
    int64_t i;     /* LB_INT, LB_BOOL */
    double f;      /* LB_FLOAT */
    const char *s; /* LB_TEXT */
};

/* Where a callback that refuses puts its reason: one sentence, what is wrong and what to do about it. */
struct lb_error {
    char text[256];
};

/* Makes an instance. values[k] belongs to options[k]. Returns 0 and the instance (may be NULL when there is
 * nothing to keep), or -1 with the reason; after -1 destroy is not called. Builder thread. */
typedef int (*lb_create_fn)(const union lb_value *values, void **self, struct lb_error *why);
typedef void (*lb_destroy_fn)(void *self); /* control thread */

struct lb_plugin {
    uint32_t struct_size; /* sizeof(struct lb_plugin) */
    uint32_t abi_major, abi_minor;
    uint32_t kind; /* enum lb_kind */
    const char *name, *version, *summary;
    uint64_t caps;
    const struct lb_option *options; /* NULL: it has none */
    const void *ops;                 /* struct lb_hash_ops, lb_probe_ops or lb_scheduler_ops, by kind */
};

#define LB_PLUGIN(kind_, name_, version_, summary_, caps_, options_, ops_)                                  \
    {                                                                                                       \
        (uint32_t)sizeof(struct lb_plugin), LB_ABI_MAJOR, LB_ABI_MINOR, (uint32_t)(kind_), name_, version_, \
            summary_, caps_, options_, ops_                                                                 \
    }

/* The one exported symbol. host_abi is the balancer's LB_ABI. Return NULL to refuse. */
LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi);

/* ------------------------------------------------------------------ keys and members */

#define LB_KEY_INTEGER (1u << 0) /* the key is 1 to 19 decimal digits, at most 2^63 - 1: id is that number */

/* What a request is known by. bytes is not terminated and lives only during the call. id is the number when
 * LB_KEY_INTEGER is set, else the xxh3-64 of the bytes. */
struct lb_key {
    const void *bytes;
    size_t len;
    uint64_t id;
    uint32_t flags;
    uint32_t reserved;
};

/* A replica as a strategy sees it. key is its ring name (a stand-in inherits the one of the replica it
 * replaces), and not terminated. id: its ordinal ("Server 3" is 3), the number when it is called one, else
 * the xxh3-64 of the name. weight is 1 to 65,535, 1 where nobody said otherwise. */
struct lb_member {
    uint64_t id;
    const char *key;
    uint32_t key_len, weight;
    uint32_t flags, reserved;
};

/* ------------------------------------------------------------------ hash */

struct lb_hash_ops {
    uint32_t struct_size, reserved;
    lb_create_fn create;   /* NULL: no instance, self is NULL */
    lb_destroy_fn destroy; /* NULL: nothing to free */

    /* H(i). Pure; once a request, on any worker. All 64 bits count: schedulers reduce them themselves. */
    uint64_t (*key)(const void *self, const struct lb_key *key);

    /* PHI(i, j): where copy j of a member goes. Pure; from build. */
    uint64_t (*place)(const void *self, const struct lb_member *member, uint32_t j);

    /* A second, independent value from a first. Pure. NULL: lb_mix64(x ^ lb_mix64(salt)), inline. */
    uint64_t (*mix)(const void *self, uint64_t x, uint64_t salt);
};

/* ------------------------------------------------------------------ probe */

/* A slot was taken; attempt 1 asks for the first alternative. */
struct lb_probe_try {
    uint64_t home;    /* the slot that was wanted, in 0 .. slots - 1 */
    uint64_t hash2;   /* a second hash of the same copy, for double hashing */
    uint64_t slots;   /* 2 .. 2^32 */
    uint32_t copy;    /* j: which virtual node of its member is being placed */
    uint32_t attempt; /* 1, 2, 3, … */
};

struct lb_probe_ops {
    uint32_t struct_size, reserved;
    lb_create_fn create;
    lb_destroy_fn destroy;

    /* The attempt-th slot to try, in 0 .. slots - 1. Pure; from build. May repeat itself: the scheduler gives
     * up after a bounded number of attempts and takes the next free slot. */
    uint64_t (*at)(const void *self, const struct lb_probe_try *p);

    /* Optional (Robin Hood). mine and theirs are how many attempts each has come from its home. Non-zero: the
     * one in the slot moves on and we take it. */
    int (*yields)(const void *self, uint64_t mine, uint64_t theirs);
};

/* ------------------------------------------------------------------ scheduler */

#define LB_NONE 0xFFFFFFFFu /* "no member": from pick when all are tried or there are none */

/* The composed hash and probe, as a scheduler gets them. Valid as long as the table. */
struct lb_hash {
    const struct lb_hash_ops *ops;
    const void *self;
};
struct lb_probe {
    const struct lb_probe_ops *ops;
    const void *self;
};

/* The host's allocator: counts bytes for the table, so that inspect and the dashboard can tell. Memory is
 * aligned for any type and not zeroed. alloc returns NULL when there is none left: build then returns -1. */
struct lb_alloc {
    void *(*alloc)(void *ctx, size_t bytes);
    void (*release)(void *ctx, void *memory);
    void *ctx;
};

/* What build is given. Everything but members stays valid until destroy; a table copies what it needs of
 * members. */
struct lb_build {
    uint32_t struct_size;
    uint32_t n_members;
    const struct lb_member *members; /* sorted by ring name, bytewise; the index is what pick returns */
    void *self;                      /* from create */
    struct lb_hash hash;             /* ops is NULL unless LB_CAP_NEEDS_HASH */
    struct lb_probe probe;           /* ops is NULL unless LB_CAP_NEEDS_PROBE */
    const struct lb_alloc *alloc;
};

/* What changes by the millisecond. Written by the core while a plugin reads: use the lb_live_ functions
 * below. */
struct lb_live {
    uint32_t in_flight;  /* requests picked and not yet finished, all workers together */
    uint32_t ready;      /* 1: in rotation; 0: unready. The core skips unready members by itself. */
    uint64_t latency_ns; /* to the first reply byte: moving average, weight 1/8; 0: none yet */
};

/* One question. tried has a bit for each member; the core sets those that this request has failed on and
 * those that are unready. */
struct lb_pick {
    uint32_t struct_size;
    uint32_t n_members;
    const struct lb_key *key;
    uint64_t hash; /* hash.key of the key; 0 unless LB_CAP_NEEDS_HASH */
    const uint64_t *tried;
    const struct lb_live *const *live; /* live[i] for member i */
    uint64_t now_ns;                   /* monotonic */
    uint64_t *random;                  /* this worker's random state: lb_random(p->random) */
    uint32_t attempt;                  /* 0 for the first question of a request, then 1, 2, … */
    uint32_t reserved;
};

/* How a picked member did. */
enum lb_outcome { LB_ANSWERED = 1, LB_FAILED = 2, LB_TIMED_OUT = 3, LB_CANCELLED = 4 };
struct lb_reply {
    uint32_t struct_size;
    uint32_t member;
    uint64_t first_byte_ns; /* from pick to the first reply byte; 0 unless LB_ANSWERED */
    uint64_t now_ns;
    uint32_t outcome; /* enum lb_outcome */
    uint32_t status;  /* HTTP status, 0 unless LB_ANSWERED */
};

/* What inspect fills in. The core zeroes it and sets struct_size, n_members, and the arrays it wants (or
 * NULL). */
struct lb_inspect {
    uint32_t struct_size;
    uint32_t n_members;
    uint64_t bytes;  /* memory of the table */
    uint64_t slots;  /* size of the key space the table divides; 0: it has none */
    uint64_t used;   /* slots that hold a virtual node, or a member */
    uint64_t digest; /* equal digests: the same answer for every key */
    double *shares;  /* n_members exact shares of the slots, sum 1; left alone when no exact share exists */
    uint64_t slot;   /* in: which slot is asked about … */
    uint32_t slot_owner; /* … out: the member that owns it, or LB_NONE */
    uint32_t exact;      /* out: 1 when shares were filled in */
};

/* How explain tells its story: named facts, in the order of the walk ("slot", "virtual node", "probes", "candidate").
 * Numbers and texts are copied; a member is given by its index. */
struct lb_explain {
    uint32_t struct_size, reserved;
    void *ctx;
    void (*number)(void *ctx, const char *name, uint64_t value);
    void (*text)(void *ctx, const char *name, const char *value);
    void (*member)(void *ctx, const char *name, uint32_t member);
};

struct lb_scheduler_ops {
    uint32_t struct_size, reserved;
    lb_create_fn create;
    lb_destroy_fn destroy;

    /* Builds an immutable table for 0 .. n members. Returns 0 and the table, or -1 with the reason (nothing
     * is left allocated then). Builder thread. */
    int (*build)(const struct lb_build *in, void **table, struct lb_error *why);

    /* Bytes of scratch that pick wants for this table: one zeroed block for each worker, aligned to 64, the
     * host's memory, kept as long as the table is in force on that worker. NULL or 0: none. */
    size_t (*scratch_size)(const void *table);

    /* The member for this request: an index that is not in tried, while one is left; else LB_NONE. Data path.
     * */
    uint32_t (*pick)(const void *table, const struct lb_pick *p, void *scratch);

    /* Optional. How a pick went; once a pick, when the first reply byte came or the attempt failed. Data
     * path. */
    void (*on_reply)(const void *table, const struct lb_reply *r, void *scratch);

    /* Fills in what it can. Returns 0, or -1 when it can say nothing. */
    int (*inspect)(const void *table, struct lb_inspect *out);

    void (*destroy_table)(void *table);

    /* Optional. Why pick would answer this question as it does, told through say: the slot a key falls on, the virtual
     * node that owns it, the candidates and their load. Changes nothing, scratch included. Returns what pick would
     * (load-aware schedulers: what it would now). Builder thread. */
    uint32_t (*explain)(const void *table, const struct lb_pick *p, const void *scratch,
                        const struct lb_explain *say);
};

/* ------------------------------------------------------------------ small helpers, inline */

/* A strong 64-bit mixer: every input bit moves about half of the output bits. (The finaliser of splitmix64:
 * Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014, constants of variant 13 by
 * Stafford.) */
static inline uint64_t lb_mix64(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static inline uint64_t lb_hash_mix(const struct lb_hash *h, uint64_t x, uint64_t salt)
{
    return h->ops->mix ? h->ops->mix(h->self, x, salt) : lb_mix64(x ^ lb_mix64(salt));
}

/* The next number of a worker's random sequence (splitmix64). */
static inline uint64_t lb_random(uint64_t *state)
{
    return lb_mix64(*state += 0x9e3779b97f4a7c15ull);
}

/* x scaled to 0 .. n - 1 without a division: the high half of x * n (Lemire 2019, section 3). All of x must
 * be random. */
__extension__ typedef unsigned __int128 lb_u128;
static inline uint64_t lb_scale(uint64_t x, uint64_t n)
{
    return (uint64_t)(((lb_u128)x * n) >> 64);
}

static inline int lb_is_tried(const struct lb_pick *p, uint32_t member)
{
    return (int)((p->tried[member >> 6] >> (member & 63)) & 1);
}

static inline uint32_t lb_live_in_flight(const struct lb_pick *p, uint32_t member)
{
    return __atomic_load_n(&p->live[member]->in_flight, __ATOMIC_RELAXED);
}

static inline int lb_live_ready(const struct lb_pick *p, uint32_t member)
{
    return (int)__atomic_load_n(&p->live[member]->ready, __ATOMIC_RELAXED);
}

static inline uint64_t lb_live_latency_ns(const struct lb_pick *p, uint32_t member)
{
    return __atomic_load_n(&p->live[member]->latency_ns, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ history
 * 1.0  the first.
 */

#ifdef __cplusplus
}
#endif
#endif
