/*
 * supervisor_keep.c - membership that lasts: what is written down of the rows, and how they come back.
 *
 * Owns     the revision of the membership, and the list of configured members that /rm took out.
 * Used by  supervisor_change.c, supervisor_row.c (note a change), supervisor.c (settle).
 * Uses     membership_file.h.
 * Thread   control.
 *
 * Whatever changes which places there are, or who fills them, raises the revision. A settling writes the whole membership
 * down; an /add or /rm is answered when its revision has been written, or could not be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/membership_file.h"
#include "control/supervisor_inside.h"
#include "world/config.h"

/* ------------------------------------------------------------------ members that /rm took out */

struct absent {
    struct link link; /* supervisor.absent */
    char *address, *name;
};

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct absent *find_absent(const struct supervisor *s, const char *address, const char *name)
{
    for (struct link *at = s->absent.next; at != &s->absent; at = at->next) {
        struct absent *a = LIST_OWNER(at, struct absent, link);
        if (strcmp(a->address, address) == 0 && is_same_text(a->name, name)) {
            return a;
        }
    }
    return NULL;
}

bool keep_is_absent(const struct supervisor *s, const char *address, const char *name)
{
    return find_absent(s, address, name) != NULL;
}

void keep_absent(struct supervisor *s, const char *address, const char *name)
{
    if (!find_absent(s, address, name)) {
        struct absent *a = mem_zero(1, sizeof *a);
        a->address = mem_text(address);
        a->name = mem_text(name);
        list_push_back(&s->absent, &a->link);
        keep_note(s);
    }
}

static void free_absent(struct absent *a)
{
    list_remove(&a->link);
    free(a->address);
    free(a->name);
    free(a);
}

static bool is_listed(const struct supervisor *s, const struct absent *a)
{
    size_t n;
    const struct config_member *members = members_wanted(s, &n);
    for (size_t i = 0; i < n; i++) {
        const struct config_member *m = &members[i];
        if (strcmp(m->address, a->address) == 0 && is_same_text(m->name, a->name)) {
            return true;
        }
    }
    return false;
}

void keep_forget_unlisted(struct supervisor *s)
{
    struct link *next;
    for (struct link *at = s->absent.next; at != &s->absent; at = next) {
        struct absent *a = LIST_OWNER(at, struct absent, link);
        next = at->next;
        if (!is_listed(s, a)) {
            free_absent(a);
            keep_note(s);
        }
    }
}

void keep_close(struct supervisor *s)
{
    while (!list_is_empty(&s->absent)) {
        free_absent(LIST_OWNER(s->absent.next, struct absent, link));
    }
}

/* ------------------------------------------------------------------ writing down */

void keep_note(struct supervisor *s)
{
    if (!s->is_stopping) {
        s->revision++;
        supervisor_settle_later(s);
    }
}

static void describe_rows(const struct supervisor *s, struct membership *m)
{
    m->places = mem_zero(change_count_living(s) + 1, sizeof *m->places);
    for (const struct row *row = row_first(s); row; row = row_after(row)) {
        if (!row->is_leaving) {
            m->places[m->n_places++] = (struct membership_place){
                .name = mem_text(row->name),
                .ring_name = mem_text(row->place.ring_name),
                .id = row->place.id,
                .ordinal = row->place.ordinal,
                .weight = row->place.weight,
                .is_weighted = row->place.is_weighted,
            };
        }
    }
}

static void describe_absent(const struct supervisor *s, struct membership *m)
{
    for (struct link *at = s->absent.next; at != &s->absent; at = at->next) {
        m->n_absent++;
    }
    m->absent = mem_zero(m->n_absent + 1, sizeof *m->absent);
    size_t i = 0;
    for (struct link *at = s->absent.next; at != &s->absent; at = at->next) {
        const struct absent *a = LIST_OWNER(at, struct absent, link);
        m->absent[i++] =
            (struct membership_absent){ .address = mem_text(a->address), .name = mem_text(a->name) };
    }
}

void keep_settle(struct supervisor *s)
{
    if (!s->file || s->noted == s->revision || s->is_stopping) {
        return;
    }
    struct membership *m = mem_zero(1, sizeof *m);
    m->driver = mem_text(s->spawner_ops->name);
    m->count = s->config->replicas.count;
    if (s->spawner_ops->can_start) {
        describe_rows(s, m);
    }
    describe_absent(s, m);
    s->noted = s->revision;
    membership_file_save(s->file, membership_render(m), s->revision);
    membership_free(m);
}

bool keep_is_saved(const struct supervisor *s, uint64_t revision)
{
    return !s->file || revision <= s->saved;
}

void keep_on_saved(void *supervisor, uint64_t revision)
{
    struct supervisor *s = supervisor;
    if (revision > s->saved) {
        s->saved = revision;
        supervisor_settle_later(s);
    }
}

/* ------------------------------------------------------------------ coming back */

static void restore_place(struct supervisor *s, const struct membership_place *p)
{
    struct row *row = row_new(s, p->name);
    snprintf(row->place.ring_name, sizeof row->place.ring_name, "%s", p->ring_name);
    row->place.id = p->id;
    row->place.ordinal = p->ordinal;
    row->place.is_weighted = p->is_weighted;
    row->place.weight = p->is_weighted ? p->weight : row->place.weight; /* else as lb.conf has it now */
}

static void restore_places(struct supervisor *s, const struct membership *m)
{
    size_t n = m->n_places;
    if (n > s->config->replicas.max) {
        n = s->config->replicas.max;
        log_warn("state file: it names %zu replicas, and replicas.max is %zu: the first ones are started",
                 m->n_places, n);
    }
    for (size_t i = 0; i < n; i++) {
        restore_place(s, &m->places[i]);
    }
}

bool keep_restore(struct supervisor *s, uint32_t *count)
{
    struct membership *m = s->file ? membership_file_load(s->file) : NULL;
    bool fits = m && strcmp(m->driver, s->spawner_ops->name) == 0;
    if (m && !fits) {
        log_warn("state file %s was written with the driver \"%s\": the replicas are those of lb.conf",
                 membership_file_path(s->file), m->driver);
    }
    if (fits) {
        *count = m->count;
        restore_places(s, m);
        for (size_t i = 0; i < m->n_absent; i++) {
            keep_absent(s, m->absent[i].address, m->absent[i].name);
        }
        log_info("state file %s: %zu replicas as they were", membership_file_path(s->file), m->n_places);
    }
    membership_free(m);
    return fits;
}
