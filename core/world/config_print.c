/*
 * config_print.c - a configuration as an lb.conf, and the reference of all options.
 *
 * Owns     nothing.
 * Used by  main (--dump, --reference), config.c (the defaults are an lb.conf too).
 * Uses     config_options.h, config_types.h.
 * Thread   any.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "world/config_types.h"

/* ------------------------------------------------------------------ values */

void config_print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        switch (c) {
        case '"':
        case '\\': fprintf(out, "\\%c", c); break;
        case '\n': fputs("\\n", out); break;
        case '\r': fputs("\\r", out); break;
        case '\t': fputs("\\t", out); break;
        case '\f': fputs("\\f", out); break;
        default: fprintf(out, iscntrl(c) ? "\\x%02x" : "%c", c); break;
        }
    }
    fputc('"', out);
}

/* With an L where libconfig would cut it (DECISIONS 35). */
void config_print_integer(FILE *out, int64_t value)
{
    fprintf(out, "%" PRId64 "%s", value, value > INT32_MAX || value < INT32_MIN ? "L" : "");
}

/* The shortest text that gives the same number back, with a point in it: libconfig takes it for an integer otherwise. */
void config_print_float(FILE *out, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    size_t mantissa = strcspn(text, "e");
    bool has_point = memchr(text, '.', mantissa) != NULL;
    fprintf(out, "%.*s%s%s", (int)mantissa, text, has_point ? "" : ".0", text + mantissa);
}

/* ------------------------------------------------------------------ options in their groups */

/* The length of the group in a dotted name: of "health" in "health.path", 0 when there is none. */
static size_t group_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

static int depth_of(const char *group, size_t len)
{
    int depth = len > 0;
    for (size_t i = 0; i < len; i++) {
        depth += group[i] == '.';
    }
    return depth;
}

/* True when group is inner itself, or one of those around it. */
static bool holds(const char *group, size_t len, const char *inner, size_t inner_len)
{
    return len <= inner_len && memcmp(group, inner, len) == 0 &&
           (len == 0 || len == inner_len || inner[len] == '.');
}

/* Writes what lies between the group of the last option and the group of the next: ends and beginnings. */
static void change_group(FILE *out, const char *from, size_t from_len, const char *to, size_t to_len)
{
    size_t len = from_len;
    while (!holds(from, len, to, to_len)) {
        fprintf(out, "%*s};\n", (depth_of(from, len) - 1) * 4, "");
        while (len > 0 && from[--len] != '.') {}
    }
    while (len < to_len) {
        size_t start = len > 0 ? len + 1 : 0;
        size_t name_len = strcspn(to + start, ".");
        if (start + name_len > to_len) {
            name_len = to_len - start;
        }
        fprintf(out, "%s%*s%.*s = {\n", len == 0 ? "\n" : "", depth_of(to, len) * 4, "", (int)name_len,
                to + start);
        len = start + name_len;
    }
}

void config_print_all(FILE *out,
                      void (*print)(const struct config_option *o, FILE *out, int indent, const void *arg),
                      const void *arg)
{
    const char *group = "";
    size_t len = 0;
    for (size_t i = 0; i < config_n_options; i++) {
        const struct config_option *o = &config_options[i];
        size_t next_len = group_length(o->name);
        change_group(out, group, len, o->name, next_len);
        group = o->name;
        len = next_len;
        int indent = depth_of(group, len) * 4;
        fprintf(out, "%*s%s = ", indent, "", o->name + len + (len > 0));
        print(o, out, indent, arg);
        fputs(";\n", out);
    }
    change_group(out, group, len, "", 0);
}

static void print_option(const struct config_option *o, FILE *out, int indent, const void *config)
{
    o->type->print(config, o, out, indent);
}

void config_dump(const struct config *c, FILE *out)
{
    config_print_all(out, print_option, c);
}

/* ------------------------------------------------------------------ the reference */

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "Printed by `ringmaster --reference` from the table in `core/world/config_options.c`. `conf/lb.conf` is the same list\n"
    "as a file to start from, `ringmaster --dump -c FILE` prints the values in force, `ringmaster -t -c FILE` checks.\n"
    "\n"
    "## The file\n"
    "\n"
    "```\n"
    "# a comment; also // and /* */\n"
    "workers = 2;\n"
    "listen = [ \"0.0.0.0:5000\" ];              # lists: [ ] or ( )\n"
    "health = { interval_ms = 250; };           # options stand in groups; here: health.interval_ms\n"
    "@include \"more.conf\"                       # first on its line\n"
    "```\n"
    "\n"
    "- The syntax is libconfig's. Text stands in double quotes and ends on the line it began on.\n"
    "- An integer above 2147483647 (or below -2147483648) ends with an `L`: `4294967296L`. Without it libconfig keeps 32\n"
    "  bits, so Ringmaster refuses it.\n"
    "- A relative path, also the one of an include, starts at the directory of the file that names it.\n"
    "- What is left out has its default. A name that is not in this list is an error, and so is one that stands twice.\n"
    "- All mistakes are told at once, with file, line and column; a syntax error stands alone.\n"
    "\n"
    "## When a change applies\n"
    "\n"
    "*reload*: `POST /reload` or SIGHUP applies it, without closing a connection. *restart*: only a new start does; a\n"
    "reload takes everything else, and names the option in `restart_required`. *reload, with X*: a reload applies it,\n"
    "unless X changed too: then it waits for the restart together with X.\n";

static void print_range(const struct config_option *o, FILE *out)
{
    if (o->words) {
        for (size_t i = 0; o->words[i]; i++) {
            fprintf(out, "%s`\"%s\"`", i > 0 ? ", " : "", o->words[i]);
        }
    } else if (o->type == &config_integer_type) {
        fprintf(out, "%" PRId64 " to %" PRId64 "%s%s", o->min, o->max, o->unit ? " " : "",
                o->unit ? o->unit : "");
    } else if (o->type == &config_ratio_type) {
        fprintf(out, "0, or %.1f to %.1f", (double)o->min / 1000, (double)o->max / 1000);
    } else if (o->type == &config_text_type || o->type == &config_path_type) {
        fprintf(out, "%" PRId64 " to %" PRId64 " bytes", o->min, o->max);
    } else if (o->max > 0 && o->type != &config_plugin_type) {
        fprintf(out, "%" PRId64 " to %" PRId64 " entries", o->min, o->max);
    }
}

static void print_row(const struct config_option *o, FILE *out)
{
    fprintf(out, "| `%s` | %s | ", o->name, o->type->title);
    print_range(o, out);
    fprintf(out, " | `%s` | %s", o->dflt, o->when == CONFIG_AT_RESTART ? "restart" : "reload");
    if (o->with) {
        fprintf(out, ", with `%s`", o->with);
    }
    fprintf(out, " | %s |\n", o->help);
}

void config_print_reference(FILE *out)
{
    fputs(introduction, out);
    for (const struct config_group *group = config_groups; group->name; group++) {
        size_t len = strlen(group->name);
        fprintf(out, "\n## %s\n\n%s\n\n", len > 0 ? group->name : "General", group->help);
        fputs("| option | type | range | default | applies | meaning |\n|---|---|---|---|---|---|\n", out);
        for (size_t i = 0; i < config_n_options; i++) {
            const struct config_option *o = &config_options[i];
            if (group_length(o->name) == len && memcmp(o->name, group->name, len) == 0) {
                print_row(o, out);
            }
        }
    }
}
