/*
 * supervisor_follow.c - rows where an engine decides who there is (Swarm).
 *
 * Owns     each /add and /rm that the engine was asked for and that is not answered yet.
 * Used by  supervisor_change.c, the spawner (slots_changed, scaled).
 * Uses     spawner.h (slots, scale), supervisor_row.c.
 * Thread   control.
 *
 * A row is a slot of the service: it comes when the engine's list names it and is dismissed when the list names it no
 * more. So balancers that read the same list have the same members, whoever of them was asked to change it. An /add or
 * /rm changes the number that the engine keeps; whoever comes or leaves from then on is taken for what was asked for,
 * the longest-waiting call first.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control/supervisor_inside.h"
#include "world/config.h"

struct asked {
    struct link link; /* supervisor.asked */
    struct supervisor *owner;
    bool is_add;
    bool is_told, is_refused; /* the engine has answered */
    bool is_late, is_answered;
    struct event timer;
    size_t n, n_seen;  /* wanted; came or left so far */
    struct row **rows; /* of an addition, n_seen; NULL where the row was freed */
    char **names;      /* n_seen, and a NULL */
    char *reason;      /* of is_refused or is_late; NULL: nobody knows */
    uint64_t stamp;    /* of a removal: the first rotation without those that left */
    supervisor_done_fn done;
    void *arg;
};

bool follow_is_on(const struct supervisor *s)
{
    return s->spawner_ops->slots != NULL;
}

bool supervisor_is_following(const struct supervisor *s)
{
    return follow_is_on(s);
}

static struct asked *asked_at(const struct link *at)
{
    return LIST_OWNER(at, struct asked, link);
}

/* ------------------------------------------------------------------ rows come and go */

/* It came or left: whose wish was that? */
static void credit(struct row *row, bool is_add)
{
    struct supervisor *s = row->owner;
    for (struct link *at = s->asked.next; at != &s->asked; at = at->next) {
        struct asked *a = asked_at(at);
        if (a->is_add == is_add && !a->is_answered && !a->is_refused && a->n_seen < a->n) {
            a->rows[a->n_seen] = is_add ? row : NULL;
            a->names[a->n_seen++] = mem_text(row->name);
            a->stamp = s->stamp;
            return;
        }
    }
}

static bool is_listed(const struct spawner_found *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_slot(struct supervisor *s, const struct spawner_found *member)
{
    struct row *row = row_new(s, member->name);
    row->place.ordinal = member->place.ordinal;
    row->place.weight = row_configured_weight(row);
    credit(row, true);
    row_event(row, ON_TIMER, "a slot of the service");
}

void follow_slots(void *supervisor)
{
    struct supervisor *s = supervisor;
    const struct spawner_found *list = NULL;
    size_t n = s->spawner_ops->slots(s->spawner, &list);
    struct row *next;
    if (s->is_stopping) {
        return;
    }
    for (struct row *row = row_first(s); row; row = next) {
        next = row_after(row); /* a row that is GONE at once moves to another list */
        if (!row->is_leaving && !is_listed(list, n, row->name)) {
            row_dismiss(row, "the service has no such slot any more");
            credit(row, false);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (row_named(s, list[i].name)) {
            continue;
        }
        if (change_count_living(s) >= s->config->replicas.max) {
            log_warn("the service has %zu slots, and replicas.max is %u: the others get no requests", n,
                     s->config->replicas.max);
            break;
        }
        add_slot(s, &list[i]);
    }
    supervisor_settle_later(s);
}

void follow_count_changed(struct supervisor *s)
{
    s->spawner_ops->scale(s->spawner, SPAWNER_SCALE_TO, s->config->replicas.count, NULL);
}

/* ------------------------------------------------------------------ what was asked for */

static void free_asked(struct asked *a)
{
    list_remove(&a->link);
    event_del(&a->timer);
    for (size_t i = 0; i < a->n_seen; i++) {
        free(a->names[i]);
    }
    free(a->names);
    free(a->rows);
    free(a->reason);
    free(a);
}

static size_t count_up(const struct asked *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_seen; i++) {
        n += a->rows[i] && !a->rows[i]->is_leaving && a->rows[i]->place.joined;
    }
    return n;
}

/* Those that did not come up are taken back; Swarm lets those go first that do not run. */
static void take_back(const struct asked *a)
{
    size_t missing = a->n - count_up(a);
    if (a->is_add && missing) {
        a->owner->spawner_ops->scale(a->owner->spawner, SPAWNER_SCALE_BY, -(int64_t)missing, NULL);
    }
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct asked *a = arg;
    const struct spawner_ops *ops = a->owner->spawner_ops;
    (void)fd;
    (void)what;
    a->is_late = true;
    a->reason = mem_text(ops->trouble ? ops->trouble(a->owner->spawner) : NULL);
    if (a->is_told) {
        take_back(a);
    }
    supervisor_settle_later(a->owner);
}

void follow_scaled(void *supervisor, void *tag, const char *why)
{
    struct supervisor *s = supervisor;
    struct asked *a = tag;
    if (*why) {
        log_warn("the number of replicas was not changed: %s", why);
    }
    if (!a) {
        return;
    }
    a->is_told = true;
    if (*why) {
        a->is_refused = true;
        free(a->reason);
        a->reason = mem_text(why);
    } else if (a->is_late) {
        take_back(a);
    }
    supervisor_settle_later(s);
}

static bool is_unfit(const struct supervisor *s, bool is_add, size_t n_names, size_t n, char *why,
                     size_t why_size)
{
    uint32_t living = change_count_living(s), max = s->config->replicas.max;
    const char *driver = s->spawner_ops->name;
    if (s->is_stopping) {
        snprintf(why, why_size, "the balancer is leaving");
    } else if (n_names && is_add) {
        snprintf(why, why_size, "driver %s: replicas are named by Swarm (SERVICE.SLOT); give n alone",
                 driver);
    } else if (n_names) {
        snprintf(why, why_size, "driver %s: Swarm chooses who leaves; give n alone", driver);
    } else if (is_add && (living >= max || n > max - living)) {
        snprintf(why, why_size, "%zu more replicas are too many: there are %u, and replicas.max is %u", n,
                 living, max);
    } else if (!is_add && n > living) {
        snprintf(why, why_size, "%zu replicas cannot be removed: there are %u", n, living);
    } else {
        return false;
    }
    return true;
}

int follow_ask(struct supervisor *s, bool is_add, size_t n_names, size_t n, supervisor_done_fn done,
               void *arg, char *why, size_t why_size)
{
    if (is_unfit(s, is_add, n_names, n, why, why_size)) {
        return -1;
    }
    struct asked *a = mem_zero(1, sizeof *a);
    a->owner = s;
    a->is_add = is_add;
    a->n = n;
    a->rows = mem_zero(n + 1, sizeof(struct row *));
    a->names = mem_zero(n + 1, sizeof(char *));
    a->done = done;
    a->arg = arg;
    list_push_back(&s->asked, &a->link);
    evtimer_assign(&a->timer, s->base, on_timeout, a);
    uint32_t ms = s->config->replicas.add_timeout_ms;
    struct timeval wait = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
    evtimer_add(&a->timer, &wait);
    s->spawner_ops->scale(s->spawner, SPAWNER_SCALE_BY, is_add ? (int64_t)n : -(int64_t)n, a);
    return 0;
}

/* ------------------------------------------------------------------ answers */

static bool is_finished(const struct asked *a)
{
    const struct supervisor *s = a->owner;
    if (a->is_late || a->is_refused || s->is_stopping) {
        return true;
    }
    if (!a->is_told || a->n_seen < a->n) {
        return false;
    }
    for (size_t i = 0; a->is_add && i < a->n_seen; i++) {
        const struct row *row = a->rows[i];
        if (row && !row->is_leaving && (!row->place.joined || row->place.joined > s->published)) {
            return false;
        }
    }
    return a->is_add || a->stamp <= s->published;
}

static void answer(struct asked *a)
{
    char *none[] = { NULL };
    struct supervisor_result result = { .skipped = none };
    result.names = mem_zero(a->n_seen + 1, sizeof(char *));
    size_t n = 0;
    for (size_t i = 0; i < a->n_seen; i++) {
        const struct row *row = a->rows[i];
        if (!a->is_add || (row && !row->is_leaving && row->place.joined)) {
            result.names[n++] = a->names[i];
        }
    }
    result.timed_out = a->is_late || (a->owner->is_stopping && n < a->n);
    result.refused = a->is_refused && !a->is_late ? a->reason : NULL;
    result.reason = a->reason;
    a->is_answered = true;
    event_del(&a->timer);
    a->done(a->arg, &result);
    free(result.names);
}

void follow_settle(struct supervisor *s)
{
    struct link *next;
    for (struct link *at = s->asked.next; at != &s->asked; at = next) {
        struct asked *a = asked_at(at);
        if (!a->is_answered && is_finished(a)) {
            answer(a); /* done may ask for the next one, which goes to the end */
        }
        next = at->next;
        if (a->is_answered && a->is_told) {
            free_asked(a);
        }
    }
}

void follow_forget_row(struct row *row)
{
    for (struct link *at = row->owner->asked.next; at != &row->owner->asked; at = at->next) {
        struct asked *a = asked_at(at);
        for (size_t i = 0; i < a->n_seen; i++) {
            a->rows[i] = a->rows[i] == row ? NULL : a->rows[i];
        }
    }
}

void follow_close(struct supervisor *s)
{
    while (!list_is_empty(&s->asked)) {
        free_asked(asked_at(s->asked.next));
    }
}
