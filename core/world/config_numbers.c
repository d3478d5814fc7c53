/*
 * config_numbers.c - a list of integers, each within the option's bounds.
 *
 * Owns     nothing; the numbers live in struct config.
 * Used by  config_options.c (replicas.weights).
 * Uses     mem.h.
 * Thread   any.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_types.h"

#define NUMBERS_MAX 65536

static uint32_t **numbers_of(const struct config *c, const struct config_option *o)
{
    return config_field(c, o);
}

static bool read_all(struct config_reader *r, const struct config_option *o, const struct config_node *node,
                     uint32_t *numbers)
{
    bool good = true;
    for (size_t i = 0; i < node->n_children; i++) {
        int64_t value = 0;
        good &= config_read_integer(r, o->name, &node->children[i], o->min, o->max, NULL, &value);
        numbers[i] = (uint32_t)value;
    }
    return good;
}

static void clear_numbers(struct config *c, const struct config_option *o)
{
    free(*numbers_of(c, o));
    *numbers_of(c, o) = NULL;
    *config_count(c, o) = 0;
}

static bool read_numbers(struct config_reader *r, const struct config_option *o,
                         const struct config_node *node)
{
    if (node->kind != CONFIG_KIND_LIST) {
        return config_fail_kind(r, o->name, node, "a list of integers");
    }
    if (node->n_children > NUMBERS_MAX) {
        problem_add(r->problems, node->value_place, NULL, "%s can have at most %d entries, not %zu", o->name,
                    NUMBERS_MAX, node->n_children);
        return false;
    }
    uint32_t *numbers = mem_zero(node->n_children + 1, sizeof *numbers);
    if (!read_all(r, o, node, numbers)) {
        free(numbers);
        return false;
    }
    clear_numbers(r->config, o);
    *numbers_of(r->config, o) = numbers;
    *config_count(r->config, o) = node->n_children;
    return true;
}

static void print_numbers(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    fputs("[", out);
    for (size_t i = 0; i < *config_count(c, o); i++) {
        fputs(i ? ", " : " ", out);
        config_print_integer(out, (*numbers_of(c, o))[i]);
    }
    fputs(" ]", out);
}

static bool equal_numbers(const struct config *a, const struct config *b, const struct config_option *o)
{
    size_t n = *config_count(a, o);
    return n == *config_count(b, o) &&
           (n == 0 || memcmp(*numbers_of(a, o), *numbers_of(b, o), n * sizeof(uint32_t)) == 0);
}

static void copy_numbers(struct config *to, const struct config *from, const struct config_option *o)
{
    size_t n = *config_count(from, o);
    uint32_t *numbers = mem_zero(n + 1, sizeof *numbers);
    if (n > 0) {
        memcpy(numbers, *numbers_of(from, o), n * sizeof *numbers);
    }
    clear_numbers(to, o);
    *numbers_of(to, o) = numbers;
    *config_count(to, o) = n;
}

const struct config_type config_numbers_type = { "list of integers", read_numbers, print_numbers,
                                                 equal_numbers,      copy_numbers, clear_numbers };
