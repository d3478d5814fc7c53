/*
 * heads.c - heads as texts, for the tests of what reads and writes them.
 */
#include "unit/path/heads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int feed(struct heads *to, bool is_reply, const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    int result = is_reply ? head_parse_reply(&to->head, copy, len) : head_parse_request(&to->head, copy, len);
    free(copy);
    return result;
}

int heads_parse(struct heads *to, const struct heads_feed *how, const char *bytes, size_t len,
                const size_t *cuts, size_t n_cuts)
{
    head_start(&to->head, to->fields, how->max_fields ? how->max_fields : HEADS_FIELDS,
               how->limit_head ? how->limit_head : 65535, how->limit_target ? how->limit_target : 65535);
    int result = HEAD_MORE;
    for (size_t i = 0; i < n_cuts && result == HEAD_MORE; i++)
        result = feed(to, how->is_reply, bytes, cuts[i]);
    return result == HEAD_MORE ? feed(to, how->is_reply, bytes, len) : result;
}

struct text {
    char *at, *end;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at, (size_t)(t->end - t->at), format, args);
    va_end(args);
    assert_true(n >= 0 && n < t->end - t->at);
    t->at += n;
}

static void say_span(struct text *t, const char *label, const char *bytes, struct span s)
{
    if (s.len > 0)
        say(t, " %s=%.*s", label, (int)s.len, bytes + s.at);
}

const char *heads_describe(const struct heads *heads, const char *bytes, bool is_reply, char out[HEADS_TEXT])
{
    const struct head *h = &heads->head;
    struct text t = { .at = out, .end = out + HEADS_TEXT };
    unsigned dropped = 0;
    for (uint16_t i = 0; i < h->n_fields; i++)
        dropped += h->fields[i].dropped;
    if (is_reply) {
        say(&t, "HTTP/1.%u %u", h->minor, h->status);
        say_span(&t, "reason", bytes, h->reason);
    } else {
        say(&t, "%.*s %.*s HTTP/1.%u", h->method.len, bytes + h->method.at, h->target.len,
            bytes + h->target.at, h->minor);
        say_span(&t, "path", bytes, h->path);
        if (h->has_query)
            say(&t, " query=%.*s", h->query.len, bytes + h->query.at);
        say_span(&t, "authority", bytes, h->authority);
        if (h->has_host)
            say_span(&t, "host", bytes, h->fields[h->host].value);
    }
    if (h->has_length)
        say(&t, " len=%llu", (unsigned long long)h->content_length);
    say(&t, "%s%s%s%s%s%s", h->chunked ? " chunked" : "", h->close ? " close" : "",
        h->keep_alive ? " keep" : "", h->upgrade ? " upgrade" : "", h->expect_continue ? " expect" : "",
        h->has_request_id ? " id" : "");
    say(&t, " fields=%u", h->n_fields);
    if (dropped)
        say(&t, " dropped=%u", dropped);
    return out;
}

static void assert_same(int result, int want, const struct heads *got, const struct heads *whole,
                        const struct heads_feed *how, const char *bytes)
{
    char a[HEADS_TEXT], b[HEADS_TEXT];
    assert_int_equal(result, want);
    if (result <= 0)
        return;
    assert_string_equal(heads_describe(got, bytes, how->is_reply, a),
                        heads_describe(whole, bytes, how->is_reply, b));
    assert_int_equal(got->head.seen, whole->head.seen);
    assert_memory_equal(got->fields, whole->fields, whole->head.n_fields * sizeof whole->fields[0]);
}

void heads_assert_pieces(const struct heads_feed *how, const char *bytes, size_t len)
{
    struct heads whole, got;
    int want = heads_parse(&whole, how, bytes, len, NULL, 0);
    size_t *all = malloc((len + 1) * sizeof *all);
    for (size_t cut = 0; cut <= len; cut++) {
        all[cut] = cut;
        int result = heads_parse(&got, how, bytes, len, &cut, 1);
        assert_same(result, want, &got, &whole, how, bytes);
    }
    int result = heads_parse(&got, how, bytes, len, all, len + 1);
    assert_same(result, want, &got, &whole, how, bytes);
    free(all);
}
