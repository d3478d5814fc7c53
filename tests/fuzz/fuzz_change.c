/*
 * fuzz_change.c - libFuzzer on the bodies of /add and /rm.
 *
 * The first octet chooses: bit 0 what is asked for, the others the most that is allowed. A fault is a crash,
 * a change that breaks its own promises, a refusal without a sentence, or two readings that differ.
 */
#include <stdbool.h>

#include "control/change.h"
#include "fuzz/fuzz.h"

#define WHY 256

/* What leaves may be an address ("fd00::7"). */
static bool is_name(const char *name, enum change_kind kind)
{
    const char *marks = kind == CHANGE_REMOVE ? " _-.@:" : " _-.@";
    size_t len = strlen(name);
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        if (!letter && !(*c >= '0' && *c <= '9') && !strchr(marks, *c))
            return false;
    }
    return len >= 1 && len <= 63;
}

static void check_change(const struct change *c, enum change_kind kind, uint32_t max)
{
    demand(c->n >= 1 && c->n <= max && c->n_names <= c->n);
    for (size_t i = 0; i < c->n_names; i++)
        demand(is_name(c->names[i], kind));
    demand(!c->names || c->names[c->n_names] == NULL);
}

static void check_same(const struct change *a, const struct change *b)
{
    demand(a->n == b->n && a->n_names == b->n_names);
    for (size_t i = 0; i < a->n_names; i++)
        demand(strcmp(a->names[i], b->names[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    enum change_kind kind = data[0] & 1 ? CHANGE_REMOVE : CHANGE_ADD;
    uint32_t max = 1 + (data[0] >> 1) * 64u;
    struct change first = { 0 }, second = { 0 };
    char why[WHY] = "", why_again[WHY] = "";

    char *body = fuzz_copy(data + 1, size - 1);
    int result = change_read(kind, body, size - 1, max, &first, why, sizeof why);
    demand(change_read(kind, body, size - 1, max, &second, why_again, sizeof why_again) == result);
    free(body);
    demand(result == 0 || result == -1);
    if (result == 0) {
        check_change(&first, kind, max);
        check_same(&first, &second);
        change_free(&first);
        change_free(&second);
        return 0;
    }
    demand(memchr(why, '\0', sizeof why) != NULL && strncmp(why, "<Error> ", 8) == 0 && strlen(why) > 8);
    demand(strcmp(why, why_again) == 0);
    return 0;
}
