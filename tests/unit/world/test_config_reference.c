/*
 * test_config_reference.c - the option table, conf/lb.conf and docs/configuration.md say the same.
 *
 * When the reference differs: ringmaster --reference > docs/configuration.md
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "unit/world/config_kit.h"
#include "world/config_options.h"
#include "world/config_paths.h"
#include "world/config_read.h"
#include "world/config_types.h"

#define SHIPPED RM_SOURCE_DIR "/conf/lb.conf"

static char *content_of(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        fail_msg("%s cannot be read", path);
        return NULL;
    }
    char *text = mem_zero(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void test_the_reference_is_the_printed_one(void **state)
{
    (void)state;
    char *printed = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&printed, &len);
    config_print_reference(out);
    fclose(out);
    char *committed = content_of(RM_SOURCE_DIR "/docs/configuration.md");
    assert_string_equal(committed, printed);
    free(committed);
    free(printed);
}

static void test_the_reference_has_every_option(void **state)
{
    (void)state;
    char *text = content_of(RM_SOURCE_DIR "/docs/configuration.md");
    for (size_t i = 0; i < config_n_options; i++) {
        char *row = mem_format("\n| `%s` |", config_options[i].name);
        if (!strstr(text, row)) {
            fail_msg("%s is not in docs/configuration.md: its group is not in config_groups",
                     config_options[i].name);
        }
        free(row);
    }
    free(text);
}

/* A row that is complete, and whose leader is one of the options that wait for a restart. */
static void test_every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_n_options; i++) {
        const struct config_option *o = &config_options[i];
        assert_non_null(o->type);
        assert_non_null(o->dflt);
        assert_true(o->size > 0 && o->offset + o->size <= sizeof(struct config));
        assert_true(o->min <= o->max);
        size_t help = strlen(o->help);
        bool ends = o->help[help - 1] == '.' || strcmp(o->help + help - 3, "…") == 0;
        if (!ends || strchr(o->help, '|') || strchr(o->help, '\n') || help > 200) {
            fail_msg("the help of %s is no sentence for one line: %s", o->name, o->help);
        }
        assert_ptr_equal(config_option_find(o->name), o);
        if (o->with) {
            assert_non_null(config_option_find(o->with));
            assert_int_equal(config_option_find(o->with)->when, CONFIG_AT_RESTART);
        }
    }
    assert_null(config_option_find("no.such.option"));
}

static void test_the_shipped_file_has_every_option_on_a_line_of_its_own(void **state)
{
    (void)state;
    struct config_file file;
    struct problems problems = { 0 };
    assert_true(config_file_open(&file, SHIPPED, &problems));
    int line = 0;
    for (size_t i = 0; i < config_n_options; i++) {
        const char *name = config_options[i].name;
        const struct config_node *node = config_tree_find(&file.root, name);
        if (!node) {
            fail_msg("conf/lb.conf lacks %s", name);
        } else if (node->name_place.line <= line) {
            fail_msg(
                "conf/lb.conf:%d: %s stands before or beside the option that comes before it in the table",
                node->name_place.line, name);
        } else {
            line = node->name_place.line;
        }
    }
    config_file_close(&file);
    problems_free(&problems);
}

/* The options of the scheduler are written out, as an example; they are the plugin's own defaults. */
static void test_the_shipped_values_are_the_defaults(void **state)
{
    (void)state;
    struct problems problems = { 0 };
    struct config *shipped = config_load(SHIPPED, &problems), *defaults = conf_load("");
    assert_int_equal(problems.count, 0);
    free(shipped->plugin_dir); /* which may depend on the place of the file */
    shipped->plugin_dir = mem_text(defaults->plugin_dir);
    char *changed = conf_names(config_diff(shipped, defaults, NULL));
    assert_string_equal(changed, "strategy.scheduler_options");
    free(changed);
    assert_int_equal(shipped->strategy.scheduler.n_options, 2);
    assert_true(shipped->strategy.scheduler.options[0].i == 4294967296);
    assert_true(shipped->strategy.scheduler.options[1].i == 1000);
    config_release(shipped);
    config_release(defaults);
}

/* Every file that ships; the rings of the assignment have its size. */
static void test_presets_load(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob(RM_SOURCE_DIR "/conf/presets/*.conf", 0, NULL, &found), 0);
    size_t of_the_assignment = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *said = conf_complaints(found.gl_pathv[i]);
        assert_string_equal(said, "");
        free(said);
        struct problems problems = { 0 };
        struct config *c = config_load(found.gl_pathv[i], &problems);
        if (strcmp(c->strategy.hash.name, "hash_quadratic") == 0) {
            of_the_assignment++;
            assert_int_equal(c->strategy.scheduler.options[0].i, 512);
            assert_int_equal(c->strategy.scheduler.options[1].i, 9);
        }
        config_release(c);
    }
    globfree(&found);
    assert_int_equal(of_the_assignment, 3);
}

/* A program is looked for beside this one before anywhere else. */
static void test_programs_beside_this_one(void **state)
{
    (void)state;
    char *mine = realpath("/proc/self/exe", NULL);
    const char *name = strrchr(mine, '/') + 1;
    assert_int_equal(chmod(conf_write(name, "#!/bin/sh\n"), 0755), 0); /* in PATH too */
    char *found = config_path_find(name);
    assert_string_equal(found, mine);
    free(found);
    assert_null(config_path_find("no-such-program"));
    assert_false(config_path_is_program("/"));
    assert_false(config_path_is_program("/etc/passwd"));
    char *directory = config_path_program();
    assert_int_equal(strlen(directory), (size_t)(name - mine - 1));
    free(directory);
    free(mine);
}

int main(void)
{
#define KIT_TEST(test_) cmocka_unit_test_setup_teardown(test_, conf_open, conf_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reference_is_the_printed_one),
        cmocka_unit_test(test_the_reference_has_every_option),
        cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_the_shipped_file_has_every_option_on_a_line_of_its_own),
        KIT_TEST(test_the_shipped_values_are_the_defaults),
        KIT_TEST(test_presets_load),
        KIT_TEST(test_programs_beside_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
