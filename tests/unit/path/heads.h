/*
 * heads.h - heads as texts, for the tests of what reads and writes them.
 */
#ifndef UNIT_PATH_HEADS_H
#define UNIT_PATH_HEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "path/head.h"

#define HEADS_FIELDS 128
#define HEADS_TEXT   8192

/* A head with room for its fields. */
struct heads {
    struct head head;
    struct head_field fields[HEADS_FIELDS];
};

/* How it is fed. */
struct heads_feed {
    bool is_reply;
    uint16_t max_fields;   /* 0: HEADS_FIELDS */
    uint32_t limit_head;   /* 0: 65,535 */
    uint16_t limit_target; /* 0: 65,535 */
};

/* Feeds bytes in pieces that end at cuts[0], cuts[1] … and at len, each time from a copy of exactly that
 * many bytes, so that a sanitizer sees any look beyond. Returns the first result that is not HEAD_MORE. */
int heads_parse(struct heads *to, const struct heads_feed *how, const char *bytes, size_t len,
                const size_t *cuts, size_t n_cuts);

/* Everything that a head was understood to be, in one line:
 * "GET /a?b HTTP/1.1 path=/a query=b host=h len=5 close fields=3 dropped=1". Returns out. */
const char *heads_describe(const struct heads *h, const char *bytes, bool is_reply, char out[HEADS_TEXT]);

/* Fails the test when bytes give another result, or are understood otherwise, in any two pieces or byte by
 * byte. */
void heads_assert_pieces(const struct heads_feed *how, const char *bytes, size_t len);

#endif
