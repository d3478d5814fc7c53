/*
 * config_types.h - what an option can be: how it is read, printed, compared, copied and freed.
 *
 * Owns     nothing; values live in struct config.
 * Used by  config_options.c (names a type in each row), and all that walks the table.
 * Uses     config.h, config_options.h, config_tree.h.
 * Thread   any; nothing is shared.
 */
#ifndef WORLD_CONFIG_TYPES_H
#define WORLD_CONFIG_TYPES_H

#include <stdbool.h>
#include <stdio.h>

#include "base/problem.h"
#include "world/config.h"
#include "world/config_options.h"
#include "world/config_tree.h"

/* A configuration being read. */
struct config_reader {
    struct config *config;
    struct problems *problems;
    struct place *places; /* by row of the table: where its value is written; without a line: it is not */
    bool *bad;            /* by row: what is written was refused, the field has the default */
};

struct config_type {
    const char *title; /* in the reference: "integer" */

    /* Reads node into option's field, which holds a value already (the default). False: a problem was added,
     * and the field is as it was. */
    bool (*read)(struct config_reader *r, const struct config_option *o, const struct config_node *node);

    /* Writes the value as lb.conf would have it; further lines begin with indent blanks. */
    void (*print)(const struct config *c, const struct config_option *o, FILE *out, int indent);

    /* Places do not count. */
    bool (*equal)(const struct config *a, const struct config *b, const struct config_option *o);

    /* Replaces the value in `to` by a copy of the one in `from`. */
    void (*copy)(struct config *to, const struct config *from, const struct config_option *o);

    /* Frees the value; the field is empty afterwards. */
    void (*clear)(struct config *c, const struct config_option *o);
};

/* config_types.c */
extern const struct config_type config_integer_type; /* uint16_t, uint32_t, uint64_t by the field's size */
extern const struct config_type config_word_type;    /* an enum; the option's words name its values from 0 */
extern const struct config_type config_text_type;    /* char * */
extern const struct config_type config_path_type;    /* char *, absolute or "" */
extern const struct config_type config_texts_type;   /* struct config_list */
extern const struct config_type
    config_ratio_type; /* uint32_t, thousandths: 0 or within bounds (config_ratio.c) */
extern const struct config_type config_numbers_type; /* uint32_t *, each within bounds (config_numbers.c) */
extern const struct config_type config_shadows_type; /* struct config_shadow * (config_shadow.c) */
/* config_networks.c, config_keys.c, config_plugins.c, config_members.c */
extern const struct config_type config_networks_type;
extern const struct config_type config_keys_type;
extern const struct config_type config_plugin_type;         /* struct config_plugin: its name */
extern const struct config_type config_plugin_options_type; /* struct config_plugin: its options */
extern const struct config_type
    config_addresses_type; /* struct config_member *: those that are just an address … */
extern const struct config_type config_members_type; /* … and the rest of the same array */

/* One plugin's name, and the group of its options: what the two types above do, for who has more than one of each.
 * label is what sentences call it. False: a problem was added, and the plugin is as it was. */
bool config_plugin_read_name(struct config_reader *r, const char *label, int64_t min_len,
                             const struct config_node *node, struct config_plugin *plugin);
bool config_plugin_read_options(struct config_reader *r, const char *label, const struct config_node *node,
                                struct config_plugin *plugin);
void config_plugin_print_options(const struct config_plugin *plugin, FILE *out, int indent);
bool config_plugin_equal_options(const struct config_plugin *a, const struct config_plugin *b);
/* Both into a plugin of `owner`, whose name and options are freed first. name may be NULL. */
void config_plugin_copy_name(struct config *owner, struct config_plugin *to,
                             const struct config_plugin *from);
void config_plugin_copy_options(struct config *owner, struct config_plugin *to,
                                const struct config_plugin *from);
/* Frees the name and the options. */
void config_plugin_clear(struct config_plugin *plugin);

/* The field of an option. */
void *config_field(const struct config *c, const struct config_option *o);
/* The field that counts it. */
size_t *config_count(const struct config *c, const struct config_option *o);

/* Adds "NAME must be WANTED, not a list" at node, with a hint where one is known. Always false. */
bool config_fail_kind(struct config_reader *r, const char *name, const struct config_node *node,
                      const char *wanted);

/* An integer within bounds. False: a problem was added. unit may be NULL. */
bool config_read_integer(struct config_reader *r, const char *name, const struct config_node *node,
                         int64_t min, int64_t max, const char *unit, int64_t *out);

/* Adds a problem when the integer has lost digits on its way (DECISIONS 35), and returns false. */
bool config_is_whole(struct config_reader *r, const char *name, const struct config_node *node);

/* A list within the option's bounds. False: a problem was added. */
bool config_check_list(struct config_reader *r, const struct config_option *o,
                       const struct config_node *node);

/* An entry of it is a text, or a group. False: a problem was added. */
bool config_check_entry(struct config_reader *r, const struct config_option *o,
                        const struct config_node *entry, enum config_kind kind);

/* A text that the check has nothing against. False: a problem was added. */
bool config_check_text(struct config_reader *r, const char *name, const struct config_node *node,
                       config_check_fn check);

/* Reads a text into out. Returns what is wrong with it, or NULL; *hint, NULL before, is the caller's to free. */
typedef const char *(*config_parse_fn)(const char *text, void *out, char **hint);

/* An entry of a list that is a text and that parse reads into out. False: a problem was added. */
bool config_parse_entry(struct config_reader *r, const struct config_option *o,
                        const struct config_node *entry, config_parse_fn parse, void *out);

/* A copy of from's place whose file name belongs to c. */
struct place config_keep_place(struct config *c, struct place from);

void config_list_free(struct config_list *list);

/* A text in quotes, escaped; a number that keeps its value; for an lb.conf. */
void config_print_text(FILE *out, const char *text);
void config_print_integer(FILE *out, int64_t value);
void config_print_float(FILE *out, double value);

/* "{" and the groups around the options, as lb.conf has them; print writes the value of each option. */
void config_print_all(FILE *out,
                      void (*print)(const struct config_option *o, FILE *out, int indent, const void *arg),
                      const void *arg);

#endif
