/*
 * keys.c - the keys of a simulated run: see keys.h.
 *
 * Owns     the rules.
 * Used by  cmd_simulate.c, cmd_replay.c, simulate_*.c.
 * Uses     strategy_key_finish.
 * Thread   any may read one that is open.
 */
#include "lab/keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lab/lab.h"
#include "lab/option.h"
#include "world/strategy.h"

/* ------------------------------------------------------------------ Zipf */

/* The integral of x^-s, and its inverse: (1 - s) times it is x^(1-s) - 1, and the logarithm at s = 1. expm1 and log1p keep
 * both exact around there. */
static double integral(double s, double x)
{
    double l = log(x), t = (1 - s) * l;
    return fabs(t) > 1e-8 ? expm1(t) / t * l : l * (1 + t / 2);
}

static double integral_inverse(double s, double y)
{
    double t = (1 - s) * y;
    if (t < -1)
        t = -1;
    return exp(fabs(t) > 1e-8 ? log1p(t) / t * y : y * (1 - t / 2));
}

static void prepare_zipf(struct keys *k)
{
    double s = k->zipf.s;
    k->zipf.low = integral(s, 1.5) - 1;
    k->zipf.high = integral(s, k->zipf.items + 0.5);
    k->zipf.cut = 2 - integral_inverse(s, integral(s, 2.5) - pow(2, -s));
}

/* A rank, 1 to items: a point under the smooth curve, rejected where it lies above the steps (W. Hörmann, G. Derflinger,
 * "Rejection-inversion to generate variates from monotone discrete distributions", 1996). */
static uint64_t draw_zipf(const struct keys *k, uint64_t *random)
{
    for (;;) {
        double unit = (double)(lb_random(random) >> 11) * 0x1p-53;
        double u = k->zipf.high + unit * (k->zipf.low - k->zipf.high);
        double x = integral_inverse(k->zipf.s, u), rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : rank > k->zipf.items ? k->zipf.items : rank;
        if (rank - x <= k->zipf.cut || u >= integral(k->zipf.s, rank + 0.5) - pow(rank, -k->zipf.s))
            return (uint64_t)rank;
    }
}

/* ------------------------------------------------------------------ making */

static uint64_t make_number(const struct keys *k, uint64_t i)
{
    uint64_t random = lb_mix64(k->seed) ^ lb_mix64(i + 0x9e3779b97f4a7c15ull);
    switch (k->rule) {
    case KEYS_UNIFORM: return lb_random(&random) >> 1;
    case KEYS_SIX: return 100000 + lb_scale(lb_random(&random), 900000);
    case KEYS_ZIPF: return lb_mix64(draw_zipf(k, &random) ^ lb_mix64(k->seed)) >> 1;
    default: return k->first + i;
    }
}

static size_t write_number(uint64_t number, char text[KEYS_TEXT])
{
    char digits[KEYS_TEXT];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while (number /= 10);
    for (size_t i = 0; i < n; i++)
        text[i] = digits[n - 1 - i];
    return n;
}

void keys_fill(const struct keys *k, uint64_t first, struct keys_batch *out)
{
    uint64_t left = first < k->count ? k->count - first : 0;
    out->n = left < KEYS_BATCH ? (uint32_t)left : KEYS_BATCH;
    for (uint32_t i = 0; i < out->n; i++) {
        if (k->rule == KEYS_FILE) {
            const struct keys_line *line = &k->lines[first + i];
            out->keys[i] = (struct lb_key){ .bytes = k->texts + line->at, .len = line->len };
        } else {
            size_t len = write_number(make_number(k, first + i), out->texts[i]);
            out->keys[i] = (struct lb_key){ .bytes = out->texts[i], .len = len };
        }
        strategy_key_finish(&out->keys[i]);
    }
}

/* ------------------------------------------------------------------ reading how they are written */

/* What follows "word:" in text; NULL when text is something else. "" when it is the word alone. */
static const char *after(const char *text, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(text, word, len) != 0 || (text[len] && text[len] != ':'))
        return NULL;
    return text[len] ? text + len + 1 : "";
}

static bool read_zipf(struct keys *k, const char *rest)
{
    uint64_t items = 1000000;
    char *end;
    k->zipf.s = 1;
    if (*rest) {
        k->zipf.s = strtod(rest, &end);
        if (end == rest || (*end && *end != ':') || !(k->zipf.s >= 0 && k->zipf.s <= 10))
            return false;
        if (*end && !option_parse_number(end + 1, 1, 1e12, &items))
            return false;
    }
    k->zipf.items = (double)items;
    prepare_zipf(k);
    return true;
}

static bool read_rule(struct keys *k, const char *written)
{
    const char *rest;
    if ((rest = after(written, "uniform")))
        return k->rule = KEYS_UNIFORM, !*rest;
    if ((rest = after(written, "six")))
        return k->rule = KEYS_SIX, !*rest;
    if ((rest = after(written, "sequential"))) {
        k->rule = KEYS_SEQUENTIAL;
        k->first = 1;
        return !*rest || option_parse_number(rest, 0, 9e18, &k->first);
    }
    if ((rest = after(written, "zipf")))
        return k->rule = KEYS_ZIPF, read_zipf(k, rest);
    return false;
}

bool keys_open(struct keys *k, const char *written, uint64_t count, uint64_t seed, const char *sources)
{
    *k = (struct keys){ .count = count, .seed = seed };
    const char *path = after(written, "file");
    if (path && *path) {
        k->rule = KEYS_FILE;
        bool good = keys_read_file(k, path, count, sources);
        k->count = good && k->count > count ? count : k->count;
        if (!good)
            keys_close(k);
        return good;
    }
    if (read_rule(k, written))
        return true;
    lab_complain("keys are written " KEYS_SYNTAX ", not \"%s\"", written);
    return false;
}

void keys_close(struct keys *k)
{
    for (uint32_t i = 0; i < k->n_replicas; i++)
        free(k->replicas[i]);
    free(k->replicas);
    free(k->texts);
    free(k->lines);
    *k = (struct keys){ 0 };
}
