/*
 * test_relay.c - bodies through socket pairs: every framing, split at every place, slow sinks, early ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "path/relay.h"

#define BUFFER 2048

static struct event_base *base;
static struct slab buffers;
static struct pipe_pool pipes;
static struct relay_means means = { .buffers = &buffers, .pipes = &pipes, .most_pipes = 4 };
static struct conn from, to;
static int source, sink; /* the test's ends */
static struct relay relay;

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    conn_note(arg, what);
}

static int open_pair(struct conn *c)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(conn_open(c, base, fds[0], false, on_event, c), 0);
    return fds[1];
}

static int set_up(void **state)
{
    (void)state;
    struct event_config *config = event_config_new();
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    base = event_base_new_with_config(config);
    event_config_free(config);
    buffer_slab_init(&buffers, BUFFER);
    pipe_pool_open(&pipes);
    means.splice_min = 0;
    source = open_pair(&from);
    sink = open_pair(&to);
    relay_start(&relay, &from, &to, &means);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    relay_stop(&relay);
    assert_int_equal(buffers.used, 0); /* every buffer came back */
    conn_close(&from);
    conn_close(&to);
    close(source);
    close(sink);
    slab_close(&buffers);
    assert_int_equal(pipes.n_open, pipes.n_idle); /* and every pipe */
    pipe_pool_close(&pipes);
    event_base_free(base);
    return 0;
}

static void look(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void feed(const char *bytes, size_t len)
{
    assert_int_equal(write(source, bytes, len), len);
    look();
}

static void body(enum framing decode, enum framing encode, uint64_t length)
{
    relay_body(&relay, &(struct relay_body){ .decode = decode, .encode = encode, .length = length });
}

/* All that the sink's end has; terminated. */
static size_t drain(char *out, size_t room)
{
    size_t n = 0;
    ssize_t got;
    while (n < room - 1 && (got = read(sink, out + n, room - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = '\0';
    look();
    return n;
}

static void expect_sink(const char *text)
{
    char got[4 * BUFFER];
    drain(got, sizeof got);
    assert_string_equal(got, text);
}

static void a_length_passes_as_it_is(void **state)
{
    (void)state;
    body(FRAMING_LENGTH, FRAMING_LENGTH, 10);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_READ);
    feed("01234", 5);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_READ);
    feed("56789NEXT", 9);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_DONE);
    expect_sink("0123456789");
    assert_int_equal(relay_surplus(&relay), 4);
    assert_int_equal(relay.body, 10);
}

static void what_waits_in_out_goes_first(void **state)
{
    (void)state;
    struct buffer *out = relay_out(&relay);
    memcpy(out->bytes, "HEAD ", 5);
    out->end = 5;
    feed("body", 4);
    body(FRAMING_LENGTH, FRAMING_LENGTH, 4);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_DONE);
    expect_sink("HEAD body");
}

static void chunks_are_framed_anew_wherever_they_are_split(void **state)
{
    static const char in[] = "5;ext=1\r\nhello\r\n006\r\n world\r\n0\r\nTrailer: x\r\n\r\nNEXT";
    (void)state;
    for (size_t split = 1; split < sizeof in - 1; split++) {
        tear_down(NULL);
        set_up(NULL);
        body(FRAMING_CHUNKED, FRAMING_CLOSE, 0);
        feed(in, split);
        enum relay_result first = relay_pump(&relay, 1000);
        assert_true(first == RELAY_READ || first == RELAY_DONE);
        feed(in + split, sizeof in - 1 - split);
        if (first == RELAY_READ)
            assert_int_equal(relay_pump(&relay, 1000), RELAY_DONE);
        expect_sink("hello world");
        assert_int_equal(relay.body, 11);
    }
}

static void chunked_to_chunked_drops_extensions_and_trailers(void **state)
{
    (void)state;
    body(FRAMING_CHUNKED, FRAMING_CHUNKED, 0);
    feed("5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", 34);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_DONE);
    expect_sink("5\r\nhello\r\n0\r\n\r\n");
}

static void until_close_becomes_chunked(void **state)
{
    (void)state;
    body(FRAMING_CLOSE, FRAMING_CHUNKED, 0);
    feed("hello", 5);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_READ);
    expect_sink("5\r\nhello\r\n");
    shutdown(source, SHUT_WR);
    look();
    assert_int_equal(relay_pump(&relay, 1000), RELAY_DONE);
    expect_sink("0\r\n\r\n");
}

static void an_early_end_is_not_taken_for_the_end(void **state)
{
    (void)state;
    body(FRAMING_LENGTH, FRAMING_LENGTH, 10);
    feed("012", 3);
    shutdown(source, SHUT_WR);
    look();
    assert_int_equal(relay_pump(&relay, 1000), RELAY_SOURCE_END);
    tear_down(NULL);
    set_up(NULL);
    body(FRAMING_CHUNKED, FRAMING_CHUNKED, 0);
    feed("5\r\nhel", 6);
    shutdown(source, SHUT_WR);
    look();
    assert_int_equal(relay_pump(&relay, 1000), RELAY_SOURCE_END);
}

static void a_bad_chunk_is_malformed(void **state)
{
    (void)state;
    body(FRAMING_CHUNKED, FRAMING_CHUNKED, 0);
    feed("5\r\nhelloXX", 10);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_MALFORMED);
}

static void a_limit_is_a_limit(void **state)
{
    (void)state;
    relay_body(&relay,
               &(struct relay_body){ .decode = FRAMING_CHUNKED, .encode = FRAMING_CHUNKED, .limit = 4 });
    feed("5\r\nhello\r\n", 10);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_TOO_LARGE);
}

static void a_sink_that_is_gone_is_told(void **state)
{
    (void)state;
    body(FRAMING_LENGTH, FRAMING_LENGTH, 5);
    close(sink);
    feed("hello", 5);
    assert_int_equal(relay_pump(&relay, 1000), RELAY_SINK_FAILED);
    sink = open("/dev/null", O_RDONLY);
}

/* Moves `total` bytes of a pattern through while the sink reads only now and then. */
static void move_much(enum framing encode, bool keep_in)
{
    enum { TOTAL = 3 * 1024 * 1024 };
    size_t sent = 0, got = 0, turns = 0;
    struct buffer *first = keep_in ? buffer_take(&buffers) : NULL;
    if (first)
        first->start = first->end = BUFFER - 100; /* a head stands before it */
    relay_body(
        &relay,
        &(struct relay_body){
            .in = first, .keep_in = keep_in, .decode = FRAMING_LENGTH, .encode = encode, .length = TOTAL });
    char out[5000], in[3000];
    enum relay_result result = RELAY_READ;
    while (result != RELAY_DONE || got < TOTAL) {
        for (size_t i = 0; i < sizeof in; i++)
            in[i] = (char)((sent + i) * 7 % 251);
        size_t want = TOTAL - sent < sizeof in ? TOTAL - sent : sizeof in;
        ssize_t n = want ? write(source, in, want) : 0;
        sent += n > 0 ? (size_t)n : 0;
        look();
        result = relay_pump(&relay, 4096);
        assert_true(result == RELAY_DONE || result == RELAY_READ || result == RELAY_WRITE ||
                    result == RELAY_TURN);
        assert_in_range(buffers.used, 0, 3); /* back-pressure: nothing piles up */
        if (turns++ % 3 == 0 || result == RELAY_DONE) {
            ssize_t m = read(sink, out, sizeof out);
            for (ssize_t i = 0; i < m; i++)
                assert_int_equal(out[i], (char)((got + (size_t)i) * 7 % 251));
            got += m > 0 ? (size_t)m : 0;
            look();
        }
    }
    assert_int_equal(got, TOTAL);
    relay_stop(&relay);
    if (first)
        buffer_give(&buffers, &first);
    relay_start(&relay, &from, &to, &means);
}

static void a_slow_sink_holds_the_source_back(void **state)
{
    (void)state;
    move_much(FRAMING_LENGTH, false);
}

static void a_kept_buffer_is_not_overwritten(void **state)
{
    (void)state;
    move_much(FRAMING_LENGTH, true);
}

static void a_long_body_passes_through_a_pipe(void **state)
{
    (void)state;
    means.splice_min = 10000;
    move_much(FRAMING_LENGTH, false);
    assert_int_equal(pipes.n_open, 1);
    move_much(FRAMING_LENGTH, true);
    assert_int_equal(pipes.n_open, 1); /* the same one again */
}

static void without_a_pipe_it_is_copied(void **state)
{
    (void)state;
    means.splice_min = 10000;
    means.most_pipes = 0;
    move_much(FRAMING_LENGTH, false);
    assert_int_equal(pipes.n_open, 0);
    means.most_pipes = 4;
}

static void a_spliced_body_may_end_too_early(void **state)
{
    (void)state;
    char bytes[1000] = "x";
    means.splice_min = 10;
    body(FRAMING_LENGTH, FRAMING_LENGTH, 5000);
    feed(bytes, sizeof bytes);
    assert_int_equal(relay_pump(&relay, 100000), RELAY_READ);
    assert_true(relay.spliced);
    assert_int_equal(relay.body, 1000);
    shutdown(source, SHUT_WR);
    look();
    assert_int_equal(relay_pump(&relay, 100000), RELAY_SOURCE_END);
}

/* Bytes of one body must never reach the sink of another. */
static void a_pipe_with_bytes_in_it_is_closed(void **state)
{
    (void)state;
    char bytes[60000] = "x";
    means.splice_min = 10;
    body(FRAMING_LENGTH, FRAMING_LENGTH, 1 << 30);
    while (relay_pump(&relay, 1 << 20) != RELAY_WRITE) {
        if (write(source, bytes, sizeof bytes) < 0)
            assert_int_equal(errno, EAGAIN);
        look();
    }
    assert_true(relay.pipe && relay.pipe->held > 0);
    relay_stop(&relay);
    assert_int_equal(pipes.n_open, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_length_passes_as_it_is),
        TEST(what_waits_in_out_goes_first),
        TEST(chunks_are_framed_anew_wherever_they_are_split),
        TEST(chunked_to_chunked_drops_extensions_and_trailers),
        TEST(until_close_becomes_chunked),
        TEST(an_early_end_is_not_taken_for_the_end),
        TEST(a_bad_chunk_is_malformed),
        TEST(a_limit_is_a_limit),
        TEST(a_sink_that_is_gone_is_told),
        TEST(a_slow_sink_holds_the_source_back),
        TEST(a_kept_buffer_is_not_overwritten),
        TEST(a_long_body_passes_through_a_pipe),
        TEST(without_a_pipe_it_is_copied),
        TEST(a_spliced_body_may_end_too_early),
        TEST(a_pipe_with_bytes_in_it_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
