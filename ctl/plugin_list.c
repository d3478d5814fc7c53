/*
 * plugin_list.c - ringctl plugin list: what is installed.
 *
 * Owns     nothing.
 * Used by  main.c.
 * Uses     child.h (a broken plugin breaks its own line only), world/plugin.h.
 * Thread   the program's only one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "child.h"
#include "part.h"
#include "ringctl.h"
#include "world/plugin.h"

static const char *type_name(uint32_t type)
{
    switch (type) {
    case LB_INT: return "whole number";
    case LB_FLOAT: return "number";
    case LB_BOOL: return "true or false";
    case LB_TEXT: return "text";
    default: return "unknown type";
    }
}

static void print_bounds(const struct lb_option *o)
{
    if ((o->min == 0 && o->max == 0) || o->type == LB_BOOL)
        return;
    if (o->type == LB_TEXT)
        printf(" of %.0f .. %.0f bytes", o->min, o->max);
    else if (o->type == LB_INT)
        printf(" %.0f .. %.0f", o->min, o->max);
    else
        printf(" %g .. %g", o->min, o->max);
}

static void print_plugin(const struct lb_plugin *info)
{
    printf("%-10s %-24s %-8s %s\n", plugin_kind_name((enum lb_kind)info->kind), info->name,
           info->version ? info->version : "-", info->summary ? info->summary : "");
    for (const struct lb_option *o = info->options; o && o->name; o++) {
        printf("             %s = %s   %s", o->name, o->dflt ? o->dflt : "?", type_name(o->type));
        print_bounds(o);
        printf("%s%s\n", o->help ? "; " : "", o->help ? o->help : "");
    }
}

static int list_one(void *path)
{
    struct plugin *plugin = part_load(path);
    if (!plugin)
        return RINGCTL_FAILED;
    print_plugin(plugin->info);
    plugin_release(plugin);
    return RINGCTL_OK;
}

int plugin_list(const struct args *a)
{
    char *dir = part_directory(a);
    char **names = plugin_names(dir, "");
    int code = RINGCTL_OK;
    if (!names) {
        code = complain("the plugin directory %s cannot be read: %m", dir);
        free(dir);
        return code;
    }
    printf("plugins in %s\n", dir);
    for (char **name = names; *name; name++) {
        char *path = mem_format("%s/%s.so", dir, *name);
        if (child_run(list_one, path, a->timeout_s, path) != RINGCTL_OK)
            code = RINGCTL_FAILED;
        free(path);
    }
    if (!*names)
        complain("none there; a plugin is a file like hash_mine.so");
    plugin_names_free(names);
    free(dir);
    return code;
}
