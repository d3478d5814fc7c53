/*
 * config_tree.c - the settings of a configuration as a tree: what is written, and where.
 *
 * Owns     the names and numbers of the nodes.
 * Used by  config_scan.c, config_read.c, config_types.c and the checks.
 * Uses     nothing.
 * Thread   any; nothing is shared.
 */
#include "world/config_tree.h"

#include <stdlib.h>
#include <string.h>

void config_tree_free(struct config_node *node)
{
    for (size_t i = 0; i < node->n_children; i++) {
        config_tree_free(&node->children[i]);
    }
    free(node->children);
    free(node->name);
    free(node->raw);
    *node = (struct config_node){ 0 };
}

static const struct config_node *child_named(const struct config_node *group, const char *name, size_t len)
{
    for (size_t i = 0; group->kind == CONFIG_KIND_GROUP && i < group->n_children; i++) {
        const char *theirs = group->children[i].name;
        if (strncmp(theirs, name, len) == 0 && theirs[len] == 0) {
            return &group->children[i];
        }
    }
    return NULL;
}

const struct config_node *config_tree_child(const struct config_node *group, const char *name)
{
    return child_named(group, name, strlen(name));
}

const struct config_node *config_tree_find(const struct config_node *root, const char *path)
{
    const struct config_node *node = root;
    while (node) {
        size_t len = strcspn(path, ".");
        node = child_named(node, path, len);
        if (path[len] == 0) {
            break;
        }
        path += len + 1;
    }
    return node;
}

const char *config_tree_kind(const struct config_node *node)
{
    static const char *const names[] = {
        [CONFIG_KIND_INTEGER] = "an integer", [CONFIG_KIND_FLOAT] = "a number with a point",
        [CONFIG_KIND_BOOL] = "true or false", [CONFIG_KIND_TEXT] = "text",
        [CONFIG_KIND_LIST] = "a list",        [CONFIG_KIND_GROUP] = "a group",
    };
    return names[node->kind];
}
