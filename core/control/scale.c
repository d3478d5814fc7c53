/*
 * scale.c - how many replicas a load wants. Pure.
 *
 * Owns     the bounds between which nothing happens.
 * Used by  supervisor_scale.c.
 * Uses     nothing.
 * Thread   any.
 */
#include "control/scale.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define OUT_PERCENT 110u /* of the target: above it there are too few */
#define IN_PERCENT  80u  /* of it: fewer would do when they hold no more than this */
#define REGRETS_MAX 4u
#define HIGH_FOR_MS (2 * (uint64_t)SCALE_LOOKS * SCALE_LOOK_MS)

static uint64_t patience_ms(const struct scale *s, const struct scale_rules *rules)
{
    return ((uint64_t)rules->cooldown_ms * 2) << s->regrets;
}

uint64_t scale_load(const struct scale *s)
{
    uint64_t n = s->n_looks < SCALE_LOOKS ? s->n_looks : SCALE_LOOKS;
    return n ? s->sum * 1000 / n : 0;
}

void scale_skip(struct scale *s)
{
    memset(s->looks, 0, sizeof s->looks);
    s->n_looks = s->sum = 0;
    s->high_ms = s->low_ms = 0;
}

void scale_touch(struct scale *s, uint64_t now_ms)
{
    s->changed_ms = now_ms;
    s->high_ms = s->low_ms = 0;
}

static void add_look(struct scale *s, uint32_t in_flight)
{
    uint32_t *oldest = &s->looks[s->n_looks++ % SCALE_LOOKS];
    s->sum += in_flight;
    s->sum -= *oldest;
    *oldest = in_flight;
}

static uint32_t clamp(uint64_t n, uint64_t low, uint64_t high)
{
    return (uint32_t)(n < low ? low : n > high ? high : n);
}

/* The fewest replicas that carry the load at so many percent of the target. */
static uint64_t need(uint64_t load, const struct scale_rules *rules, uint32_t percent)
{
    uint64_t each = (uint64_t)rules->target_inflight * percent;
    return (load * 100 + each - 1) / each;
}

/* Since when something holds; 0 when it does not. */
static uint64_t since(uint64_t before, bool holds, uint64_t now_ms)
{
    return !holds ? 0 : before ? before : now_ms;
}

static void watch(struct scale *s, const struct scale_rules *rules, uint64_t now_ms, uint32_t n)
{
    uint64_t load = scale_load(s);
    bool is_high = load * 100 > (uint64_t)n * rules->target_inflight * OUT_PERCENT;
    uint32_t fits = clamp(need(load, rules, IN_PERCENT), rules->min, rules->max);
    s->high_ms = since(s->high_ms, is_high, now_ms);
    s->low_ms = since(s->low_ms, fits < n, now_ms);
    if (s->low_ms == now_ms || fits > s->low_need) {
        s->low_need = fits;
    }
}

static uint32_t go_out(struct scale *s, const struct scale_rules *rules, uint64_t now_ms, uint32_t n)
{
    uint64_t wanted = need(scale_load(s), rules, 100);
    if (s->in_ms) { /* was it missed at once what left? */
        bool regret = now_ms - s->in_ms < patience_ms(s, rules);
        s->regrets = !regret ? 0 : s->regrets < REGRETS_MAX ? s->regrets + 1 : s->regrets;
    }
    return clamp(clamp(wanted, n, 2 * (uint64_t)n), rules->min, rules->max);
}

static uint32_t choose(struct scale *s, const struct scale_rules *rules, uint64_t now_ms, uint32_t n)
{
    bool is_cool = now_ms - s->changed_ms >= rules->cooldown_ms;
    if (is_cool && n < rules->min) {
        return rules->min;
    }
    if (is_cool && n < rules->max && s->high_ms && now_ms - s->high_ms >= HIGH_FOR_MS) {
        return go_out(s, rules, now_ms, n);
    }
    if (s->low_ms && now_ms - s->low_ms >= patience_ms(s, rules)) {
        s->in_ms = now_ms;
        return clamp(s->low_need, n / 2 > 1 ? n / 2 : 1, n);
    }
    return n;
}

uint32_t scale_look(struct scale *s, const struct scale_rules *rules, uint64_t now_ms, uint32_t n,
                    uint32_t in_flight, char *why, size_t why_size)
{
    add_look(s, in_flight);
    watch(s, rules, now_ms, n);
    uint64_t load = scale_load(s);
    uint32_t wanted = choose(s, rules, now_ms, n);
    if (wanted != n) {
        snprintf(why, why_size,
                 "%u -> %u replicas: %llu.%llu requests in flight, target %u.%03u a replica, %u to %u", n,
                 wanted, (unsigned long long)(load / 1000), (unsigned long long)(load % 1000 / 100),
                 rules->target_inflight / 1000, rules->target_inflight % 1000, rules->min, rules->max);
        scale_touch(s, now_ms);
    }
    return wanted;
}
