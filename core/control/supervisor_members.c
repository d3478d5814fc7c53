/*
 * supervisor_members.c - rows for replicas that somebody else runs: listed in lb.conf, or found by their driver.
 *
 * Owns     a copy of what the driver found.
 * Used by  supervisor_change.c, supervisor_keep.c; the driver tells members_found.
 * Uses     supervisor_change.c for new rows, supervisor_row.c to dismiss.
 * Thread   control.
 *
 * A list is compared with the one before: what is new gets a row, what has gone is dismissed (drained, as ever), and what
 * /rm took out stays out until it has been missing in a list.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/supervisor_inside.h"
#include "world/config.h"

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

struct member_list {
    const struct config_member *at;
    size_t n;
};

const struct config_member *members_wanted(const struct supervisor *s, size_t *n)
{
    static const struct config_member none;
    if (!s->spawner_ops->listen) {
        *n = s->config->replicas.n_members;
        return *n ? s->config->replicas.members : &none;
    }
    *n = s->n_members;
    return s->members_are_known ? s->members : NULL;
}

/* The member of that address and name, looked for from `hint` on: lists mostly stay as they were. */
static const struct config_member *find_member(const struct member_list *list, size_t hint,
                                               const char *address, const char *name)
{
    size_t n = list->n;
    for (size_t i = 0; i < n; i++) {
        const struct config_member *m = &list->at[(hint + i) % n];
        if (strcmp(m->address, address) == 0 && is_same_text(m->name, name)) {
            return m;
        }
    }
    return NULL;
}

static void add_member(struct supervisor *s, const struct config_member *m, size_t position)
{
    char name[REPLICA_NAME_MAX + 1];
    if (m->name) {
        snprintf(name, sizeof name, "%s", m->name);
    } else {
        name_of_ordinal(s->config->replicas.name, (uint32_t)position + 1, name);
    }
    if (row_named(s, name)) {
        char wanted[sizeof name];
        memcpy(wanted, name, sizeof name);
        name_next_ordinal(s, name);
        log_warn("static replica %s: the name \"%s\" is taken; it is called \"%s\"", m->address, wanted,
                 name);
    }
    struct row *row = row_new(s, name);
    row->place.weight = m->weight;
    row->place.address = mem_text(m->address);
    row->place.member_name = mem_text(m->name);
    row_event(row, ON_TIMER, s->spawner_ops->listen ? "found" : "listed in lb.conf");
}

/* Those that /rm took out stay out until their line in lb.conf changes. */
static void apply_members(struct supervisor *s, const struct member_list *old, const struct member_list *next)
{
    struct row *following;
    size_t position = 0;
    keep_forget_unlisted(s);
    for (struct row *row = row_first(s); row; row = following, position++) {
        following = row_after(row);
        const struct config_member *m =
            find_member(next, position, row->place.address, row->place.member_name);
        if (!m) {
            row_dismiss(row,
                        s->spawner_ops->listen ? "not found any more" : "not listed in lb.conf any more");
        } else if (m->weight != row->place.weight && !row->is_leaving) {
            row_reweigh(row, m->weight);
        }
    }
    for (size_t i = 0; i < next->n; i++) {
        const struct config_member *m = &next->at[i];
        if ((!old || !find_member(old, i, m->address, m->name)) && !keep_is_absent(s, m->address, m->name)) {
            add_member(s, m, i);
        }
    }
}

void members_listed(struct supervisor *s, const struct config *old)
{
    struct member_list next = { s->config->replicas.members, s->config->replicas.n_members };
    struct member_list before = { 0 };
    if (old) {
        before = (struct member_list){ old->replicas.members, old->replicas.n_members };
    }
    apply_members(s, old ? &before : NULL, &next);
}

static void free_members(struct config_member *members, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(members[i].address);
        free(members[i].name);
    }
    free(members);
}

void members_found(void *supervisor)
{
    struct supervisor *s = supervisor;
    struct member_list before = { s->members, s->n_members }, next;
    struct config_member *old = s->members;
    bool was_known = s->members_are_known;
    next.at = s->spawner_ops->members(s->spawner, &next.n);
    if (!next.at || s->is_stopping) {
        return;
    }
    s->members = mem_zero(next.n + 1, sizeof *s->members);
    s->n_members = next.n;
    s->members_are_known = true;
    for (size_t i = 0; i < next.n; i++) {
        s->members[i] = (struct config_member){ .address = mem_text(next.at[i].address),
                                                .name = mem_text(next.at[i].name),
                                                .weight = next.at[i].weight };
    }
    apply_members(s, was_known ? &before : NULL, &next);
    free_members(old, before.n);
}

void members_close(struct supervisor *s)
{
    free_members(s->members, s->n_members);
}
