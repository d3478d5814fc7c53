/*
 * supervisor_change.c - which rows come and go: /add, /rm, and changes of the configuration.
 *
 * Owns     each /add and /rm that was accepted and not answered yet.
 * Used by  routes.c through supervisor.h; supervisor.c (first rows, apply, settle).
 * Uses     supervisor_name.c for names, supervisor_row.c to dismiss.
 * Thread   control.
 *
 * A call is checked whole before anything is changed. What was accepted is answered in a settling, so never
 * from inside of the call: an addition when each of its replicas is in a published view or has left
 * meanwhile, or when add_timeout_ms ran out; a removal when a view without its replicas is published.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/supervisor_inside.h"
#include "world/config.h"

struct change {
    struct link link; /* supervisor.changes */
    struct supervisor *owner;
    bool is_add, is_timed_out;
    struct event timer; /* of an addition */
    size_t n;
    struct row *
        *rows; /* of an addition; NULL where the row was freed. Of a removal: only while it is being made */
    char **names;      /* n, and a NULL; as they were asked for */
    uint32_t *weights; /* n, of an addition; 0: none was given */
    char **skipped;    /* ends with a NULL */
    char *reason;      /* of is_timed_out; NULL: nobody knows */
    uint64_t stamp;    /* of a removal: the first rotation without its rows */
    uint64_t revision; /* of the membership with it */
    supervisor_done_fn done;
    void *arg;
};

uint32_t change_count_living(const struct supervisor *s)
{
    uint32_t n = 0;
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        n += !row->is_leaving;
    }
    return n;
}

/* ------------------------------------------------------------------ rows */

uint32_t row_configured_weight(const struct row *row)
{
    const struct config *config = row->owner->config;
    bool is_named = row->place.ordinal && row->place.ordinal <= config->replicas.n_weights;
    return is_named ? config->replicas.weights[row->place.ordinal - 1] : 1;
}

struct row *row_make(struct supervisor *s, const char *name)
{
    struct row *row = mem_zero(1, sizeof *row);
    row->owner = s;
    row->state = SUPERVISOR_BACKOFF;
    row->since_ns = clock_now_ns();
    snprintf(row->name, sizeof row->name, "%s", name);
    evtimer_assign(&row->timer, s->base, row_on_timer, row);
    return row;
}

struct row *row_new(struct supervisor *s, const char *name)
{
    struct row *row = row_make(s, name);
    row->place.position = ++s->positions;
    name_identify(row);
    row->place.weight = row_configured_weight(row);
    list_push_back(&s->rows, &row->link);
    keep_note(s);
    return row;
}

static void grow(struct supervisor *s, uint32_t by, const char *why)
{
    for (uint32_t i = 0; i < by; i++) {
        char name[REPLICA_NAME_MAX + 1];
        name_next_ordinal(s, name);
        row_event(row_new(s, name), ON_TIMER, why);
    }
}

/* Newest first. */
static void shrink(struct supervisor *s, uint32_t by, const char *why)
{
    struct link *before;
    for (struct link *at = s->rows.prev; at != &s->rows && by > 0; at = before) {
        struct row *row = LIST_OWNER(at, struct row, link);
        before = at->prev; /* a row that is GONE at once moves to another list */
        if (!row->is_leaving) {
            row_dismiss(row, why);
            by--;
        }
    }
}

/* One that began as a spare does not say where it is by now. */
static bool was_spare(const struct spawner_found *f)
{
    return !*f->place.ring_name;
}

/* A row in the place that its replica had; NULL: there is no room for it. */
static struct row *adopt_one(struct supervisor *s, const struct spawner_found *f)
{
    if (row_named(s, f->name) || change_count_living(s) >= s->config->replicas.max) {
        log_warn("replica \"%s\" runs already, but there is no place for it", f->name);
        return NULL;
    }
    struct row *row = row_new(s, f->name);
    snprintf(row->place.ring_name, sizeof row->place.ring_name, "%s", f->place.ring_name);
    if (f->place.id) { /* one that was made by hand need not say it: then its name does */
        row->place.id = f->place.id;
        row->place.ordinal = f->place.ordinal;
    }
    row->place.is_weighted = row->place.weight != f->place.weight;
    row->place.weight = f->place.weight;
    return row;
}

/* More spares run than are wanted, and places are missing: some of them were in those. Which one in which, nobody knows. */
static void adopt_strays(struct supervisor *s, const struct spawner_found *found, size_t n, struct row **rows)
{
    size_t n_spares = 0;
    for (size_t i = 0; i < n; i++) {
        n_spares += was_spare(&found[i]);
    }
    for (size_t i = 0; i < n; i++) {
        bool is_missing = change_count_living(s) < s->config->replicas.count;
        if (was_spare(&found[i]) && n_spares > s->config->replicas.spares && is_missing) {
            char place[REPLICA_NAME_MAX + 1];
            name_next_ordinal(s, place);
            rows[i] = row_new(s, place);
            snprintf(rows[i]->name, sizeof rows[i]->name, "%s", found[i].name);
            n_spares--;
        }
    }
}

/* A row for each replica that runs already; then spares for those that are left. */
static void adopt(struct supervisor *s)
{
    const struct spawner_found *found = NULL;
    size_t n = s->spawner_ops->found ? s->spawner_ops->found(s->spawner, &found) : 0;
    struct row **rows = mem_zero(n + 1, sizeof(struct row *));
    for (size_t i = 0; i < n; i++) {
        rows[i] = was_spare(&found[i]) ? NULL : adopt_one(s, &found[i]);
    }
    adopt_strays(s, found, n, rows);
    spare_adopt(s);
    for (size_t i = 0; i < n; i++) { /* what was found is valid until the first start */
        if (rows[i]) {
            row_event(rows[i], ON_TIMER, "runs already");
        }
    }
    free(rows);
}

/* The membership was written down, and somebody else may have come into a place since: who runs there counts. */
static void rename_found(struct supervisor *s)
{
    const struct spawner_found *found = NULL;
    size_t n = s->spawner_ops->found ? s->spawner_ops->found(s->spawner, &found) : 0;
    for (size_t i = 0; i < n; i++) {
        for (struct row *row = row_first(s); row; row = row_after(row)) {
            if (strcmp(row->place.ring_name, found[i].place.ring_name) == 0 && !row_named(s, found[i].name)) {
                snprintf(row->name, sizeof row->name, "%s", found[i].name);
            }
        }
    }
}

/* ------------------------------------------------------------------ the configuration */

void change_scale(struct supervisor *s, uint32_t wanted)
{
    uint32_t living = change_count_living(s);
    if (wanted > living) {
        grow(s, wanted - living, "the load wants more");
    } else {
        shrink(s, living - wanted, "the load wants fewer");
    }
}

/* The number in lb.conf was changed: it counts, whatever /add, /rm and the load have made of the one before. */
static void follow_count(struct supervisor *s)
{
    uint32_t wanted = s->config->replicas.count, living = change_count_living(s);
    if (wanted > living) {
        grow(s, wanted - living, "wanted");
    } else {
        shrink(s, living - wanted, "replicas.count is lower");
    }
    scaling_touch(s);
    keep_note(s);
}

/* Those that come back; and if the number in lb.conf is another one than then, as many as it says. */
static void start_restored(struct supervisor *s, uint32_t count)
{
    if (s->config->replicas.count != count) {
        follow_count(s);
    }
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        if (row->state == SUPERVISOR_BACKOFF && !row->place.starts && !evtimer_pending(&row->timer, NULL)) {
            row_event(row, ON_TIMER, "as it was");
        }
    }
}

void change_first_rows(struct supervisor *s)
{
    uint32_t count = 0;
    if (follow_is_on(s)) {
        follow_slots(s);
        return;
    }
    bool is_restored = keep_restore(s, &count);
    if (s->spawner_ops->listen) {
        members_found(s);
    } else if (!s->spawner_ops->can_start) {
        members_listed(s, NULL);
    } else if (is_restored) {
        rename_found(s);
        spare_adopt(s);
        start_restored(s, count);
        spare_start(s);
    } else {
        adopt(s);
        uint32_t living = change_count_living(s), wanted = s->config->replicas.count;
        grow(s, wanted > living ? wanted - living : 0, "wanted");
        spare_start(s);
    }
}

static void follow_weights(struct supervisor *s)
{
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        uint32_t weight = row_configured_weight(row);
        if (!row->is_leaving && !row->place.is_weighted && weight != row->place.weight) {
            row_reweigh(row, weight);
        }
    }
}

void change_apply(struct supervisor *s, const struct config *old)
{
    if (s->spawner_ops->listen) {
        members_found(s);
        return;
    }
    if (!s->spawner_ops->can_start && !follow_is_on(s)) {
        members_listed(s, old);
        return;
    }
    follow_weights(s);
    supervisor_settle_later(s); /* another number of spares */
    if (s->config->replicas.count == old->replicas.count) {
        return;
    }
    if (follow_is_on(s)) {
        follow_count_changed(s);
    } else {
        follow_count(s);
    }
}

/* ------------------------------------------------------------------ a change */

static void free_names(char **names)
{
    for (char **at = names; at && *at; at++) {
        free(*at);
    }
    free(names);
}

static void free_change(struct change *c)
{
    list_remove(&c->link);
    event_del(&c->timer);
    free_names(c->names);
    free_names(c->skipped);
    free(c->reason);
    free(c->rows);
    free(c->weights);
    free(c);
}

/* Why one of them did not come up. NULL: nobody knows. */
static const char *find_reason(const struct change *c)
{
    const char *trouble =
        c->owner->spawner_ops->trouble ? c->owner->spawner_ops->trouble(c->owner->spawner) : NULL;
    for (size_t i = 0; i < c->n && !trouble; i++) {
        trouble = c->rows[i] && !c->rows[i]->place.joined ? c->rows[i]->last_end : NULL;
    }
    return trouble;
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct change *c = arg;
    (void)fd;
    (void)what;
    c->is_timed_out = true;
    c->reason = mem_text(find_reason(c));
    for (size_t i = 0; i < c->n; i++) {
        if (c->rows[i] && !c->rows[i]->place.joined) {
            row_dismiss(c->rows[i], "not ready within add_timeout_ms");
        }
    }
    supervisor_settle_later(c->owner);
}

/* n_room names at most. */
static struct change *make_change(struct supervisor *s, bool is_add, size_t n_room, supervisor_done_fn done,
                                  void *arg)
{
    struct change *c = mem_zero(1, sizeof *c);
    c->owner = s;
    c->is_add = is_add;
    c->done = done;
    c->arg = arg;
    c->rows = mem_zero(n_room + 1, sizeof(struct row *));
    c->names = mem_zero(n_room + 1, sizeof(char *));
    c->skipped = mem_zero(n_room + 1, sizeof(char *));
    c->weights = mem_zero(n_room + 1, sizeof *c->weights);
    evtimer_assign(&c->timer, s->base, on_timeout, c);
    list_init(&c->link);
    return c;
}

/* ------------------------------------------------------------------ /add */

/* What is asked for: weights belong to the names in their order, and then to those without a name. */
struct wishes {
    const char *const *names;
    size_t n_names;
    const uint32_t *weights;
    size_t n_weights;
};

static uint32_t weight_of(const struct wishes *w, size_t i)
{
    return i < w->n_weights ? w->weights[i] : 0;
}

/* Sorts the names into new ones (c->names) and those that exist or are named twice (c->skipped). */
static size_t sort_names(struct supervisor *s, struct change *c, const struct wishes *w)
{
    const char *const *names = w->names;
    size_t n_names = w->n_names;
    size_t n_skipped = 0;
    for (size_t i = 0; i < n_names; i++) {
        bool exists = row_find(s, names[i]) || spare_named(s, names[i]);
        for (size_t k = 0; k < c->n && !exists; k++) {
            exists = strcmp(c->names[k], names[i]) == 0;
        }
        if (exists) {
            c->skipped[n_skipped++] = mem_text(names[i]);
        } else {
            c->weights[c->n] = weight_of(w, i);
            c->names[c->n++] = mem_text(names[i]);
        }
    }
    return n_skipped;
}

static const char *find_unfit(const char *const *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++) {
        size_t len = strlen(names[i]);
        if (len == 0 || len > REPLICA_NAME_MAX) {
            return names[i];
        }
    }
    return NULL;
}

/* A reason why nothing can be added now, whatever the names are. */
static bool is_add_refused(const struct supervisor *s, const char *unfit, char *why, size_t why_size)
{
    if (s->is_stopping) {
        snprintf(why, why_size, "the balancer is leaving");
    } else if (!s->spawner_ops->can_start) {
        snprintf(why, why_size, "driver %s starts no replicas: %s", s->spawner_ops->name,
                 s->spawner_ops->listen ? "give the new one a record in DNS"
                                        : "list the new one in lb.conf and reload");
    } else if (unfit) {
        snprintf(why, why_size, "\"%.80s\": a name has 1 to %d characters", unfit, REPLICA_NAME_MAX);
    } else {
        return false;
    }
    return true;
}

/* Is there something to add, and room for it? */
static bool has_room(const struct supervisor *s, size_t fresh, char *why, size_t why_size)
{
    uint32_t living = change_count_living(s), max = s->config->replicas.max;
    if (fresh == 0) {
        snprintf(why, why_size, "nothing to add: every replica named exists already");
    } else if (living >= max || fresh > max - living) {
        snprintf(why, why_size, "%zu more replicas are too many: there are %u, and replicas.max is %u", fresh,
                 living, max);
    } else {
        return true;
    }
    return false;
}

/* c->n of them have names already. */
static void add_rows(struct supervisor *s, struct change *c, size_t n, const struct wishes *w)
{
    c->rows = mem_grow(c->rows, (n + 1) * sizeof(struct row *));
    c->names = mem_grow(c->names, (n + 1) * sizeof(char *));
    c->weights = mem_grow(c->weights, (n + 1) * sizeof *c->weights);
    for (size_t i = 0; i < n; i++) {
        if (i >= c->n) {
            char name[REPLICA_NAME_MAX + 1];
            name_random(s, "S", 4, name);
            c->names[i] = mem_text(name);
            c->weights[i] = weight_of(w, w->n_names + i - c->n);
        }
        c->rows[i] = row_new(s, c->names[i]);
        if (c->weights[i]) {
            c->rows[i]->place.weight = c->weights[i];
            c->rows[i]->place.is_weighted = true;
        }
        row_event(c->rows[i], ON_TIMER, "added");
    }
    c->names[n] = NULL;
    c->n = n;
}

int supervisor_add(struct supervisor *s, const char *const *names, size_t n_names, size_t n,
                   const uint32_t *weights, size_t n_weights, supervisor_done_fn done, void *arg, char *why,
                   size_t why_size)
{
    if (follow_is_on(s)) {
        if (n_weights) {
            snprintf(why, why_size, "driver %s: weights are given by replicas.weights alone",
                     s->spawner_ops->name);
            return -1;
        }
        return follow_ask(s, true, n_names, n, done, arg, why, why_size);
    }
    const struct wishes wishes = { names, n_names, weights, n_weights };
    if (is_add_refused(s, find_unfit(names, n_names), why, why_size)) {
        return -1;
    }
    struct change *c = make_change(s, true, n_names, done, arg);
    size_t fresh = n - sort_names(s, c, &wishes);
    if (!has_room(s, fresh, why, why_size)) {
        free_change(c);
        return -1;
    }
    add_rows(s, c, fresh, &wishes);
    scaling_touch(s);
    list_push_back(&s->changes, &c->link);
    c->revision = s->revision;
    uint32_t ms = s->config->replicas.add_timeout_ms;
    struct timeval wait = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
    evtimer_add(&c->timer, &wait);
    return 0;
}

/* ------------------------------------------------------------------ /rm */

static bool is_chosen(const struct change *c, const struct row *row)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->rows[i] == row) {
            return true;
        }
    }
    return false;
}

/* Those that are living and not yet chosen, each equally likely. */
static void choose_victims(struct supervisor *s, struct change *c, size_t n)
{
    struct row **others = mem_zero(change_count_living(s) + 1, sizeof(struct row *));
    size_t n_others = 0;
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        if (!row->is_leaving && !is_chosen(c, row)) {
            others[n_others++] = row;
        }
    }
    while (c->n < n && n_others > 0) {
        size_t at = lb_scale(lb_random(&s->random), n_others);
        c->rows[c->n++] = others[at];
        others[at] = others[--n_others];
    }
    free(others);
}

/* Which rows are meant. False, with a sentence: one of the names can't be used. */
static bool choose_named(struct supervisor *s, struct change *c, const char *const *names, size_t n_names,
                         char *why, size_t why_size)
{
    for (size_t i = 0; i < n_names; i++) {
        struct row *row = row_find(s, names[i]);
        if (!row) {
            snprintf(why, why_size, "no replica is called \"%.80s\"", names[i]);
            return false;
        }
        if (is_chosen(c, row)) {
            snprintf(why, why_size, "\"%.80s\" is named twice", names[i]);
            return false;
        }
        c->rows[c->n++] = row;
    }
    return true;
}

/* Under the names that they have at this moment. */
static void dismiss_chosen(struct change *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct row *row = c->rows[i];
        c->names[i] = mem_text(row->name);
        if (row->place.address) {
            keep_absent(row->owner, row->place.address, row->place.member_name);
        }
        row_dismiss(row, "removed");
        c->rows[i] = NULL;
    }
    c->stamp = c->owner->stamp;
    c->revision = c->owner->revision;
}

int supervisor_remove(struct supervisor *s, const char *const *names, size_t n_names, size_t n,
                      supervisor_done_fn done, void *arg, char *why, size_t why_size)
{
    uint32_t living = change_count_living(s);
    if (follow_is_on(s)) {
        return follow_ask(s, false, n_names, n, done, arg, why, why_size);
    }
    if (s->is_stopping) {
        snprintf(why, why_size, "the balancer is leaving");
        return -1;
    }
    if (n > living) {
        snprintf(why, why_size, "%zu replicas cannot be removed: there are %u", n, living);
        return -1;
    }
    struct change *c = make_change(s, false, n, done, arg);
    if (!choose_named(s, c, names, n_names, why, why_size)) {
        free_change(c);
        return -1;
    }
    choose_victims(s, c, n);
    dismiss_chosen(c);
    scaling_touch(s);
    list_push_back(&s->changes, &c->link);
    supervisor_settle_later(s);
    return 0;
}

/* ------------------------------------------------------------------ answers */

static bool is_up(const struct change *c, size_t i)
{
    const struct row *row = c->rows[i];
    return row && !row->is_leaving && row->place.joined;
}

static bool is_finished(const struct change *c)
{
    const struct supervisor *s = c->owner;
    if (s->is_stopping || c->is_timed_out) {
        return true;
    }
    if (!c->is_add) {
        return c->stamp <= s->published && keep_is_saved(s, c->revision);
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct row *row = c->rows[i];
        if (row && !row->is_leaving && (!row->place.joined || row->place.joined > s->published)) {
            return false;
        }
    }
    return keep_is_saved(s, c->revision);
}

static void answer(struct change *c)
{
    struct supervisor_result result = { .skipped = c->skipped };
    result.names = mem_zero(c->n + 1, sizeof(char *));
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (!c->is_add || is_up(c, i)) {
            result.names[n++] = c->names[i];
        }
    }
    result.timed_out = c->is_add && (c->is_timed_out || (c->owner->is_stopping && n < c->n));
    result.reason = c->reason;
    supervisor_done_fn done = c->done;
    list_remove(&c->link); /* done may ask for the next change */
    done(c->arg, &result);
    free(result.names);
    free_change(c);
}

static struct change *next_finished(const struct supervisor *s)
{
    for (struct link *at = s->changes.next; at != &s->changes; at = at->next) {
        struct change *c = LIST_OWNER(at, struct change, link);
        if (is_finished(c)) {
            return c;
        }
    }
    return NULL;
}

void change_settle(struct supervisor *s)
{
    struct change *c;
    while ((c = next_finished(s))) {
        answer(c);
    }
    follow_settle(s);
}

void change_replace_row(const struct row *old, struct row *by)
{
    for (struct link *at = old->owner->changes.next; at != &old->owner->changes; at = at->next) {
        struct change *c = LIST_OWNER(at, struct change, link);
        for (size_t i = 0; i < c->n; i++) {
            c->rows[i] = c->rows[i] == old ? by : c->rows[i];
        }
    }
}

void change_forget_row(struct row *row)
{
    follow_forget_row(row);
    change_replace_row(row, NULL);
}

void change_close(struct supervisor *s)
{
    while (!list_is_empty(&s->changes)) {
        free_change(LIST_OWNER(s->changes.next, struct change, link));
    }
    follow_close(s);
}
