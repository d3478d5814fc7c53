/*
 * vetting_text.c - what is said of a trial: to whoever asked for the strategy, and on /_lb/state.
 *
 * Owns     the sentences.
 * Used by  vetting.c, state.c.
 * Uses     vetting_child.h, world/vet.h, world/vet_order.h, jansson.
 * Thread   see vetting_text.h.
 *
 * A refusal names the file, what it did, where, and that the strategy before still runs. Of a process that
 * died the page tells the last call; what stands there was written by a plugin's process, so every number is
 * looked at before it is used.
 */
#include "control/vetting_text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "control/vetting_child.h"
#include "world/config.h"
#include "world/plugin.h"
#include "world/strategy.h"
#include "world/vet.h"
#include "world/vet_order.h"

/* ------------------------------------------------------------------ who, and where */

struct scene {
    unsigned part;    /* below STRATEGY_PARTS */
    bool is_inside;   /* in the call; else after it */
    char where[96];   /* "in pick, with 3 members" */
    const char *path; /* the plugin's file */
};

/* The part is one that has a file. */
static unsigned known_part(const struct vet_order *order, unsigned part)
{
    if (part < STRATEGY_PARTS && order->source.files[part])
        return part;
    for (part = 0; part + 1 < STRATEGY_PARTS && !order->source.files[part];)
        part++;
    return part;
}

/* Whoever is busy answering one question of many after the other is named for the whole of it. */
static unsigned last_call(const struct vetting_end *end)
{
    bool is_loop = (end->cause == VETTING_TIMED_OUT || end->cause == VETTING_TOO_LARGE) && !end->stuck_inside;
    return is_loop ? atomic_load(&end->page->outer) : atomic_load(&end->page->at);
}

static void set_scene(struct scene *s, const struct vetting_end *end, const struct vet_order *order)
{
    unsigned at = last_call(end), call = VET_CALL_OF(at), members = atomic_load(&end->page->members);
    s->part = known_part(order, VET_PART(at));
    s->path = order->source.files[s->part]->path;
    s->is_inside = VET_IS_INSIDE(at);
    if (call >= VET_CALL_BUILD && call <= VET_CALL_DESTROY_TABLE)
        snprintf(s->where, sizeof s->where, "%s, with %u member%s", vet_call_text(call), members,
                 members == 1 ? "" : "s");
    else
        snprintf(s->where, sizeof s->where, "%s", vet_call_text(call));
}

/* ------------------------------------------------------------------ one sentence */

static const char old_runs[] = "; the strategy before still runs";

/* "crashed (SIGSEGV) in pick, with 3 members". The caller frees it. */
static char *tell_death(const struct vetting_end *end, const struct vet_order *order, const struct scene *s)
{
    const char *signal = sigabbrev_np(end->number);
    switch (end->cause) {
    case VETTING_CRASHED:
        if (s->is_inside)
            return mem_format("crashed (SIG%s) %s", signal ? signal : "?", s->where);
        return mem_format(
            "broke the process it runs in (SIG%s), after its last call %s; it probably writes to memory "
            "that is not its own",
            signal ? signal : "?", s->where);
    case VETTING_EXITED:
        return mem_format("ended the process with exit code %d %s; a plugin returns", end->number, s->where);
    case VETTING_TIMED_OUT:
        return mem_format(
            "did not finish within %u ms of processor time, or %u ms by the clock: it was still %s; it "
            "loops, or needs a larger strategy.vet_timeout_ms",
            order->cpu_ms, order->cpu_ms * VETTING_WALL_FACTOR, s->where);
    case VETTING_TOO_LARGE:
        return mem_format("took more than %" PRIu64 " MiB of memory %s", order->memory >> 20, s->where);
    default: return mem_text("could not be tried out");
    }
}

static void tell_about(const struct vet_order *order, unsigned part, const char *text, bool has_old,
                       struct problems *problems)
{
    problem_add(problems, order->source.written[part]->place, NULL, "%s: %s%s",
                order->source.files[part]->path, text, has_old ? old_runs : "");
}

/* A text of the page, ended and made one line whatever was written there. The caller frees it. */
static char *page_text(const char *text, size_t size)
{
    char *copy = mem_text_n(text, strnlen(text, size));
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return copy;
}

static void tell_refusal(const struct vetting_end *end, const struct vet_order *order, bool has_old,
                         struct problems *problems)
{
    char *text = page_text(end->page->sentence, sizeof end->page->sentence);
    tell_about(order, known_part(order, end->page->part), text, has_old, problems);
    free(text);
}

/* ------------------------------------------------------------------ mistakes in the options */

static void tell_problem(const struct vet_problem *p, struct problems *problems)
{
    char *file = page_text(p->file, sizeof p->file), *text = page_text(p->text, sizeof p->text);
    char *hint = page_text(p->hint, sizeof p->hint);
    struct place place = { .file = *file ? file : NULL, .line = p->line, .column = p->column };
    problem_add(problems, place, *hint ? hint : NULL, "%s", text);
    free(file);
    free(text);
    free(hint);
}

static void tell_mistakes(const struct vetting_end *end, const struct vet_order *order,
                          struct problems *problems)
{
    const struct vet_page *page = end->page;
    uint32_t n = page->n_problems, told = n < VET_PROBLEMS ? n : VET_PROBLEMS;
    for (uint32_t i = 0; i < told; i++)
        tell_problem(&page->problems[i], problems);
    if (n > told)
        problem_add(problems, order->source.written[PART_SCHEDULER]->place, NULL,
                    "and %u mistakes more in the options", n - told);
}

/* ------------------------------------------------------------------ all of it */

void vetting_tell(const struct vetting_end *end, const struct vet_order *order, const struct config *config,
                  bool has_old, struct problems *problems)
{
    struct place place = config->strategy.scheduler.place;
    struct scene scene;
    char *text;

    switch (end->cause) {
    case VETTING_NOT_BEGUN:
        problem_add(problems, place, NULL, "the plugins cannot be vetted: %s%s", end->why,
                    has_old ? old_runs : "");
        return;
    case VETTING_CANCELLED:
        problem_add(problems, place, NULL,
                    "the vetting of the plugins was broken off: the balancer is leaving");
        return;
    case VETTING_ENDED:
        if (atomic_load(&end->page->end) == VET_MISTAKEN)
            tell_mistakes(end, order, problems);
        else
            tell_refusal(end, order, has_old, problems);
        return;
    default: break;
    }
    set_scene(&scene, end, order);
    text = tell_death(end, order, &scene);
    tell_about(order, scene.part, text, has_old, problems);
    free(text);
}

/* ------------------------------------------------------------------ the report */

static json_t *number_or_null(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static json_t *render_stuck(uint32_t stuck)
{
    json_t *out = json_array();
    for (unsigned part = 0; part < STRATEGY_PARTS; part++)
        if (stuck >> part & 1)
            json_array_append_new(out,
                                  json_string(plugin_kind_name(strategy_kind((enum strategy_part)part))));
    return out;
}

json_t *vetting_render(const struct vet_report *r)
{
    if (!r)
        return json_null();
    json_t *out = json_object();
    json_object_set_new(out, "members", json_integer(r->members));
    json_object_set_new(out, "largest_share_over_fair", number_or_null(r->largest_share));
    json_object_set_new(out, "exact", json_boolean(r->exact));
    json_object_set_new(out, "slots", json_integer((json_int_t)r->slots));
    json_object_set_new(out, "slots_reached", json_integer((json_int_t)r->slots_reached));
    json_object_set_new(out, "moved_keys", number_or_null(r->moved_keys));
    json_object_set_new(out, "moved_keys_needed", number_or_null(r->moved_keys_needed));
    json_object_set_new(out, "pick_ns", number_or_null(r->pick_ns));
    json_object_set_new(out, "key_ns", number_or_null(r->key_ns));
    json_object_set_new(out, "build_ms", json_real(r->build_ms));
    json_object_set_new(out, "table_bytes", json_integer((json_int_t)r->table_bytes));
    json_object_set_new(out, "leaked_bytes", json_integer((json_int_t)r->leaked_bytes));
    json_object_set_new(out, "refused_members", json_integer(r->refused_members));
    json_object_set_new(out, "stuck", render_stuck(r->stuck));
    json_object_set_new(out, "cpu_ms", json_real(r->cpu_ms));
    return out;
}
