/*
 * supervisor_spare.c - spares: replicas that run and fill no place, until one dies.
 *
 * Owns     which rows are spares, how many there are, and who gets a place.
 * Used by  supervisor.c (opening, settling, leaving), supervisor_row.c (a place whose pause is over).
 * Uses     supervisor_row.c; spawner.h for those that run already.
 * Thread   control.
 *
 * A spare is a row without a place: started, asked for heartbeats and started again like the others, under the name of a
 * stand-in, in no rotation. When a row's replica has died, or is to be stopped because it does not answer, the row and a
 * spare in state SPARE exchange their places: the spare joins the rotation in the next turn of the loop, and the other
 * comes up again as a spare. So a place is filled as soon as a death is known, however long a start takes.
 *
 * The pauses between starts hold all the same: each row keeps its own, and a place whose replicas die young waits for its
 * pause before it takes a spare.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/supervisor_inside.h"
#include "world/config.h"

/* The spares; NULL: no more. A loop whose body may dismiss a row asks for the next one first. */
static struct row *spare_at(const struct supervisor *s, struct link *at)
{
    return at == &s->spares ? NULL : LIST_OWNER(at, struct row, link);
}

bool spare_is(const struct row *row)
{
    return !*row->place.ring_name;
}

struct row *spare_named(const struct supervisor *s, const char *name)
{
    struct row *row = spare_at(s, s->spares.next);
    while (row && (row->is_leaving || strcmp(row->name, name) != 0)) {
        row = spare_at(s, row->link.next);
    }
    return row;
}

/* ------------------------------------------------------------------ how many */

static struct row *add_spare(struct supervisor *s, const char *name)
{
    struct row *row = row_make(s, name);
    row->place.weight = 1; /* until it gets a place */
    list_push_back(&s->spares, &row->link);
    return row;
}

static uint32_t count(const struct supervisor *s)
{
    uint32_t n = 0;
    for (const struct row *row = spare_at(s, s->spares.next); row; row = spare_at(s, row->link.next)) {
        n += !row->is_leaving;
    }
    return n;
}

static void follow_count(struct supervisor *s)
{
    uint32_t wanted = s->is_stopping ? 0 : s->config->replicas.spares, have = count(s);
    for (; have < wanted; have++) {
        char name[REPLICA_NAME_MAX + 1];
        name_random(s, "emergency_", 2, name);
        row_event(add_spare(s, name), ON_TIMER, "a spare");
    }
    struct link *before;
    for (struct link *at = s->spares.prev; at != &s->spares && have > wanted; at = before) {
        struct row *row = LIST_OWNER(at, struct row, link);
        before = at->prev; /* a row that is GONE at once moves to another list */
        if (!row->is_leaving) {
            row_dismiss(row, "replicas.spares is lower");
            have--;
        }
    }
}

void spare_adopt(struct supervisor *s)
{
    const struct spawner_found *found = NULL;
    size_t n = s->spawner_ops->found ? s->spawner_ops->found(s->spawner, &found) : 0;
    for (size_t i = 0; i < n && count(s) < s->config->replicas.spares; i++) {
        if (!*found[i].place.ring_name && !row_named(s, found[i].name)) {
            add_spare(s, found[i].name);
        }
    }
}

void spare_start(struct supervisor *s)
{
    for (struct row *row = spare_at(s, s->spares.next); row; row = spare_at(s, row->link.next)) {
        row_event(row, ON_TIMER, "runs already");
    }
    follow_count(s);
}

/* ------------------------------------------------------------------ filling a place */

static struct row *find_free(const struct supervisor *s)
{
    struct row *row = spare_at(s, s->spares.next);
    while (row && (row->state != SUPERVISOR_SPARE || row->is_leaving)) {
        row = spare_at(s, row->link.next);
    }
    return row;
}

static void swap_links(struct link *a, struct link *b)
{
    struct link *after_a = a->next;
    list_remove(a);
    list_push_front(b, a); /* behind b */
    list_remove(b);
    list_push_back(after_a, b);
}

/* The new one's replica is to be known by the names of its place. */
static void settle_in(struct row *row)
{
    struct sockaddr_storage address = row->replica->address;
    rotation_make_replica(row, &address, row->replica->address_len);
}

bool spare_fill(struct row *dead)
{
    struct supervisor *s = dead->owner;
    bool is_wanted = !spare_is(dead) && dead->place.shown && !dead->is_leaving && !s->is_stopping;
    struct row *spare = is_wanted ? find_free(s) : NULL;
    if (!spare) {
        return false;
    }
    log_info("replica \"%s\", a spare, stands in for \"%s\" in the place of \"%s\"", spare->name, dead->name,
             dead->place.ring_name);
    struct row_place place = dead->place;
    place.deaths += dead->state == SUPERVISOR_STOPPING; /* it will not be counted here when it ends */
    dead->place = spare->place;
    spare->place = place;
    spare->place.starts++;
    dead->place.deaths = place.deaths; /* its own next start waits as it would have waited here */
    dead->is_worn = true;
    swap_links(&dead->link, &spare->link);
    change_replace_row(dead, spare);
    settle_in(spare);
    keep_note(s);
    spare_look(s);
    return true;
}

/* May its place be filled before it has gone? As soon as it would be started again if it had. */
static bool is_given_up(const struct row *row)
{
    uint64_t lived_ms = (clock_now_ns() - row->started_ns) / CLOCK_NS_PER_MS;
    return row->state == SUPERVISOR_STOPPING && !row->is_leaving && row->was_ready &&
           (row->place.deaths == 0 || lived_ms >= row->owner->config->replicas.backoff_min_ms);
}

void spare_look(struct supervisor *s)
{
    s->is_looking = true;
    supervisor_settle_later(s);
}

void spare_settle(struct supervisor *s)
{
    follow_count(s);
    if (!s->is_looking) {
        return;
    }
    s->is_looking = false;
    struct row *next;
    for (struct row *row = row_first(s); row; row = next) {
        next = row_after(row); /* a spare may come into its place */
        if (is_given_up(row)) {
            spare_fill(row);
        }
    }
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        if (row->state == SUPERVISOR_SPARE) {
            row_event(row, ON_PLACED, "a spare until now");
        }
    }
}
