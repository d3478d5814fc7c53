/*
 * test_probes.c - which slots the probes name, and how many they reach.
 */
#include "unit/plugins/strategy_kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world/plugin.h"

struct probe {
    struct plugin *plugin;
    const struct lb_probe_ops *ops;
    void *self;
};

/* The probe with the one option it has. */
static struct probe open_probe(const char *name, int64_t option)
{
    char why[512] = "";
    union lb_value value = { .i = option };
    struct lb_error refused;
    struct probe p = { .plugin = plugin_load(RM_PLUGIN_DIR, name, LB_PROBE, why, sizeof why) };

    if (!p.plugin)
        print_error("%s\n", why);
    assert_non_null(p.plugin);
    p.ops = p.plugin->info->ops;
    assert_int_equal(p.ops->create(&value, &p.self, &refused), 0);
    return p;
}

static void close_probe(struct probe *p)
{
    if (p->ops->destroy)
        p->ops->destroy(p->self);
    plugin_release(p->plugin);
}

static uint64_t at(const struct probe *p, uint64_t slots, uint64_t home, uint32_t copy, uint32_t attempt)
{
    struct lb_probe_try try = {
        .home = home, .slots = slots, .copy = copy, .attempt = attempt, .hash2 = 12345
    };

    return p->ops->at(p->self, &try);
}

/* How many slots attempts 0 (home) to slots - 1 see. */
static unsigned reach(const struct probe *p, uint64_t slots, uint32_t copy)
{
    bool *seen = mem_zero(slots, sizeof *seen);
    unsigned count = 1;

    seen[7 % slots] = true;
    for (uint32_t t = 1; t < slots; t++) {
        uint64_t slot = at(p, slots, 7 % slots, copy, t);

        assert_true(slot < slots);
        count += !seen[slot];
        seen[slot] = true;
    }
    free(seen);
    return count;
}

static void test_linear(void **state)
{
    struct probe p = open_probe("probe_linear", 1);

    (void)state;
    assert_int_equal(at(&p, 512, 510, 3, 1), 511);
    assert_int_equal(at(&p, 512, 510, 3, 2), 0);
    assert_int_equal(at(&p, 512, 510, 4, 5), 3);
    assert_int_equal(reach(&p, 2, 0), 2);
    assert_int_equal(reach(&p, 500, 0), 500);
    assert_int_equal(reach(&p, 512, 0), 512);
    close_probe(&p);

    p = open_probe("probe_linear", 6);
    assert_int_equal(at(&p, 100, 98, 0, 2), 10);
    assert_int_equal(reach(&p, 101, 0), 101);
    assert_int_equal(reach(&p, 100, 0), 50);
    close_probe(&p);
}

static void test_quadratic(void **state)
{
    struct probe p = open_probe("probe_quadratic", 0);

    (void)state;
    for (uint32_t t = 1; t < 100; t++) {
        assert_int_equal(at(&p, 512, 500, 0, t), (500 + t * t) % 512);
        assert_int_equal(at(&p, 512, 500, 8, t), (500 + t * t) % 512);
    }
    assert_int_equal(reach(&p, 512, 0), 87); /* the coverage that its comment states */
    assert_int_equal(reach(&p, 503, 0), 252);
    close_probe(&p);
}

static void test_step_of_each_copy(void **state)
{
    struct probe p = open_probe("probe_quadratic", 1);

    (void)state;
    for (uint32_t j = 0; j < 100; j++) {
        uint64_t slot = 1000;

        for (uint32_t t = 1; t < 50; t++) {
            slot = (slot + 2 * j + 1) % 1024;
            assert_int_equal(at(&p, 1024, 1000, j, t), slot);
        }
        assert_int_equal(reach(&p, 1024, j), 1024);
    }
    assert_int_equal(reach(&p, 1000, 2), 200); /* step 5 */
    close_probe(&p);
}

/* Nothing wraps where all numbers are as large as they can be. */
static void test_extremes(void **state)
{
    const uint64_t slots = 1ull << 32, last = slots - 1;
    struct probe p = open_probe("probe_linear", (int64_t)last);

    (void)state;
    assert_true(at(&p, slots, last, 0, 1) == last - 1);
    assert_true(at(&p, slots, last, 0, UINT32_MAX) == 0); /* -1 - 1 * -1 */
    assert_true(at(&p, last, last - 1, 0, UINT32_MAX) == last - 1);
    close_probe(&p);
    p = open_probe("probe_quadratic", 0);
    assert_true(at(&p, slots, last, 0, UINT32_MAX) == 0); /* -1 + 1 */
    assert_true(at(&p, last, 5, 0, UINT32_MAX) == 5);
    close_probe(&p);
    p = open_probe("probe_quadratic", 1);
    assert_true(at(&p, slots, last, UINT32_MAX, UINT32_MAX) == 0); /* 2j + 1 is -1: -1 + 1 */
    assert_true(at(&p, 3, 2, UINT32_MAX, 2) == (2 + 2 * (2ull * UINT32_MAX + 1)) % 3);
    close_probe(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_quadratic),
        cmocka_unit_test(test_step_of_each_copy),
        cmocka_unit_test(test_extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
