/*
 * strategy_options.c - from options as written in lb.conf to the values a plugin is created with.
 *
 * Owns     nothing that lasts: the caller keeps the values.
 * Used by  strategy.c.
 * Uses     config.h for what was written, the plugin's own option table for what it must be.
 * Thread   builder thread.
 *
 * A mistake in lb.conf is told at the option's place. A mistake in the plugin's table (an unknown type, a
 * default that is no value of its type or out of its own bounds) is told at the place where the plugin is
 * named, as the plugin's.
 */
#include "world/strategy_options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "world/config.h"

size_t options_count(const struct lb_plugin *info)
{
    size_t count = 0;

    while (info->options && info->options[count].name)
        count++;
    return count;
}

/* ------------------------------------------------------------------ types and bounds */

static bool is_bounded(const struct lb_option *option)
{
    return option->min != 0 || option->max != 0;
}

/* "a whole number (2 .. 4294967296)": what an option wants. The caller frees it. */
static char *wanted(const struct lb_option *option)
{
    static const char *const names[] = { "", "a whole number", "a number", "true or false", "a text" };
    const char *name = names[option->type];

    if (!is_bounded(option) || option->type == LB_BOOL)
        return mem_text(name);
    if (option->type == LB_TEXT)
        return mem_format("%s of %.0f .. %.0f bytes", name, option->min, option->max);
    if (option->type == LB_INT)
        return mem_format("%s (%.0f .. %.0f)", name, option->min, option->max);
    return mem_format("%s (%g .. %g)", name, option->min, option->max);
}

static bool in_bounds(const struct lb_option *option, union lb_value value)
{
    double measured;

    switch (option->type) {
    case LB_INT: measured = (double)value.i; break;
    case LB_FLOAT: measured = value.f; break;
    case LB_TEXT: measured = (double)strlen(value.s); break;
    default: return true;
    }
    return !is_bounded(option) || (measured >= option->min && measured <= option->max);
}

/* ------------------------------------------------------------------ defaults */

/* "12", "-3", "0x10", "4294967296L": as libconfig writes whole numbers. */
static bool parse_int(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
    if (end == text || errno)
        return false;
    return strspn(end, "L") <= 2 && end[strspn(end, "L")] == 0;
}

static bool parse_float(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*out);
}

static bool parse_bool(const char *text, int64_t *out)
{
    *out = strcasecmp(text, "true") == 0;
    return *out || strcasecmp(text, "false") == 0;
}

/* The default of an option, or false when the plugin's author made a mistake. A text is copied. */
static bool parse_default(const struct lb_option *option, union lb_value *out)
{
    if (!option->dflt)
        return false;
    switch (option->type) {
    case LB_INT: return parse_int(option->dflt, &out->i);
    case LB_FLOAT: return parse_float(option->dflt, &out->f);
    case LB_BOOL: return parse_bool(option->dflt, &out->i);
    default: out->s = mem_text(option->dflt); return true;
    }
}

static void fill_default(const struct lb_plugin *info, size_t k, struct place place, union lb_value *out,
                         struct problems *problems)
{
    const struct lb_option *option = &info->options[k];
    char *what;

    if (option->type < LB_INT || option->type > LB_TEXT) {
        problem_add(problems, place, NULL,
                    "plugin %s: its option \"%s\" has type %u, and lb_plugin.h knows 1 to 4; this is "
                    "a mistake in the plugin",
                    info->name, option->name, option->type);
        return;
    }
    if (parse_default(option, out) && in_bounds(option, *out))
        return;
    what = wanted(option);
    problem_add(problems, place, NULL,
                "plugin %s: the default \"%s\" of its option \"%s\" is not %s; this is a mistake in "
                "the plugin",
                info->name, option->dflt ? option->dflt : "", option->name, what);
    free(what);
}

/* ------------------------------------------------------------------ what was written */

static const char *written_type(const struct config_value *value)
{
    switch (value->type) {
    case CONFIG_INT: return "a whole number";
    case CONFIG_FLOAT: return "a number with a fraction";
    case CONFIG_BOOL: return "true or false";
    case CONFIG_TEXT: return "a text";
    }
    return "something else";
}

/* Takes a written value over, when its type is right: a whole number may stand where a number is wanted. */
static bool convert(const struct lb_option *option, const struct config_value *value, union lb_value *out)
{
    switch (option->type) {
    case LB_INT: out->i = value->i; return value->type == CONFIG_INT;
    case LB_FLOAT: out->f = value->f; return value->type == CONFIG_FLOAT || value->type == CONFIG_INT;
    case LB_BOOL: out->i = value->i != 0; return value->type == CONFIG_BOOL;
    default: out->s = value->s; return value->type == CONFIG_TEXT && value->s;
    }
}

static void refuse_bounds(const struct lb_plugin *info, const struct lb_option *option,
                          const struct config_value *value, union lb_value got, struct problems *problems)
{
    char *what = wanted(option), *shown = NULL;

    switch (option->type) {
    case LB_INT: shown = mem_format("is %lld", (long long)got.i); break;
    case LB_FLOAT: shown = mem_format("is %g", got.f); break;
    default: shown = mem_format("is %zu bytes long", strlen(got.s)); break;
    }
    problem_add(problems, value->place, option->help, "option \"%s\" of %s %s; it is %s", option->name,
                info->name, shown, what);
    free(shown);
    free(what);
}

static void take_written(const struct lb_plugin *info, size_t k, const struct config_value *value,
                         union lb_value *out, struct problems *problems)
{
    const struct lb_option *option = &info->options[k];
    union lb_value got = { .i = 0 };

    if (!convert(option, value, &got)) {
        char *what = wanted(option);

        problem_add(problems, value->place, option->help, "option \"%s\" of %s is %s here; it is %s",
                    option->name, info->name, written_type(value), what);
        free(what);
    } else if (!in_bounds(option, got) || (option->type == LB_FLOAT && !isfinite(got.f))) {
        refuse_bounds(info, option, value, got, problems);
    } else if (option->type == LB_TEXT) {
        free((char *)(uintptr_t)out->s); /* the default's */
        out->s = mem_text(got.s);
    } else {
        *out = got;
    }
}

static void refuse_unknown(const struct lb_plugin *info, const struct config_value *value,
                           struct problems *problems)
{
    size_t count = options_count(info);
    const char **names = mem_zero(count + 1, sizeof *names);
    const char *nearest;
    char *hint;

    for (size_t k = 0; k < count; k++)
        names[k] = info->options[k].name;
    nearest = problem_nearest(value->name, names);
    if (nearest) {
        hint = mem_format("did you mean \"%s\"?", nearest);
    } else if (count == 0) {
        hint = mem_format("%s has no options", info->name);
    } else {
        hint = mem_format("%s has %s", info->name, names[0]);
        for (size_t k = 1; k < count; k++) {
            char *longer = mem_format("%s, %s", hint, names[k]);

            free(hint);
            hint = longer;
        }
    }
    problem_add(problems, value->place, hint, "%s has no option \"%s\"", info->name, value->name);
    free(hint);
    free(names);
}

/* ------------------------------------------------------------------ all of them */

union lb_value *options_fill(const struct lb_plugin *info, const struct config_plugin *written,
                             struct problems *problems)
{
    size_t before = problems->count, count = options_count(info);
    union lb_value *values = mem_zero(count + 1, sizeof *values);

    for (size_t k = 0; k < count; k++)
        fill_default(info, k, written->place, &values[k], problems);
    if (problems->count > before) { /* nothing can be said of what was written */
        options_free(info, values);
        return NULL;
    }
    for (size_t i = 0; i < written->n_options; i++) {
        size_t k = 0;

        while (k < count && strcmp(info->options[k].name, written->options[i].name) != 0)
            k++;
        if (k < count)
            take_written(info, k, &written->options[i], &values[k], problems);
        else
            refuse_unknown(info, &written->options[i], problems);
    }
    if (problems->count > before) {
        options_free(info, values);
        return NULL;
    }
    return values;
}

void options_free(const struct lb_plugin *info, union lb_value *values)
{
    size_t count = options_count(info);

    for (size_t k = 0; values && k < count; k++) {
        if (info->options[k].type == LB_TEXT)
            free((char *)(uintptr_t)values[k].s);
    }
    free(values);
}
