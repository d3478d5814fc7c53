/*
 * config_ratio.c - a ratio: a number with up to three decimals, kept in thousandths; 0 is off.
 *
 * Owns     nothing; the number lives in struct config.
 * Used by  config_options.c (strategy.bounded_load).
 * Uses     nothing.
 * Thread   any.
 *
 * Thousandths, so that two balancers that read the same text compute with the same integer (DECISIONS 38).
 */
#include "world/config_types.h"

static uint32_t *ratio_of(const struct config *c, const struct config_option *o)
{
    return config_field(c, o);
}

static bool read_ratio(struct config_reader *r, const struct config_option *o, const struct config_node *node)
{
    if (node->kind != CONFIG_KIND_FLOAT && node->kind != CONFIG_KIND_INTEGER) {
        return config_fail_kind(r, o->name, node, "a number");
    }
    double least = (double)o->min / 1000, most = (double)o->max / 1000, value = node->real;
    if (!(value == 0 || (value >= least && value <= most))) {
        problem_add(r->problems, node->value_place, NULL, "%s must be 0 or %.1f to %.1f, not %g", o->name,
                    least, most, value);
        return false;
    }
    uint32_t thousandths = (uint32_t)(value * 1000 + 0.5);
    double lost = value * 1000 - thousandths;
    if (lost > 1e-6 || lost < -1e-6) {
        problem_add(r->problems, node->value_place, NULL, "%s can have three decimals, not more", o->name);
        return false;
    }
    *ratio_of(r->config, o) = thousandths;
    return true;
}

static void print_ratio(const struct config *c, const struct config_option *o, FILE *out, int indent)
{
    (void)indent;
    config_print_float(out, (double)*ratio_of(c, o) / 1000);
}

static bool equal_ratio(const struct config *a, const struct config *b, const struct config_option *o)
{
    return *ratio_of(a, o) == *ratio_of(b, o);
}

static void copy_ratio(struct config *to, const struct config *from, const struct config_option *o)
{
    *ratio_of(to, o) = *ratio_of(from, o);
}

static void clear_ratio(struct config *c, const struct config_option *o)
{
    *ratio_of(c, o) = 0;
}

const struct config_type config_ratio_type = { "number",    read_ratio, print_ratio,
                                               equal_ratio, copy_ratio, clear_ratio };
