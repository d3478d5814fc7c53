/*
 * config_options.h - every option of lb.conf, in one table.
 *
 * Owns     the table: name, type, field, bounds, default, unit, reload or restart, one line of help.
 * Used by  config.c (reads by it), config_print.c (dump and reference), config_diff.c, config_check.c.
 * Uses     config.h for the fields, config_types.h for the types.
 * Thread   any; constants.
 *
 * A new option is a field in config.h and a row in config_options.c; conf/lb.conf and docs/configuration.md
 * follow, and tests/unit/world/test_config_reference.c fails until they do.
 */
#ifndef WORLD_CONFIG_OPTIONS_H
#define WORLD_CONFIG_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct config_type;

enum config_when {
    CONFIG_AT_RELOAD, /* POST /reload applies it */
    CONFIG_AT_RESTART /* only a restart does */
};

/* What is wrong with a text: the end of a sentence that begins with it ("has no port"), and a hint or NULL.
 * NULL: fine. */
typedef const char *(*config_check_fn)(const char *text, const char **hint);

struct config_option {
    const char *name; /* dotted: "health.interval_ms" */
    const struct config_type *type;
    size_t offset, size; /* of its field in struct config */
    size_t count_offset; /* of the field that counts it, for arrays without a struct of their own */
    int64_t min, max;    /* inclusive: an integer's value, a text's bytes, a list's elements */
    const char *dflt;    /* as it is written in lb.conf */
    const char *unit;    /* "ms", "bytes" …; NULL: none */
    enum config_when when;
    const char *with;         /* CONFIG_AT_RELOAD: waits for a restart when this option does; NULL: never */
    const char *const *words; /* config_word_type: what it may be, by value, ends with NULL */
    config_check_fn check;    /* of a text, or of each text in a list; NULL: none */
    const char *help;         /* one line, a sentence */
};

extern const struct config_option config_options[];
extern const size_t config_n_options;

/* A group of options, for the reference. */
struct config_group {
    const char *name; /* dotted; "" is what stands in no group */
    const char *help; /* one sentence */
};
extern const struct config_group config_groups[]; /* ends with a NULL name */

/* The option of that dotted name, or NULL. */
const struct config_option *config_option_find(const char *name);

/* Its row in the table. */
size_t config_option_index(const struct config_option *option);

#endif
