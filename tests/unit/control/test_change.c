/*
 * test_change.c - bodies of /add and /rm, good and bad, one line each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/change.h"

#define MAX 8 /* replicas.max in these tests */

#define LONGEST "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_" /* 63 characters */

/* n > 0: the body is good, and names its names with commas between. n == 0: it is refused, and the sentence
 * contains names. */
struct row {
    const char *body;
    uint32_t n;
    const char *names;
};

static const struct row rows[] = {
    /* empty */
    { "", 1, "" },
    { " \r\n\t", 1, "" },
    /* JSON */
    { "{}", 1, "" },
    { "  {\"n\":3}\n", 3, "" },
    { "{\"N\":3}", 3, "" },
    { "{\"n\":3,\"N\":3}", 3, "" },
    { "{\"n\":2,\"hostnames\":[\"S5\",\"S6\"]}", 2, "S5,S6" },
    { "{\"n\":2,\"replicas\":[\"S5\",\"S6\"]}", 2, "S5,S6" },
    { "{\"n\":3,\"hostnames\":[\"S5\"]}", 3, "S5" },
    { "{\"hostnames\":[\"S5\",\"S6\"]}", 2, "S5,S6" },
    { "{\"hostnames\":[]}", 1, "" },
    { "{\"hostnames\":[\"S5\"],\"n\":1}", 1, "S5" },
    { "{\"hostnames\":[\"S5\",\"S5\"]}", 2, "S5,S5" },
    { "{\"hostnames\":[\"Server 1\",\"a_b-c.d@e\"]}", 2, "Server 1,a_b-c.d@e" },
    { "{\"hostnames\":[\"" LONGEST "\"]}", 1, LONGEST },
    { "{\"n\":8}", 8, "" },
    { "{\"n\":9}", 0, "n is 9; at most 8 (replicas.max)" },
    { "{\"n\":0}", 0, "n must be above 0" },
    { "{\"n\":-1}", 0, "n must be above 0" },
    { "{\"n\":1.5}", 0, "whole number" },
    { "{\"n\":1.0}", 0, "whole number" },
    { "{\"n\":\"1\"}", 0, "whole number" },
    { "{\"n\":true}", 0, "whole number" },
    { "{\"n\":null}", 0, "whole number" },
    { "{\"n\":[1]}", 0, "whole number" },
    { "{\"n\":1e3}", 0, "whole number" },
    { "{\"n\":9223372036854775807}", 0, "at most 8" },
    { "{\"n\":99999999999999999999}", 0, "no valid JSON" },
    { "{\"n\":1,\"N\":2}", 0, "given twice" },
    { "{\"n\":1,\"n\":1}", 0, "no valid JSON" },
    { "{\"n\":1,\"hostname\":\"S5\"}", 0, "unknown field" },
    { "{\"count\":1}", 0, "unknown field" },
    { "{\"n\":1,\"hostnames\":\"S5\"}", 0, "list of names" },
    { "{\"n\":1,\"hostnames\":null}", 0, "list of names" },
    { "{\"n\":1,\"hostnames\":{}}", 0, "list of names" },
    { "{\"n\":1,\"hostnames\":[5]}", 0, "each name a text" },
    { "{\"hostnames\":[\"a\"],\"replicas\":[\"b\"]}", 0, "mean the same" },
    { "{\"hostnames\":[\"\"]}", 0, "must not be empty" },
    { "{\"hostnames\":[\"" LONGEST "x\"]}", 0, "at most 63 characters" },
    { "{\"hostnames\":[\"a/b\"]}", 0, "letters, digits" },
    { "{\"hostnames\":[\"a\\u0000b\"]}", 0, "JSON" },
    { "{\"hostnames\":[\"\\u00e9\"]}", 0, "letters, digits" },
    { "{\"hostnames\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}", 0, "too many names" },
    { "{", 0, "no valid JSON" },
    { "{\"n\":1", 0, "no valid JSON" },
    { "{\"n\":1}}", 0, "no valid JSON" },
    { "{\"n\":1} x", 0, "no valid JSON" },
    { "{n:1}", 0, "no valid JSON" },
    { "{\"hostnames\":[\"\xff\"]}", 0, "no valid JSON" },
    /* a form */
    { "n=3", 3, "" },
    { "N=3", 3, "" },
    { "n=3\n", 3, "" },
    { "n=003", 3, "" },
    { "n=3&N=3", 3, "" },
    { "server_id=S5", 1, "S5" },
    { "hostname=S5", 1, "S5" },
    { "hostnames=S5&hostnames=S6", 2, "S5,S6" },
    { "server_id=S5&hostname=S6&hostnames=S7", 3, "S5,S6,S7" },
    { "server_id=S5&n=2", 2, "S5" },
    { "server_id=Server+1", 1, "Server 1" },
    { "server_id=Server%201", 1, "Server 1" },
    { "server%5fid=S5&", 1, "S5" },
    { "&&n=2", 2, "" },
    { "server_id=", 0, "must not be empty" },
    { "server_id", 0, "must not be empty" },
    { "server_id=a%2Fb", 0, "letters, digits" },
    { "server_id=a%00b", 0, "letters, digits" },
    { "server_id=a,b", 0, "letters, digits" },
    { "server_id=a%2", 0, "hexadecimal" },
    { "server_id=a%zz", 0, "hexadecimal" },
    { "n%=1", 0, "hexadecimal" },
    { "n=", 0, "whole number" },
    { "n", 0, "whole number" },
    { "n=+3", 0, "whole number" },
    { "n=-3", 0, "whole number" },
    { "n=3.0", 0, "whole number" },
    { "n=x", 0, "whole number" },
    { "n=0", 0, "above 0" },
    { "n=9", 0, "at most 8" },
    { "n=99999999999999999999999", 0, "whole number" },
    { "n=1&N=2", 0, "given twice" },
    { "n=1&n=2", 0, "given twice" },
    { "count=1", 0, "unknown field" },
    { "[1,2]", 0, "unknown field" },
    { "=1", 0, "unknown field" },
    { "n=1&x=1", 0, "unknown field" },
};

/* The weights, and what is refused of them. */
static void test_weights(void **state)
{
    static const struct {
        const char *body, *weights, *refusal;
    } cases[] = {
        { "{\"n\":3,\"hostnames\":[\"a\"],\"weights\":[5,65535]}", "5 65535", NULL },
        { "{\"weights\":[2]}", "2", NULL },
        { "{\"weights\":[]}", "", NULL },
        { "hostname=a&hostname=b&weight=3&weight=4", "3 4", NULL },
        { "{\"weights\":[1,2]}", NULL, "Length of weight list" },
        { "{\"weights\":[0]}", NULL, "a weight is 1 to 65535, not 0" },
        { "{\"weights\":[65536]}", NULL, "a weight is 1 to 65535" },
        { "{\"weights\":[1.5]}", NULL, "list of whole numbers" },
        { "{\"weights\":2}", NULL, "list of whole numbers" },
        { "weight=", NULL, "a weight is 1 to 65535" },
        { "weight=x", NULL, "a weight is 1 to 65535" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct change c;
        char why[512] = "", weights[64] = "";
        const char *body = cases[i].body;
        int failed = change_read(CHANGE_ADD, body, strlen(body), MAX, &c, why, sizeof why);
        if (!cases[i].weights) {
            assert_int_equal(failed, -1);
            assert_non_null(strstr(why, cases[i].refusal));
            continue;
        }
        assert_int_equal(failed, 0);
        for (size_t k = 0; k < c.n_weights; k++)
            snprintf(weights + strlen(weights), 16, "%s%u", k ? " " : "", c.weights[k]);
        assert_string_equal(weights, cases[i].weights);
        change_free(&c);
    }
    struct change c;
    char why[512];
    assert_int_equal(change_read(CHANGE_REMOVE, "weight=1", 8, MAX, &c, why, sizeof why), -1);
    assert_non_null(strstr(why, "weights are for /add"));
}

static char *join(const struct change *c)
{
    size_t room = 1;
    for (size_t i = 0; i < c->n_names; i++)
        room += strlen(c->names[i]) + 1;
    char *out = calloc(1, room);
    for (size_t i = 0; i < c->n_names; i++) {
        strcat(out, i ? "," : "");
        strcat(out, c->names[i]);
    }
    assert_null(c->names[c->n_names]);
    return out;
}

static void check_row(const struct row *row)
{
    struct change c;
    char why[512] = "";
    /* A copy of exactly this length: a read behind the end is seen by the address sanitizer. */
    size_t len = strlen(row->body);
    char *body = memcpy(malloc(len + 1), row->body, len);
    int failed = change_read(CHANGE_ADD, body, len, MAX, &c, why, sizeof why);
    free(body);
    if (!row->n) {
        if (!failed || strncmp(why, "<Error> ", 8) != 0 || !strstr(why, row->names))
            fail_msg("%s: expected a refusal with \"%s\", got \"%s\"", row->body, row->names, why);
        return;
    }
    if (failed)
        fail_msg("%s: refused with \"%s\"", row->body, why);
    char *names = join(&c);
    if (c.n != row->n || strcmp(names, row->names) != 0)
        fail_msg("%s: read as n = %u, names %s", row->body, (unsigned)c.n, names);
    free(names);
    change_free(&c);
}

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i]);
}

/* The contract gives these two word for word. */
static void test_more_names_than_n(void **state)
{
    (void)state;
    static const char *const bodies[] = { "{\"n\":1,\"hostnames\":[\"a\",\"b\"]}",
                                          "n=1&server_id=a&server_id=b" };
    for (size_t i = 0; i < 2; i++) {
        struct change c;
        char why[512];
        assert_int_equal(change_read(CHANGE_ADD, bodies[i], strlen(bodies[i]), MAX, &c, why, sizeof why), -1);
        assert_string_equal(why, "<Error> Length of hostname list is more than newly added instances");
        assert_int_equal(change_read(CHANGE_REMOVE, bodies[i], strlen(bodies[i]), MAX, &c, why, sizeof why),
                         -1);
        assert_string_equal(why, "<Error> Length of hostname list is more than removable instances");
    }
}

/* Any bytes at all are refused or read, never more. */
static void test_noise(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        static const char alphabet[] = "{}[]\"n:1,=&%+ hostnames\\u00\xff";
        char body[40], why[64];
        size_t len = (size_t)round % sizeof body;
        for (size_t i = 0; i < len; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            body[i] = alphabet[x % (sizeof alphabet - 1)];
        }
        struct change c;
        if (change_read(CHANGE_REMOVE, body, len, MAX, &c, why, sizeof why) == 0) {
            assert_in_range(c.n, 1, MAX);
            assert_true(c.n_names <= c.n);
            change_free(&c);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_more_names_than_n),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
