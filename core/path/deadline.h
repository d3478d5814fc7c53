/*
 * deadline.h - timeouts without a timer each: one first-in-first-out list a class.
 *
 * Owns     the lists; a deadline lives in its connection.
 * Used by  worker.c (the tick), everyone who waits.
 * Thread   the worker.
 *
 * All deadlines of a class wait equally long, so the list is sorted by itself and arming is O(1). What is
 * kept is the time of entry: the limit is looked up when the tick comes, so a reload that changes a timeout
 * is right for those who wait already.
 */
#ifndef PATH_DEADLINE_H
#define PATH_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

/* What is waited for. */
enum deadline_class {
    DEADLINE_HEAD,          /* a request head, from its first byte or from accept */
    DEADLINE_BODY,          /* the next piece of a request body */
    DEADLINE_CONNECT,       /* a connection to a replica */
    DEADLINE_REPLY,         /* the first byte of a reply */
    DEADLINE_RELAY,         /* progress in either direction */
    DEADLINE_TUNNEL,        /* a byte in either direction of a tunnel */
    DEADLINE_IDLE,          /* the next request on a kept connection */
    DEADLINE_LINGER,        /* the client's last bytes before close */
    DEADLINE_UPSTREAM_IDLE, /* an idle socket to a replica */
    DEADLINE_PACE,          /* a window of limits.min_rate; of an exchange, beside its client's deadline */
    DEADLINE_CLASSES
};

struct deadline {
    struct link link;
    uint64_t since_ns : 56;
    uint64_t class : 8;
};

struct deadlines {
    struct link lists[DEADLINE_CLASSES];
    uint32_t armed;
};

void deadline_open(struct deadlines *all);

/* Not armed. */
static inline void deadline_init(struct deadline *d)
{
    list_init(&d->link);
}

static inline bool deadline_is_armed(const struct deadline *d)
{
    return !list_is_empty(&d->link);
}

/* Arms it, or arms it again from now. */
static inline void deadline_arm(struct deadlines *all, struct deadline *d, enum deadline_class class,
                                uint64_t now_ns)
{
    if (deadline_is_armed(d))
        list_remove(&d->link);
    else
        all->armed++;
    d->since_ns = now_ns & ((1ull << 56) - 1); /* 2.2 years of uptime */
    d->class = (uint64_t) class & 0xff;
    list_push_back(&all->lists[class], &d->link);
}

static inline void deadline_disarm(struct deadlines *all, struct deadline *d)
{
    if (!deadline_is_armed(d))
        return;
    list_remove(&d->link);
    all->armed--;
}

/* The one of the class that has waited longest, or NULL. */
static inline struct deadline *deadline_oldest(const struct deadlines *all, enum deadline_class class)
{
    const struct link *list = &all->lists[class];
    return list_is_empty(list) ? NULL : LIST_OWNER(list->next, struct deadline, link);
}

/* The first of the class that has waited limit_ms or longer, disarmed; NULL when there is none. */
struct deadline *deadline_expired(struct deadlines *all, enum deadline_class class, uint32_t limit_ms,
                                  uint64_t now_ns);

#endif
