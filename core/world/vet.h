/*
 * vet.h - a strategy is tried out before it may serve: in a process of its own, which may crash.
 *
 * Owns     the page that the process and the one that started it share.
 * Used by  control/vetting.c (starts the process, reads the page), main.c (is the process), strategy.c (keeps
 *          a report).
 * Uses     strategy.h, plugin.h; vet_*.c do the trying.
 * Thread   the process has one. The page is written by it alone; the other side reads what was written when
 *          it has ended, and, should that be an early end, where it was.
 *
 * The started process finds a memfd at descriptor VET_FD: first the page, then the order (vet_order.h). It
 * maps the plugins, makes the strategy twice, builds tables and asks them, and notes before each call into a
 * plugin which one it is. The first thing that a plugin does wrong ends it. What it says is not to be trusted
 * further than that: a plugin that wants to lie can write on the page, too.
 */
#ifndef WORLD_VET_H
#define WORLD_VET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VET_ARGUMENT "--vet"
#define VET_FD       3    /* the page and the order */
#define VET_FD_PARTS 4    /* the copies of scheduler, hash and probe are at 4, 5 and 6 */
#define VET_MEMBERS  256u /* no membership that is tried is larger */
#define VET_PROBLEMS 32u  /* mistakes in the options that are told one by one */

/* The calls into a plugin, in the order of a plugin's life. */
#define VET_CALLS(X)                     \
    X(LOAD, "while it was loaded")       \
    X(CREATE, "in create")               \
    X(KEY, "in key")                     \
    X(PLACE, "in place")                 \
    X(MIX, "in mix")                     \
    X(AT, "in at")                       \
    X(YIELDS, "in yields")               \
    X(BUILD, "in build")                 \
    X(SCRATCH, "in scratch_size")        \
    X(PICK, "in pick")                   \
    X(REPLY, "in on_reply")              \
    X(INSPECT, "in inspect")             \
    X(EXPLAIN, "in explain")             \
    X(DESTROY_TABLE, "in destroy_table") \
    X(DESTROY, "in destroy")             \
    X(UNLOAD, "while it was unloaded")
#define VET_CALL(name_, text_) VET_CALL_##name_,
enum vet_call { VET_CALLS(VET_CALL) VET_N_CALLS };
#undef VET_CALL

enum vet_end {
    VET_UNFINISHED, /* it ended otherwise */
    VET_PASSED,     /* report is filled in */
    VET_REFUSED,    /* sentence and part say why */
    VET_MISTAKEN    /* problems: mistakes in the configuration, or what cannot be loaded */
};

/* What was measured; judged by nobody but people. Negative: not known. */
struct vet_report {
    uint32_t members;         /* of the table that was measured: as many as there are, at most VET_MEMBERS */
    uint32_t exact;           /* 1: largest_share is exact; 0: sampled */
    double largest_share;     /* over the fair one, of the member with the largest */
    uint64_t slots;           /* slots that keys were counted on; 0: no hash */
    uint64_t slots_reached;   /* by four times as many sample keys; chance alone reaches 98.2 % */
    double moved_keys;        /* share of the sample keys that move when one member leaves … */
    double moved_keys_needed; /* … and those that were its own */
    double pick_ns, key_ns;   /* of one call, through the plugin's own code */
    double build_ms;
    uint64_t table_bytes;     /* taken from the host's allocator */
    uint64_t leaked_bytes;    /* not given back by destroy_table */
    uint32_t stuck;           /* plugins that cannot be unloaded: a bit for each part */
    uint32_t refused_members; /* a membership the scheduler would not build, that it need not; 0: none */
    double cpu_ms;            /* of the process, all in all */
};

struct vet_problem {
    int32_t line, column;
    char file[512], text[768], hint[256]; /* cut to fit; hint "": none */
};

struct vet_page {
    uint32_t magic;  /* VET_MAGIC: the process was really started for this */
    atomic_uint end; /* enum vet_end */

    atomic_bool started; /* the order could be read */

    /* Where it is: part << 16 | call << 1 | inside. at is the innermost call, outer the one that the host made:
     * build may ask the hash. calls rises with each; members is the size of the membership in work. */
    atomic_uint at, outer, members;
    atomic_ulong calls;

    uint32_t part; /* VET_REFUSED: who did it */
    char sentence[512];

    uint32_t n_problems; /* VET_MISTAKEN; those beyond VET_PROBLEMS are counted and not told */
    struct vet_problem problems[VET_PROBLEMS];

    struct vet_report report;
};
#define VET_MAGIC 0x52564554u

#define VET_PART(at_)      ((at_) >> 16)
#define VET_CALL_OF(at_)   ((at_) >> 1 & 0x7fffu)
#define VET_IS_INSIDE(at_) ((at_)&1u)

/* "in pick". Any thread. */
const char *vet_call_text(unsigned call);

/* What a program that was started with VET_ARGUMENT as its only argument does. Never returns to what it did
 * before: the code it returns is for exit. */
int vet_main(void);

#endif
