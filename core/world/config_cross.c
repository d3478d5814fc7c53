/*
 * config_cross.c - what no single option can tell: names nobody knows, and options that must agree.
 *
 * Owns     nothing.
 * Used by  config.c.
 * Uses     config_options.h, config_types.h, mem.h.
 * Thread   any.
 */
#include "world/config_cross.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ------------------------------------------------------------------ names */

/* True when options stand below path: "health" of "health.path". */
static bool is_group(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < config_n_options; i++) {
        if (strncmp(config_options[i].name, path, len) == 0 && config_options[i].name[len] == '.') {
            return true;
        }
    }
    return false;
}

/* What may stand in a group ("" is the file): the next part of each option's name below it, ending with NULL. Parts are
 * copies; free_parts frees them. */
static char **parts_of(const char *group)
{
    size_t len = strlen(group), count = 0;
    char **parts = mem_zero(config_n_options + 1, sizeof *parts);
    for (size_t i = 0; i < config_n_options; i++) {
        const char *name = config_options[i].name;
        if (len > 0 && (strncmp(name, group, len) != 0 || name[len] != '.')) {
            continue;
        }
        name += len > 0 ? len + 1 : 0;
        size_t part = strcspn(name, ".");
        bool again =
            count > 0 && strlen(parts[count - 1]) == part && strncmp(parts[count - 1], name, part) == 0;
        if (!again) {
            parts[count++] = mem_text_n(name, part);
        }
    }
    return parts;
}

static void free_parts(char **parts)
{
    for (size_t i = 0; parts[i]; i++) {
        free(parts[i]);
    }
    free(parts);
}

/* The option with this last part in another group, when there is just one. */
static const char *find_elsewhere(const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < config_n_options; i++) {
        const char *dot = strrchr(config_options[i].name, '.');
        if (strcmp(dot ? dot + 1 : config_options[i].name, name) == 0) {
            if (found) {
                return NULL;
            }
            found = config_options[i].name;
        }
    }
    return found;
}

static void complain_unknown(const struct config_node *node, const char *group, const char *path,
                             struct problems *problems)
{
    char **parts = parts_of(group);
    const char *elsewhere = find_elsewhere(node->name);
    const char *near = elsewhere ? elsewhere : problem_nearest(node->name, (const char *const *)parts);
    char *hint = near ? mem_format("did you mean \"%s\"?", near) : NULL;
    problem_add(problems, node->name_place, hint, "unknown option \"%s\"", path);
    free(hint);
    free_parts(parts);
}

static void check_group(const struct config_node *node, const char *group, struct problems *problems)
{
    for (size_t i = 0; i < node->n_children; i++) {
        const struct config_node *child = &node->children[i];
        char *path = *group ? mem_format("%s.%s", group, child->name) : mem_text(child->name);
        if (config_option_find(path)) {
            /* its own type looks at what is inside */
        } else if (!is_group(path)) {
            complain_unknown(child, group, path, problems);
        } else if (child->kind != CONFIG_KIND_GROUP) {
            char *hint = mem_format("write %s = { … };", child->name);
            problem_add(problems, child->value_place, hint, "%s is a group of options, not %s", path,
                        config_tree_kind(child));
            free(hint);
        } else {
            check_group(child, path, problems);
        }
        free(path);
    }
}

void config_check_names(const struct config_node *root, struct problems *problems)
{
    check_group(root, "", problems);
}

/* ------------------------------------------------------------------ numbers that must agree */

static size_t row_of(const char *option)
{
    return config_option_index(config_option_find(option));
}

static bool is_bad(const struct config_reader *r, const char *option)
{
    return r->bad[row_of(option)];
}

static bool is_written(const struct config_reader *r, const char *option)
{
    return r->places[row_of(option)].line > 0;
}

struct place config_place_of(const struct config_reader *r, const char *option)
{
    struct place place = r->places[row_of(option)];
    if (place.line == 0) {
        place = (struct place){ .file = r->config->path };
    }
    return place;
}

/* The first is at most the second; both are uint32_t. */
static const struct {
    const char *less, *more;
} pairs[] = {
    { "replicas.count", "replicas.max" },
    { "replicas.spares", "replicas.max" },
    { "replicas.backoff_min_ms", "replicas.backoff_max_ms" },
    { "replicas.dns.min_ttl_ms", "replicas.dns.max_ttl_ms" },
    { "outlier.eject_ms", "outlier.eject_max_ms" },
    { "health.unready_after", "health.dead_after" },
    { "limits.head", "limits.buffer" },
    { "limits.target", "limits.head" },
    { "limits.replay", "limits.buffer" },
};

static uint32_t number_of(const struct config_reader *r, const char *option)
{
    return *(const uint32_t *)config_field(r->config, config_option_find(option));
}

static void check_order(const struct config_reader *r, const char *less, const char *more)
{
    uint32_t a = number_of(r, less), b = number_of(r, more);
    if (a <= b || is_bad(r, less) || is_bad(r, more)) {
        return;
    }
    const char *written = is_written(r, less) ? less : more;
    const char *other = written == less ? more : less;
    char *hint = is_written(r, other) ? NULL : mem_format("%s has its default; write it too", other);
    problem_add(r->problems, config_place_of(r, written), hint,
                "%s (%" PRIu32 ") must not be above %s (%" PRIu32 ")", less, a, more, b);
    free(hint);
}

/* ------------------------------------------------------------------ addresses and names that must differ */

static bool same_address(const char *a, const char *b)
{
    struct sockaddr_storage x, y;
    bool proxy;
    return config_parse_listener(a, &x, &proxy) > 0 && config_parse_listener(b, &y, &proxy) > 0 &&
           memcmp(&x, &y, sizeof x) == 0;
}

static void check_listeners(const struct config_reader *r)
{
    const struct config_list *listen = &r->config->listen;
    for (size_t i = 1; i < listen->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (same_address(listen->items[i], listen->items[k])) {
                problem_add(r->problems, listen->places[i], NULL, "listen: \"%s\" stands twice",
                            listen->items[i]);
                break;
            }
        }
    }
    for (size_t i = 0; i < listen->count && !is_bad(r, "admin"); i++) {
        if (same_address(r->config->admin, listen->items[i])) {
            problem_add(r->problems, config_place_of(r, is_written(r, "admin") ? "admin" : "listen"), NULL,
                        "admin and listen cannot both have \"%s\"", listen->items[i]);
        }
    }
}

/* What the member at a position is called. The caller frees it. */
static char *name_of(const struct config_member *m, size_t position)
{
    return m->name ? mem_text(m->name) : mem_format("Server %zu", position + 1);
}

struct named {
    char *name;
    size_t position;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->position > y->position) - (x->position < y->position);
}

static void check_member_names(const struct config_reader *r)
{
    const struct config_member *members = r->config->replicas.members;
    size_t count = r->config->replicas.n_members;
    struct named *names = mem_zero(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        names[i] = (struct named){ name_of(&members[i], i), i };
    }
    qsort(names, count, sizeof *names, compare_named);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(names[i].name, names[i - 1].name) == 0) {
            const struct config_member *later = &members[names[i].position];
            problem_add(r->problems, later->place,
                        later->name ? NULL : "one without a name is called \"Server N\" by its position",
                        "two replicas are called \"%s\"", names[i].name);
        }
    }
    for (size_t i = 0; i < count; i++) {
        free(names[i].name);
    }
    free(names);
}

/* ------------------------------------------------------------------ what a driver needs */

static void check_static(const struct config_reader *r)
{
    size_t count = r->config->replicas.n_members, max = r->config->replicas.max;
    if (is_bad(r, "replicas.static.addresses") || is_bad(r, "replicas.static.members")) {
        return;
    }
    if (count > max && !is_bad(r, "replicas.max")) {
        bool listed = is_written(r, "replicas.static.addresses");
        problem_add(r->problems,
                    config_place_of(r, listed ? "replicas.static.addresses" : "replicas.static.members"),
                    NULL, "replicas.static names %zu replicas, and replicas.max is %zu", count, max);
    }
    if (count == 0 && r->config->replicas.driver == DRIVER_STATIC) {
        problem_add(
            r->problems, config_place_of(r, "replicas.driver"),
            "write replicas = { static = { addresses = [ \"127.0.0.1:8001\" ]; }; };",
            "the driver \"static\" has no replicas: both static.addresses and static.members are empty");
    }
    check_member_names(r);
}

static void check_dns(const struct config_reader *r)
{
    if (r->config->replicas.driver == DRIVER_DNS && !*r->config->replicas.dns.name &&
        !is_bad(r, "replicas.dns.name")) {
        problem_add(r->problems, config_place_of(r, "replicas.driver"),
                    "write replicas = { dns = { name = \"backend.default.svc.cluster.local\"; }; };",
                    "the driver \"dns\" has no name to look for: dns.name is empty");
    }
}

static void check_swarm(const struct config_reader *r)
{
    if (r->config->replicas.driver == DRIVER_SWARM && *r->config->replicas.state_file) {
        problem_add(r->problems, config_place_of(r, "replicas.state_file"), "leave it out",
                    "with the driver \"swarm\" the membership is kept by Swarm, not in a file");
    }
}

static void check_spares(const struct config_reader *r)
{
    enum config_driver driver = r->config->replicas.driver;
    if (r->config->replicas.spares == 0 || is_bad(r, "replicas.spares")) {
        return;
    }
    struct place place = config_place_of(r, "replicas.spares");
    if (driver != DRIVER_PROCESS && driver != DRIVER_DOCKER) {
        problem_add(r->problems, place, "leave it out",
                    "replicas.spares: only the drivers \"process\" and \"docker\" start replicas");
    } else if (r->config->replicas.replacement == REPLACEMENT_SAME) {
        problem_add(
            r->problems, place, "write replacement = \"emergency\"",
            "replicas.spares: a spare runs before it is known whom it replaces, so it cannot have the name of the "
            "dead one (replicas.replacement = \"same\")");
    }
}

static bool is_scaling(const struct config_reader *r)
{
    return r->config->replicas.scale.target_inflight > 0 && !is_bad(r, "replicas.scale.target_inflight");
}

static void check_scale(const struct config_reader *r)
{
    if (!is_scaling(r)) {
        return;
    }
    enum config_driver driver = r->config->replicas.driver;
    if (driver == DRIVER_STATIC || driver == DRIVER_DNS) {
        problem_add(r->problems, config_place_of(r, "replicas.scale.target_inflight"), NULL,
                    "the driver \"%s\" starts no replicas, so it cannot scale",
                    driver == DRIVER_STATIC ? "static" : "dns");
        return;
    }
    if (r->config->replicas.driver == DRIVER_SWARM) {
        problem_add(r->problems, config_place_of(r, "replicas.scale.target_inflight"), NULL,
                    "each balancer of a swarm sees only its own load, so the driver \"swarm\" cannot scale");
        return;
    }
    check_order(r, "replicas.scale.min", "replicas.scale.max");
    check_order(r, "replicas.scale.max", "replicas.max");
    check_order(r, "replicas.scale.min", "replicas.count");
    check_order(r, "replicas.count", "replicas.scale.max");
}

static void check_ports(const struct config_reader *r)
{
    uint32_t base = r->config->replicas.process.base_port, count = r->config->replicas.count;
    count = is_scaling(r) && r->config->replicas.scale.max > count ? r->config->replicas.scale.max : count;
    count += r->config->replicas.spares;
    bool bad = is_bad(r, "replicas.process.base_port") || is_bad(r, "replicas.count");
    if (r->config->replicas.driver == DRIVER_PROCESS && !bad && base + count > 65536) {
        const char *written =
            is_written(r, "replicas.process.base_port") ? "replicas.process.base_port" : "replicas.count";
        problem_add(r->problems, config_place_of(r, written), NULL,
                    "from port %" PRIu32 " up there is no room for %" PRIu32 " replicas", base, count);
    }
}

void config_check_pairs(const struct config_reader *r)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        check_order(r, pairs[i].less, pairs[i].more);
    }
    check_listeners(r);
    check_static(r);
    check_ports(r);
    check_scale(r);
    check_dns(r);
    check_swarm(r);
    check_spares(r);
}
