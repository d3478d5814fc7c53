/*
 * supervisor_scale.c - autoscaling: as many replicas as the load wants.
 *
 * Owns     the timer that looks, and the sentence of the last decision.
 * Used by  supervisor.c (opens, applies, closes), supervisor_change.c (others have changed the number).
 * Uses     scale.h for the decision; supervisor_change.c to follow it.
 * Thread   control.
 *
 * What /add and /rm do stands: the cool-down begins anew with it, and the next decision starts from there. So the number
 * in force is always that of the rows, and the state file needs no other one. Nobody leaves while a wanted replica is not
 * in rotation: what its load would be is not known, and somebody else carries it.
 */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/supervisor_inside.h"
#include "world/config.h"

static bool is_on(const struct supervisor *s)
{
    return s->spawner_ops->can_start && s->config->replicas.scale.target_inflight > 0;
}

static uint64_t now_ms(void)
{
    return clock_now_ns() / CLOCK_NS_PER_MS;
}

struct sums {
    uint32_t n, serving, in_flight;
};

static struct sums sum_up(const struct supervisor *s)
{
    struct sums sums = { 0 };
    for (const struct row *row = row_first(s); row; row = row_after(row)) {
        if (!row->is_leaving) {
            sums.n++;
            sums.serving += supervisor_is_serving(row->state);
            sums.in_flight += row->place.shown ? replica_in_flight(row->place.shown) : 0;
        }
    }
    return sums;
}

void scaling_look(struct supervisor *s, uint64_t at_ms)
{
    const struct scale_rules rules = {
        .min = s->config->replicas.scale.min,
        .max = s->config->replicas.scale.max,
        .target_inflight = s->config->replicas.scale.target_inflight,
        .cooldown_ms = s->config->replicas.scale.cooldown_ms,
    };
    struct sums sums = sum_up(s);
    if (s->is_stopping || supervisor_trouble(s) || (sums.n && !sums.serving)) {
        scale_skip(&s->scale);
        return;
    }
    if (sums.serving < sums.n) {
        s->scale.low_ms = 0;
    }
    char why[sizeof s->scale_why];
    uint32_t wanted = scale_look(&s->scale, &rules, at_ms, sums.n, sums.in_flight, why, sizeof why);
    if (wanted == sums.n) {
        return;
    }
    memcpy(s->scale_why, why, sizeof why);
    s->scale_decisions++;
    log_info("autoscaling: %s", why);
    supervisor_tell(s, wanted > sums.n ? "scale_out" : "scale_in", NULL, why);
    change_scale(s, wanted);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    scaling_look(arg, now_ms());
}

void scaling_touch(struct supervisor *s)
{
    scale_touch(&s->scale, now_ms());
}

void scaling_apply(struct supervisor *s)
{
    static const struct timeval wait = { .tv_usec = SCALE_LOOK_MS * 1000 };
    if (!is_on(s)) {
        event_del(&s->look);
        scale_skip(&s->scale);
    } else if (!event_pending(&s->look, EV_TIMEOUT, NULL)) {
        scaling_touch(s);
        event_add(&s->look, &wait);
    }
}

void scaling_open(struct supervisor *s)
{
    event_assign(&s->look, s->base, -1, EV_PERSIST, on_look, s);
    scaling_apply(s);
}

void scaling_close(struct supervisor *s)
{
    event_del(&s->look);
}

bool supervisor_scaling(const struct supervisor *s, struct supervisor_scaling *out)
{
    *out = (struct supervisor_scaling){
        .min = s->config->replicas.scale.min,
        .max = s->config->replicas.scale.max,
        .target_inflight = s->config->replicas.scale.target_inflight,
        .load = scale_load(&s->scale),
        .decisions = s->scale_decisions,
        .last = *s->scale_why ? s->scale_why : NULL,
    };
    return is_on(s);
}
