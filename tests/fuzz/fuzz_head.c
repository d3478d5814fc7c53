/*
 * fuzz_head.c - libFuzzer on the head parser and on what is sent on.
 *
 * The first octet chooses: bit 0 a reply, bit 1 tight limits, bits 2-7 where the bytes are cut in two. A
 * fault is a crash, an outcome that depends on the cut, or a head that means something else at the next hop.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz/fuzz.h"
#include "path/forward.h"
#include "path/head.h"

#define FIELDS 64
#define ROOM   200000

struct parsed {
    struct head head;
    struct head_field fields[FIELDS + 8]; /* what we add must fit when it is read again */
};

static int feed(struct parsed *p, bool is_reply, const char *bytes, size_t len)
{
    char *copy = fuzz_copy(bytes, len);
    int result = is_reply ? head_parse_reply(&p->head, copy, len) : head_parse_request(&p->head, copy, len);
    free(copy);
    return result;
}

static void start(struct parsed *p, bool tight, uint16_t max_fields)
{
    head_start(&p->head, p->fields, max_fields, tight ? 512 : 65535, tight ? 64 : 8192);
}

static enum framing framing_of(const struct parsed *p, bool is_reply)
{
    return is_reply ? head_reply_framing(&p->head, false) : head_request_framing(&p->head);
}

static size_t forward(const struct parsed *p, bool is_reply, const char *bytes, char *out)
{
    struct forward_request request = {
        .head = &p->head, .bytes = bytes, .client_ip = "::1", .proto = "http", .request_id = "id", .host = "h"
    };
    struct forward_reply reply = { .head = &p->head,
                                   .bytes = bytes,
                                   .served_by = "S",
                                   .framing = framing_of(p, is_reply),
                                   .keep_alive = true };
    return is_reply ? forward_write_reply(&reply, out, ROOM) : forward_write_request(&request, out, ROOM);
}

static void check_next_hop(const struct parsed *p, bool is_reply, const char *bytes)
{
    static struct parsed again;
    static char out[ROOM];
    size_t len = forward(p, is_reply, bytes, out);
    demand(len > 0);
    if (len > 65535) /* grew beyond what a head may be */
        return;
    start(&again, false, FIELDS + 8);
    again.head.limit_target = 65535;
    demand(feed(&again, is_reply, out, len) == (int)len);
    demand(framing_of(&again, is_reply) == framing_of(p, is_reply));
    demand(framing_of(p, is_reply) != FRAMING_LENGTH || again.head.content_length == p->head.content_length);
    demand(again.head.method_id == p->head.method_id && again.head.status == p->head.status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct parsed whole, pieces;
    if (size < 1)
        return 0;
    bool is_reply = data[0] & 1, tight = data[0] & 2;
    const char *bytes = (const char *)data + 1;
    size_t len = size - 1;

    start(&whole, tight, FIELDS);
    int result = feed(&whole, is_reply, bytes, len);
    start(&pieces, tight, FIELDS);
    int first = feed(&pieces, is_reply, bytes, len * (data[0] >> 2) / 64);
    int second = first ? first : feed(&pieces, is_reply, bytes, len);
    /* a fault inside a line that has not ended may be told later */
    demand(second == result || (second == HEAD_MORE && result < 0));
    if (result <= 0)
        return 0;
    demand((size_t)result <= len && whole.head.n_fields == pieces.head.n_fields);
    demand(memcmp(whole.fields, pieces.fields, whole.head.n_fields * sizeof whole.fields[0]) == 0);
    check_next_hop(&whole, is_reply, bytes);
    return 0;
}
