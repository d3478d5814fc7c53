/*
 * quota.c - what each client address takes: see quota.h.
 *
 * Owns     the table.
 * Used by  path/client.c, path/exchange.c.
 * Uses     mem.h; lb_mix64 for the keyed hash.
 * Thread   any.
 *
 * A place is two words. `who` holds the address's 40 bits and its count of connections together, so that a count can't be
 * changed for an address that has lost its place meanwhile: the compare-and-swap fails. `full_at` is its bucket; it may
 * keep a word of the address before for a moment, which makes one bucket a little too full or too empty, once.
 */
#include "world/quota.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "lb_plugin.h"

#define WAYS       8
#define COUNT_BITS 24
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define NS_PER_S   UINT64_C(1000000000)

struct place {
    _Atomic uint64_t who;     /* 40 bits of the address's hash, never 0 << 24 | connections; 0: free */
    _Atomic uint64_t full_at; /* its bucket is full again, in monotonic ns */
};

struct quota {
    uint64_t seed;
    uint64_t mask;     /* sets - 1 */
    char apart[2][64]; /* what is written for each request shares no line with what is read for each */
    _Atomic uint64_t full_at;
    char behind[64];
    struct place places[];
};

struct quota *quota_new(uint32_t addresses, uint64_t seed)
{
    uint64_t sets = 1;
    while (sets * WAYS < addresses)
        sets *= 2;
    /* calloc: the kernel gives pages when they are touched */
    size_t bytes = sizeof(struct quota) + sets * WAYS * sizeof(struct place);
    struct quota *q = mem_zero(1, bytes);
    q->seed = seed;
    q->mask = sets - 1;
    return q;
}

void quota_free(struct quota *q)
{
    free(q);
}

/* ------------------------------------------------------------------ finding an address */

/* The address's bits that matter, as one number: an IPv4 address, mapped or not; an IPv6 network of 64 bits. */
static uint64_t bits_of(const struct sockaddr *from)
{
    if (from->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)from)->sin_addr.s_addr;
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
    uint64_t high;
    if (IN6_IS_ADDR_V4MAPPED(a))
        return a->s6_addr32[3];
    memcpy(&high, a, sizeof high);
    return high ^ (UINT64_C(1) << 63 | 1); /* 0.0.0.7 is not ::/64 */
}

struct seeker {
    struct place *set; /* its eight places */
    uint64_t tag;      /* in the bits of `who` */
};

static struct seeker seek(struct quota *q, const struct sockaddr *from)
{
    uint64_t hash = lb_mix64(lb_mix64(bits_of(from) ^ q->seed) + q->seed);
    uint64_t tag = hash >> COUNT_BITS << COUNT_BITS;
    return (struct seeker){ .set = &q->places[(lb_mix64(hash ^ q->seed) & q->mask) * WAYS],
                            .tag = tag ? tag : UINT64_C(1) << COUNT_BITS };
}

static struct place *find(const struct seeker *s)
{
    for (unsigned i = 0; i < WAYS; i++)
        if ((atomic_load_explicit(&s->set[i].who, memory_order_relaxed) & ~COUNT_MASK) == s->tag)
            return &s->set[i];
    return NULL;
}

/* Free, or else the one without connections that has been quiet for longest; NULL: all have some. */
static struct place *find_victim(const struct seeker *s, uint64_t *who)
{
    struct place *best = NULL;
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t is = atomic_load_explicit(&s->set[i].who, memory_order_relaxed);
        uint64_t full_at = is ? atomic_load_explicit(&s->set[i].full_at, memory_order_relaxed) : 0;
        if ((is & COUNT_MASK) > 0 || full_at >= oldest)
            continue;
        oldest = full_at;
        best = &s->set[i];
        *who = is;
    }
    return best;
}

/* The address's place, made if it has none. Two workers that make it at the same time may make two: the second is found by
 * nobody and is taken over later, so a limit may be exceeded by one at that moment. NULL: no place is left. */
static struct place *need(const struct seeker *s, uint64_t now_ns)
{
    struct place *p;
    uint64_t who = 0;
    while (!(p = find(s))) {
        p = find_victim(s, &who);
        if (!p)
            return NULL;
        if (atomic_compare_exchange_strong_explicit(&p->who, &who, s->tag, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            atomic_store_explicit(&p->full_at, now_ns, memory_order_relaxed);
            return p;
        }
    }
    return p;
}

/* ------------------------------------------------------------------ connections */

enum quota_result quota_connect(struct quota *q, const struct sockaddr *from, uint32_t most, uint64_t now_ns,
                                quota_place *place)
{
    struct seeker s = seek(q, from);
    for (;;) {
        struct place *p = need(&s, now_ns);
        if (!p)
            return QUOTA_UNTRACKED;
        uint64_t who = atomic_load_explicit(&p->who, memory_order_relaxed);
        if ((who & ~COUNT_MASK) != s.tag)
            continue; /* it has just lost its place */
        if ((who & COUNT_MASK) >= most)
            return QUOTA_FULL;
        if (!atomic_compare_exchange_strong_explicit(&p->who, &who, who + 1, memory_order_relaxed,
                                                     memory_order_relaxed))
            continue;
        *place = (quota_place)(p - q->places) + 1;
        return QUOTA_TAKEN;
    }
}

/* A place with connections is never taken from its address, so the count is still ours. */
void quota_disconnect(struct quota *q, quota_place place)
{
    if (place > 0)
        atomic_fetch_sub_explicit(&q->places[place - 1].who, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------------ requests */

/* The bucket misses (full_at - now) * rate tokens; one more must not make it miss more than burst. */
static enum quota_result take_token(_Atomic uint64_t *full_at, struct quota_rate limit, uint64_t now_ns,
                                    uint64_t *wait_ns)
{
    uint64_t step = NS_PER_S / limit.rate, all = step * limit.burst;
    uint64_t at = atomic_load_explicit(full_at, memory_order_relaxed), next;
    do {
        next = (at > now_ns ? at : now_ns) + step;
        if (next - now_ns > all) {
            *wait_ns = next - now_ns - all;
            return QUOTA_FULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(full_at, &at, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return QUOTA_TAKEN;
}

enum quota_result quota_request(struct quota *q, const struct sockaddr *from, struct quota_rate limit,
                                uint64_t now_ns, uint64_t *wait_ns)
{
    struct seeker s = seek(q, from);
    struct place *p = need(&s, now_ns);
    return p ? take_token(&p->full_at, limit, now_ns, wait_ns) : QUOTA_UNTRACKED;
}

enum quota_result quota_request_any(struct quota *q, struct quota_rate limit, uint64_t now_ns,
                                    uint64_t *wait_ns)
{
    return take_token(&q->full_at, limit, now_ns, wait_ns);
}
