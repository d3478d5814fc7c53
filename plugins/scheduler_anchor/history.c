/*
 * history.c - which member holds which bucket, from one build to the next: see history.h.
 *
 * Owns     the anchor that changes, the names of holders, and the plan of one build while it is followed.
 * Used by  scheduler_anchor.c.
 * Uses     anchor.h.
 * Thread   builder thread.
 *
 * A build is told who is there now, and not who came and went. So the buckets' holders are compared with the
 * members, and what differs are the events: first all that go (by ring name, then bucket), then all that
 * come. A bucket that is given back goes to whom it was taken from, when that one is coming; else to the
 * first by ring name that is.
 *
 * Everything that can fail is done before the first event: a build that is refused leaves no trace.
 */
#include "history.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../common/build.h"

#define BUCKETS_MAX (1u << 22)
#define SIZE_MIN    16u

/* A ring name, shared by the buckets of its member. */
struct name {
    uint32_t refs, len;
    char text[];
};

struct history {
    uint32_t capacity;
    struct anchor anchor;
    struct name **holder; /* of each bucket, who holds it or held it last; NULL: nobody yet */
};

/* One build. */
struct plan {
    const struct lb_build *in;
    uint32_t wanted;   /* buckets in all */
    uint32_t *working; /* buckets, sorted by holder and number; in the end those to take away come first */
    uint32_t n_working, n_leaving;
    uint32_t *lacks;    /* of each member: how many buckets it is to get */
    struct name **name; /* of each member: found, or made for it; one reference is the plan's */
    struct holdings out;
};

static const char what[] = "an anchor";

struct history *history_make(uint32_t capacity)
{
    struct history *h = calloc(1, sizeof *h);

    if (h)
        h->capacity = capacity;
    return h;
}

static void name_release(struct name *name)
{
    if (name && --name->refs == 0)
        free(name);
}

static void anchor_free(struct anchor *a)
{
    free(a->cells);
    free(a->working);
    free(a->place);
    free(a->removed);
}

static void free_holders(struct history *h)
{
    for (uint32_t b = 0; h->holder && b < h->anchor.size; b++)
        name_release(h->holder[b]);
    free(h->holder);
}

void history_free(struct history *h)
{
    free_holders(h);
    anchor_free(&h->anchor);
    free(h);
}

/* ------------------------------------------------------------------ what differs */

static int compare_text(const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
    uint32_t shorter = a_len < b_len ? a_len : b_len;
    int order = shorter ? memcmp(a, b, shorter) : 0;

    return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* For qsort_r: buckets by holder, then by number. */
static int compare_buckets(const void *a, const void *b, void *context)
{
    const struct history *h = context;
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    const struct name *x = h->holder[one], *y = h->holder[other];
    int order = x == y ? 0 : compare_text(x->text, x->len, y->text, y->len);

    return order ? order : (one > other) - (one < other);
}

/* Walks through holders and members, both sorted by name. A member keeps as many of its buckets as it weighs.
 * Those that nobody keeps move to the front of working. */
static void find_differences(struct plan *p, const struct history *h)
{
    uint32_t m = 0;

    for (uint32_t i = 0; i < p->n_working; i++) {
        uint32_t bucket = p->working[i];
        struct name *name = h->holder[bucket];
        int order = -1;

        while (m < p->in->n_members && (order = compare_text(p->in->members[m].key, p->in->members[m].key_len,
                                                             name->text, name->len)) < 0)
            m++;
        if (m == p->in->n_members || order != 0 || p->lacks[m] == 0) {
            p->working[p->n_leaving++] = bucket;
            continue;
        }
        p->lacks[m]--;
        if (!p->name[m]) {
            p->name[m] = name;
            name->refs++;
        }
    }
}

static bool name_members(struct plan *p)
{
    for (uint32_t m = 0; m < p->in->n_members; m++) {
        const struct lb_member *member = &p->in->members[m];

        if (p->name[m])
            continue;
        p->name[m] = malloc(sizeof *p->name[m] + member->key_len);
        if (!p->name[m])
            return false;
        p->name[m]->refs = 1;
        p->name[m]->len = member->key_len;
        if (member->key_len)
            memcpy(p->name[m]->text, member->key, member->key_len);
    }
    return true;
}

/* ------------------------------------------------------------------ a new anchor */

static uint32_t size_for(const struct history *h, uint32_t wanted)
{
    uint32_t size = SIZE_MIN;

    while (size < 2 * wanted)
        size *= 2;
    return h->capacity ? h->capacity : size;
}

/* Replaces the anchor by a new one, whose first buckets the members get in their order. */
static bool start_again(struct history *h, struct plan *p)
{
    uint32_t size = size_for(h, p->wanted), bucket = 0;
    struct anchor a = { .size = size };
    struct name **holder = calloc(size, sizeof *holder);

    a.cells = calloc(size, sizeof *a.cells);
    a.working = calloc(size, sizeof *a.working);
    a.place = calloc(size, sizeof *a.place);
    a.removed = calloc(size, sizeof *a.removed);
    if (!holder || !a.cells || !a.working || !a.place || !a.removed) {
        free(holder);
        anchor_free(&a);
        return false;
    }
    anchor_start(&a, p->wanted);
    for (uint32_t m = 0; m < p->in->n_members; m++) {
        for (uint32_t j = 0; j < p->in->members[m].weight; j++) {
            holder[bucket++] = p->name[m];
            p->name[m]->refs++;
        }
    }
    free_holders(h);
    anchor_free(&h->anchor);
    h->anchor = a;
    h->holder = holder;
    return true;
}

/* ------------------------------------------------------------------ events */

static uint32_t find_member(const struct lb_build *in, const struct name *name)
{
    uint32_t low = 0, high = in->n_members;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_text(in->members[middle].key, in->members[middle].key_len, name->text, name->len);

        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return LB_NONE;
}

/* Who gets a bucket that is given back. first is the first member that lacks one. */
static uint32_t receiver(const struct plan *p, const struct name *held, uint32_t first)
{
    uint32_t member = held ? find_member(p->in, held) : LB_NONE;

    return member != LB_NONE && p->lacks[member] > 0 ? member : first;
}

static void apply(struct history *h, struct plan *p)
{
    uint32_t first = 0;

    for (uint32_t i = 0; i < p->n_leaving; i++)
        anchor_remove(&h->anchor, p->working[i]);
    while (h->anchor.n < p->wanted) {
        uint32_t bucket = anchor_add(&h->anchor), member;

        while (p->lacks[first] == 0)
            first++;
        member = receiver(p, h->holder[bucket], first);
        p->lacks[member]--;
        name_release(h->holder[bucket]);
        h->holder[bucket] = p->name[member];
        p->name[member]->refs++;
    }
}

static void copy_out(const struct history *h, struct plan *p)
{
    const struct anchor *a = &h->anchor;

    memcpy(p->out.cells, a->cells, a->size * sizeof *a->cells);
    for (uint32_t b = 0; b < a->size; b++)
        p->out.owner[b] = a->cells[b].left ? LB_NONE : find_member(p->in, h->holder[b]);
}

/* ------------------------------------------------------------------ one build */

static int count_wanted(const struct history *h, struct plan *p, struct lb_error *why)
{
    uint32_t most = h->capacity ? h->capacity : BUCKETS_MAX / 2;
    uint64_t sum = 0;

    if (build_check_weights(p->in, why))
        return -1;
    for (uint32_t m = 0; m < p->in->n_members; m++)
        sum += p->in->members[m].weight;
    if (sum > most) {
        snprintf(why->text, sizeof why->text, "the weights add up to %llu buckets, and %s %u: %s",
                 (unsigned long long)sum, h->capacity ? "capacity is" : "an anchor has at most", most,
                 h->capacity ? "raise capacity, or use smaller weights" : "use smaller weights");
        return -1;
    }
    p->wanted = (uint32_t)sum;
    return 0;
}

/* Room for the plan, and the names of members. */
static bool plan_make(struct plan *p, const struct history *h)
{
    uint32_t n = p->in->n_members;

    p->n_working = h->anchor.n;
    p->working = malloc((p->n_working + 1u) * sizeof *p->working);
    p->lacks = malloc(n * sizeof *p->lacks);
    p->name = calloc(n, sizeof(struct name *));
    if (!p->working || !p->lacks || !p->name)
        return false;
    for (uint32_t m = 0; m < n; m++)
        p->lacks[m] = p->in->members[m].weight;
    if (p->n_working > 0) {
        memcpy(p->working, h->anchor.working, p->n_working * sizeof *p->working);
        qsort_r(p->working, p->n_working, sizeof *p->working, compare_buckets, (void *)(uintptr_t)h);
    }
    find_differences(p, h);
    return name_members(p);
}

static void plan_free(struct plan *p)
{
    for (uint32_t m = 0; p->name && m < p->in->n_members; m++)
        name_release(p->name[m]);
    free(p->name);
    free(p->lacks);
    free(p->working);
}

static int follow(struct history *h, struct plan *p, struct lb_error *why)
{
    bool again = p->n_leaving == p->n_working || p->wanted > h->anchor.size;
    uint32_t size = again ? size_for(h, p->wanted) : h->anchor.size;

    p->out = (struct holdings){ .size = size, .n = p->wanted };
    p->out.cells = build_alloc(p->in->alloc, size, sizeof *p->out.cells, what, why);
    p->out.owner = build_alloc(p->in->alloc, size, sizeof *p->out.owner, what, why);
    if (!p->out.cells || !p->out.owner)
        return -1;
    if (again && !start_again(h, p)) {
        snprintf(why->text, sizeof why->text, "no memory for %s of %u buckets", what, size);
        return -1;
    }
    if (!again)
        apply(h, p);
    copy_out(h, p);
    return 0;
}

int history_follow(struct history *h, const struct lb_build *in, struct holdings *out, struct lb_error *why)
{
    struct plan p = { .in = in };
    int result = -1;

    if (count_wanted(h, &p, why))
        return -1;
    if (plan_make(&p, h))
        result = follow(h, &p, why);
    else
        snprintf(why->text, sizeof why->text, "no memory to compare %u members with the ones before",
                 in->n_members);
    plan_free(&p);
    if (result) {
        build_free(in->alloc, p.out.cells);
        build_free(in->alloc, p.out.owner);
    }
    *out = p.out;
    return result;
}
