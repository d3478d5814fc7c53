/*
 * reload_answer.c - what a reload says: to its caller as JSON, to the log as lines.
 *
 * Owns     the shape of CONTRACT 5.
 * Used by  reload.c.
 * Uses     jansson, call.h for texts of any bytes.
 * Thread   control.
 */
#include "control/reload_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "control/call.h"
#include "world/plugin.h"
#include "world/strategy.h"

/* A number with so many decimals, and no more in its text (JSON_REAL_PRECISION cuts what rounding leaves). */
static json_t *render_rounded(double x, double steps)
{
    return json_real((double)(int64_t)(x * steps + 0.5) / steps);
}

static json_t *render_names(char *const *names)
{
    json_t *list = json_array();
    for (; *names; names++)
        json_array_append_new(list, json_any_text(*names));
    return list;
}

static json_t *render_plugin(const struct plugin *plugin)
{
    return json_any_text(plugin ? plugin->info->name : NULL);
}

static json_t *render_strategy(const struct strategy *s)
{
    json_t *out = json_object();
    json_object_set_new(out, "scheduler", render_plugin(s->scheduler));
    json_object_set_new(out, "hash", render_plugin(s->hash));
    json_object_set_new(out, "probe", render_plugin(s->probe));
    return out;
}

json_t *reload_answer_success(const struct reload_facts *facts)
{
    json_t *message = json_object();
    json_object_set_new(message, "generation", json_integer((json_int_t)facts->generation));
    json_object_set_new(message, "changed", render_names(facts->changed));
    json_object_set_new(message, "strategy", render_strategy(facts->now));
    json_object_set_new(message, "previous", render_strategy(facts->before));
    json_object_set_new(message, "moved_keys",
                        facts->moved < 0 ? json_null() : render_rounded(facts->moved, 1e4));
    json_object_set_new(message, "took_ms", render_rounded(facts->took_ms, 1e2));
    if (facts->vet_ms > 0)
        json_object_set_new(message, "vet_ms", render_rounded(facts->vet_ms, 1e2));
    if (*facts->restart)
        json_object_set_new(message, "restart_required", render_names(facts->restart));
    json_t *root = json_object();
    json_object_set_new(root, "message", message);
    json_object_set_new(root, "status", json_string("successful"));
    return root;
}

static json_t *render_problem(const struct problem *p)
{
    json_t *out = json_object();
    json_object_set_new(out, "file", json_any_text(p->file));
    json_object_set_new(out, "line", json_integer(p->line));
    json_object_set_new(out, "column", json_integer(p->column));
    json_object_set_new(out, "message", json_any_text(p->message));
    json_object_set_new(out, "hint", json_any_text(p->hint));
    return out;
}

json_t *reload_answer_failure(const struct problems *problems)
{
    json_t *errors = json_array();
    for (size_t i = 0; i < problems->count; i++)
        json_array_append_new(errors, render_problem(&problems->items[i]));
    json_t *root = json_object();
    json_object_set_new(root, "message",
                        json_string("<Error> the configuration is refused; the one before stays in force"));
    json_object_set_new(root, "errors", errors);
    json_object_set_new(root, "status", json_string("failure"));
    return root;
}

/* ------------------------------------------------------------------ the log */

/* "strategy.hash, health.interval_ms", or "nothing"; free it. */
static char *join(char *const *names)
{
    char *out = mem_text(*names ? *names : "nothing");
    for (size_t i = 1; *names && names[i]; i++) {
        char *longer = mem_format("%s, %s", out, names[i]);
        free(out);
        out = longer;
    }
    return out;
}

void reload_log_success(const char *who, const struct reload_facts *facts)
{
    char *changed = join(facts->changed);
    char *restart = *facts->restart ? join(facts->restart) : NULL;
    char moved[64] = "", vetted[64] = "";
    if (facts->vet_ms > 0)
        snprintf(vetted, sizeof vetted, ", the vetting before %.2f ms", facts->vet_ms);
    if (facts->moved >= 0)
        snprintf(moved, sizeof moved, "; %.1f %% of the keys move", facts->moved * 100);
    log_info("reload by %s: generation %" PRIu64 ", changed: %s%s; took %.2f ms%s%s%s", who,
             facts->generation, changed, moved, facts->took_ms, vetted,
             restart ? "; a restart is needed for " : "", restart ? restart : "");
    free(changed);
    free(restart);
}

void reload_log_failure(const char *who, const struct problems *problems)
{
    log_error("reload by %s: refused, the configuration before stays in force", who);
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *p = &problems->items[i];
        if (p->file && p->line)
            log_error("%s:%d:%d: %s", p->file, p->line, p->column, p->message);
        else
            log_error("%s%s%s", p->file ? p->file : "", p->file ? ": " : "", p->message);
    }
}
