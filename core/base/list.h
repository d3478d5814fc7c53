/*
 * list.h - an intrusive ring of links: O(1) insertion and removal without allocation.
 *
 * Owns     nothing; the links live in the objects they tie together.
 * Used by  everyone who keeps objects in order.
 * Thread   whoever owns the list.
 *
 * An object's state says which list holds it. An unlinked link points at itself, so removing twice is
 * harmless.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *prev;
};

#define LIST_OWNER(link_, type_, member_) ((type_ *)(void *)((char *)(link_)-offsetof(type_, member_)))

/* Also makes an empty list of a head. */
static inline void list_init(struct link *l)
{
    l->next = l->prev = l;
}

static inline bool list_is_empty(const struct link *head)
{
    return head->next == head;
}

static inline void list_push_back(struct link *head, struct link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline void list_push_front(struct link *head, struct link *l)
{
    list_push_back(head->next, l);
}

static inline void list_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

#endif
