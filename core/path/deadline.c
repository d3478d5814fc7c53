/*
 * deadline.c - timeouts: see deadline.h.
 *
 * Owns     the lists.
 * Used by  worker.c.
 * Thread   the worker.
 */
#include "path/deadline.h"

#include "base/clock.h"

void deadline_open(struct deadlines *all)
{
    for (int i = 0; i < DEADLINE_CLASSES; i++)
        list_init(&all->lists[i]);
    all->armed = 0;
}

struct deadline *deadline_expired(struct deadlines *all, enum deadline_class class, uint32_t limit_ms,
                                  uint64_t now_ns)
{
    struct deadline *d = deadline_oldest(all, class);
    if (!d || now_ns < d->since_ns + limit_ms * CLOCK_NS_PER_MS)
        return NULL;
    deadline_disarm(all, d);
    return d;
}
