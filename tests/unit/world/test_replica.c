/*
 * test_replica.c - a replica's identity and its live block.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world/replica.h"

static struct replica_identity identity_v4(const char *name)
{
    struct replica_identity who = { .name = name, .ring_name = "Server 2", .id = 2, .weight = 3, .index = 4 };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(5001) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&who.address, &address, sizeof address);
    who.address_len = sizeof address;
    return who;
}

static void test_identity(void **state)
{
    (void)state;
    char name[REPLICA_NAME_MAX + 1];
    memset(name, 'n', REPLICA_NAME_MAX);
    name[REPLICA_NAME_MAX] = '\0';
    struct replica_identity who = identity_v4(name);
    struct replica *r = replica_new(&who, 3);
    memset(name, 0, sizeof name); /* it has its own copy */
    assert_int_equal(strlen(r->name), REPLICA_NAME_MAX);
    assert_string_equal(r->ring_name, "Server 2");
    assert_int_equal(r->id, 2);
    assert_int_equal(r->weight, 3);
    assert_int_equal(r->index, 4);
    assert_int_equal(r->n_workers, 3);
    assert_string_equal(r->address_text, "127.0.0.1:5001");
    assert_int_equal(r->address_len, sizeof(struct sockaddr_in));
    assert_memory_equal(&r->address, &who.address, sizeof who.address);
    replica_release(r);
}

static void test_address_v6(void **state)
{
    (void)state;
    struct replica_identity who = identity_v4("a");
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(65535) };
    memset(&address.sin6_addr, 0xab, sizeof address.sin6_addr);
    memcpy(&who.address, &address, sizeof address);
    struct replica *r = replica_new(&who, 1);
    assert_string_equal(r->address_text, "[abab:abab:abab:abab:abab:abab:abab:abab]:65535");
    replica_release(r);
}

static void test_lines_apart(void **state)
{
    (void)state;
    struct replica_identity who = identity_v4("a");
    struct replica *r = replica_new(&who, 2);
    assert_int_equal((uintptr_t)r % 64, 0);
    assert_int_equal((uintptr_t)&r->live % 64, 0);
    assert_int_equal((uintptr_t)&r->refusal_told % 64, 0);
    assert_int_equal((uintptr_t)&r->lines[0] % 64, 0);
    assert_int_equal((uintptr_t)&r->lines[1] % 64, 0);
    assert_int_equal(STATS_READ(r->lines[1].counters.picked), 0);
    stats_note_request(&r->lines[1], 100, 1, 2); /* freed with it: the leak checker looks */
    replica_release(r);
}

static void test_ready_and_references(void **state)
{
    (void)state;
    struct replica_identity who = identity_v4("a");
    struct replica *r = replica_new(&who, 1);
    assert_false(replica_is_ready(r));
    replica_set_ready(r, true);
    assert_true(replica_is_ready(r));
    assert_int_equal(r->live.ready, 1);
    replica_retain(r);
    replica_release(r);
    assert_true(replica_is_ready(r));
    replica_set_ready(r, false);
    assert_false(replica_is_ready(r));
    replica_release(r);
}

static void test_in_flight(void **state)
{
    (void)state;
    struct replica_identity who = identity_v4("a");
    struct replica *r = replica_new(&who, 1);
    assert_int_equal(replica_reserve(r), 1);
    assert_int_equal(replica_reserve(r), 2);
    replica_unreserve(r);
    assert_int_equal(replica_in_flight(r), 1);
    assert_int_equal(r->live.in_flight, 1);
    replica_unreserve(r);
    replica_release(r);
}

static void test_latency(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns, average;
    } rows[] = {
        { 8000, 8000 }, { 16000, 9000 }, { 1000, 8000 }, { 8000, 8000 },
        { 8007, 8000 }, { 7993, 8000 },  { 8008, 8001 },
    };
    struct replica_identity who = identity_v4("a");
    struct replica *r = replica_new(&who, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        replica_note_latency(r, rows[i].ns);
        assert_int_equal(r->live.latency_ns, rows[i].average);
    }
    replica_note_latency(r, UINT64_MAX);
    assert_true(r->live.latency_ns > UINT64_MAX / 16);
    replica_release(r);

    r = replica_new(&who, 1);
    replica_note_latency(r, 0);
    assert_int_not_equal(r->live.latency_ns, 0); /* 0 would say "none seen yet" */
    replica_release(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),    cmocka_unit_test(test_address_v6),
        cmocka_unit_test(test_lines_apart), cmocka_unit_test(test_ready_and_references),
        cmocka_unit_test(test_in_flight),   cmocka_unit_test(test_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
