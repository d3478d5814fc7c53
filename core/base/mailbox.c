/*
 * mailbox.c - how threads talk: many senders, one receiver, one eventfd.
 *
 * Owns     the letters between posting and taking, and the eventfd.
 * Used by  control, the workers and the builder thread.
 * Uses     eventfd(2).
 * Thread   mailbox_post: any. The rest: the receiver's.
 *
 * A Treiber stack whose receiver takes everything at once: nobody pops a single letter, so the ABA problem of
 * such stacks can't arise. The order of atomic operations alone carries the letters' contents: each push is a
 * read-modify-write, so the receiver's exchange synchronises with every push below the one it reads (C17
 * 5.1.2.4, release sequences), and no fence is needed.
 *
 * No wake-up is lost because the receiver empties the eventfd first and the stack second. A letter pushed
 * onto a full box is taken together with what made it full; one pushed onto an empty box raises the eventfd
 * after it is in. If the receiver was faster than that write, it wakes once more and finds nothing, which is
 * harmless.
 */
#include "base/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_open(struct mailbox *box)
{
    atomic_init(&box->top, NULL);
    box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return box->fd < 0 ? -1 : 0;
}

void mailbox_close(struct mailbox *box)
{
    if (box->fd >= 0)
        close(box->fd);
    box->fd = -1;
}

/* Raises the eventfd. EAGAIN would mean that it stands at 2^64 - 2, and then it is readable anyway. */
static void ring_bell(const struct mailbox *box)
{
    const uint64_t one = 1;
    ssize_t n;
    do
        n = write(box->fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
}

void mailbox_post(struct mailbox *box, struct letter *letter)
{
    struct letter *below = atomic_load_explicit(&box->top, memory_order_relaxed);
    do
        letter->next = below;
    while (!atomic_compare_exchange_weak_explicit(&box->top, &below, letter, memory_order_acq_rel,
                                                  memory_order_relaxed));
    /* From here on the letter is the receiver's: only what was below it may be looked at, and not through
     * it. */
    if (!below)
        ring_bell(box);
}

struct letter *mailbox_take(struct mailbox *box)
{
    uint64_t count;
    ssize_t n;
    do
        n = read(box->fd, &count, sizeof count);
    while (n < 0 && errno == EINTR);

    struct letter *newest = atomic_exchange_explicit(&box->top, NULL, memory_order_acq_rel);
    struct letter *oldest = NULL;
    while (newest) {
        struct letter *below = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = below;
    }
    return oldest;
}
