/*
 * keys.h - the keys of a simulated run: made by a rule, or read from a file.
 *
 * Owns     what was read; made keys are computed when they are asked for.
 * Used by  cmd_simulate.c, cmd_replay.c, simulate_*.c.
 * Uses     strategy_key_finish (what the balancer makes of a key's bytes).
 * Thread   any may read one that is open.
 *
 * How they are written:
 *   uniform             numbers from 0 to 2^63 - 1, each equally likely
 *   sequential[:FIRST]  FIRST, FIRST + 1, ...; FIRST is 1
 *   six                 numbers from 100000 to 999999, each equally likely: what a request without a key gets
 *   zipf[:S[:ITEMS]]    item r of ITEMS with a probability in proportion to 1/r^S; S is 1, ITEMS a million; an item is an
 *                       arbitrary number
 *   file:PATH           one key a line; or an access log (keys_file.c)
 * Key i depends on the rule, the seed and i alone, so all strategies see the same ones.
 */
#ifndef LAB_KEYS_H
#define LAB_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb_plugin.h"

#define KEYS_SYNTAX "uniform, sequential[:FIRST], six, zipf[:S[:ITEMS]], file:PATH"
#define KEYS_BATCH  4096u
#define KEYS_TEXT   24

enum keys_rule { KEYS_UNIFORM, KEYS_SEQUENTIAL, KEYS_SIX, KEYS_ZIPF, KEYS_FILE };

/* A recorded request. Times are in nanoseconds; 0: the log does not tell. */
struct keys_line {
    size_t at; /* of its key in texts */
    uint32_t len;
    uint32_t replica; /* who answered: index into replicas, or UINT32_MAX */
};

struct keys {
    enum keys_rule rule;
    uint64_t count, seed;
    uint64_t first; /* of KEYS_SEQUENTIAL */
    struct {        /* of KEYS_ZIPF: rejection-inversion, Hörmann and Derflinger 1996 */
        double s, items, low, high, cut;
    } zipf;
    /* of KEYS_FILE */
    char *texts;
    size_t texts_len, texts_room;
    struct keys_line *lines;
    size_t lines_room;
    char **replicas; /* names in the order of their first line */
    uint32_t n_replicas;
    uint64_t skipped; /* lines without a key */
};

struct keys_batch {
    uint32_t n;
    struct lb_key keys[KEYS_BATCH]; /* point into texts, or into the keys */
    char texts[KEYS_BATCH][KEYS_TEXT];
};

/* count is how many, and at most how many of a file. sources is strategy.key's list as one text ("query:request_id,path"),
 * for lines that hold a request and no key. False after a complaint. */
bool keys_open(struct keys *k, const char *written, uint64_t count, uint64_t seed, const char *sources);
void keys_close(struct keys *k);

/* Keys first, first + 1, ... as many as fit and there are. */
void keys_fill(const struct keys *k, uint64_t first, struct keys_batch *out);

/* keys_file.c: reads a log into k. False after a complaint. */
bool keys_read_file(struct keys *k, const char *path, uint64_t most, const char *sources);

#endif
