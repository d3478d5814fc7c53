/*
 * plugin_hash.c - ringctl plugin hash: H of keys.
 *
 * Owns     nothing.
 * Used by  main.c.
 * Uses     part.h, child.h.
 * Thread   the program's only one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "part.h"
#include "ringctl.h"
#include "world/plugin.h"
#include "world/strategy.h"

struct hashing {
    const struct args *args;
    const char *path;
};

/* One line: the key as it came, H in decimal, H in hexadecimal. */
static void print_hash(const struct part *p, const char *bytes, size_t len)
{
    const struct lb_hash_ops *ops = p->plugin->info->ops;
    struct lb_key key = { .bytes = bytes, .len = len };
    strategy_key_finish(&key);
    child_doing("calling key");
    uint64_t hash = ops->key(p->self, &key);
    fwrite(bytes, 1, len, stdout);
    printf("\t%" PRIu64 "\t0x%016" PRIx64 "\n", hash, hash);
}

static void print_input(const struct part *p)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, stdin)) >= 0) {
        if (len > 0 && line[len - 1] == '\n')
            line[--len] = '\0';
        print_hash(p, line, (size_t)len);
    }
    free(line);
}

static int hash_all(void *arg)
{
    const struct hashing *h = arg;
    struct part p;
    if (!part_open(&p, h->path, h->args->options, h->args->n_options))
        return RINGCTL_FAILED;
    int code = RINGCTL_OK;
    if (p.plugin->info->kind != LB_HASH) {
        code = complain("%s is a %s; only a hash has values to print", h->path,
                        plugin_kind_name((enum lb_kind)p.plugin->info->kind));
    } else {
        for (size_t i = 1; i < h->args->n_words; i++) {
            const char *key = h->args->words[i];
            if (strcmp(key, "-") == 0)
                print_input(&p);
            else
                print_hash(&p, key, strlen(key));
        }
    }
    part_close(&p);
    return code;
}

int plugin_hash(const struct args *a)
{
    char *path = part_path(a, a->words[0]);
    int code = child_run(hash_all, &(struct hashing){ a, path }, a->timeout_s, path);
    free(path);
    return code;
}
