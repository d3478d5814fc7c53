/*
 * test_quota.c - what an address takes: counts that are exact with many threads, buckets that keep their rate, and a table
 * that is too small.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "world/quota.h"

#define S   UINT64_C(1000000000)
#define NOW (1000 * S)

#ifdef RM_SANITIZED
#define ROUNDS 20000
#else
#define ROUNDS 200000
#endif
#define THREADS 4

static struct sockaddr_storage room[2];

static const struct sockaddr *v4(uint32_t host)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&room[0];
    *in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };
    return (const struct sockaddr *)in;
}

static const struct sockaddr *v6(const char *text)
{
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&room[1];
    *in = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
    assert_int_equal(inet_pton(AF_INET6, text, &in->sin6_addr), 1);
    return (const struct sockaddr *)in;
}

/* ------------------------------------------------------------------ connections */

static void test_connections_are_counted(void **state)
{
    (void)state;
    struct quota *q = quota_new(64, 1);
    quota_place place[3], other = 0;
    for (int i = 0; i < 3; i++) {
        place[i] = 0;
        assert_int_equal(quota_connect(q, v4(1), 3, NOW, &place[i]), QUOTA_TAKEN);
        assert_true(place[i] > 0);
    }
    assert_int_equal(quota_connect(q, v4(1), 3, NOW, &other), QUOTA_FULL);
    assert_int_equal(other, 0);
    assert_int_equal(quota_connect(q, v4(2), 3, NOW, &other), QUOTA_TAKEN);
    quota_disconnect(q, place[0]);
    assert_int_equal(quota_connect(q, v4(1), 3, NOW, &place[0]), QUOTA_TAKEN);
    assert_int_equal(quota_connect(q, v4(1), 4, NOW, &other), QUOTA_TAKEN); /* the limit is the caller's */
    quota_disconnect(q, 0);
    quota_free(q);
}

static bool same_client(struct quota *q, const struct sockaddr *a, const struct sockaddr *b)
{
    quota_place first = 0, second = 0;
    assert_int_equal(quota_connect(q, a, 1, NOW, &first), QUOTA_TAKEN);
    enum quota_result result = quota_connect(q, b, 1, NOW, &second);
    quota_disconnect(q, first);
    quota_disconnect(q, second);
    return result == QUOTA_FULL;
}

static void test_who_is_one_client(void **state)
{
    (void)state;
    struct quota *q = quota_new(1024, 7);
    struct sockaddr_storage first;
    memcpy(&first, v6("2001:db8:1:2::1"), sizeof(struct sockaddr_in6));
    const struct sockaddr *a = (const struct sockaddr *)&first;
    assert_true(same_client(q, a, v6("2001:db8:1:2:ffff::9")));
    assert_false(same_client(q, a, v6("2001:db8:1:3::1")));
    assert_true(same_client(q, v4(0x7f000001), v6("::ffff:127.0.0.1")));
    assert_false(same_client(q, v4(0x7f000001), v6("::1")));
    memcpy(&first, v4(1), sizeof(struct sockaddr_in));
    assert_false(same_client(q, a, v4(2)));
    assert_true(same_client(q, a, v4(1)));
    quota_free(q);
}

/* With 64 places and addresses that all have connections some find none, and are not counted; when the others are gone
 * their places are free again. */
static void test_a_table_that_is_too_small(void **state)
{
    (void)state;
    struct quota *q = quota_new(64, 3);
    quota_place places[200];
    unsigned taken = 0, untracked = 0;
    for (uint32_t i = 0; i < 200; i++) {
        places[i] = 0;
        enum quota_result r = quota_connect(q, v4(i), 1, NOW, &places[i]);
        assert_int_not_equal(r, QUOTA_FULL);
        taken += r == QUOTA_TAKEN;
        untracked += r == QUOTA_UNTRACKED;
    }
    assert_int_equal(taken + untracked, 200);
    assert_in_range(taken, 32, 64);
    for (uint32_t i = 0; i < 200; i++)
        quota_disconnect(q, places[i]);
    for (uint32_t i = 200; i < 208; i++)
        assert_int_equal(quota_connect(q, v4(i), 1, NOW, &places[0]), QUOTA_TAKEN);
    quota_free(q);
}

/* ------------------------------------------------------------------ buckets */

static const struct quota_rate ten = { .rate = 10, .burst = 5 };

static unsigned ask_until_full(struct quota *q, uint32_t host, uint64_t now, uint64_t *wait)
{
    unsigned n = 0;
    while (n < 1000 && quota_request(q, v4(host), ten, now, wait) == QUOTA_TAKEN)
        n++;
    return n;
}

static void test_a_bucket_has_burst_tokens_and_gets_rate(void **state)
{
    (void)state;
    struct quota *q = quota_new(64, 1);
    uint64_t wait = 0;
    assert_int_equal(ask_until_full(q, 1, NOW, &wait), 5);
    assert_int_equal(wait, S / 10);
    assert_int_equal(ask_until_full(q, 2, NOW, &wait), 5); /* another address's is its own */
    assert_int_equal(quota_request(q, v4(1), ten, NOW + wait - 1, &wait), QUOTA_FULL);
    assert_int_equal(wait, 1);
    assert_int_equal(quota_request(q, v4(1), ten, NOW + S / 10, &wait), QUOTA_TAKEN);
    assert_int_equal(ask_until_full(q, 1, NOW + S / 10, &wait), 0);
    assert_int_equal(ask_until_full(q, 1, NOW + S / 10 + 3 * S / 10, &wait), 3);
    assert_int_equal(ask_until_full(q, 1, NOW + 100 * S, &wait), 5); /* never above burst */
    quota_free(q);
}

static void test_the_bucket_of_all(void **state)
{
    (void)state;
    struct quota *q = quota_new(64, 1);
    uint64_t wait = 0;
    unsigned n = 0;
    while (quota_request_any(q, ten, NOW, &wait) == QUOTA_TAKEN)
        n++;
    assert_int_equal(n, 5);
    assert_int_equal(quota_request(q, v4(1), ten, NOW, &wait), QUOTA_TAKEN);
    quota_free(q);
}

/* Strangers push out who was quiet for longest, not who is at it. */
static void test_the_busy_one_is_remembered(void **state)
{
    (void)state;
    struct quota *q = quota_new(64, 5);
    uint64_t wait = 0, now = NOW;
    assert_int_equal(ask_until_full(q, 1, now, &wait), 5);
    for (uint32_t stranger = 100; stranger < 5000; stranger++) {
        now += S / 1000;
        if (stranger % 20 == 0) /* it goes on asking, far above its rate */
            quota_request(q, v4(1), ten, now, &wait);
        quota_request(q, v4(stranger), (struct quota_rate){ 1000000, 1 }, now, &wait);
    }
    assert_true(ask_until_full(q, 1, now, &wait) < 5);
    quota_free(q);
}

/* ------------------------------------------------------------------ many threads */

static struct quota *shared;
static atomic_int most_seen, held;
static atomic_uint tokens;

static void *connect_and_leave(void *arg)
{
    (void)arg;
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_addr.s_addr = 77 };
    for (int i = 0; i < ROUNDS; i++) {
        quota_place place = 0;
        if (quota_connect(shared, (struct sockaddr *)&me, 3, NOW, &place) != QUOTA_TAKEN)
            continue;
        int now = atomic_fetch_add(&held, 1) + 1, most = atomic_load(&most_seen);
        while (now > most && !atomic_compare_exchange_weak(&most_seen, &most, now))
            continue;
        atomic_fetch_sub(&held, 1);
        quota_disconnect(shared, place);
    }
    return NULL;
}

static void *take_tokens(void *arg)
{
    (void)arg;
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_addr.s_addr = 78 };
    uint64_t wait;
    for (int i = 0; i < ROUNDS; i++)
        if (quota_request(shared, (struct sockaddr *)&me, (struct quota_rate){ 1, 1000 }, NOW, &wait) ==
            QUOTA_TAKEN)
            atomic_fetch_add(&tokens, 1);
    return NULL;
}

static void run_threads(void *(*work)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_exact_with_many_threads(void **state)
{
    (void)state;
    uint64_t wait;
    quota_place place;
    shared = quota_new(64, 9);
    /* both have their place already: two threads that make one at once may make two */
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_addr.s_addr = 78 };
    assert_int_equal(
        quota_request(shared, (struct sockaddr *)&me, (struct quota_rate){ 1, 1000 }, NOW, &wait),
        QUOTA_TAKEN);
    me.sin_addr.s_addr = 77;
    assert_int_equal(quota_connect(shared, (struct sockaddr *)&me, 3, NOW, &place), QUOTA_TAKEN);
    run_threads(connect_and_leave);
    assert_in_range(atomic_load(&most_seen), 1, 2); /* three with ours */
    quota_disconnect(shared, place);
    for (int i = 0; i < 3; i++)
        assert_int_equal(quota_connect(shared, (struct sockaddr *)&me, 3, NOW, &place), QUOTA_TAKEN);
    assert_int_equal(quota_connect(shared, (struct sockaddr *)&me, 3, NOW, &place), QUOTA_FULL);
    run_threads(take_tokens);
    assert_int_equal(atomic_load(&tokens), 999);
    quota_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_are_counted),
        cmocka_unit_test(test_who_is_one_client),
        cmocka_unit_test(test_a_table_that_is_too_small),
        cmocka_unit_test(test_a_bucket_has_burst_tokens_and_gets_rate),
        cmocka_unit_test(test_the_bucket_of_all),
        cmocka_unit_test(test_the_busy_one_is_remembered),
        cmocka_unit_test(test_exact_with_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
