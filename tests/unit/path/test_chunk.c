/*
 * test_chunk.c - the chunked coding, by RFC 9112, 7.1: which bodies are taken, as what, and which are
 * refused. Each row is also fed in every two pieces and byte by byte, with the same outcome; then come bodies
 * that chance has damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lb_plugin.h"
#include "path/chunk.h"

#ifdef RM_SANITIZED
#define ROUNDS 60000
#else
#define ROUNDS 200000
#endif
#define ROOM 16384

/* What became of a body: how decoding ended, after how many bytes, and the data. */
struct outcome {
    enum chunk_result result;
    size_t used, data_len;
    char data[ROOM];
};

/* Takes one piece, from a copy of its own so that a sanitizer sees any look beyond. */
static void take_piece(struct chunk *c, const char *bytes, size_t len, struct outcome *out)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    size_t at = 0;
    do {
        size_t used = 0, data_len = 0;
        const char *data = NULL;
        out->result = chunk_decode(c, copy + at, len - at, &used, &data, &data_len);
        assert_true(used <= len - at);
        if (out->result == CHUNK_DATA) {
            assert_true(data_len > 0 && data >= copy + at && data + data_len == copy + at + used);
            memcpy(out->data + out->data_len, data, data_len);
            out->data_len += data_len;
        }
        at += used;
        if (out->result == CHUNK_MORE)
            assert_int_equal(at, len);
    } while (out->result == CHUNK_DATA);
    out->used += at;
    free(copy);
}

/* In pieces that end at cuts[0], cuts[1] … and at len. */
static void decode(const char *bytes, size_t len, const size_t *cuts, size_t n_cuts, struct outcome *out)
{
    struct chunk c;
    size_t from = 0;
    chunk_start(&c);
    out->result = CHUNK_MORE;
    out->used = out->data_len = 0;
    for (size_t i = 0; i <= n_cuts && out->result == CHUNK_MORE; i++) {
        size_t to = i < n_cuts ? cuts[i] : len;
        take_piece(&c, bytes + from, to - from, out);
        from = to;
    }
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->result, b->result);
    assert_int_equal(a->used, b->used);
    assert_int_equal(a->data_len, b->data_len);
    assert_memory_equal(a->data, b->data, b->data_len);
}

static void assert_pieces(const char *bytes, size_t len, const struct outcome *whole)
{
    static struct outcome got;
    size_t *all = malloc((len + 1) * sizeof *all);
    for (size_t cut = 0; cut <= len; cut++) {
        all[cut] = cut;
        decode(bytes, len, &cut, 1, &got);
        assert_same(&got, whole);
    }
    decode(bytes, len, all, len + 1, &got);
    assert_same(&got, whole);
    free(all);
}

/* ---- rows */

struct row {
    const char *bytes;
    size_t len;
    enum chunk_result result;
    const char *data;
    size_t behind; /* bytes that belong to what follows, or come after the fault */
};

#define WHOLE(bytes_, data_)                            \
    {                                                   \
        bytes_, sizeof(bytes_) - 1, CHUNK_END, data_, 0 \
    }
#define BEFORE(bytes_, data_, behind_)                                                    \
    {                                                                                     \
        bytes_ behind_, sizeof(bytes_ behind_) - 1, CHUNK_END, data_, sizeof(behind_) - 1 \
    }
#define CUT(bytes_, data_)                               \
    {                                                    \
        bytes_, sizeof(bytes_) - 1, CHUNK_MORE, data_, 0 \
    }
/* The first part ends with the octet that is one too many. */
#define BAD(bytes_, behind_)                                                             \
    {                                                                                    \
        bytes_ behind_, sizeof(bytes_ behind_) - 1, CHUNK_BAD, NULL, sizeof(behind_) - 1 \
    }

static const struct row rows[] = {
    WHOLE("0\r\n\r\n", ""),
    WHOLE("5\r\nhello\r\n0\r\n\r\n", "hello"),
    WHOLE("1\r\nh\r\n4\r\nello\r\n00\r\n\r\n", "hello"),
    WHOLE("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
    WHOLE("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
    WHOLE("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
    BEFORE("0\r\n\r\n", "", "GET / HTTP/1.1\r\n"),
    BEFORE("3\r\nabc\r\n0\r\n\r\n", "abc", "\r\n"),
    CUT("", ""),
    CUT("5", ""),
    CUT("5\r\nhel", "hel"),
    CUT("5\r\nhello", "hello"),
    CUT("5\r\nhello\r\n0\r\n", "hello"),
    CUT("5\r\nhello\r\n0\r\n\r", "hello"),
    CUT("7fffffffffffffff\r\nab", "ab"),
    /* extensions: dropped */
    WHOLE("5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello"),
    WHOLE("5 \t;\ta=\"x; \xe9\" \r\nhello\r\n0\r\n\r\n", "hello"),
    WHOLE("5;\r\nhello\r\n0\r\n\r\n", "hello"),
    /* trailers: checked and dropped */
    WHOLE("0\r\nA: b\r\nContent-Length:\r\nX: caf\xe9\t \r\n\r\n", ""),
    /* sizes */
    BAD("\r", "\n0\r\n\r\n"),
    BAD("\n", "0\r\n\r\n"),
    BAD(" ", "5\r\nhello\r\n0\r\n\r\n"),
    BAD("+", "5\r\nhello\r\n0\r\n\r\n"),
    BAD("-", "5\r\nhello\r\n0\r\n\r\n"),
    BAD("0x", "5\r\nhello\r\n0\r\n\r\n"),
    BAD(";", "a\r\nhello\r\n0\r\n\r\n"),
    BAD("g", "\r\n"),
    BAD("5h", "\r\nhello"),
    BAD("5\0", "\r\nhello"),
    BAD("5_", "0\r\n"),
    BAD("8000000000000000", "\r\n"),
    BAD("ffffffffffffffff", "\r\n"),
    BAD("10000000000000000", "\r\n"),
    BAD("00000000000000005", "\r\nhello"),
    /* line ends */
    BAD("5\n", "hello\r\n0\r\n\r\n"),
    BAD("5\rh", "ello\r\n0\r\n\r\n"),
    BAD("5\r\r", "\nhello\r\n0\r\n\r\n"),
    BAD("5 \r", "\nhello\r\n0\r\n\r\n"),
    BAD("5 5", "\r\nhello"),
    BAD("5\r\nhello\n", "0\r\n\r\n"),
    BAD("5\r\nhello0", "\r\n\r\n"),
    BAD("5\r\nhello!", "\r\n0\r\n\r\n"),
    BAD("5\r\nhello\r0", "\r\n\r\n"),
    BAD("5\r\nhello\r\r", "\n0\r\n\r\n"),
    BAD("0\n", "\n"),
    BAD("0\r\n\n", ""),
    BAD("0\r\n\r\r", "\n"),
    BAD("0\r\n\rG", "ET"),
    /* extensions and trailers that are not well-formed */
    BAD("5;a\n", "hello\r\n0\r\n\r\n"),
    BAD("5;a\rb", "\r\nhello"),
    BAD("5;a\0", "\r\nhello"),
    BAD("5;a\x7f", "\r\nhello"),
    BAD("5;\"\n", "\"\r\nhello"),
    BAD("0\r\nA\r", "\n\r\n"),
    BAD("0\r\nA ", ": b\r\n\r\n"),
    BAD("0\r\n:", " b\r\n\r\n"),
    BAD("0\r\n ", "A: b\r\n\r\n"),
    BAD("0\r\nA: b\n", "\r\n"),
    BAD("0\r\nA: b\rc", "\r\n\r\n"),
    BAD("0\r\nA: b\0", "\r\n\r\n"),
    BAD("0\r\nA: b\r\n ", "c\r\n\r\n"),
};

static void test_rows(void **state)
{
    (void)state;
    static struct outcome got;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        decode(r->bytes, r->len, NULL, 0, &got);
        if (got.result != r->result || got.used != r->len - r->behind)
            print_error("row %zu: %d after %zu: %s\n", i, (int)got.result, got.used, r->bytes);
        assert_int_equal(got.result, r->result);
        assert_int_equal(got.used, r->len - r->behind);
        if (r->data) {
            assert_int_equal(got.data_len, strlen(r->data));
            assert_memory_equal(got.data, r->data, got.data_len);
        }
        assert_pieces(r->bytes, r->len, &got);
    }
}

/* A size line of 1,024 bytes is taken, trailers of 8,192; one more is refused. */
static void test_limits(void **state)
{
    (void)state;
    static struct outcome got;
    static char bytes[ROOM];
    for (size_t extra = 0; extra <= 1; extra++) {
        size_t line = 1024 + extra;
        memset(bytes, 'x', line);
        memcpy(bytes, "0;", 2);
        memcpy(bytes + line - 2, "\r\n\r\n", 4);
        decode(bytes, line + 2, NULL, 0, &got);
        assert_int_equal(got.result, extra ? CHUNK_BAD : CHUNK_END);

        size_t trailers = 8192 + extra;
        memset(bytes, 'x', 3 + trailers);
        memcpy(bytes, "0\r\nA:", 5);
        memcpy(bytes + 4000, "\r\nB:", 4);
        memcpy(bytes + 3 + trailers - 4, "\r\n\r\n", 4);
        decode(bytes, 3 + trailers, NULL, 0, &got);
        assert_int_equal(got.result, extra ? CHUNK_BAD : CHUNK_END);
    }
    /* the limit is for each line, not for all of them */
    size_t len = 0;
    for (int i = 0; i < 10; i++)
        len += (size_t)sprintf(bytes + len, "1;%0500d\r\nx\r\n", 0);
    len += (size_t)sprintf(bytes + len, "0\r\n\r\n");
    decode(bytes, len, NULL, 0, &got);
    assert_int_equal(got.result, CHUNK_END);
    assert_int_equal(got.data_len, 10);
}

/* Once it is over, it stays over. */
static void test_after_the_end(void **state)
{
    (void)state;
    static struct outcome got;
    struct chunk c;
    chunk_start(&c);
    take_piece(&c, "0\r\n\r\n", 5, &got);
    assert_int_equal(got.result, CHUNK_END);
    got.used = 0;
    take_piece(&c, "5\r\nhello", 8, &got);
    assert_int_equal(got.result, CHUNK_END);
    assert_int_equal(got.used, 0);
    chunk_start(&c);
    take_piece(&c, "x", 1, &got);
    assert_int_equal(got.result, CHUNK_BAD);
    take_piece(&c, "0\r\n\r\n", 5, &got);
    assert_int_equal(got.result, CHUNK_BAD);
}

static void test_write_size(void **state)
{
    (void)state;
    static const uint64_t sizes[] = { 1, 9, 10, 15, 16, 255, 256, 4095, 4096, 65536, INT64_MAX, UINT64_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char out[CHUNK_OVERHEAD], want[64];
        size_t len = chunk_write_size(out, sizes[i]);
        assert_int_equal(len, sprintf(want, "%llx\r\n", (unsigned long long)sizes[i]));
        assert_memory_equal(out, want, len);
        assert_true(len + 2 <= CHUNK_OVERHEAD);
    }
}

/* ---- damaged bodies */

static const char *const samples[] = {
    "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nGET /",
    "1;a=b\r\nx\r\n1 ;c\r\ny\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    "00a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0;x\r\n\r\n",
};
static const char octets[] = "\r\n0123456789abcdefABCDEF;: \t\x7f\x80xX+-";

static size_t damage(uint64_t *random, char *text, size_t len)
{
    size_t at = lb_scale(lb_random(random), len);
    switch (lb_scale(lb_random(random), 4)) {
    case 0: text[at] = octets[lb_scale(lb_random(random), sizeof octets)]; return len;
    case 1: memmove(text + at, text + at + 1, len - at - 1); return len - 1;
    case 2: text[at] = (char)lb_random(random); return len;
    default:
        memmove(text + at + 1, text + at, len - at);
        text[at] = octets[lb_scale(lb_random(random), sizeof octets)];
        return len + 1;
    }
}

/* Written again in our own chunks, it is the same data. */
static void assert_same_behind_us(const struct outcome *got)
{
    static struct outcome again;
    static char bytes[ROOM];
    size_t len = 0;
    for (size_t at = 0; at < got->data_len; at += 7) {
        size_t n = got->data_len - at < 7 ? got->data_len - at : 7;
        len += chunk_write_size(bytes + len, n);
        memcpy(bytes + len, got->data + at, n);
        memcpy(bytes + len + n, "\r\n", 2);
        len += n + 2;
    }
    memcpy(bytes + len, CHUNK_LAST, sizeof CHUNK_LAST - 1);
    len += sizeof CHUNK_LAST - 1;
    decode(bytes, len, NULL, 0, &again);
    assert_int_equal(again.result, CHUNK_END);
    assert_int_equal(again.used, len);
    assert_int_equal(again.data_len, got->data_len);
    assert_memory_equal(again.data, got->data, got->data_len);
}

static void test_damaged(void **state)
{
    (void)state;
    static struct outcome whole, got;
    uint64_t seed = 3, *random = &seed;
    unsigned ended = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char text[256];
        const char *sample = samples[lb_scale(lb_random(random), sizeof samples / sizeof *samples)];
        size_t len = strlen(sample);
        memcpy(text, sample, len);
        for (uint64_t n = lb_scale(lb_random(random), 3) + 1; n > 0; n--)
            len = damage(random, text, len);
        decode(text, len, NULL, 0, &whole);
        if (whole.result == CHUNK_END) {
            ended++;
            assert_memory_equal(text + whole.used - 4, "\r\n\r\n", 4);
            assert_same_behind_us(&whole);
        }
        size_t cuts[2] = { lb_scale(lb_random(random), len + 1) };
        cuts[1] = cuts[0] + lb_scale(lb_random(random), len - cuts[0] + 1);
        decode(text, len, cuts, 2, &got);
        assert_same(&got, &whole);
    }
    assert_in_range(ended, ROUNDS / 20, ROUNDS - ROUNDS / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_limits),
        cmocka_unit_test(test_after_the_end), cmocka_unit_test(test_write_size),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
