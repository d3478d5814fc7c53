/*
 * test_route.c - which paths are control routes of the traffic port, escapes decoded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path/route.h"
#include "world/routes.h"

static const struct {
    const char *path, *decoded; /* NULL: the escapes are malformed */
    bool is_control;
} rows[] = {
    { "/rep", "/rep", true },
    { "/add", "/add", true },
    { "/rm", "/rm", true },
    { "/reload", "/reload", true },
    { "/requests/Server 1", "/requests/Server 1", true },
    { "/requests/", "/requests/", true },
    { "/requests", "/requests", false },
    { "/performancegraph", "/performancegraph", true },
    { "/performance_graph", "/performance_graph", true },
    { "/performancegraphs", "/performancegraphs", false },
    { "/state", "/state", false }, /* of the admin port */
    { "/", "/", false },
    { "", "", false },
    { "*", "*", false },
    { "/re", "/re", false },
    { "/repp", "/repp", false },
    { "/rep/", "/rep/", false },
    { "//rep", "//rep", false },
    { "/Rep", "/Rep", false },
    { "/home", "/home", false },
    { "/_lb/rep", "/_lb/rep", false },
    { "/%72%65p", "/rep", true },
    { "%2frep", "/rep", true },
    { "%2Frep", "/rep", true },
    { "/rep%2f", "/rep/", false },
    { "/re%70%", NULL, false },
    { "/rep%", NULL, false },
    { "/rep%2", NULL, false },
    { "/rep%zz", NULL, false },
    { "/rep%0", NULL, false },
    { "/rep%00", NULL, false },
    { "/%00rep", NULL, false },
    { "/%2572ep", "/%72ep", false }, /* decoded once */
    { "/requests/Server%201", "/requests/Server 1", true },
    { "/request%73/x", "/requests/x", true },
    { "/requests/%zz", NULL, true }, /* control refuses it */
    { "/requests/%00", NULL, true },
    { "/a%20long/path/that/is/not/a/route/of/anything/known/here/or/anywhere/else/in/the/house",
      "/a long/path/that/is/not/a/route/of/anything/known/here/or/anywhere/else/in/the/house", false },
    { "/requests/%61long/name/that/does/not/fit/into/the/room/that/is/enough/for/any/route",
      "/requests/along/name/that/does/not/fit/into/the/room/that/is/enough/for/any/route", true },
    { "/rep%2fbut/then/very/much/more/that/does/not/fit/into/the/room/that/is/enough/for/any/route",
      "/rep/but/then/very/much/more/that/does/not/fit/into/the/room/that/is/enough/for/any/route", false },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].path);
        char *path = malloc(len ? len : 1); /* not terminated: a sanitizer sees a look beyond */
        memcpy(path, rows[i].path, len);
        if (route_path_is_control(path, len) != rows[i].is_control)
            print_error("%s\n", rows[i].path);
        assert_int_equal(route_path_is_control(path, len), rows[i].is_control);

        char *out = malloc(len + 1);
        assert_int_equal(route_decode(path, len, out, len + 1), rows[i].decoded != NULL);
        if (rows[i].decoded) {
            assert_string_equal(out, rows[i].decoded);
            assert_int_equal(route_is_control(out), rows[i].is_control);
        }
        free(out);
        free(path);
    }
}

static void test_room(void **state)
{
    (void)state;
    char out[8];
    memset(out, '!', sizeof out);
    assert_true(route_decode("/%61b", 5, out, 4));
    assert_memory_equal(out, "/ab\0!", 5);
    assert_false(route_decode("/%61bc", 6, out, 4));
    assert_string_equal(out, "/ab"); /* what came before, terminated */
    assert_false(route_decode("/a%zz", 5, out, sizeof out));
    assert_string_equal(out, "/a");
    assert_false(route_decode("/", 1, out, 1));
    assert_string_equal(out, "");
    assert_true(route_decode("", 0, out, 1));
    assert_false(route_decode("", 0, out, 0));
}

/* Each line of the list, by itself. */
static void test_the_list(void **state)
{
    (void)state;
#define CHECK_ROUTE(name_, path_, match_, methods_, changes_, where_)                             \
    assert_int_equal(route_path_is_control(path_, strlen(path_)), ((where_)&ROUTE_TRAFFIC) != 0); \
    assert_int_equal(route_is_control(path_ "x"), ((where_)&ROUTE_TRAFFIC) && (match_) == ROUTE_PREFIX);
    ROUTES(CHECK_ROUTE)
#undef CHECK_ROUTE
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
