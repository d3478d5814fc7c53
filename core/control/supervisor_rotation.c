/*
 * supervisor_rotation.c - who is in the rotation, who has left it, and index numbers.
 *
 * Owns     the stamp, the replicas that have departed, and which index numbers are in use.
 * Used by  supervisor_row.c (join, leave), publish.c through supervisor.h.
 * Uses     replica.h; strategy.h for the order of members.
 * Thread   control.
 *
 * A replica's way out: it leaves the rotation (the stamp rises) -> a view without it is published
 * (supervisor_published with that stamp) -> every worker is asked to forget it -> all have
 * (supervisor_forgotten) -> it is let go. Its index may be given to another one only then, because the
 * workers' arrays are addressed by it. The row that it filled is told DRAINED when the row itself is leaving;
 * otherwise a stand-in fills the row by then.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/supervisor_inside.h"
#include "world/strategy.h"

struct departed {
    struct link link; /* supervisor.departed */
    struct replica *replica;
    struct row *row; /* that waits for it; NULL: none does */
    uint64_t stamp;  /* of the first rotation without it */
    bool is_told;    /* the forget hook was called */
};

/* ------------------------------------------------------------------ holding a replica */

static uint32_t take_index(struct supervisor *s)
{
    uint32_t index = 0;
    while (index < s->n_indices && s->index_uses[index]) {
        index++;
    }
    if (index == s->n_indices) {
        uint32_t room = s->n_indices ? s->n_indices * 2 : 64;
        s->index_uses = mem_grow(s->index_uses, room * sizeof *s->index_uses);
        memset(s->index_uses + s->n_indices, 0, (room - s->n_indices) * sizeof *s->index_uses);
        s->n_indices = room;
    }
    s->index_uses[index] = 1;
    return index;
}

static void hold(struct supervisor *s, struct replica *r)
{
    replica_retain(r);
    s->index_uses[r->index]++;
}

static void let_go(struct supervisor *s, struct replica *r)
{
    s->index_uses[r->index]--;
    replica_release(r);
}

void rotation_make_replica(struct row *row, const struct sockaddr_storage *address, socklen_t address_len)
{
    struct replica_identity who = {
        .name = row->name,
        .ring_name = row->place.ring_name,
        .id = row->place.id,
        .weight = row->place.weight,
        .index = take_index(row->owner),
        .address = *address,
        .address_len = address_len,
    };
    struct replica *made = replica_new(&who, row->owner->n_workers);
    rotation_drop_replica(row);
    row->replica = made;
}

void rotation_drop_replica(struct row *row)
{
    if (row->replica) {
        let_go(row->owner, row->replica);
        row->replica = NULL;
    }
}

/* ------------------------------------------------------------------ joining and leaving */

static void note_change(struct supervisor *s)
{
    s->stamp++;
    s->is_changed = true;
    supervisor_settle_later(s);
}

/* The caller has raised the stamp: this is the first rotation without it. */
static void depart(struct row *row, struct row *waiting)
{
    struct supervisor *s = row->owner;
    struct departed *d = mem_zero(1, sizeof *d);
    d->replica = row->place.shown;
    d->row = waiting;
    d->stamp = s->stamp;
    list_push_back(&s->departed, &d->link);
    row->place.shown = NULL;
}

void rotation_join(struct row *row)
{
    note_change(row->owner);
    if (row->place.shown) {
        depart(row, NULL);
    }
    hold(row->owner, row->replica);
    row->place.shown = row->replica;
    row->place.joined = row->owner->stamp;
}

void rotation_leave(struct row *row)
{
    if (row->place.shown) {
        note_change(row->owner);
        depart(row, row);
    }
}

static struct departed *find_departed(const struct supervisor *s, const struct row *row,
                                      const struct replica *replica)
{
    for (struct link *at = s->departed.next; at != &s->departed; at = at->next) {
        struct departed *d = LIST_OWNER(at, struct departed, link);
        if ((row && d->row == row) || (replica && d->replica == replica)) {
            return d;
        }
    }
    return NULL;
}

bool rotation_is_draining(const struct row *row)
{
    return find_departed(row->owner, row, NULL) != NULL;
}

void rotation_forget_row(struct row *row)
{
    struct departed *d = find_departed(row->owner, row, NULL);
    if (d) {
        d->row = NULL;
        if (!row->owner->is_stopping) {
            row->owner->hooks.cut(row->owner->hooks.ctx, d->replica);
        }
    }
    if (row->place.shown) {
        let_go(row->owner, row->place.shown);
        row->place.shown = NULL;
    }
}

void rotation_tell_departed(struct supervisor *s)
{
    struct link *next;
    for (struct link *at = s->departed.next; at != &s->departed && !s->is_stopping; at = next) {
        struct departed *d = LIST_OWNER(at, struct departed, link);
        next = at->next; /* without workers it is forgotten inside of the hook */
        if (!d->is_told && d->stamp <= s->published) {
            d->is_told = true;
            s->hooks.forget(s->hooks.ctx, d->replica);
        }
    }
}

static void free_departed(struct supervisor *s, struct departed *d)
{
    list_remove(&d->link);
    let_go(s, d->replica);
    free(d);
}

void rotation_close(struct supervisor *s)
{
    while (!list_is_empty(&s->departed)) {
        free_departed(s, LIST_OWNER(s->departed.next, struct departed, link));
    }
    free(s->index_uses);
}

/* ------------------------------------------------------------------ the publisher's side */

struct seat { /* strategy_compare_members looks at the first field */
    struct lb_member member;
    struct replica *replica;
};

static size_t fill_seats(const struct supervisor *s, struct seat *seats)
{
    size_t n = 0;
    for (const struct row *row = row_first(s); row; row = row_after(row)) {
        if (row->place.shown && seats) {
            struct replica *r = row->place.shown;
            seats[n].replica = r;
            seats[n].member = (struct lb_member){
                .id = r->id,
                .key = r->ring_name,
                .key_len = (uint32_t)strlen(r->ring_name),
                .weight = r->weight,
            };
        }
        n += row->place.shown != NULL;
    }
    return n;
}

void supervisor_rotation(struct supervisor *s, struct rotation *out)
{
    size_t n = fill_seats(s, NULL);
    struct seat *seats = mem_zero(n + 1, sizeof *seats);
    fill_seats(s, seats);
    qsort(seats, n, sizeof *seats, strategy_compare_members);

    *out = (struct rotation){ .n = (uint32_t)n, .stamp = s->stamp };
    out->members = mem_zero(n + 1, sizeof *out->members);
    out->replicas = mem_zero(n + 1, sizeof(struct replica *));
    for (size_t i = 0; i < n; i++) {
        out->members[i] = seats[i].member;
        out->replicas[i] = seats[i].replica;
    }
    free(seats);
}

void rotation_free(struct rotation *r)
{
    free(r->members);
    free(r->replicas);
    *r = (struct rotation){ 0 };
}

void supervisor_published(struct supervisor *s, uint64_t stamp)
{
    if (stamp > s->published) {
        s->published = stamp;
        supervisor_settle_later(s);
    }
}

void supervisor_forgotten(struct supervisor *s, struct replica *replica)
{
    struct departed *d = find_departed(s, NULL, replica);
    if (!d) {
        return;
    }
    struct row *row = d->row;
    free_departed(s, d);
    if (row) {
        row_event(row, ON_DRAINED, "drained");
    }
}
