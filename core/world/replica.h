/*
 * replica.h - one replica: who it is, and what changes by the millisecond.
 *
 * Owns     its identity (immutable once made) and its live block, which outlives views.
 * Used by  control (makes it, sets readiness, frees it), workers (count on it), metrics (sum).
 * Uses     stats.h, lb_plugin.h (struct lb_live).
 * Thread   identity: read by any. live: each field says who writes. Made and freed by the control thread; it
 *          is freed
 * when the last view that names it is gone; before that, FORGOTTEN from every worker says that nothing uses
 * it any more.
 */
#ifndef WORLD_REPLICA_H
#define WORLD_REPLICA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lb_plugin.h"
#include "world/stats.h"

#define REPLICA_NAME_MAX 63

struct replica {
    /* identity */
    char name[REPLICA_NAME_MAX + 1]; /* what /rep and X-Served-By say: "Server 2", "emergency_52" */
    char ring_name[REPLICA_NAME_MAX + 1 +
                   8]; /* what the strategy hashes; inherited by a stand-in; "Server 2#2" */
    uint64_t id;       /* lb_member.id */
    uint32_t weight;
    uint32_t index; /* small and unique among living replicas: the workers' arrays use it */
    struct sockaddr_storage address;
    socklen_t address_len;
    char address_text[72];
    unsigned n_workers;
    unsigned refs; /* control thread */

    /* live: shared by all. in_flight and latency_ns are written by workers, ready by control. On a line of
     * its own. */
    _Alignas(64) struct lb_live live;
    _Atomic uint64_t
        warm_at_ns; /* 0: warm. Until then only a share of the picks; REPLICA_ON_TRIAL: until told */
    _Atomic uint64_t warms_for_ns; /* from cold to warm_at_ns; above 0 */
    _Alignas(64)
        atomic_bool refusal_told; /* a worker has posted REFUSED; control clears it when it says READY */
    atomic_bool failing_told;     /* a worker has posted FAILING; control clears it when it has looked */
    atomic_bool closed_told; /* a worker has posted CLOSED; control clears it at the next heartbeat's end */

    /* one line a worker; only that worker writes */
    struct replica_line *lines; /* n_workers */
};

/* What control knows when it makes one. Texts are copied; too long a name is the caller's fault. */
struct replica_identity {
    const char *name, *ring_name;
    uint64_t id;
    uint32_t weight, index;
    struct sockaddr_storage address;
    socklen_t address_len;
};

/* With one reference. */
struct replica *replica_new(const struct replica_identity *who, unsigned n_workers);

/* The supervisor's row and every view that names it hold a reference each; the last release frees it.
 * Control thread. */
void replica_retain(struct replica *r);
void replica_release(struct replica *r);

/* In rotation or not. Unready ones are never picked, whatever view names them. Control thread writes, any
 * reads. */
void replica_set_ready(struct replica *r, bool ready);
bool replica_is_ready(const struct replica *r);

/* How much of what the scheduler gives to it a ready one gets (path/pick.h). All of it; a share that grows from nothing to
 * all of it in so many nanoseconds, from now_ns on; or a small share until it is told otherwise. Control. */
#define REPLICA_ON_TRIAL UINT64_MAX
void replica_set_warm(struct replica *r);
void replica_set_warming(struct replica *r, uint64_t now_ns, uint64_t for_ns);
void replica_set_on_trial(struct replica *r);
/* As another one, whose place it takes. */
void replica_copy_warmth(struct replica *r, const struct replica *from);

/* The share in thousandths, at least 1. Any worker. */
#define REPLICA_WHOLE 1000u
#define REPLICA_TRIAL 20u
uint32_t replica_warmth(const struct replica *r, uint64_t now_ns);
static inline bool replica_is_warm(const struct replica *r)
{
    return atomic_load_explicit(&r->warm_at_ns, memory_order_relaxed) == 0;
}
static inline bool replica_is_on_trial(const struct replica *r)
{
    return atomic_load_explicit(&r->warm_at_ns, memory_order_relaxed) == REPLICA_ON_TRIAL;
}

/* Rises after any replica has become ready or unready: who remembers something about the ready ones counts anew. */
uint32_t replica_readiness(void);

/* One more request picked this replica / is done with it. Any worker. */
static inline uint32_t replica_reserve(struct replica *r)
{
    return __atomic_add_fetch(&r->live.in_flight, 1, __ATOMIC_RELAXED);
}
/* The same, if it holds *held as the caller last saw; else false, and *held is what it holds. */
static inline bool replica_reserve_after(struct replica *r, uint32_t *held)
{
    return __atomic_compare_exchange_n(&r->live.in_flight, held, *held + 1, true, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}
static inline void replica_unreserve(struct replica *r)
{
    __atomic_sub_fetch(&r->live.in_flight, 1, __ATOMIC_RELAXED);
}
static inline uint32_t replica_in_flight(const struct replica *r)
{
    return __atomic_load_n(&r->live.in_flight, __ATOMIC_RELAXED);
}

/* Moves the average an eighth of the way to ns. Workers; a lost update between two of them does not
 * matter. */
void replica_note_latency(struct replica *r, uint64_t ns);

#endif
