/*
 * replica.c - one replica: who it is, and what changes by the millisecond.
 *
 * Owns     its identity, its live block, its lines of counters and their histories.
 * Used by  control (makes it, sets readiness, lets go), views (hold it), workers (count on it).
 * Uses     mem.h, stats.h.
 * Thread   made, retained and released on control; the live block as replica.h says.
 */
#include "world/replica.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* "127.0.0.1:5001", "[::1]:5001"; "" for a family without a text. */
static void write_address(const struct sockaddr_storage *address, char *out, size_t room)
{
    char ip[INET6_ADDRSTRLEN];
    out[0] = '\0';
    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        if (inet_ntop(AF_INET, &v4.sin_addr, ip, sizeof ip))
            snprintf(out, room, "%s:%u", ip, (unsigned)ntohs(v4.sin_port));
    } else if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        if (inet_ntop(AF_INET6, &v6.sin6_addr, ip, sizeof ip))
            snprintf(out, room, "[%s]:%u", ip, (unsigned)ntohs(v6.sin6_port));
    }
}

static void copy_name(char *to, size_t room, const char *from)
{
    size_t len = strlen(from);
    assert(len < room);
    memcpy(to, from, len + 1);
}

struct replica *replica_new(const struct replica_identity *who, unsigned n_workers)
{
    struct replica *r = mem_aligned(_Alignof(struct replica), sizeof *r);
    copy_name(r->name, sizeof r->name, who->name);
    copy_name(r->ring_name, sizeof r->ring_name, who->ring_name);
    r->id = who->id;
    r->weight = who->weight;
    r->index = who->index;
    r->address = who->address;
    r->address_len = who->address_len;
    write_address(&r->address, r->address_text, sizeof r->address_text);
    r->n_workers = n_workers;
    r->refs = 1;
    r->lines = mem_aligned(_Alignof(struct replica_line), n_workers * sizeof *r->lines);
    return r;
}

void replica_retain(struct replica *r)
{
    r->refs++;
}

void replica_release(struct replica *r)
{
    assert(r->refs > 0);
    if (--r->refs > 0)
        return;
    for (unsigned i = 0; i < r->n_workers; i++)
        free(atomic_load_explicit(&r->lines[i].history, memory_order_acquire));
    free(r->lines);
    free(r);
}

/* Written by control on a change, which is rare; read by workers, so the line stays in every core's cache. */
static _Alignas(64) _Atomic uint32_t readiness;

void replica_set_ready(struct replica *r, bool ready)
{
    if (replica_is_ready(r) == ready)
        return;
    __atomic_store_n(&r->live.ready, ready ? 1u : 0u, __ATOMIC_RELAXED);
    atomic_fetch_add_explicit(&readiness, 1, memory_order_release);
}

uint32_t replica_readiness(void)
{
    return atomic_load_explicit(&readiness, memory_order_acquire);
}

static void set_warmth(struct replica *r, uint64_t at_ns, uint64_t for_ns)
{
    atomic_store_explicit(&r->warms_for_ns, for_ns, memory_order_relaxed);
    atomic_store_explicit(&r->warm_at_ns, at_ns, memory_order_release);
}

void replica_set_warm(struct replica *r)
{
    set_warmth(r, 0, 1);
}

void replica_set_warming(struct replica *r, uint64_t now_ns, uint64_t for_ns)
{
    set_warmth(r, for_ns ? now_ns + for_ns : 0, for_ns ? for_ns : 1);
}

void replica_set_on_trial(struct replica *r)
{
    set_warmth(r, REPLICA_ON_TRIAL, 1);
}

void replica_copy_warmth(struct replica *r, const struct replica *from)
{
    set_warmth(r, atomic_load_explicit(&from->warm_at_ns, memory_order_relaxed),
               atomic_load_explicit(&from->warms_for_ns, memory_order_relaxed));
}

uint32_t replica_warmth(const struct replica *r, uint64_t now_ns)
{
    uint64_t at = atomic_load_explicit(&r->warm_at_ns, memory_order_acquire);
    uint64_t whole = atomic_load_explicit(&r->warms_for_ns, memory_order_relaxed);
    if (at == REPLICA_ON_TRIAL)
        return REPLICA_TRIAL;
    if (at <= now_ns || whole == 0)
        return REPLICA_WHOLE;
    uint64_t left = at - now_ns < whole ? at - now_ns : whole;
    uint32_t share = (uint32_t)((lb_u128)(whole - left) * REPLICA_WHOLE / whole);
    return share ? share : 1;
}

bool replica_is_ready(const struct replica *r)
{
    return __atomic_load_n(&r->live.ready, __ATOMIC_RELAXED) != 0;
}

/* avg += (ns - avg) / 8, the first one as it is; never back to 0, which means "none seen yet". */
void replica_note_latency(struct replica *r, uint64_t ns)
{
    uint64_t old = __atomic_load_n(&r->live.latency_ns, __ATOMIC_RELAXED);
    uint64_t now = old == 0 ? ns : ns >= old ? old + (ns - old) / 8 : old - (old - ns) / 8;
    __atomic_store_n(&r->live.latency_ns, now ? now : 1, __ATOMIC_RELAXED);
}
