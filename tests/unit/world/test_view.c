/*
 * test_view.c - a view holds what it names for as long as it lives.
 *
 * Configuration, table and candidates are counted here by functions of this file: only their references matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world/config.h"
#include "world/replica.h"
#include "world/shadow.h"
#include "world/strategy.h"
#include "world/view.h"

static struct config config;
static struct table table;
static int config_refs, table_refs;

void config_retain(struct config *c)
{
    config_refs += c == &config;
}

void config_release(struct config *c)
{
    config_refs -= c == &config;
}

void table_retain(struct table *t)
{
    table_refs += t == &table;
}

void table_release(struct table *t)
{
    table_refs -= t == &table;
}

static int shadow_refs;

void shadow_retain(struct shadow *s)
{
    shadow_refs += s != NULL;
}

void shadow_release(struct shadow *s)
{
    shadow_refs -= s != NULL;
}

static void test_equipped_view(void **state)
{
    (void)state;
    static struct load *const some_load = (struct load *)&config_refs;
    table.n_members = 0;
    struct view *view = view_new(1, 1, &config, &table, NULL, 0);
    assert_null(view->pools[0].shadow);
    view_equip(view, (struct shadow *)&table_refs, some_load);
    assert_int_equal(shadow_refs, 1);
    assert_ptr_equal(view->pools[0].load, some_load);
    view_free(view);
    assert_int_equal(shadow_refs, 0);
}

static void test_view(void **state)
{
    (void)state;
    struct replica *replicas[3];
    for (uint32_t i = 0; i < 3; i++) {
        struct replica_identity who = { .name = "a", .ring_name = "a", .index = i };
        replicas[i] = replica_new(&who, 1);
    }
    table.n_members = 3;
    struct view *view = view_new(8, 5, &config, &table, replicas, 3);
    assert_int_equal(view->serial, 8);
    assert_int_equal(view->generation, 5);
    assert_ptr_equal(view->config, &config);
    assert_int_equal(view->n_pools, 1);
    assert_int_equal(view->unreleased, 0);
    const struct pool *pool = &view->pools[0];
    assert_string_equal(pool->name, "default");
    assert_ptr_equal(pool->table, &table);
    assert_int_equal(pool->n_replicas, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_ptr_equal(pool->replicas[i], replicas[i]);
        assert_ptr_equal(pool->live[i], &replicas[i]->live);
        assert_int_equal(replicas[i]->refs, 2);
    }
    assert_int_equal(config_refs, 1);
    assert_int_equal(table_refs, 1);

    for (uint32_t i = 0; i < 3; i++)
        replica_release(replicas[i]); /* the maker lets go: the view still holds them */
    assert_int_equal(pool->replicas[2]->index, 2);
    view_free(view); /* and now they are gone: the leak checker looks */
    assert_int_equal(config_refs, 0);
    assert_int_equal(table_refs, 0);
}

static void test_empty_view(void **state)
{
    (void)state;
    table.n_members = 0;
    struct view *view = view_new(1, 1, &config, &table, NULL, 0);
    assert_int_equal(view->pools[0].n_replicas, 0);
    view_free(view);
    assert_int_equal(config_refs, 0);
    assert_int_equal(table_refs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_view),
        cmocka_unit_test(test_empty_view),
        cmocka_unit_test(test_equipped_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
