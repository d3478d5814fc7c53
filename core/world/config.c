/*
 * config.c - lb.conf, read and checked.
 *
 * Owns     struct config from the first default to the last reference.
 * Used by  main and control's reload.
 * Uses     config_read.h for the file, config_options.h for what may stand in it, config_cross.h for what must agree.
 * Thread   load: any. retain and release: control thread.
 *
 * The defaults are an lb.conf too: the table's, printed and read by the same code. Then what the file says replaces them,
 * row by row. The file's order decides the order of the problems.
 */
#include "world/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/config_cross.h"
#include "world/config_paths.h"
#include "world/config_read.h"
#include "world/config_types.h"

static struct config *make_defaults(void);
static void read_options(struct config_reader *r, const struct config_node *root);
static void find_plugins(struct config *c);
static void find_command(const struct config_reader *r);

struct config *config_load(const char *path, struct problems *problems)
{
    size_t before = problems->count;
    struct config *c = config_load_partial(path, problems);
    if (c && problems->count > before) {
        config_release(c);
        c = NULL;
    }
    return c;
}

struct config *config_load_partial(const char *path, struct problems *problems)
{
    size_t first = problems->count;
    struct config_file file;
    if (!config_file_open(&file, path, problems)) {
        config_file_close(&file);
        return NULL;
    }
    struct config *c = make_defaults();
    c->path = mem_text(path);
    c->directory = config_path_directory(path);
    free(c->files);
    c->files = file.source.files; /* places point into these names: they go along */
    file.source.files = NULL;
    file.source.n_files = 0;

    struct config_reader r = {
        .config = c,
        .problems = problems,
        .places = mem_zero(config_n_options, sizeof(struct place)),
        .bad = mem_zero(config_n_options, sizeof(bool)),
    };
    config_check_names(&file.root, problems);
    read_options(&r, &file.root);
    config_check_pairs(&r);
    find_plugins(c);
    find_command(&r);
    config_sort_problems(c, problems, first);
    free(r.places);
    free(r.bad);
    config_file_close(&file);
    return c;
}

void config_retain(struct config *c)
{
    c->refs++;
}

void config_release(struct config *c)
{
    assert(c->refs > 0);
    if (--c->refs > 0) {
        return;
    }
    for (size_t i = 0; i < config_n_options; i++) {
        config_options[i].type->clear(c, &config_options[i]);
    }
    for (size_t i = 0; c->files[i]; i++) {
        free(c->files[i]);
    }
    free(c->files);
    free(c->path);
    free(c->directory);
    free(c);
}

/* ------------------------------------------------------------------ reading */

static void print_default(const struct config_option *o, FILE *out, int indent, const void *arg)
{
    (void)indent, (void)arg;
    fputs(o->dflt, out);
}

/* A configuration with one reference and every option at its default. */
static struct config *make_defaults(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert(out);
    config_print_all(out, print_default, NULL);
    fclose(out);

    struct config *c = mem_zero(1, sizeof *c);
    c->refs = 1;
    c->files = mem_zero(1, sizeof *c->files);
    struct problems problems = { 0 };
    struct config_file file;
    bool good = config_file_open_text(&file, text, &problems);
    assert(good);
    for (size_t i = 0; good && i < config_n_options; i++) {
        const struct config_option *o = &config_options[i];
        struct config_reader r = { .config = c, .problems = &problems };
        good = o->type->read(&r, o, config_tree_find(&file.root, o->name));
        assert(good); /* a default outside its own bounds */
    }
    config_file_close(&file);
    free(text);
    return c;
}

static void read_options(struct config_reader *r, const struct config_node *root)
{
    for (size_t i = 0; i < config_n_options; i++) {
        const struct config_option *o = &config_options[i];
        const struct config_node *node = config_tree_find(root, o->name);
        if (node) {
            r->places[i] = node->value_place;
            r->bad[i] = !o->type->read(r, o, node);
        }
    }
}

/* ------------------------------------------------------------------ what the file leaves to the installation */

/* Whether there is a plugin, and even whether there is the directory, strategy.c finds out with the plugin's name. */
static void find_plugins(struct config *c)
{
    if (!*c->plugin_dir) {
        free(c->plugin_dir);
        c->plugin_dir = config_path_plugins(c->directory);
    }
}

/* Makes the first word of replicas.process.command a path. One that cannot be found stays as it is written, which matters
 * only when the driver starts processes. */
static void find_command(const struct config_reader *r)
{
    char **program = &r->config->replicas.process.command.items[0];
    struct place place = r->config->replicas.process.command.places[0];
    if (place.line == 0) {
        place = config_place_of(r, "replicas.process.command");
    }
    bool is_path = strchr(*program, '/') != NULL;
    char *found = is_path ? config_path_absolute(place.file, *program) : config_path_find(*program);
    bool runs = found && config_path_is_program(found);
    if (!runs && r->config->replicas.driver == DRIVER_PROCESS) {
        const char *hint = is_path ? NULL : "a path is relative to the file that names it";
        problem_add(r->problems, place, hint, "replicas.process.command: there is no program \"%s\"%s",
                    found ? found : *program, is_path ? "" : " beside ringmaster or in PATH");
    }
    if (found) {
        free(*program);
        *program = found;
    }
}

/* ------------------------------------------------------------------ the order of problems */

static size_t rank_of(const struct problem *p, char *const *files)
{
    size_t rank = 0;
    while (files[rank] && (!p->file || strcmp(files[rank], p->file) != 0)) {
        rank++;
    }
    return rank;
}

static bool is_before(const struct problem *a, const struct problem *b, char *const *files)
{
    size_t x = rank_of(a, files), y = rank_of(b, files);
    if (x != y) {
        return x < y;
    }
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* By insertion, which keeps equal ones in order and is quick on what is almost sorted. */
void config_sort_problems(const struct config *c, struct problems *problems, size_t first)
{
    for (size_t i = first + 1; i < problems->count; i++) {
        struct problem p = problems->items[i];
        size_t k = i;
        for (; k > first && is_before(&p, &problems->items[k - 1], c->files); k--) {
            problems->items[k] = problems->items[k - 1];
        }
        problems->items[k] = p;
    }
}
