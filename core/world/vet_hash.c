/*
 * vet_hash.c - hash and probe, tried out: pure, and inside the ring.
 *
 * Owns     the sample keys and members while they are tried.
 * Used by  vet.c.
 * Uses     vet_watch.h (a slot outside the ring is found there), vet_guard.h for bytes nobody may read past.
 * Thread   the process that tries out has one.
 *
 * Each question is asked three times: of the first instance, then in the opposite order, from another
 * address, of the first again and of the second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/plugin.h"
#include "world/vet_exercise.h"
#include "world/vet_guard.h"
#include "world/vet_watch.h"

#define KEYS     256u
#define KEY_MAX  4096u
#define COPIES   16u /* virtual nodes of each member */
#define MADE_UP  24u /* members besides the real ones */
#define REAL_MAX 40u
#define MIXES    64u

/* ------------------------------------------------------------------ keys */

/* The i-th sample: numbers of all lengths, words, any bytes, none, and a long one. Returns its length. */
static size_t write_key(uint32_t i, unsigned char *out)
{
    uint64_t random = lb_mix64(i + 1);
    char text[64];
    size_t len;

    switch (i % 8) {
    case 0: len = (size_t)snprintf(text, sizeof text, "%u", i / 8); break;
    case 1:
        len = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)(100000 + random % 900000));
        break;
    case 2:
        len = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)(random >> (i % 60)));
        break;
    case 3:
        len = (size_t)snprintf(text, sizeof text, "%llu%llu", (unsigned long long)random,
                               (unsigned long long)i);
        break;
    case 4: len = (size_t)snprintf(text, sizeof text, "user-%016llx", (unsigned long long)random); break;
    case 5: len = (size_t)snprintf(text, sizeof text, "/a/path/%u?q=%u", i, i * i); break;
    default:
        len = i == 6 ? 0 : i == 7 ? KEY_MAX : (size_t)(random % 70);
        for (size_t k = 0; k < len; k++)
            out[k] = (unsigned char)lb_mix64(random + k);
        return len;
    }
    memcpy(out, text, len);
    return len;
}

/* Its bytes end where nobody may read on; or lie before other ones, at an address of another parity. */
static void place_key(uint32_t i, struct guard *room, bool elsewhere, struct lb_key *key)
{
    unsigned char bytes[KEY_MAX];
    size_t len = write_key(i, bytes);
    unsigned char *at = elsewhere ? room->data + i % 7 : room->data + room->size - len;

    memset(room->data, elsewhere ? 0x5a : 0, room->size);
    memcpy(at, bytes, len);
    *key = (struct lb_key){ .bytes = at, .len = len };
    strategy_key_finish(key);
}

/* As much of a key as fits into a sentence. */
static const char *show_key(const struct lb_key *key)
{
    static char text[48];
    const unsigned char *bytes = key->bytes;
    size_t len = key->len < sizeof text - 4 ? key->len : sizeof text - 4;
    for (size_t i = 0; i < len; i++)
        text[i] = bytes[i] >= ' ' && bytes[i] < 0x7f && bytes[i] != '"' ? (char)bytes[i] : '?';
    strcpy(text + len, len < key->len ? "..." : "");
    return text;
}

static void try_keys(const struct lb_hash *a, const struct lb_hash *b)
{
    uint64_t first[KEYS];
    struct lb_key key;
    struct guard room;

    guard_open(&room, KEY_MAX + 64, 1);
    for (uint32_t i = 0; i < KEYS; i++) {
        place_key(i, &room, false, &key);
        first[i] = a->ops->key(a->self, &key);
    }
    for (uint32_t i = KEYS; i-- > 0;) {
        place_key(i, &room, true, &key);
        if (a->ops->key(a->self, &key) != first[i])
            vet_refuse(PART_HASH, "gives the key \"%s\" another number when asked again; key must be pure",
                       show_key(&key));
        if (b->ops->key(b->self, &key) != first[i])
            vet_refuse(
                PART_HASH,
                "gives the key \"%s\" another number from another instance with the same options; key must "
                "be pure",
                show_key(&key));
    }
    guard_close(&room);
}

/* ------------------------------------------------------------------ places */

struct sample_members {
    uint32_t n;
    struct lb_member members[REAL_MAX + MADE_UP];
    char names[MADE_UP][64];
};

static void fill_members(struct sample_members *s, const struct lb_member *members, uint32_t n)
{
    for (s->n = 0; s->n < n && s->n < REAL_MAX; s->n++)
        s->members[s->n] = members[s->n];
    for (uint32_t i = 0; i < MADE_UP; i++) {
        int len =
            snprintf(s->names[i], sizeof s->names[i], i % 3 ? "Server %u" : "emergency-%u.example", i + 1);
        s->members[s->n++] =
            (struct lb_member){ .id = i % 3 ? i + 1 : strategy_id_of_name(s->names[i], (size_t)len),
                                .key = s->names[i],
                                .key_len = (uint32_t)len,
                                .weight = 1 + i % 5 };
    }
}

/* The member with its name at an address of its own, at the end of what may be read. */
static uint64_t place_of(const struct lb_hash *h, const struct lb_member *member, uint32_t j, bool elsewhere,
                         struct guard *room)
{
    struct lb_member shown = *member;
    unsigned char *at = elsewhere ? room->data : room->data + room->size - member->key_len;
    memset(room->data, elsewhere ? 0x5a : 0, room->size);
    memcpy(at, member->key, member->key_len);
    shown.key = (const char *)at;
    return h->ops->place(h->self, &shown, j);
}

static void try_places(const struct lb_hash *a, const struct lb_hash *b, const struct sample_members *s)
{
    uint64_t *first = mem_zero(s->n * COPIES, sizeof *first);
    size_t longest = 0;
    struct guard room;

    for (uint32_t m = 0; m < s->n; m++)
        longest = s->members[m].key_len > longest ? s->members[m].key_len : longest;
    guard_open(&room, longest + 64, 1);
    for (uint32_t i = 0; i < s->n * COPIES; i++)
        first[i] = place_of(a, &s->members[i / COPIES], i % COPIES, false, &room);
    for (uint32_t i = s->n * COPIES; i-- > 0;) {
        const struct lb_member *member = &s->members[i / COPIES];
        const struct lb_hash *asked = place_of(a, member, i % COPIES, true, &room) != first[i]   ? a
                                      : place_of(b, member, i % COPIES, true, &room) != first[i] ? b
                                                                                                 : NULL;
        if (asked)
            vet_refuse(PART_HASH, "puts copy %u of member \"%.*s\" somewhere else %s; place must be pure",
                       i % COPIES, (int)member->key_len, member->key,
                       asked == a ? "when asked again" : "from another instance with the same options");
    }
    guard_close(&room);
    free(first);
}

static void try_mixes(const struct lb_hash *a, const struct lb_hash *b)
{
    uint64_t first[MIXES];
    if (!a->ops->mix)
        return;
    for (uint32_t i = 0; i < MIXES; i++)
        first[i] = a->ops->mix(a->self, lb_mix64(i), i / 2);
    for (uint32_t i = MIXES; i-- > 0;)
        if (a->ops->mix(a->self, lb_mix64(i), i / 2) != first[i] ||
            b->ops->mix(b->self, lb_mix64(i), i / 2) != first[i])
            vet_refuse(PART_HASH, "mixes %llu and %u to another number when asked again; mix must be pure",
                       (unsigned long long)lb_mix64(i), i / 2);
}

/* The hash of a strategy, also when its scheduler does not ask for one. */
static struct lb_hash hash_of(const struct strategy *s)
{
    return (struct lb_hash){ .ops = s->hash->info->ops, .self = s->with_hash.self };
}

void vet_exercise_hash(const struct vet_pair *pair, const struct lb_member *members, uint32_t n)
{
    const struct lb_hash a = hash_of(pair->a), b = hash_of(pair->b);
    struct sample_members s;
    fill_members(&s, members, n);
    try_keys(&a, &b);
    try_places(&a, &b, &s);
    try_mixes(&a, &b);
}

/* ------------------------------------------------------------------ probe */

static struct lb_probe_try probe_try(uint64_t slots, uint32_t i)
{
    return (struct lb_probe_try){ .home = i % 4 == 3 ? slots - 1 : lb_mix64(i) % slots,
                                  .hash2 = lb_mix64(lb_mix64(i)),
                                  .slots = slots,
                                  .copy = i / 16,
                                  .attempt = 1 + i % 16 };
}

static void try_ring(const struct lb_probe *a, const struct lb_probe *b, uint64_t slots)
{
    enum { TRIES = 256 };
    uint64_t first[TRIES];
    for (uint32_t i = 0; i < TRIES; i++) {
        struct lb_probe_try p = probe_try(slots, i);
        first[i] = a->ops->at(a->self, &p);
    }
    for (uint32_t i = TRIES; i-- > 0;) {
        struct lb_probe_try p = probe_try(slots, i);
        if (a->ops->at(a->self, &p) != first[i] || b->ops->at(b->self, &p) != first[i])
            vet_refuse(PART_PROBE,
                       "names another slot when asked again (home %llu of %llu, attempt %u); at must be pure",
                       (unsigned long long)p.home, (unsigned long long)slots, p.attempt);
    }
}

static void try_yields(const struct lb_probe *a, const struct lb_probe *b)
{
    enum { SIDE = 12 };
    int first[SIDE * SIDE];
    if (!a->ops->yields)
        return;
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        first[i] = a->ops->yields(a->self, i / SIDE, i % SIDE) != 0;
    for (uint32_t i = SIDE * SIDE; i-- > 0;)
        if ((a->ops->yields(a->self, i / SIDE, i % SIDE) != 0) != first[i] ||
            (b->ops->yields(b->self, i / SIDE, i % SIDE) != 0) != first[i])
            vet_refuse(PART_PROBE, "yields %u to %u once and not again; yields must be pure", i % SIDE,
                       i / SIDE);
}

void vet_exercise_probe(const struct vet_pair *pair)
{
    static const uint64_t sizes[] = { 512, 2, 3, 1000, 65536, 65537, 1000003, 1ull << 31, 1ull << 32 };
    const struct lb_probe a = { .ops = pair->a->probe->info->ops, .self = pair->a->with_probe.self };
    const struct lb_probe b = { .ops = pair->b->probe->info->ops, .self = pair->b->with_probe.self };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        try_ring(&a, &b, sizes[i]);
    try_yields(&a, &b);
}
