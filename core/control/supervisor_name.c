/*
 * supervisor_name.c - names, ordinals, ring names, ids.
 *
 * Owns     nothing; reads the rows.
 * Used by  supervisor_row.c (stand-ins), supervisor_change.c (new rows), supervisor.c (find).
 * Uses     strategy.h for the id of a name.
 * Thread   control.
 *
 * "Server 3" has the ordinal 3, because replicas.name is "Server {n}". A stand-in has a name of its own and
 * the ring name, id and ordinal of its place; so "3" finds it, and "Server 3" is free again. Who takes that
 * name meanwhile gets a place of its own: ring name "Server 3#2", an id made from it, and no ordinal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/supervisor_inside.h"
#include "world/config.h"
#include "world/strategy.h"

#define NUMBER_MARK "{n}"

/* ------------------------------------------------------------------ texts */

/* Where the number begins in the pattern, and what follows it. */
static size_t split(const char *pattern, const char **rest)
{
    const char *mark = strstr(pattern, NUMBER_MARK);
    *rest = mark ? mark + strlen(NUMBER_MARK) : "";
    return mark ? (size_t)(mark - pattern) : strlen(pattern);
}

/* The number in len digits without a leading zero, at most max. */
static bool read_number(const char *digits, size_t len, uint64_t max, uint64_t *number)
{
    if (len == 0 || (digits[0] == '0' && len > 1)) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(digits[i] - '0');
        if (digits[i] < '0' || digits[i] > '9' || value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

bool name_has_ordinal(const char *pattern, const char *name, uint32_t *ordinal)
{
    const char *rest;
    size_t before = split(pattern, &rest), after = strlen(rest), len = strlen(name);
    uint64_t number;
    if (len <= before + after || strncmp(name, pattern, before) != 0 ||
        strcmp(name + len - after, rest) != 0 ||
        !read_number(name + before, len - before - after, UINT32_MAX, &number) || number == 0) {
        return false;
    }
    *ordinal = (uint32_t)number;
    return true;
}

void name_of_ordinal(const char *pattern, uint32_t ordinal, char out[REPLICA_NAME_MAX + 1])
{
    const char *rest;
    size_t before = split(pattern, &rest);
    char number[16];
    size_t digits = (size_t)snprintf(number, sizeof number, "%u", ordinal);
    if (before > REPLICA_NAME_MAX - digits) {
        before = REPLICA_NAME_MAX - digits; /* the number is what tells two names apart */
    }
    snprintf(out, REPLICA_NAME_MAX + 1, "%.*s%s%s", (int)before, pattern, number, rest);
}

bool name_is_number(const char *name, uint64_t *number)
{
    return read_number(name, strlen(name), INT64_MAX, number);
}

void name_of_server(const char *pattern, const char *name, char out[REPLICA_NAME_MAX + 1])
{
    uint32_t ordinal;
    if (name_has_ordinal(pattern, name, &ordinal)) {
        snprintf(out, REPLICA_NAME_MAX + 1, "%u", ordinal);
    } else {
        snprintf(out, REPLICA_NAME_MAX + 1, "%s", name);
    }
}

/* ------------------------------------------------------------------ looking for rows */

struct row *row_named(const struct supervisor *s, const char *name)
{
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        if (!row->is_leaving && strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

struct row *row_find(const struct supervisor *s, const char *name)
{
    struct row *named = row_named(s, name);
    uint64_t number;
    if (named || !name_is_number(name, &number) || number == 0) {
        return named;
    }
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        if (!row->is_leaving && row->place.ordinal == number) {
            return row;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ free names */

/* Marks the number of a name that is prefix and exactly so many digits. */
static void mark_taken(bool *taken, const char *name, const char *prefix, unsigned digits)
{
    size_t before = strlen(prefix);
    if (strncmp(name, prefix, before) != 0 || strlen(name) != before + digits ||
        strspn(name + before, "0123456789") != digits) {
        return;
    }
    taken[strtoul(name + before, NULL, 10)] = true;
}

/* One of the free names with so many digits, each equally likely; false when there is none. */
static bool random_of_width(struct supervisor *s, const char *prefix, unsigned digits, size_t count,
                            char out[REPLICA_NAME_MAX + 1])
{
    bool *taken = mem_zero(count, sizeof *taken);
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        mark_taken(taken, row->name, prefix, digits);
        mark_taken(taken, row->place.ring_name, prefix, digits);
        if (row->place.shown) {
            mark_taken(taken, row->place.shown->name, prefix, digits);
        }
    }
    for (struct link *at = s->spares.next; at != &s->spares; at = at->next) {
        mark_taken(taken, LIST_OWNER(at, struct row, link)->name, prefix, digits);
    }
    size_t n_free = 0;
    for (size_t i = 0; i < count; i++) {
        n_free += !taken[i];
    }
    if (n_free > 0) {
        size_t nth = lb_scale(lb_random(&s->random), n_free), i = 0;
        while (taken[i] || nth-- > 0) {
            i++;
        }
        snprintf(out, REPLICA_NAME_MAX + 1, "%s%0*zu", prefix, (int)digits, i);
    }
    free(taken);
    return n_free > 0;
}

void name_random(struct supervisor *s, const char *prefix, unsigned digits, char out[REPLICA_NAME_MAX + 1])
{
    size_t count = 1;
    for (unsigned i = 0; i < digits; i++) {
        count *= 10;
    }
    while (!random_of_width(s, prefix, digits, count, out)) {
        digits++;
        count *= 10;
    }
}

uint32_t name_next_ordinal(struct supervisor *s, char out[REPLICA_NAME_MAX + 1])
{
    /* A row takes two at most, one by its ordinal and one by its name: among so many one is free. */
    uint32_t n = 2 * change_count_living(s) + 1, ordinal = 1;
    bool *taken = mem_zero(n + 1, sizeof *taken);
    for (struct row *row = row_first(s); row; row = row_after(row)) {
        uint32_t named;
        if (!row->is_leaving && row->place.ordinal <= n) {
            taken[row->place.ordinal] = true;
        }
        if (!row->is_leaving && name_has_ordinal(s->config->replicas.name, row->name, &named) && named <= n) {
            taken[named] = true;
        }
    }
    while (taken[ordinal]) {
        ordinal++;
    }
    free(taken);
    name_of_ordinal(s->config->replicas.name, ordinal, out);
    return ordinal;
}

/* ------------------------------------------------------------------ the place of a new row */

static bool is_ring_name_taken(const struct row *mine)
{
    for (struct row *row = row_first(mine->owner); row; row = row_after(row)) {
        if (row != mine && !row->is_leaving && strcmp(row->place.ring_name, mine->place.ring_name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_identity_taken(const struct row *mine)
{
    for (struct row *row = row_first(mine->owner); row; row = row_after(row)) {
        if (row != mine && !row->is_leaving &&
            (row->place.id == mine->place.id ||
             (mine->place.ordinal && row->place.ordinal == mine->place.ordinal))) {
            return true;
        }
    }
    return false;
}

void name_identify(struct row *row)
{
    uint64_t number;
    row->place.ordinal = 0;
    if (name_has_ordinal(row->owner->config->replicas.name, row->name, &row->place.ordinal)) {
        row->place.id = row->place.ordinal;
    } else if (name_is_number(row->name, &number)) {
        row->place.id = number;
        row->place.ordinal = number <= UINT32_MAX ? (uint32_t)number : 0;
    } else {
        row->place.id = strategy_id_of_name(row->name, strlen(row->name));
    }
    snprintf(row->place.ring_name, sizeof row->place.ring_name, "%s", row->name);
    for (unsigned k = 2; is_ring_name_taken(row); k++) {
        snprintf(row->place.ring_name, sizeof row->place.ring_name, "%s#%u", row->name, k);
    }
    if (is_identity_taken(row)) {
        row->place.ordinal = 0;
        row->place.id = strategy_id_of_name(row->place.ring_name, strlen(row->place.ring_name));
    }
}
