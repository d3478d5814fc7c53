/*
 * config_members.c - replicas that somebody else runs: static.addresses and static.members.
 *
 * Owns     nothing; they live in struct config.
 * Used by  config_options.c (two types), config_check.c (names).
 * Uses     config_texts.h, mem.h.
 * Thread   any.
 *
 * The two options fill one array: first the addresses, each with weight 1 and no name, then the members. Read back
 * (printed, compared), `addresses` is the run of plain ones at the front and `members` the rest. They are read, copied and
 * freed in the order of the table, so `addresses` handles the whole array and `members` appends.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_texts.h"
#include "world/config_types.h"

enum { WEIGHT_MAX = 65535 }; /* lb_member.weight */

static struct config_member **members_of(const struct config *c, const struct config_option *o)
{
    return config_field(c, o);
}

static bool is_plain(const struct config_member *m)
{
    return m->weight == 1 && !m->name;
}

/* How many stand at the front that `addresses` could have given. */
static size_t count_plain(const struct config *c, const struct config_option *o)
{
    size_t count = 0;
    while (count < *config_count(c, o) && is_plain(&(*members_of(c, o))[count])) {
        count++;
    }
    return count;
}

static void free_members(struct config_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(members[i].address);
        free(members[i].name);
    }
    free(members);
}

/* ------------------------------------------------------------------ addresses */

static bool read_addresses(struct config_reader *r, const struct config_option *o,
                           const struct config_node *node)
{
    if (!config_check_list(r, o, node)) {
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < node->n_children; i++) {
        const struct config_node *entry = &node->children[i];
        good = config_check_entry(r, o, entry, CONFIG_KIND_TEXT) &&
               config_check_text(r, o->name, entry, config_check_member_address) && good;
    }
    if (!good) {
        return false;
    }
    struct config_member *members = mem_zero(node->n_children + 1, sizeof *members);
    for (size_t i = 0; i < node->n_children; i++) {
        members[i] = (struct config_member){ .address = mem_text(node->children[i].text),
                                             .weight = 1,
                                             .place = node->children[i].value_place };
    }
    free_members(*members_of(r->config, o), *config_count(r->config, o));
    *members_of(r->config, o) = members;
    *config_count(r->config, o) = node->n_children;
    return true;
}

static void print_addresses(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    size_t count = count_plain(c, o);
    fputs("[ ", out);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? ", " : "", out);
        config_print_text(out, (*members_of(c, o))[i].address);
    }
    fputs(count > 0 ? " ]" : "]", out);
}

static bool equal_addresses(const struct config *a, const struct config *b, const struct config_option *o)
{
    size_t count = count_plain(a, o);
    bool equal = count == count_plain(b, o);
    for (size_t i = 0; equal && i < count; i++) {
        equal = strcmp((*members_of(a, o))[i].address, (*members_of(b, o))[i].address) == 0;
    }
    return equal;
}

static void copy_all(struct config *to, const struct config *from, const struct config_option *o)
{
    size_t count = *config_count(from, o);
    struct config_member *members = mem_zero(count + 1, sizeof *members);
    for (size_t i = 0; i < count; i++) {
        const struct config_member *theirs = &(*members_of(from, o))[i];
        members[i] = (struct config_member){ .address = mem_text(theirs->address),
                                             .name = mem_text(theirs->name),
                                             .weight = theirs->weight,
                                             .place = config_keep_place(to, theirs->place) };
    }
    free_members(*members_of(to, o), *config_count(to, o));
    *members_of(to, o) = members;
    *config_count(to, o) = count;
}

static void clear_all(struct config *c, const struct config_option *o)
{
    free_members(*members_of(c, o), *config_count(c, o));
    *members_of(c, o) = NULL;
    *config_count(c, o) = 0;
}

const struct config_type config_addresses_type = { "list of addresses", read_addresses, print_addresses,
                                                   equal_addresses,     copy_all,       clear_all };

/* ------------------------------------------------------------------ members */

/* One field of a member. False: a problem was added. */
static bool read_field(struct config_reader *r, const char *group, const struct config_node *node,
                       struct config_member *out)
{
    static const char *const fields[] = { "address", "weight", "name", NULL };
    char *name = mem_format("%s: %s", group, node->name);
    bool is_address = strcmp(node->name, "address") == 0, is_name = strcmp(node->name, "name") == 0;
    bool good = false;
    if (strcmp(node->name, "weight") == 0) {
        int64_t weight = 1;
        good = config_read_integer(r, name, node, 1, WEIGHT_MAX, NULL, &weight);
        out->weight = (uint32_t)weight;
    } else if (!is_address && !is_name) {
        const char *near = problem_nearest(node->name, fields);
        char *hint =
            near ? mem_format("did you mean \"%s\"?", near) : mem_text("a member has address, weight, name");
        problem_add(r->problems, node->name_place, hint, "%s: unknown field \"%s\"", group, node->name);
        free(hint);
    } else if (node->kind != CONFIG_KIND_TEXT) {
        config_fail_kind(r, name, node, "text");
    } else {
        good = config_check_text(r, name, node,
                                 is_address ? config_check_member_address : config_check_replica_name);
        char **field = is_address ? &out->address : &out->name;
        *field = mem_text(node->text);
    }
    free(name);
    return good;
}

static bool read_member(struct config_reader *r, const char *group, const struct config_node *node,
                        struct config_member *out)
{
    *out = (struct config_member){ .weight = 1, .place = node->value_place };
    bool good = true;
    for (size_t i = 0; i < node->n_children; i++) {
        good = read_field(r, group, &node->children[i], out) && good;
    }
    if (!config_tree_child(node, "address")) {
        problem_add(r->problems, node->value_place, "write { address = \"127.0.0.1:8001\"; }",
                    "%s: a member needs an address", group);
        good = false;
    }
    return good;
}

static bool read_members(struct config_reader *r, const struct config_option *o,
                         const struct config_node *node)
{
    if (!config_check_list(r, o, node)) {
        return false;
    }
    bool good = true;
    struct config_member *members = mem_zero(node->n_children + 1, sizeof *members);
    for (size_t i = 0; i < node->n_children; i++) {
        const struct config_node *entry = &node->children[i];
        good = config_check_entry(r, o, entry, CONFIG_KIND_GROUP) &&
               read_member(r, o->name, entry, &members[i]) && good;
    }
    if (!good) {
        free_members(members, node->n_children);
        return false;
    }
    size_t *count = config_count(r->config, o);
    struct config_member **all = members_of(r->config, o);
    *all = mem_grow(*all, (*count + node->n_children + 1) * sizeof **all);
    memcpy(*all + *count, members, node->n_children * sizeof *members);
    *count += node->n_children;
    free(members);
    return true;
}

static void print_members(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    size_t first = count_plain(c, o), count = *config_count(c, o);
    fputs(first < count ? "(\n" : "( ", out);
    for (size_t i = first; i < count; i++) {
        const struct config_member *m = &(*members_of(c, o))[i];
        fprintf(out, "%*s{ address = ", indent + 4, "");
        config_print_text(out, m->address);
        fprintf(out, "; weight = %u; ", m->weight);
        if (m->name) {
            fputs("name = ", out);
            config_print_text(out, m->name);
            fputs("; ", out);
        }
        fputs(i + 1 < count ? "},\n" : "}\n", out);
    }
    fprintf(out, "%*s)", first < count ? indent : 0, "");
}

static bool same_member(const struct config_member *x, const struct config_member *y)
{
    bool same_name = x->name && y->name ? strcmp(x->name, y->name) == 0 : x->name == y->name;
    return same_name && x->weight == y->weight && strcmp(x->address, y->address) == 0;
}

static bool equal_members(const struct config *a, const struct config *b, const struct config_option *o)
{
    size_t at_a = count_plain(a, o), at_b = count_plain(b, o);
    size_t count = *config_count(a, o) - at_a;
    bool equal = count == *config_count(b, o) - at_b;
    for (size_t i = 0; equal && i < count; i++) {
        equal = same_member(&(*members_of(a, o))[at_a + i], &(*members_of(b, o))[at_b + i]);
    }
    return equal;
}

/* `addresses` has done the whole array. */
static void copy_nothing(struct config *to, const struct config *from, const struct config_option *o)
{
    (void)to, (void)from, (void)o;
}

static void clear_nothing(struct config *c, const struct config_option *o)
{
    (void)c, (void)o;
}

const struct config_type config_members_type = { "list of members", read_members, print_members,
                                                 equal_members,     copy_nothing, clear_nothing };
