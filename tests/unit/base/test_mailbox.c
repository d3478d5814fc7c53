/*
 * test_mailbox.c - letters arrive once each, in their sender's order, and never without a wake-up.
 *
 * The threads run freely; under the thread sanitizer this is also the proof that handing over needs no fence.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mailbox.h"

#define SENDERS     4
#define LETTERS     20000
#define PATIENCE_NS (60ull * 1000000000ull)

struct numbered {
    struct letter letter;
    unsigned sender, number;
};

static struct mailbox box;

static bool is_readable(int wait_ms)
{
    struct pollfd p = { .fd = box.fd, .events = POLLIN };
    return poll(&p, 1, wait_ms) == 1;
}

static void post_new(unsigned sender, unsigned number)
{
    struct numbered *n = malloc(sizeof *n);
    n->letter.kind = 7;
    n->sender = sender;
    n->number = number;
    mailbox_post(&box, &n->letter);
}

static void test_empty(void **state)
{
    (void)state;
    assert_int_equal(mailbox_open(&box), 0);
    assert_false(is_readable(0));
    assert_null(mailbox_take(&box));
    mailbox_close(&box);
    assert_int_equal(box.fd, -1);
}

static void test_order_and_bell(void **state)
{
    (void)state;
    assert_int_equal(mailbox_open(&box), 0);
    for (unsigned i = 0; i < 3; i++)
        post_new(0, i);
    assert_true(is_readable(0));
    struct letter *l = mailbox_take(&box);
    for (unsigned i = 0; i < 3; i++) {
        struct letter *next = l->next;
        assert_int_equal(((struct numbered *)l)->number, i);
        assert_int_equal(l->kind, 7);
        free(l);
        l = next;
    }
    assert_null(l);
    assert_false(is_readable(0));
    assert_null(mailbox_take(&box));
    mailbox_close(&box);
}

static void *send_all(void *arg)
{
    unsigned sender = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < LETTERS; i++)
        post_new(sender, i);
    return NULL;
}

/* The receiver sleeps until the bell rings and takes once a ring: a lost wake-up would leave it waiting
 * for ever. */
static void test_many_senders(void **state)
{
    (void)state;
    pthread_t threads[SENDERS];
    unsigned next[SENDERS] = { 0 };
    unsigned got = 0;
    assert_int_equal(mailbox_open(&box), 0);
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, (void *)(uintptr_t)i), 0);

    uint64_t deadline = clock_now_ns() + PATIENCE_NS;
    while (got < SENDERS * LETTERS && clock_now_ns() < deadline) {
        if (!is_readable(1000))
            continue;
        for (struct letter *l = mailbox_take(&box); l;) {
            struct numbered *n = (struct numbered *)l;
            l = l->next;
            assert_in_range(n->sender, 0, SENDERS - 1);
            assert_int_equal(n->number, next[n->sender]);
            next[n->sender]++;
            got++;
            free(n);
        }
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(got, SENDERS * LETTERS);
    assert_null(mailbox_take(&box));
    mailbox_close(&box);
}

/* One letter at a time, answered by another: the box is empty at each post, so each needs its own wake-up. */
static struct mailbox back;

static void *echo(void *arg)
{
    (void)arg;
    for (unsigned got = 0; got < LETTERS;) {
        struct pollfd p = { .fd = box.fd, .events = POLLIN };
        if (poll(&p, 1, 60000) != 1)
            return NULL;
        for (struct letter *l = mailbox_take(&box); l; got++) {
            struct letter *next = l->next;
            mailbox_post(&back, l);
            l = next;
        }
    }
    return NULL;
}

static void test_ping_pong(void **state)
{
    (void)state;
    pthread_t thread;
    struct numbered ball = { .letter = { .kind = 1 } };
    assert_int_equal(mailbox_open(&box), 0);
    assert_int_equal(mailbox_open(&back), 0);
    assert_int_equal(pthread_create(&thread, NULL, echo, NULL), 0);
    for (unsigned i = 0; i < LETTERS; i++) {
        struct letter *l;
        mailbox_post(&box, &ball.letter);
        do {
            struct pollfd p = { .fd = back.fd, .events = POLLIN };
            assert_int_equal(poll(&p, 1, 60000), 1);
            l = mailbox_take(&back);
        } while (!l);
        assert_ptr_equal(l, &ball.letter);
        assert_null(l->next);
    }
    pthread_join(thread, NULL);
    mailbox_close(&box);
    mailbox_close(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_order_and_bell),
        cmocka_unit_test(test_many_senders),
        cmocka_unit_test(test_ping_pong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
