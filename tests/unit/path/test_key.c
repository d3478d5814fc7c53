/*
 * test_key.c - what a request is known by (CONTRACT 6, DECISIONS 21).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "path/key.h"
#include "unit/path/heads.h"
#include "world/config.h"

#define SOURCES 8

static struct config_key sources[SOURCES];
static struct config config;
static uint64_t seed;

/* The list of sources, written like strategy.key: "query:a header:b path". */
static void use_sources(const char *list)
{
    static const char *const words[] = {
        "query:", "header:", "cookie:", "path", "uri", "client_ip", "random"
    };
    static char names[256];
    strcpy(names, list);
    config.strategy.keys = sources;
    config.strategy.n_keys = 0;
    for (char *word = strtok(names, " "); word; word = strtok(NULL, " ")) {
        struct config_key *k = &sources[config.strategy.n_keys++];
        for (int s = KEY_QUERY; s <= KEY_RANDOM; s++)
            if (strncmp(word, words[s], strlen(words[s])) == 0)
                *k = (struct config_key){ .source = (enum config_key_source)s,
                                          .name = word + strlen(words[s]) };
        k->name_len = strlen(k->name);
    }
}

static struct lb_key made;
static char made_text[KEY_TEXT];

/* The key as a text of its own. */
static const char *make(const char *bytes, const struct sockaddr *peer)
{
    static struct heads heads;
    static char out[512];
    size_t len = strlen(bytes);
    assert_int_equal(heads_parse(&heads, &(struct heads_feed){ 0 }, bytes, len, NULL, 0), len);
    memset(made_text, '?', sizeof made_text);
    key_make(&config, &heads.head, bytes, peer, &seed, made_text, &made);
    memcpy(out, made.bytes, made.len);
    out[made.len] = '\0';
    return out;
}

#define GET(target_) "GET " target_ " HTTP/1.1\r\nHost: h\r\n"
#define END          "\r\n"

/* "path" stands at the end of most lists to show that what came before it was absent. */
static const struct {
    const char *sources, *bytes, *key;
} rows[] = {
    { "query:a path", GET("/p?a=1") END, "1" },
    { "query:a path", GET("/p?b=2&a=1&a=3") END, "1" },
    { "query:a path", GET("/p?a=x=y") END, "x=y" },
    { "query:a path", GET("/p?a=%41+b") END, "%41+b" }, /* raw */
    { "query:a path", GET("/p?a=") END, "/p" },
    { "query:a path", GET("/p?a=&a=5") END, "5" },
    { "query:a path", GET("/p?a") END, "/p" },
    { "query:a path", GET("/p?") END, "/p" },
    { "query:a path", GET("/p") END, "/p" },
    { "query:a path", GET("/p?aa=1&ba=2&A=3&&=&=4") END, "/p" },
    { "query:a path", GET("/p?&&a=1&") END, "1" },
    { "query:a path", GET("/a=1?b=2") END, "/a=1" },
    { "query:request_id path", GET("/p?request_id=132574") END, "132574" },
    { "query:a path", GET("http://x/q?a=7") END, "7" },
    { "header:x-id path", GET("/p") "X-ID: v 1 \r\n" END, "v 1" },
    { "header:x-id path", GET("/p") "X-Id:\r\nx-iD: 2\r\nX-Id: 3\r\n" END, "2" },
    { "header:x-id path", GET("/p") "X-I: 1\r\nX-Idd: 2\r\nY-Id: 3\r\n" END, "/p" },
    { "header:host path", GET("/p") END, "h" },
    { "header:a_b path", GET("/p") "A-B: 1\r\nA_B: 2\r\n" END, "2" },
    { "cookie:s path", GET("/p") "Cookie: s=1\r\n" END, "1" },
    { "cookie:s path", GET("/p") "Cookie: a=0; s=\"1=2\"; s=3\r\n" END, "\"1=2\"" },
    { "cookie:s path", GET("/p") "Cookie: a=0;s=1 ; b=2\r\n" END, "1" },
    { "cookie:s path", GET("/p") "Cookie: a=0; b=1\r\ncookie:  s=9\r\n" END, "9" },
    { "cookie:s path", GET("/p") "Cookie: S=1; ss=2; as=3; s; s=; \r\nX: s=4\r\n" END, "/p" },
    { "path", GET("/p/q?a=1") END, "/p/q" },
    { "path", GET("http://x/q?a=7") END, "/q" },
    { "path", GET("http://x?a=7") END, "/" },
    { "path", "OPTIONS * HTTP/1.1\r\nHost: h\r\n" END, "*" },
    { "uri", GET("/p/q?a=1") END, "/p/q?a=1" },
    { "uri", GET("http://x/q") END, "http://x/q" },
    { "query:a header:b cookie:c uri", GET("/p") "Cookie: c=3\r\n" END, "3" },
    { "query:a header:b cookie:c uri", GET("/p") "Cookie: c=3\r\nB: 2\r\n" END, "2" },
    { "query:a header:b cookie:c uri", GET("/p?a=1") "Cookie: c=3\r\nB: 2\r\n" END, "1" },
    { "query:a header:b cookie:c uri", GET("/p") END, "/p" },
};

static void test_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        use_sources(rows[i].sources);
        assert_string_equal(make(rows[i].bytes, NULL), rows[i].key);
    }
}

static void test_integers(void **state)
{
    (void)state;
    use_sources("query:a");
    make(GET("/p?a=132574") END, NULL);
    assert_int_equal(made.flags & LB_KEY_INTEGER, LB_KEY_INTEGER);
    assert_true(made.id == 132574);
    make(GET("/p?a=13257x") END, NULL);
    assert_int_equal(made.flags & LB_KEY_INTEGER, 0);
    uint64_t id = made.id;
    make(GET("/p?b=1&a=13257x") END, NULL);
    assert_true(made.id == id);
}

static void test_client(void **state)
{
    (void)state;
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(1234) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(1234) };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    inet_pton(AF_INET, "10.1.2.3", &v4.sin_addr);
    use_sources("client_ip path");
    assert_string_equal(make(GET("/p") END, (struct sockaddr *)&v4), "10.1.2.3");
    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    assert_string_equal(make(GET("/p") END, (struct sockaddr *)&v6), "2001:db8::1");
    inet_pton(AF_INET6, "::ffff:10.1.2.3", &v6.sin6_addr);
    assert_string_equal(make(GET("/p") END, (struct sockaddr *)&v6), "10.1.2.3");
    assert_string_equal(make(GET("/p") END, (struct sockaddr *)&un), "/p");
    assert_string_equal(make(GET("/p") END, NULL), "/p");
}

static void assert_six_digits(const char *key)
{
    assert_int_equal(strlen(key), 6);
    assert_in_range(atoi(key), 100000, 999999);
    assert_int_equal(made.flags & LB_KEY_INTEGER, LB_KEY_INTEGER);
    assert_true(made.id == (uint64_t)atoi(key));
}

/* Six digits, and the whole range of them. */
static void test_random(void **state)
{
    (void)state;
    int smallest = 999999, largest = 0;
    use_sources("random");
    seed = 1;
    for (int i = 0; i < 20000; i++) {
        const char *key = make(GET("/p") END, NULL);
        assert_six_digits(key);
        smallest = atoi(key) < smallest ? atoi(key) : smallest;
        largest = atoi(key) > largest ? atoi(key) : largest;
    }
    assert_in_range(smallest, 100000, 101000);
    assert_in_range(largest, 999000, 999999);
}

/* The shipped list, and a list whose sources are all absent. */
static void test_fall_back(void **state)
{
    (void)state;
    use_sources("query:request_id header:x-request-id random");
    assert_string_equal(make(GET("/?request_id=7") "X-Request-Id: 8\r\n" END, NULL), "7");
    assert_string_equal(make(GET("/?request_id=") "X-Request-Id: 8\r\n" END, NULL), "8");
    assert_six_digits(make(GET("/") END, NULL));
    assert_ptr_equal(made.bytes, made_text);
    use_sources("cookie:none");
    assert_six_digits(make(GET("/") END, NULL));
    char first[8];
    strcpy(first, make(GET("/") END, NULL));
    assert_string_not_equal(first, make(GET("/") END, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources), cmocka_unit_test(test_integers),  cmocka_unit_test(test_client),
        cmocka_unit_test(test_random),  cmocka_unit_test(test_fall_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
