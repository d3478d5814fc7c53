/*
 * mailbox.h - how threads talk: many senders, one receiver, one eventfd.
 *
 * Owns     the letters between posting and taking; the receiver frees them.
 * Used by  control (posts to workers), workers (post to control), the builder thread (posts to control).
 * Thread   mailbox_post: any. mailbox_take: the receiver's own thread.
 *
 * Letters are pushed on a lock-free stack and taken all at once, in the order they were posted. The eventfd
 * is written only when the box was empty, so a burst costs one system call.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>

struct letter {
    struct letter *next;
    int kind; /* the vocabulary is world/message.h */
};

struct mailbox {
    _Atomic(struct letter *) top;
    int fd; /* readable when there is mail */
};

/* Makes the eventfd. Returns 0, or -1 with errno. */
int mailbox_open(struct mailbox *box);

/* Closes the eventfd. Letters still inside are the caller's to take first. */
void mailbox_close(struct mailbox *box);

/* Hands a letter over; the sender must not touch it any more. Never fails, never blocks. */
void mailbox_post(struct mailbox *box, struct letter *letter);

/* All letters, oldest first, chained by next; NULL when there are none. Resets the eventfd. */
struct letter *mailbox_take(struct mailbox *box);

#endif
