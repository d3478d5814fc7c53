/*
 * config_diff.c - what differs between two configurations, and what of it can wait.
 *
 * Owns     nothing.
 * Used by  control's reload.
 * Uses     config_options.h, config_types.h, mem.h.
 * Thread   any.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_types.h"

static bool differs(const struct config *a, const struct config *b, const struct config_option *o)
{
    return !o->type->equal(a, b, o);
}

/* True when a change of o from a to b has to wait for a restart. */
static bool waits(const struct config *a, const struct config *b, const struct config_option *o)
{
    return o->when == CONFIG_AT_RESTART || (o->with && differs(a, b, config_option_find(o->with)));
}

char **config_diff(const struct config *a, const struct config *b, char ***restart)
{
    char **names = mem_zero(config_n_options + 1, sizeof *names);
    char **waiting = mem_zero(config_n_options + 1, sizeof *waiting);
    size_t count = 0, n_waiting = 0;
    for (size_t i = 0; i < config_n_options; i++) {
        const struct config_option *o = &config_options[i];
        if (!differs(a, b, o)) {
            continue;
        }
        names[count++] = mem_text(o->name);
        if (waits(a, b, o)) {
            waiting[n_waiting++] = mem_text(o->name);
        }
    }
    if (restart) {
        *restart = waiting;
    } else {
        config_names_free(waiting);
    }
    return names;
}

void config_names_free(char **names)
{
    for (size_t i = 0; names && names[i]; i++) {
        free(names[i]);
    }
    free(names);
}

struct config *config_merge_running(const struct config *running, const struct config *next)
{
    struct config *merged = mem_zero(1, sizeof *merged);
    merged->refs = 1;
    merged->path = mem_text(next->path);
    merged->directory = mem_text(next->directory);
    merged->files = mem_zero(1, sizeof *merged->files);
    for (size_t i = 0; next->files[i]; i++) {
        config_keep_place(merged, (struct place){ .file = next->files[i] });
    }
    for (size_t i = 0; i < config_n_options; i++) {
        const struct config_option *o = &config_options[i];
        o->type->copy(merged, waits(running, next, o) ? running : next, o);
    }
    return merged;
}
