/*
 * quota.h - what each client address takes: connections, and requests by a token bucket.
 *
 * Owns     a table of addresses that all workers share, and the bucket of the whole balancer.
 * Used by  path/client.c (connections), path/exchange.c (requests); main makes it before the workers start.
 * Uses     nothing.
 * Thread   any; no lock. Freed after the workers were joined.
 *
 * An IPv6 client is its /64: whoever has one address there has all of them. What a limit says holds for all workers
 * together, however the kernel spreads connections over them.
 *
 * The table has sets of eight places. An address lives in one set, told from its neighbours by 40 bits of a keyed hash. One
 * that is new takes a place that is free, or else that of an address without connections whose bucket is the fullest: who
 * was quiet for longest is forgotten first, and who is forgotten starts afresh. With eight addresses in one set that all
 * have connections a ninth finds no place; it is not limited then (and counted): a table that is too small must not
 * turn strangers away. So limits.addresses is to be above the number of addresses seen at a time.
 *
 * BUCKETS are kept as the time at which they will be full again (the generic cell rate algorithm, ITU-T I.371: its
 * theoretical arrival time): one word for each, changed by compare-and-swap. A bucket of `burst` tokens gets `rate` a
 * second; a request takes one and moves that time by 1/rate, unless the bucket is empty.
 */
#ifndef WORLD_QUOTA_H
#define WORLD_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

struct quota;
struct sockaddr;

/* Room for so many addresses (above 0), rounded up to a power of two. seed is secret: who knows it could choose addresses
 * that share a set. Memory is taken when addresses come. */
struct quota *quota_new(uint32_t addresses, uint64_t seed);
void quota_free(struct quota *q);

/* Where an address is in the table. 0: it is not counted there. */
typedef uint64_t quota_place;

enum quota_result { QUOTA_TAKEN, QUOTA_FULL, QUOTA_UNTRACKED };

/* One connection more of this address, unless it has `most`. TAKEN: *place is to be given back. UNTRACKED: there was no
 * place for it; nothing is to be given back. now_ns is monotonic, as in all of these. */
enum quota_result quota_connect(struct quota *q, const struct sockaddr *from, uint32_t most, uint64_t now_ns,
                                quota_place *place);
void quota_disconnect(struct quota *q, quota_place place);

struct quota_rate {
    uint32_t rate;  /* tokens a second, above 0 */
    uint32_t burst; /* tokens of a full bucket, above 0 */
};

/* A request of this address takes a token. FULL: there is none, and *wait_ns says when there will be. */
enum quota_result quota_request(struct quota *q, const struct sockaddr *from, struct quota_rate limit,
                                uint64_t now_ns, uint64_t *wait_ns);

/* A request takes a token of the whole balancer's bucket. TAKEN or FULL. */
enum quota_result quota_request_any(struct quota *q, struct quota_rate limit, uint64_t now_ns,
                                    uint64_t *wait_ns);

#endif
